"""Which entries of the platform's log say something of a person. Pure.

An entry of it cannot be changed, it can only go as a whole. So a number counts anywhere in what was said, and a name
only in full, and not in what the platform itself says, which names users and no leads: whoever words a lead is not to
choose which warnings are gone.
"""

from collections.abc import Mapping
from enum import Enum

import msgspec

from actors.erasure.person import Traces
from actors.erasure.redacting import texts_in
from bus_schemas.contract import UNDECODABLE
from bus_schemas.log import LogWritten
from bus_schemas.names import SYSTEM

MOST_NAMED = 100  # entries with a name; what is in more is no name of one person

_decode = msgspec.json.Decoder(LogWritten).decode


class About(Enum):
    """By what an entry is about the person."""

    NOTHING = "nothing"
    NUMBER = "number"
    NAME = "name"


def about(data: bytes, traces: Traces) -> About:
    """What an entry says of the person."""
    try:
        written = _decode(data)
    except UNDECODABLE:
        return About.NUMBER if traces.numbered(data.decode(errors="replace")) else About.NOTHING
    said = [written.message, *texts_in(written.context)]
    whole = msgspec.json.encode(written.context).decode()  # also fractions, and parts of a number in a list
    if any(map(traces.numbered, [*said, whole, written.user_id or ""])):
        return About.NUMBER
    return About.NAME if written.sender != SYSTEM and any(map(traces.named, said)) else About.NOTHING


def to_delete(found: Mapping[int, About]) -> list[int]:
    """Which entries go, by what each is about. More than `MOST_NAMED` with a name stay."""
    numbered = [seq for seq, one in found.items() if one is About.NUMBER]
    named = [seq for seq, one in found.items() if one is About.NAME]
    return numbered + (named if len(named) <= MOST_NAMED else [])
