"""A kind of thing that has an owner, and who sees one. The one rule, asked by HTTP, Socket.IO and the bus alike.

A slot belongs to a user or to the shared pool; a call belongs to whoever started it, and to the operator whom a
campaign gave it (`owners_of` in `call.py`). Everybody who may view a kind sees the shared ones and their own; all of
them are seen by who holds the kind's `view_any`. What somebody does not see does not exist for them: `NOT_FOUND`, not
`PERMISSION_DENIED`.

On the bus this is one feed for each owner beside the platform's own subjects, since a subject cannot be filtered
by what a message says: `ottb.v1.evt.call.>` for who sees all, `ottb.v1.own.<user>.evt.call.>` for one's own,
`ottb.v1.shared.evt.slot.>` for the pool. Of a kind that has fields with a right of their own (`rights.py`), who sees
all without that right reads `ottb.v1.all.evt.slot.>`. The feeds have none of those fields, whoever hears them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from bus_schemas.contract import ROOT, UNDECODABLE, AnyTopic, token
from bus_schemas.permissions import Action

OWN = f"{ROOT}.own"
SHARED = f"{ROOT}.shared"
ALL = f"{ROOT}.all"
OWNERS_HEADER = "Ottb-Owners"


@dataclass(frozen=True)
class Kind:
    """One kind. `name`: the token in its subjects. `room`: where Socket.IO clients hear of it.

    `view`: to see those that are shared and one's own. `view_others`: to see everybody's; None: things of this kind
    belong to nobody, and who may view the kind sees all of them.
    """

    name: str
    room: str
    view: Action
    view_others: Action | None = None

    @property
    def view_any(self) -> Action:
        """What it takes to see all of them."""
        return self.view_others or self.view

    @property
    def all_of_it(self) -> frozenset[Action]:
        """The actions of who sees all of them, whoever that asks for."""
        return frozenset({self.view, self.view_any})

    def visible(self, *owners: str | None, user: str, actions: Collection[str]) -> bool:
        """Whether `user`, who may do `actions`, sees a thing of this kind. None of `owners`: it is shared."""
        return self.view_any in actions or any(owner is None or owner == user for owner in owners)


@dataclass(frozen=True)
class Subscribable:
    """What a webhook can hear of a kind: the events that its room tells of, under their names on the bus
    (`call.ended`), and the fields that narrow both. `tests/webhook/test_seeing.py` holds it against the rooms."""

    kind: Kind
    topics: tuple[AnyTopic, ...]
    narrows: tuple[str, ...]


Owners = Mapping[str, Iterable[str | None]]  # by the name of the kind; None: it is shared

_decode_owners = msgspec.json.Decoder(dict[str, tuple[str | None, ...]]).decode


def owners_header(owners: Owners) -> dict[str, str]:
    """Whose things an event is about, as the header that travels with it. A thing that changes hands names both."""
    named = {kind: tuple(dict.fromkeys(whose)) for kind, whose in owners.items()}
    return {OWNERS_HEADER: msgspec.json.encode(named).decode()} if named else {}


def owners_in(headers: Mapping[str, str], kind: Kind) -> tuple[str | None, ...]:
    """Whose thing of a kind an event is about. Empty: the event does not say, so it is only for who sees all."""
    try:
        return _decode_owners(headers.get(OWNERS_HEADER, "{}")).get(kind.name, ())
    except UNDECODABLE:
        return ()


def feeds_of(subject: str, owners: Iterable[str | None]) -> dict[str | None, str]:
    """Where an event is said again for those who see only their own and what is shared (None), by owner. Raises
    Refusal(INVALID_PARAMS) for an owner who can have no feed."""
    rest = subject.removeprefix(f"{ROOT}.")
    return {owner: f"{SHARED}.{rest}" if owner is None else f"{OWN}.{token(owner)}.{rest}" for owner in owners}


def feed_for_all(subject: str) -> str:
    """Where an event is said again for those who see all things of a kind, but not every field."""
    return f"{ALL}.{subject.removeprefix(f'{ROOT}.')}"
