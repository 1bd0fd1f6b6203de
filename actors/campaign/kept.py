"""The leads of a campaign as its snapshots keep them. Pure.

Most of what is known of a lead is the same of many: each part of a campaign's leads says it once. 100,000 leads with a
call to each are some 7 MB.
"""

from collections.abc import Iterator
from hashlib import blake2b
from sys import intern

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.campaign.places import Places, extended
from actors.campaign.record import Campaign, Entry
from actors.runtime import pieces
from bus_schemas.lead import LeadStatus


class Alike(Struct, frozen=True, array_like=True):
    """What many leads have in common, as `Entry` has it."""

    timezone: str | None
    priority: int
    source: str
    consent: bool | None
    status: LeadStatus
    operator: str | None
    said: bool
    why: str
    seller: str | None


class Own(Struct, frozen=True, array_like=True, gc=False):
    """What is a lead's own, likewise. `alike`: which of its part's."""

    id: str
    numbers: str
    tries: bytes
    callback: int
    alike: int
    former: str


class Part(Struct, frozen=True, array_like=True):
    """Leads in their order."""

    alike: tuple[Alike, ...]
    leads: tuple[Own, ...]


FORM = blake2b(msgspec.json.encode(msgspec.json.schema_components((Campaign, Part)))).hexdigest()[:32]
"""By which a snapshot is known that another version has made: it says something else, or is said otherwise."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Part, ...]).decode


def in_pieces(campaign: Campaign) -> tuple[Campaign, Iterator[bytes]]:
    """The campaign without its leads, and those, each piece made when it is asked for."""
    return replace(campaign, leads=()), _pieces(campaign.leads)


def with_piece(campaign: Campaign, piece: bytes) -> Campaign:
    """With the leads of the next piece. Raises what msgspec raises, IndexError."""
    entries = (entry for part in _decode(piece) for entry in _entries(part))
    return replace(campaign, leads=extended(campaign.leads, entries))


def _pieces(leads: Places[Entry]) -> Iterator[bytes]:
    parts, size = list[msgspec.Raw](), 0
    for entries in leads:
        part = _encode(_part(entries))
        parts.append(msgspec.Raw(part))
        size += len(part)
        if size >= pieces.SIZE:
            yield _encode(parts)
            parts, size = [], 0
    if parts:
        yield _encode(parts)


def _part(entries: tuple[Entry, ...]) -> Part:
    alike: dict[Alike, int] = {}
    leads = []
    for one in entries:
        same = Alike(
            one.timezone, one.priority, one.source, one.consent, one.status, one.operator, one.said, one.why, one.seller
        )
        which = alike.setdefault(same, len(alike))
        leads.append(Own(one.id, one.numbers, one.tries, one.callback, which, one.former))
    return Part(tuple(alike), tuple(leads))


def _entries(part: Part) -> Iterator[Entry]:
    alike = [_once(one) for one in part.alike]
    for own in part.leads:
        same = alike[own.alike]
        yield Entry(
            own.id, own.numbers, same.timezone, same.priority, same.source, same.consent, same.status, own.tries,
            own.callback, same.operator, same.said, same.why, same.seller, own.former,
        )  # fmt: skip


def _once(alike: Alike) -> Alike:
    """With texts that are kept once, however many parts have them (`record.entry_of`)."""
    zone, operator, seller = (
        None if text is None else intern(text) for text in (alike.timezone, alike.operator, alike.seller)
    )
    source, why = intern(alike.source), intern(alike.why)
    return replace(alike, timezone=zone, source=source, operator=operator, why=why, seller=seller)
