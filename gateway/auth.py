"""Who is asking: from a bearer token to a live session with its actions.

A token is verified once and remembered until it expires; the session behind it is asked of POINT once and
forgotten the moment the journal says that it was closed or that a role has changed.
"""

from collections import OrderedDict
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from actors.point.tokens import Claims, TokenRefused, decode
from actors.runtime.bus import Bus, Recorded, Unsubscribe
from actors.runtime.clock import Clock
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.user import GET_SESSION, ROLE_SET, SESSION_CLOSED, GetSession, SessionClosed

REMEMBERED = 10_000
SCOPES = (SESSION_CLOSED.pattern, ROLE_SET.pattern)

NO_TOKEN = Refusal(ErrorCode.AUTH_FAIL, "Send `Authorization: Bearer <token>`. Get one with POST /api/auth/login.")
BAD_TOKEN = Refusal(ErrorCode.AUTH_FAIL, "The token is not valid. Log in again.")
EXPIRED = Refusal(ErrorCode.AUTH_FAIL, "The token has expired. Log in again.")


class Caller(Struct, frozen=True, kw_only=True):
    """A logged-in caller. `expires`: when the token does, epoch seconds."""

    user: str
    session: str
    actions: frozenset[str]
    expires: float

    def must(self, action: Action) -> None:
        """Raise Refusal(PERMISSION_DENIED) unless the caller may do this."""
        if action not in self.actions:
            raise Refusal(ErrorCode.PERMISSION_DENIED, f"This needs the permission {action}.", permission=action)


class Doorkeeper:
    """Checks tokens for one gateway. `on_closed` hears the sessions that ended, `keys` are POINT's."""

    def __init__(self, *, bus: Bus, clock: Clock, ids: Ids, keys: Mapping[str, bytes]) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._keys = keys
        self._claims: OrderedDict[str, Claims] = OrderedDict()
        self._sessions: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._changes = 0  # sessions closed and roles changed, so that no answer from before one is remembered
        self._following: list[Unsubscribe] = []

    async def start(self) -> None:
        after = await self._bus.last_seq()
        for scope in SCOPES:
            self._following.append(await self._bus.follow(scope, self._hear, after=after))

    async def stop(self) -> None:
        for stop in self._following:
            await stop()

    async def admit_header(self, header: str | None) -> Caller:
        """The caller of an `Authorization` header. Raises Refusal(AUTH_FAIL)."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NO_TOKEN
        return await self.admit(token.strip())

    async def admit(self, token: str) -> Caller:
        """The caller of a token. Raises Refusal(AUTH_FAIL)."""
        claims = self._verify(token)
        actions = self._sessions.get(claims.session)
        if actions is None:
            actions = await self._ask_point(claims)
        return Caller(user=claims.user, session=claims.session, actions=actions, expires=claims.expires)

    def _verify(self, token: str) -> Claims:
        claims = self._claims.get(token)
        if claims is None:
            try:
                claims = decode(token, self._keys)
            except TokenRefused:
                raise BAD_TOKEN from None
            self._claims[token] = claims
            if len(self._claims) > REMEMBERED:
                self._claims.popitem(last=False)
        if claims.expires <= self._clock.now().timestamp():
            self._claims.pop(token, None)
            raise EXPIRED
        return claims

    async def _ask_point(self, claims: Claims) -> frozenset[str]:
        context, changes = Context(command_id=self._ids.new()), self._changes
        session = await ask(self._bus, GET_SESSION, GetSession(session=claims.session), context)
        if session.user != claims.user:
            raise BAD_TOKEN
        actions = frozenset(session.actions)
        if changes == self._changes:
            self._sessions[claims.session] = actions
        if len(self._sessions) > REMEMBERED:
            self._sessions.popitem(last=False)
        return actions

    async def _hear(self, recorded: Recorded) -> None:
        self._changes += 1
        if recorded.subject.endswith(".session_closed"):
            self._sessions.pop(msgspec.json.decode(recorded.data, type=SessionClosed).session, None)
        else:
            self._sessions.clear()
