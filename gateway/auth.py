"""Who is asking: from a bearer token to a live session or service token with its actions.

A token is verified once and remembered until it expires; who is behind it is asked of POINT once and forgotten the
moment the journal says that a session was closed or that users, roles or service tokens have changed.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct
from nacl.signing import VerifyKey

from actors.point.tokens import SERVICE, Claims, TokenRefused, key_set, read_access, read_link, read_service_token
from actors.runtime.bus import Bus, Recorded, Unsubscribe
from actors.runtime.callbacks import Callbacks
from actors.runtime.clock import Clock, parse_utc
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.wire import ask
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.link import LONGEST, MAKERS, opened
from bus_schemas.names import Share, share_of
from bus_schemas.permissions import Access, Action
from bus_schemas.user import (
    IDENTIFY,
    SESSION_CLOSED,
    TOKEN_CREATED,
    TOKEN_REVOKED,
    TOKEN_USED,
    USER_CREATED,
    Identify,
    Identity,
    LoginKind,
    SessionClosed,
    TokenRevoked,
    TokenUsed,
)
from gateway.metrics import Metrics

REMEMBERED = 10_000
SCOPE = "ottb.v1.evt.point.>"
NOTHING_CHANGED = (  # for anybody who is known
    ".session_opened", ".session_refreshed", ".activated", f".{TOKEN_CREATED.verb}", f".{USER_CREATED.verb}",
)  # fmt: skip
USE_NOTED = 60.0  # seconds between two notes of a service token's use

Key = tuple[str, VerifyKey]  # with its name

NO_TOKEN = RefusalTemplate(
    ErrorCode.AUTH_FAIL, "Send `Authorization: Bearer <token>`. Get one with POST /api/auth/login."
)
BAD_TOKEN = RefusalTemplate(ErrorCode.AUTH_FAIL, "The token is not valid. Log in again.")
BAD_LINK = RefusalTemplate(
    ErrorCode.AUTH_FAIL, "The link is not good for this, or not any more. Make one with POST /api/auth/links."
)
EXPIRED = RefusalTemplate(ErrorCode.AUTH_FAIL, "The token has expired. Log in again.")


class Caller(Struct, frozen=True, kw_only=True):
    """A known caller. `expires`: when what they came with does, epoch seconds. `credential`: `session:<id>`,
    `token:<id>` or `connection:<user>`. `key`: of an access token, the key that signed it.
    `predecessors`: see Identity. `as_of`: how many changes of what callers may do this gateway knew of then."""

    user: str
    credential: str
    actions: frozenset[str]
    expires: float
    key: Key | None = None
    predecessors: int = 0
    as_of: int = -1

    @property
    def is_program(self) -> bool:
        """Whether it came with a service token."""
        return self.credential.startswith(f"{LoginKind.TOKEN}:")

    @property
    def whose(self) -> str:
        """Among whose commands an id stands for one: each service token's own, or the user's in whatever session, and
        not those of a deleted user who had the name."""
        if self.is_program:
            return self.credential
        return f"{self.user}/{self.predecessors}" if self.predecessors else self.user

    @property
    def share(self) -> Share:
        """For whom counts what the caller holds and does."""
        return share_of(self.credential.partition(":")[0], self.user)

    def must(self, permission: Action | Access | None) -> None:
        """Raise Refusal(PERMISSION_DENIED) unless the caller may do this, where it is an action."""
        if isinstance(permission, Action) and permission not in self.actions:
            raise Refusal(
                ErrorCode.PERMISSION_DENIED, f"This needs the permission {permission}.", permission=permission
            )


class Authenticator:
    """Checks tokens for one gateway. `keys`: the public halves of POINT's. `token_seconds`: for which it makes them."""

    def __init__(
        self,
        *,
        bus: Bus,
        clock: Clock,
        ids: Ids,
        keys: Mapping[str, VerifyKey],
        metrics: Metrics,
        token_seconds: float,
    ) -> None:
        self._token_seconds = token_seconds
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._keys = keys
        self._metrics = metrics
        self._claims: OrderedDict[str, tuple[Claims, Key]] = OrderedDict()  # with the key that signed them
        self._callers: OrderedDict[tuple[str, str], Caller] = OrderedDict()  # by credential and proof
        self._changes = 0  # so that no answer from before a change is remembered
        self._watermark = 0  # the last change's place in the journal; nothing older is taken for an answer
        self._on_change: Callbacks[Callable[[], None]] = Callbacks()
        self._following: list[Unsubscribe] = []
        self._used: OrderedDict[str, float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have it called whenever what callers may do could have changed. Gives the end of the subscription."""
        return self._on_change.add(callback)

    def key_set(self) -> Mapping[str, object]:
        """The keys with which anybody may check our access tokens."""
        return key_set(self._keys)

    def believes(self, key: Key) -> bool:
        """Whether what it signed is good still: it was not dropped, nor has another one its name."""
        return key in self._keys.items()

    async def start(self) -> None:
        self._following.append(await self._bus.follow(SCOPE, self._hear, after=await self._bus.last_seq()))

    async def stop(self) -> None:
        for stop in self._following:
            await stop()
        for task in self._tasks:
            task.cancel()

    async def authenticate_header(self, header: str | None) -> Caller:
        """The caller of an `Authorization` header. Raises Refusal(AUTH_FAIL)."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NO_TOKEN()
        return await self.authenticate(token.strip())

    async def authenticate(self, token: str) -> Caller:
        """The caller of an access token or service token. Raises Refusal(AUTH_FAIL)."""
        if token.startswith(SERVICE):
            return await self._admit_program(token)
        claims, key = self._verify(token)
        as_of = self._changes  # what changes while POINT is asked may not be in its answer
        caller = await self.identify(LoginKind.SESSION, claims.session)
        if caller.user != claims.user:
            raise BAD_TOKEN()
        expires = min(caller.expires, claims.expires)
        return msgspec.structs.replace(caller, expires=expires, key=key, as_of=as_of)

    async def authenticate_link(self, url: str) -> Caller:
        """Who made the link that was opened: path and query, as they were sent. What goes on is good for as long as
        with an access token of then. Raises Refusal(AUTH_FAIL)."""
        if (found := opened(url)) is None:
            raise NO_TOKEN()
        path, token = found
        try:
            claims, key = self._read(read_link, token, min(LONGEST, self._token_seconds))
        except TokenRefused:
            raise BAD_LINK() from None
        kind, _, id = claims.session.partition(":")
        if claims.path != path or kind not in MAKERS:
            raise BAD_LINK()
        caller = await self.identify(LoginKind(kind), id)
        if caller.user != claims.user:
            raise BAD_LINK()
        ends = claims.issued + self._token_seconds
        return msgspec.structs.replace(caller, expires=min(caller.expires, ends), key=key)

    async def again(self, caller: Caller, permission: Action | Access | None = None) -> Caller:
        """The same caller with what they may do now, after a wait in which that may have changed. Raises
        Refusal(AUTH_FAIL, PERMISSION_DENIED)."""
        now = caller
        if caller.as_of != self._changes:
            kind, _, id = caller.credential.partition(":")
            now = await self.identify(LoginKind(kind), id)
        if caller.expires <= self._clock.now().timestamp():
            raise EXPIRED()
        dropped = caller.key is not None and not self.believes(caller.key)
        if dropped or now.predecessors != caller.predecessors:
            raise BAD_TOKEN()
        now.must(permission)
        return now if now is caller else msgspec.structs.replace(now, expires=caller.expires, key=caller.key)

    async def identify(self, kind: LoginKind, id: str, proof: str = "") -> Caller:
        """Who is behind a session, a service token or a user's bus connection. Raises Refusal(AUTH_FAIL)."""
        known = self._callers.get((kind + ":" + id, proof))
        if known is None:
            known = await self._ask_point(Identify(kind=kind, id=id, proof=proof))
        if known.expires <= self._clock.now().timestamp():
            raise EXPIRED()
        return known

    async def _admit_program(self, token: str) -> Caller:
        try:
            id, proof = read_service_token(token)
        except TokenRefused:
            raise BAD_TOKEN() from None
        caller = await self.identify(LoginKind.TOKEN, id, proof)
        now = self._clock.monotonic()
        if now - self._used.get(id, float("-inf")) >= USE_NOTED:
            self._used[id] = now
            if len(self._used) > REMEMBERED:
                self._used.popitem(last=False)
            task = asyncio.get_running_loop().create_task(self._note_use(id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return caller

    async def _note_use(self, id: str) -> None:
        try:
            await ask(self._bus, TOKEN_USED, TokenUsed(token_id=id), Context(command_id=self._ids.new()))
        except Refusal:  # it is noted the next time
            self._used.pop(id, None)

    def _verify(self, token: str) -> tuple[Claims, Key]:
        """What a token says, and the key that signed it. Raises Refusal(AUTH_FAIL)."""
        claims, key = self._claims.get(token, (None, None))
        if claims is None or key is None or not self.believes(key):
            try:
                claims, key = self._claims[token] = self._read(read_access, token, self._token_seconds)
            except TokenRefused:
                raise BAD_TOKEN() from None
            if len(self._claims) > REMEMBERED:
                self._claims.popitem(last=False)
        if claims.expires <= self._clock.now().timestamp():
            self._claims.pop(token, None)
            raise EXPIRED()
        return claims, key

    def _read(self, read: Callable[..., Claims], token: str, longest: float) -> tuple[Claims, Key]:
        """What a signed token of one kind says, and the key that signed it. Raises TokenRefused."""
        claims = read(token, self._keys, self._clock.now().timestamp(), longest=longest)
        if (key := self._keys.get(claims.key)) is None:
            raise TokenRefused("its key was dropped just now")
        return claims, (claims.key, key)

    async def _ask_point(self, request: Identify) -> Caller:
        changes = self._changes
        context = Context(command_id=self._ids.new(), after=self._watermark)
        identity = await ask(self._bus, IDENTIFY, request, context)
        caller = _caller(identity)
        if changes == self._changes:
            for proof in {request.proof, ""}:  # whoever has proven it once is known by the credential: see `again`
                self._callers[(caller.credential, proof)] = caller
        while len(self._callers) > REMEMBERED:
            self._callers.popitem(last=False)
        return caller

    async def _hear(self, recorded: Recorded) -> None:
        if recorded.subject.endswith(NOTHING_CHANGED):
            return
        self._changes += 1
        self._watermark = recorded.seq
        try:
            ended = _ended(recorded)
        except UNDECODABLE as error:  # it may be anybody's
            self._metrics.not_understood("change of users", subject=recorded.subject, error=error, seq=recorded.seq)
            ended = None
        if ended is None:
            self._callers.clear()
        else:
            for key in [key for key in self._callers if key[0] == ended]:
                del self._callers[key]
        for changed in self._on_change:
            changed()


def _ended(recorded: Recorded) -> str | None:
    """The one credential that is good for nothing any more. None: what others may do can have changed, too."""
    if recorded.subject.endswith(f".{SESSION_CLOSED.verb}"):
        return f"{LoginKind.SESSION}:{msgspec.json.decode(recorded.data, type=SessionClosed).session}"
    if recorded.subject.endswith(f".{TOKEN_REVOKED.verb}"):
        return f"{LoginKind.TOKEN}:{msgspec.json.decode(recorded.data, type=TokenRevoked).token_id}"
    return None


def _caller(identity: Identity) -> Caller:
    expires = parse_utc(identity.expires_at).timestamp() if identity.expires_at else float("inf")
    return Caller(
        user=identity.user,
        credential=f"{identity.kind}:{identity.id}",
        actions=frozenset(identity.actions),
        expires=expires,
        predecessors=identity.predecessors,
    )
