"""What a POINT identity may do on the bus: allow lists only, by the actions it holds. Pure.

Commands and queries go to the platform's door under a prefix of one's own (`ottb.v1.own.<user>.cmd.call.start`), so the
server itself vouches for who asks; the door then asks the same contract lines as HTTP does. Nobody may publish events,
write the journal, use JetStream or read `evt.point`, which carries password hashes.
"""

from msgspec import Struct

from bus_schemas.catalogue import KINDS, RPCS, rights_in
from bus_schemas.contract import ROOT
from bus_schemas.kinds import ALL, OWN, SHARED, Kind
from bus_schemas.names import inbox_of, own_of
from bus_schemas.permissions import Action
from bus_schemas.user import Identity, LoginKind

TOKEN = f"{ROOT}.token"


class Grants(Struct, frozen=True, kw_only=True):
    """Subjects, with wildcards. `groups`: which queue groups one may be in; of a group the server sends each message to
    one, so in another's group one would take it from them. `inbox`: the prefix that the client must use for answers."""

    publish: list[str]
    subscribe: list[str]
    groups: str
    inbox: str


def bus_name(identity: Identity) -> str:
    """By what somebody is called in their own subjects: the user, or the service token's id."""
    return identity.id if identity.kind is LoginKind.TOKEN else identity.user


def prefix_of(identity: Identity) -> str:
    return f"{TOKEN if identity.kind is LoginKind.TOKEN else OWN}.{bus_name(identity)}"


def grants(identity: Identity) -> Grants:
    """Everything that an identity may publish and subscribe."""
    held = {Action(action) for action in identity.actions}
    prefix, inbox = prefix_of(identity), inbox_of(identity.kind, bus_name(identity))
    publish = [
        f"{prefix}.{rpc.pattern.removeprefix(f'{ROOT}.')}"
        for rpc in RPCS
        if isinstance(rpc.permission, Action) and rpc.permission in held
    ]
    subscribe = [f"{inbox}.>"]
    for kind in KINDS:
        if kind.view in held:
            subscribe += _of_kind(kind, identity.user, held)
    if Action.AUDIT_VIEW in held:
        subscribe.append(f"{ROOT}.evt.audit.>")
    groups = f"{own_of(identity.kind, bus_name(identity))}.>"
    return Grants(publish=sorted(set(publish)), subscribe=subscribe, groups=groups, inbox=inbox)


def _of_kind(kind: Kind, user: str, held: set[Action]) -> list[str]:
    """Where somebody who may view a kind hears of it. The platform's own subjects carry every field."""
    events, figures = f"evt.{kind.name}.>", f"tel.{kind.name}.>"
    if kind.view_any not in held:
        return [f"{root}.{stem}" for root in (f"{OWN}.{user}", SHARED) for stem in (events, figures)]
    rights = rights_in(kind.name)
    roots = [ROOT] if rights <= held else []
    return [f"{root}.{events}" for root in (*roots, *([ALL] if rights else []))] + [f"{ROOT}.{figures}"]
