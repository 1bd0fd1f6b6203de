"""The settings of logins, over HTTP and on the bus."""

from typing import Annotated

from msgspec import Meta, Struct


class Auth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tokens and sessions, in seconds. `key_seconds`: the age at which the key that signs is replaced.
    `change_at_first_login`: a password that somebody else has set must be changed before anything else."""

    token_seconds: Annotated[int, Meta(ge=1)] = 3600
    session_seconds: Annotated[int, Meta(ge=1)] = 7 * 24 * 3600
    key_seconds: Annotated[int, Meta(ge=60)] = 30 * 24 * 3600
    min_password: Annotated[int, Meta(ge=1)] = 8
    change_at_first_login: bool = True


class BusLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one user may do on the bus, with all connections together, and as much with all their service tokens:
    `messages` sent, `bytes_in` sent in them and `bytes_out` got, a second in the long run (five seconds' worth may come
    at once); `lines`: bytes sent that are no message's content, as pings and subscriptions are. `waiting`: bytes that
    may wait at the server for a client that reads too slowly. Who does more is cut off, and out for a while."""

    connections: Annotated[int, Meta(ge=1)] = 32
    messages: Annotated[int, Meta(ge=1)] = 200
    bytes_in: Annotated[int, Meta(ge=1)] = 1_000_000
    bytes_out: Annotated[int, Meta(ge=1)] = 10_000_000
    lines: Annotated[int, Meta(ge=1)] = 100_000
    waiting: Annotated[int, Meta(ge=1)] = 8_000_000


class BusLogin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How other systems log in to the bus with their POINT identity. `user` answers the server's questions (auth
    callout), `sys_user` ends connections whose rights have changed, `issuer_seed` signs. Empty: nobody can."""

    user: str | None = None
    password: str | None = None
    sys_user: str | None = None
    sys_password: str | None = None
    issuer_seed: str | None = None
    limits: BusLimits = BusLimits()
