"""Which entries of the platform's log, and of what steps of pipelines write, say something of a person. Pure.

An entry of these cannot be changed, it can only go as a whole. So a number counts anywhere in what was said, and a name
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
from bus_schemas.pipeline_events import OutputLines

MOST_NAMED = 100  # entries with a name; what is in more is no name of one person
END = 200  # characters of an entry of a step in which what the next one goes on with may begin
STEPS = 5_000  # that write by turns: of others than these the ends are not kept

_decode = msgspec.json.Decoder(LogWritten).decode
_decode_lines = msgspec.json.Decoder(OutputLines).decode


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


class Outputs:
    """Goes through what steps have written, from its beginning: a line that is longer than an entry is in several, and
    so is a name over the end of a line. `found`: by what entries are about the person."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces
        self._ends = dict[str, tuple[int, str]]()  # of the last entry of each step, with its place
        self.found = dict[int, About]()

    def take(self, seq: int, subject: str, data: bytes) -> None:
        """The next entry."""
        try:
            text = _decode_lines(data).text
        except UNDECODABLE:
            text = data.decode(errors="replace")
        self._find(text, None, seq)
        if (before := self._ends.pop(subject, None)) is not None:
            self._find(before[1] + text[:END], len(before[1]), before[0], seq)
        self._ends[subject] = seq, text[-END:]
        if len(self._ends) > STEPS:
            del self._ends[next(iter(self._ends))]

    def _find(self, text: str, over: int | None, *entries: int) -> None:
        if self._traces.numbered(text, over):
            self.found.update(dict.fromkeys(entries, About.NUMBER))
        elif self._traces.named(text, over):
            for seq in entries:
                self.found.setdefault(seq, About.NAME)


def to_delete(found: Mapping[int, About]) -> list[int]:
    """Which entries go, by what each is about. More than `MOST_NAMED` with a name stay."""
    numbered = [seq for seq, one in found.items() if one is About.NUMBER]
    named = [seq for seq, one in found.items() if one is About.NAME]
    return numbered + (named if len(named) <= MOST_NAMED else [])
