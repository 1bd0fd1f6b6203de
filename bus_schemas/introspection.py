"""What a token is worth now, for other services that are shown one (RFC 7662)."""

from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.contract import Rpc
from bus_schemas.permissions import Action


class Introspect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether an access token or a service token is good now, and whose it is. Also as a form, as RFC 7662 has it."""

    token: Annotated[str, Meta(min_length=1, max_length=4096)]
    token_type_hint: Annotated[str, Meta(max_length=64)] | None = None


class Introspection(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`active` false, and nothing else, for every token that is not good now: unknown, expired, revoked, of a user who
    is disabled or must change the password first, and a refresh token, which is for POINT alone.

    `scope`: the actions that the holder may do now. `exp`, `iat`: epoch seconds. `jti`: of an access token, or the id
    of the service token.
    """

    active: bool
    scope: str | None = None
    sub: str | None = None
    username: str | None = None
    role: str | None = None
    token_type: str | None = None
    exp: int | None = None
    iat: int | None = None
    iss: str | None = None
    aud: str | None = None
    jti: str | None = None
    sid: str | None = None


INTROSPECT = Rpc(
    "ottb.v1.qry.user.introspect", Introspect, Introspection, frozenset(),
    summary="What a token is worth", permission=Action.TOKEN_INTROSPECT,
)  # fmt: skip
