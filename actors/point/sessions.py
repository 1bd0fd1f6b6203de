"""Sessions of the site: how they begin, go on and end, the tokens they are shown by, and who is let in."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
import structlog
from nacl.signing import VerifyKey

from actors.point import links, machine, marks, password, tokens
from actors.point.credentials import WRONG, Credentials
from actors.point.directory import User
from actors.point.introspection import introspect
from actors.point.journal import Journal
from actors.point.settings import Auth
from actors.point.tokens import Claims, TokenRefused
from actors.runtime.clock import Clock, parse_utc, utc
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.wire import Page
from bus_schemas.audit import ENDED_SESSION
from bus_schemas.errors import JOURNAL_FULL, ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.introspection import Introspect, Introspection
from bus_schemas.link import MakeLink, SignedLink, url_of
from bus_schemas.names import SYSTEM, is_a_part
from bus_schemas.permissions import Action
from bus_schemas.user import (
    ChangePassword,
    EndSessions,
    Identify,
    Identity,
    LoggedOut,
    Login,
    LoginKind,
    Logout,
    PasswordChanged,
    Refresh,
    RefreshedToken,
    RoleCheck,
    RoleCheckReply,
    SessionClosed,
    SessionOpened,
    SessionRefreshed,
    SessionsEnded,
    Token,
    UserChanged,
)

log = structlog.get_logger()

NOT_A_SESSION = RefusalTemplate(ErrorCode.CONFLICT, "This is for people who logged in, not for service tokens.")
BAD_REFRESH = RefusalTemplate(ErrorCode.AUTH_FAIL, "The refresh token is not valid. Log in again.")
NO_TOKEN = RefusalTemplate(ErrorCode.AUTH_FAIL, "Send a refresh token, or the access token as a bearer.")


class Sessions:
    """Sessions of the site. `keys`: what signs their tokens, by name."""

    def __init__(
        self,
        *,
        journal: Journal,
        credentials: Credentials,
        clock: Clock,
        ids: Ids,
        keys: Mapping[str, bytes],
        auth: Auth,
        nearly_full: Callable[[], bool],
    ) -> None:
        self._journal = journal
        self._directory = journal.directory
        self._credentials = credentials
        self._clock = clock
        self._ids = ids
        self._keys = keys
        self._auth = auth
        self._nearly_full = nearly_full

    async def login(self, request: Login, context: Context) -> Token:
        user = await self._credentials.right_user(request.username, request.password, context.address)
        self._must_have_room(user)
        session = SessionOpened(
            session=self._ids.new(),
            at=self._now(),
            user=user.name,
            address=context.address,
            expires_at=utc(self._clock.now() + timedelta(seconds=self._auth.session_seconds)),
            password=user.password_mark,
        )
        self._directory.forget_expired(self._clock.now())
        for oldest in machine.too_many_sessions(self._directory, user.name):
            await self._close(oldest, SYSTEM, reason="too many sessions")
        await self._journal.change_session(session.session, lambda: session)
        if session.session not in self._directory.sessions:  # the password has been changed before
            raise WRONG()
        role = self._directory.role_of(user)
        token, seconds = self._access(user, session.session)
        return Token(
            token=token,
            role=user.role,
            expires=seconds,
            permissions={} if user.must_change_password else role.permissions,
            refresh_token=self._refresh(user, session.session, 0),
            refresh_expires=self._auth.session_seconds,
            must_change_password=user.must_change_password,
        )

    def _must_have_room(self, user: User) -> None:
        """Of a journal that is nearly full, the rest is for those who can end who fills it. Raises Refusal."""
        if self._nearly_full() and Action.USER_EDIT not in self._directory.role_of(user).actions:
            raise JOURNAL_FULL()

    async def refresh(self, request: Refresh, context: Context) -> Page:
        if request.refresh_token is not None:
            return await self._rotate(request.refresh_token)
        if context.session is None:
            raise NOT_A_SESSION() if context.credential else NO_TOKEN()
        identity = self._credentials.identify(LoginKind.SESSION, context.session, "")
        token, seconds = self._access(self._directory.users[identity.user], identity.id)
        return Page(body=RefreshedToken(token=token, expires=seconds), changed=False)

    async def _rotate(self, given: str) -> Page:
        try:
            claims = tokens.read_refresh(given, self._keys, self._clock.now().timestamp())
        except TokenRefused:
            raise BAD_REFRESH() from None

        def decide() -> SessionRefreshed | SessionClosed | None:
            self._credentials.identify(LoginKind.SESSION, claims.session, "")
            session = self._directory.sessions[claims.session]
            self._must_have_room(self._directory.users[session.user])
            return machine.refresh(session, claims.generation, self._now(), self._clock.now())

        event = await self._journal.change_session(claims.session, decide)
        if isinstance(event, SessionClosed):
            log.warning("refresh token reused; session ended", user=event.user, session=event.session)
            raise machine.REUSED(**{ENDED_SESSION: event.session})
        self._credentials.identify(LoginKind.SESSION, claims.session, "")
        session = self._directory.sessions[claims.session]
        user = self._directory.users[session.user]
        left = int(parse_left(session.expires_at, self._clock))
        token, seconds = self._access(user, session.id)
        refreshed = RefreshedToken(
            token=token,
            expires=seconds,
            refresh_token=self._refresh(user, session.id, session.generation, seconds=left),
            refresh_expires=left,
        )
        return Page(body=refreshed, changed=event is not None)

    async def logout(self, request: Logout, context: Context) -> LoggedOut:
        if context.session is None:
            raise NOT_A_SESSION()
        identity = self._credentials.identify(LoginKind.SESSION, context.session, "")
        if request.everywhere:
            return await self._end_all(identity.user, context.user, end_tokens=request.end_tokens)
        if request.end_tokens:
            raise misfit("end_tokens", "it goes with `everywhere`.")
        await self._close(identity.id, context.user, reason="logout")
        return LoggedOut(status="logged_out", tokens_left=self._tokens_left(identity.user))

    async def end_sessions(self, request: EndSessions, context: Context) -> LoggedOut:
        machine.managed(self._directory, self._credentials.asker(context), request.user)
        return await self._end_all(request.user, context.user, end_tokens=request.end_tokens)

    async def _end_all(self, user: str, by: str, *, end_tokens: bool) -> LoggedOut:
        count = sum(1 for session in self._directory.sessions.values() if session.user == user)
        before = self._tokens_left(user)
        await self._journal.change(lambda: SessionsEnded(user=user, at=self._now(), by=by, ends_tokens=end_tokens))
        left = self._tokens_left(user)
        return LoggedOut(status="logged_out", sessions=count, tokens_ended=before - left, tokens_left=left)

    def _tokens_left(self, user: str) -> int:
        return self._directory.tokens_left(user, self._clock.now())

    async def _close(self, id: str, by: str, *, reason: str) -> None:
        def decide() -> SessionClosed | None:
            session = self._directory.sessions.get(id)
            if session is None:
                return None
            return SessionClosed(session=id, at=self._now(), user=session.user, by=by, reason=reason)

        await self._journal.change_session(id, decide)

    async def change_password(self, request: ChangePassword, context: Context) -> PasswordChanged:
        if context.session is None:
            raise NOT_A_SESSION()
        identity = self._credentials.identify(LoginKind.SESSION, context.session, "")
        user = await self._credentials.right_user(identity.user, request.password, context.address)
        if password.prepared(request.new_password) == password.prepared(request.password):
            raise misfit("new_password", "it is the old one.")
        stored = await self._credentials.hash(user.name, request.new_password, "new_password")
        before = self._tokens_left(user.name)

        def decide() -> UserChanged:
            self._credentials.identify(LoginKind.SESSION, identity.id, "")  # the password was checked for so long
            now = self._directory.users.get(user.name)
            if now is None or now.password_hash != user.password_hash:
                raise Refusal(ErrorCode.CONFLICT, "The password was changed in the meantime.")
            return UserChanged(
                user=now.name, at=self._now(), role=now.role, email=now.email, password_hash=stored,
                status=now.status, must_change_password=False, by=now.name, ends_sessions=True,
                but_session=identity.id, ends_tokens=request.end_tokens, extension=now.extension,
            )  # fmt: skip

        await self._journal.change(decide)
        left = self._tokens_left(user.name)
        return PasswordChanged(status="changed", tokens_ended=before - left, tokens_left=left)

    # --- who is who

    async def role_check(self, request: RoleCheck, context: Context) -> RoleCheckReply:
        if request.action not in Action._value2member_map_:
            raise misfit("action", "no such action.", known=sorted(Action))
        identity = self._credentials.came_with(context)
        return RoleCheckReply(allowed=request.action in identity.actions, permissions=identity.actions)

    async def identify(self, request: Identify, context: Context) -> Identity:
        await self._journal.until(context.after)
        return self._credentials.identify(request.kind, request.id, request.proof)

    async def make_link(self, request: MakeLink, context: Context) -> SignedLink:
        """Signed in the name of whoever asks, with whatever they came."""
        asker = self._credentials.came_with(context)
        claims = links.claims_of(request, asker, clock=self._clock, ids=self._ids, most=self._auth.token_seconds)
        return SignedLink(
            url=url_of(claims.path, tokens.write_link(claims, self._keys)), expires_at=utc_of(claims.expires)
        )

    async def introspect(self, request: Introspect, context: Context) -> Introspection:
        return introspect(
            request.token, book=self._directory, public=self._public_keys(), now=self._clock.now(),
            longest=self._auth.token_seconds,
        )  # fmt: skip

    async def admit_on_bus(self, name: str, secret: str, address: str) -> Identity:
        """Who logs in to the bus: with a service token, an access token, or user name and password. `name` may be left
        out for tokens. AUTH_FAIL, RATE_LIMITED."""
        key = ""
        if secret.startswith(tokens.SERVICE):
            try:
                id, proof = tokens.read_service_token(secret)
            except TokenRefused:
                raise WRONG() from None
            identity = self._credentials.identify(LoginKind.TOKEN, id, proof)
        elif secret.count(".") == 2 and len(secret) > 100:
            claims, key = self._read_access(secret)
            identity = self._credentials.identify(LoginKind.SESSION, claims.session, "")
            expires_at = min(identity.expires_at or "9", utc_of(claims.expires))
            identity = msgspec.structs.replace(identity, expires_at=expires_at)
        else:
            user = await self._credentials.right_user(name, secret, address)
            identity = self._credentials.identify(LoginKind.PASSWORD, user.name, "")
        if name not in ("", identity.user, identity.id) or is_a_part(identity.user):  # of an earlier version
            raise WRONG()
        mark = marks.mark_of(self._directory, identity.user, identity.kind, identity.id, key)
        return msgspec.structs.replace(identity, mark=mark)

    def _read_access(self, token: str) -> tuple[Claims, str]:
        """The claims of an access token, and the mark of the key that signed it. AUTH_FAIL."""
        public, now = self._public_keys(), self._clock.now().timestamp()
        try:
            claims = tokens.read_access(token, public, now, longest=self._auth.token_seconds)
        except TokenRefused:
            raise WRONG() from None
        return claims, tokens.mark_of(public[claims.key])

    def outdated(self, connections: Iterable[str]) -> set[str]:
        """Of connections on the bus, by their names, those that would not be let in now, or with other rights."""
        keys = {tokens.mark_of(key) for key in self._public_keys().values()}
        return {name for name in connections if not marks.is_still_good(self._directory, name, keys)}

    # --- their tokens

    def _public_keys(self) -> Mapping[str, VerifyKey]:
        return {name: tokens.public_key(secret) for name, secret in self._keys.items()}

    def _access(self, user: User, session: str) -> tuple[str, int]:
        """An access token, and for how many seconds it is good: none outlives its session. AUTH_FAIL: that is over."""
        ends = self._credentials.identify(LoginKind.SESSION, session, "").expires_at
        seconds = min(self._auth.token_seconds, int(parse_left(ends, self._clock)) if ends else 0)
        return tokens.write_access(self._claims(user, session, seconds), self._keys), seconds

    def _refresh(self, user: User, session: str, generation: int, seconds: int | None = None) -> str:
        claims = self._claims(user, session, seconds or self._auth.session_seconds, generation)
        return tokens.write_refresh(claims, self._keys)

    def _claims(self, user: User, session: str, seconds: int, generation: int = 0) -> Claims:
        now = int(self._clock.now().timestamp())
        return Claims(
            user=user.name,
            session=session,
            role=user.role,
            token_id=self._ids.new(),
            issued=now,
            expires=now + seconds,
            generation=generation,
        )

    def _now(self) -> str:
        return utc(self._clock.now())


def parse_left(expires_at: str, clock: Clock) -> float:
    return max((parse_utc(expires_at) - clock.now()).total_seconds(), 1.0)


def utc_of(epoch: int) -> str:
    return utc(datetime.fromtimestamp(epoch, UTC))
