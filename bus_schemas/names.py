"""Names on the bus. The platform's own parts and everybody else never share a namespace: a part named `core` hears its
answers under `_INBOX_core.`, a user of that name would under `_INBOX.u.core.`, in an account of its own besides.
"""

from bus_schemas.call import EndReason
from bus_schemas.user import LoginKind

PARTS = ("core", "gateway", "watch", "auth", "sys")  # the users that nats.conf names itself
SYSTEM = "system"  # what is done for nobody
# Who else ends calls, and in whose name operators and trunks are changed by themselves: on record in a user's place.
ENDERS = ("ring_timeout", "max_duration", "operator_on_phone", "phone", "extension", "remote", *EndReason)
CHANGERS = ("wrap_up", "presence", "config")

# For whom counts what is held and done: a user, their service tokens together, or where nobody has logged in yet an
# address.
Share = tuple[str, str]

_PARTS = frozenset({SYSTEM, *PARTS})
_RESERVED = frozenset({*_PARTS, *ENDERS, *CHANGERS})


def is_reserved(name: str) -> bool:
    """Whether a name is the platform's own, in whatever letters, so that no user gets it."""
    return name.casefold() in _RESERVED


def is_a_part(name: str) -> bool:
    """Whether it is that of a part of the platform, so that nobody is let in on the bus by it."""
    return name.casefold() in _PARTS


def share_of(kind: str, user: str) -> Share:
    """For whom counts what somebody holds and does, by what they came with. All service tokens of a user have a share
    of their own, so that whoever has got hold of one does not keep out the user, who can end it."""
    return ("tokens" if kind == LoginKind.TOKEN else "user", user)


def own_of(kind: LoginKind, name: str) -> str:
    """What the names of one's own queue groups begin with. `name`: of the user, or the service token's id."""
    return f"{'t' if kind is LoginKind.TOKEN else 'u'}.{name}"


def inbox_of(kind: LoginKind, name: str) -> str:
    """The prefix under which answers go to other systems. `name`: of the user, or the service token's id."""
    return f"_INBOX.{own_of(kind, name)}"
