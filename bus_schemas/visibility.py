"""Who sees a thing that has an owner. The one rule, asked by HTTP, Socket.IO and the bus alike.

A slot belongs to a user or to the shared pool; a call belongs to whoever started it. Everybody who may view a kind
sees the shared ones and their own; all of them are seen by who holds the kind's `view_any`. What somebody does not
see does not exist for them: `NOT_FOUND`, not `PERMISSION_DENIED`.

On the bus this is one feed for each owner beside the platform's own subjects, since a subject cannot be filtered
by what a message says: `ottb.v1.evt.call.>` for who sees all, `ottb.v1.own.<user>.evt.call.>` for one's own,
`ottb.v1.shared.evt.slot.>` for the pool.
"""

from collections.abc import Collection, Mapping

from bus_schemas.contract import ROOT, token
from bus_schemas.permissions import Action

VIEW: Mapping[str, Action] = {
    "call": Action.CALL_VIEW,
    "slot": Action.SLOT_VIEW,
    "trunk": Action.TRUNK_VIEW,
}
VIEW_ANY: Mapping[str, Action] = {
    "call": Action.CALL_VIEW_ANY,
    "slot": Action.SLOT_VIEW_ANY,
    "trunk": Action.TRUNK_VIEW,  # trunks belong to nobody
}

OWN = f"{ROOT}.own"
SHARED = f"{ROOT}.shared"


def visible(kind: str, owner: str | None, *, user: str, actions: Collection[str]) -> bool:
    """Whether `user`, who may do `actions`, sees a thing of this kind. `owner` None: it is shared."""
    return owner is None or owner == user or VIEW_ANY[kind] in actions


def feed_subject(subject: str, owner: str | None) -> str:
    """Where an event is said again for those who see only their own and what is shared."""
    rest = subject.removeprefix(f"{ROOT}.")
    return f"{SHARED}.{rest}" if owner is None else f"{OWN}.{token(owner)}.{rest}"
