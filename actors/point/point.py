"""POINT's shell: answers logins, sessions, users, roles and service tokens from what is on record. Any host may run
it."""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol
from weakref import WeakValueDictionary

import msgspec
import structlog
from msgspec import UNSET
from nacl.signing import VerifyKey

from actors.point import machine, marks, password, tokens
from actors.point.introspection import introspect
from actors.point.journal import Journal
from actors.point.machine import ENDED, Asker, User
from actors.point.settings import Auth
from actors.point.throttle import Throttle
from actors.point.tokens import Claims, TokenRefused
from actors.runtime.addresses import neighbourhood
from actors.runtime.bus import Bus, BusError
from actors.runtime.clock import Clock, parse_utc, utc
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.problems import Problem
from actors.runtime.service import Service, serve
from actors.runtime.wire import Page
from bus_schemas.audit import ENDED_SESSION
from bus_schemas.errors import JOURNAL_FULL, ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.introspection import INTROSPECT, Introspect, Introspection
from bus_schemas.names import SYSTEM, is_reserved
from bus_schemas.permissions import Action
from bus_schemas.user import (
    CHANGE_PASSWORD,
    CHANGE_USER,
    CREATE_TOKEN,
    CREATE_USER,
    DELETE_ROLE,
    DELETE_USER,
    END_SESSIONS,
    IDENTIFY,
    LIST_ROLES,
    LIST_TOKENS,
    LIST_USERS,
    LOGIN,
    LOGOUT,
    REFRESH,
    REVOKE_TOKEN,
    ROLE_CHECK,
    SET_ROLE,
    TOKEN_USED,
    ChangePassword,
    ChangeUser,
    CreateToken,
    CreateUser,
    Deleted,
    DeleteRole,
    DeleteUser,
    EndSessions,
    Identify,
    Identity,
    ListRoles,
    ListTokens,
    ListUsers,
    LoggedOut,
    Login,
    LoginKind,
    Logout,
    Noted,
    PasswordChanged,
    Refresh,
    RefreshedToken,
    RevokeToken,
    RoleCheck,
    RoleCheckReply,
    RoleSet,
    RoleView,
    SessionClosed,
    SessionOpened,
    SessionRefreshed,
    SessionsEnded,
    SetRole,
    Token,
    TokenCreatedReply,
    TokenUsed,
    TokenView,
    UserChanged,
    UserCreated,
    UserView,
)

log = structlog.get_logger()

SEEN = "OTTB_SNAP"  # when a service token was last used: losing it costs nothing
USER_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
NOT_A_NAME = "A user name is of A-Z a-z 0-9 _ and -, without blanks before, inside or after it."
LINE_OF_ADDRESS = 32  # passwords of one address that may wait to be checked; half of the line is left to the others
KEPT_LONGER = 24 * 3600  # seconds that the journal keeps a session beyond its end

TOO_MANY_LOGINS = "Too many logins at once. Wait."
WRONG = RefusalTemplate(ErrorCode.AUTH_FAIL, "Wrong user name or password.")
NOT_A_SESSION = RefusalTemplate(ErrorCode.CONFLICT, "This is for people who logged in, not for service tokens.")
BAD_REFRESH = RefusalTemplate(ErrorCode.AUTH_FAIL, "The refresh token is not valid. Log in again.")
NO_TOKEN = RefusalTemplate(ErrorCode.AUTH_FAIL, "Send a refresh token, or the access token as a bearer.")


class TooManyPasswords(Exception):
    """Too many passwords are being checked at once."""


class PasswordChecks(Protocol):
    """Hashing and checking of passwords, slow on purpose. Both raise TooManyPasswords."""

    async def hash(self, password: str) -> str: ...
    async def check(self, stored: str | None, password: str) -> bool: ...


class Point:
    """Users, roles and sessions of the site."""

    def __init__(
        self,
        *,
        bus: Bus,
        clock: Clock,
        ids: Ids,
        passwords: PasswordChecks,
        keys: Mapping[str, bytes],
        auth: Auth,
        nearly_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._passwords = passwords
        self._keys = keys
        self._auth = auth
        self.nearly_full = nearly_full
        self.journal = Journal(bus=bus, clock=clock, ids=ids, kept=auth.session_seconds + KEPT_LONGER)
        self._directory = self.journal.directory
        self._throttle = Throttle()
        self._in_line: Counter[str] = Counter()  # passwords that wait to be checked, by address
        self._logins: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._service = Service(
            bus=bus,
            queue="point",
            handlers=(
                serve(LOGIN, self.login),
                serve(REFRESH, self.refresh),
                serve(LOGOUT, self.logout),
                serve(CHANGE_PASSWORD, self.change_password),
                serve(ROLE_CHECK, self.role_check),
                serve(IDENTIFY, self.identify),
                serve(INTROSPECT, self.introspect),
                serve(TOKEN_USED, self.token_used),
                serve(LIST_USERS, self.list_users),
                serve(CREATE_USER, self.create_user),
                serve(CHANGE_USER, self.change_user),
                serve(DELETE_USER, self.delete_user),
                serve(END_SESSIONS, self.end_sessions),
                serve(LIST_ROLES, self.list_roles),
                serve(SET_ROLE, self.set_role),
                serve(DELETE_ROLE, self.delete_role),
                serve(LIST_TOKENS, self.list_tokens),
                serve(CREATE_TOKEN, self.create_token),
                serve(REVOKE_TOKEN, self.revoke_token),
            ),
        )

    async def start(self) -> None:
        """Read what is on record and serve."""
        await self.journal.start()
        await self._service.start()

    async def stop(self) -> None:
        await self._service.stop()
        await self.journal.stop()

    def problems(self) -> list[Problem]:
        """The entries of the journal that could not be taken."""
        return self.journal.problems()

    async def seed(self, name: str, secret: str, role: str, *, must_change: bool = False) -> bool:
        """Create one of the first users, unless there is or was one of this name. True: created."""

        def decide(stored: str) -> UserCreated:
            return machine.first_user(self._directory, name, role, stored, self._now(), must_change=must_change)

        try:
            decide("")  # before the dear hash
            stored = await self._passwords.hash(password.prepared(secret))
            await self.journal.change(lambda: decide(stored))
        except Refusal as refusal:
            if refusal.code is not ErrorCode.CONFLICT:
                raise
            return False
        return True

    # --- logging in

    async def login(self, request: Login, context: Context) -> Token:
        user = await self._right_user(request.username, request.password, context.address)
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
        await self.journal.change_session(session.session, lambda: session)
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
        if self.nearly_full() and Action.USER_EDIT not in self._directory.role_of(user).actions:
            raise JOURNAL_FULL()

    async def _right_user(self, name: str, secret: str, address: str) -> User:
        """The user of this name and password. One guess at a time for an account and address. AUTH_FAIL,
        RATE_LIMITED; INVALID_PARAMS for a name that nobody can have, which so gives nothing away."""
        if not USER_NAME.match(name):
            raise misfit("username", NOT_A_NAME)
        turn = self._logins.setdefault((name, neighbourhood(address)), asyncio.Lock())
        async with turn:
            wait = self._throttle.wait(name, address, self._clock.monotonic())
            if wait > 0:
                raise Refusal(ErrorCode.RATE_LIMITED, "Too many wrong passwords. Wait.", retry_after=round(wait, 1))
            user = self._directory.users.get(name)
            right = await self._check(user.password_hash if user else None, secret, neighbourhood(address))
            if not right or user is None or not self._directory.still_lets_in(name, user.password_mark):
                self._throttle.failed(name, address, self._clock.monotonic())
                raise WRONG()
            self._throttle.succeeded(name, address)
            return self._directory.users[name]

    async def _check(self, stored: str | None, secret: str, place: str) -> bool:
        """Whether one spelling of the password is the stored one. A wrong one takes as long for whatever name."""
        if self._in_line[place] >= LINE_OF_ADDRESS:
            raise Refusal(ErrorCode.RATE_LIMITED, TOO_MANY_LOGINS, retry_after=1)
        self._in_line[place] += 1
        try:
            for spelling in password.spellings(secret):
                if await self._passwords.check(stored, spelling):
                    return True
            return False
        except TooManyPasswords:
            raise Refusal(ErrorCode.RATE_LIMITED, TOO_MANY_LOGINS, retry_after=1) from None
        finally:
            self._in_line[place] -= 1
            if not self._in_line[place]:
                del self._in_line[place]

    async def admit_on_bus(self, name: str, secret: str, address: str) -> Identity:
        """Who logs in to the bus: with a service token, an access token, or user name and password. `name` may be left
        out for tokens. AUTH_FAIL, RATE_LIMITED."""
        key = ""
        if secret.startswith(tokens.SERVICE):
            try:
                id, proof = tokens.read_service_token(secret)
            except TokenRefused:
                raise WRONG() from None
            identity = self._identify(LoginKind.TOKEN, id, proof)
        elif secret.count(".") == 2 and len(secret) > 100:
            claims, key = self._read_access(secret)
            identity = self._identify(LoginKind.SESSION, claims.session, "")
            expires_at = min(identity.expires_at or "9", utc_of(claims.expires))
            identity = msgspec.structs.replace(identity, expires_at=expires_at)
        else:
            user = await self._right_user(name, secret, address)
            identity = self._identify(LoginKind.PASSWORD, user.name, "")
        if name not in ("", identity.user, identity.id) or is_reserved(identity.user):  # of an earlier version
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

    async def refresh(self, request: Refresh, context: Context) -> Page:
        if request.refresh_token is not None:
            return await self._rotate(request.refresh_token)
        if context.session is None:
            raise NOT_A_SESSION() if context.credential else NO_TOKEN()
        identity = self._identify(LoginKind.SESSION, context.session, "")
        token, seconds = self._access(self._directory.users[identity.user], identity.id)
        return Page(body=RefreshedToken(token=token, expires=seconds), changed=False)

    async def _rotate(self, given: str) -> Page:
        try:
            claims = tokens.read_refresh(given, self._keys, self._clock.now().timestamp())
        except TokenRefused:
            raise BAD_REFRESH() from None

        def decide() -> SessionRefreshed | SessionClosed | None:
            self._identify(LoginKind.SESSION, claims.session, "")
            session = self._directory.sessions[claims.session]
            self._must_have_room(self._directory.users[session.user])
            return machine.refresh(session, claims.generation, self._now(), self._clock.now())

        event = await self.journal.change_session(claims.session, decide)
        if isinstance(event, SessionClosed):
            log.warning("refresh token reused; session ended", user=event.user, session=event.session)
            raise machine.REUSED(**{ENDED_SESSION: event.session})
        self._identify(LoginKind.SESSION, claims.session, "")
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
        identity = self._identify(LoginKind.SESSION, context.session, "")
        if request.everywhere:
            return await self._end_all(identity.user, context.user, end_tokens=request.end_tokens)
        if request.end_tokens:
            raise misfit("end_tokens", "it goes with `everywhere`.")
        await self._close(identity.id, context.user, reason="logout")
        return LoggedOut(status="logged_out", tokens_left=self._tokens_left(identity.user))

    async def _close(self, id: str, by: str, *, reason: str) -> None:
        def decide() -> SessionClosed | None:
            session = self._directory.sessions.get(id)
            if session is None:
                return None
            return SessionClosed(session=id, at=self._now(), user=session.user, by=by, reason=reason)

        await self.journal.change_session(id, decide)

    async def change_password(self, request: ChangePassword, context: Context) -> PasswordChanged:
        if context.session is None:
            raise NOT_A_SESSION()
        identity = self._identify(LoginKind.SESSION, context.session, "")
        user = await self._right_user(identity.user, request.password, context.address)
        if password.prepared(request.new_password) == password.prepared(request.password):
            raise misfit("new_password", "it is the old one.")
        stored = await self._hash(user.name, request.new_password, "new_password")
        before = self._tokens_left(user.name)

        def decide() -> UserChanged:
            self._identify(LoginKind.SESSION, identity.id, "")  # the password was checked for so long
            now = self._directory.users.get(user.name)
            if now is None or now.password_hash != user.password_hash:
                raise Refusal(ErrorCode.CONFLICT, "The password was changed in the meantime.")
            return UserChanged(
                user=now.name, at=self._now(), role=now.role, email=now.email, password_hash=stored,
                status=now.status, must_change_password=False, by=now.name, ends_sessions=True,
                but_session=identity.id, ends_tokens=request.end_tokens,
            )  # fmt: skip

        await self.journal.change(decide)
        left = self._tokens_left(user.name)
        return PasswordChanged(status="changed", tokens_ended=before - left, tokens_left=left)

    async def role_check(self, request: RoleCheck, context: Context) -> RoleCheckReply:
        if request.action not in Action._value2member_map_:
            raise misfit("action", "no such action.", known=sorted(Action))
        identity = self._came_with(context)
        return RoleCheckReply(allowed=request.action in identity.actions, permissions=identity.actions)

    async def identify(self, request: Identify, context: Context) -> Identity:
        await self.journal.until(context.after)
        return self._identify(request.kind, request.id, request.proof)

    async def introspect(self, request: Introspect, context: Context) -> Introspection:
        return introspect(
            request.token, book=self._directory, public=self._public_keys(), now=self._clock.now(),
            longest=self._auth.token_seconds,
        )  # fmt: skip

    # --- users

    async def list_users(self, request: ListUsers, context: Context) -> Page:
        names = sorted(self._directory.users)
        after = request.cursor or ""
        wanted = [name for name in names if name > after and request.role in (None, self._directory.users[name].role)]
        shown = wanted[: request.limit]
        return Page(
            body=[self._directory.user_view(name, self._clock.now()) for name in shown],
            next_cursor=shown[-1] if len(wanted) > request.limit else None,
        )

    async def create_user(self, request: CreateUser, context: Context) -> UserView:
        asker = self._asker(context)
        draft = self._must_change(request.must_change_password)
        machine.create_user(self._directory, asker, request, "", self._now(), must_change=draft)  # before the dear hash
        stored = await self._hash(request.username, request.password)
        await self.journal.change(
            lambda: machine.create_user(
                self._directory, self._asker(context), request, stored, self._now(), must_change=draft
            )
        )
        return self._directory.user_view(request.username, self._clock.now())

    async def change_user(self, request: ChangeUser, context: Context) -> Page:
        def decide(stored: str | None) -> UserChanged | None:
            event = machine.change_user(
                self._directory, self._asker(context), request, stored, self._now(), must_change=self._must_change(None)
            )
            return event if machine.changes(self._directory, event) else None

        wanted = {"email", "role", "password", "status", "must_change_password"}
        if not request.end_tokens and all(getattr(request, name) is UNSET for name in wanted):
            raise Refusal(ErrorCode.INVALID_PARAMS, "Name what to change.", known=sorted({*wanted, "end_tokens"}))
        decide(None)
        stored = None if request.password is UNSET else await self._hash(request.user, request.password)
        event = await self.journal.change(lambda: decide(stored))
        return Page(body=self._directory.user_view(request.user, self._clock.now()), changed=event is not None)

    async def delete_user(self, request: DeleteUser, context: Context) -> Deleted:
        await self.journal.change(
            lambda: machine.delete_user(self._directory, self._asker(context), request.user, self._now())
        )
        return Deleted(id=request.user)

    async def end_sessions(self, request: EndSessions, context: Context) -> LoggedOut:
        machine.managed(self._directory, self._asker(context), request.user)
        return await self._end_all(request.user, context.user, end_tokens=request.end_tokens)

    async def _end_all(self, user: str, by: str, *, end_tokens: bool) -> LoggedOut:
        count = sum(1 for session in self._directory.sessions.values() if session.user == user)
        before = self._tokens_left(user)
        await self.journal.change(lambda: SessionsEnded(user=user, at=self._now(), by=by, ends_tokens=end_tokens))
        left = self._tokens_left(user)
        return LoggedOut(status="logged_out", sessions=count, tokens_ended=before - left, tokens_left=left)

    def _tokens_left(self, user: str) -> int:
        return self._directory.tokens_left(user, self._clock.now())

    # --- roles

    async def list_roles(self, request: ListRoles, context: Context) -> list[RoleView]:
        return [self._directory.role_view(name) for name in sorted(self._directory.roles)]

    async def set_role(self, request: SetRole, context: Context) -> Page:
        def decide() -> RoleSet | None:
            event = machine.set_role(self._directory, self._asker(context), request, self._now())
            return event if machine.changes(self._directory, event) else None

        event = await self.journal.change(decide)
        return Page(body=self._directory.role_view(request.role), changed=event is not None)

    async def delete_role(self, request: DeleteRole, context: Context) -> Deleted:
        await self.journal.change(
            lambda: machine.delete_role(self._directory, self._asker(context), request.role, self._now())
        )
        return Deleted(id=request.role)

    # --- service tokens

    async def list_tokens(self, request: ListTokens, context: Context) -> list[TokenView]:
        machine.may_list_tokens(self._asker(context))
        everybody = context.may(Action.USER_VIEW)
        if not everybody and request.user not in (None, context.user):
            raise Refusal(ErrorCode.PERMISSION_DENIED, "Only your own.", permission=Action.USER_VIEW)
        wanted = request.user if everybody else context.user
        ids = [id for id, token in sorted(self._directory.tokens.items()) if wanted in (None, token.user)]
        return [self._directory.token_view(id, await self._last_used(id)) for id in ids]

    async def create_token(self, request: CreateToken, context: Context) -> TokenCreatedReply:
        if context.session is None:
            raise NOT_A_SESSION()
        id, whole, proof = tokens.make_service_token()
        expires_at = utc(self._clock.now() + timedelta(seconds=request.expires_in))
        await self.journal.change(
            lambda: machine.create_token(
                self._directory, self._asker(context), request, id, proof, self._now(), expires_at
            )
        )
        actions = self._directory.token_view(id, None).actions
        return TokenCreatedReply(id=id, name=request.name, token=whole, actions=actions, expires_at=expires_at)

    async def revoke_token(self, request: RevokeToken, context: Context) -> Deleted:
        await self.journal.change(
            lambda: machine.revoke_token(self._directory, self._asker(context), request.token_id, self._now())
        )
        return Deleted(id=request.token_id)

    async def token_used(self, request: TokenUsed, context: Context) -> Noted:
        if request.token_id in self._directory.tokens:
            with contextlib.suppress(BusError):
                await self._bus.put(SEEN, f"token.{request.token_id}", self._now().encode(), expect=None)
        return Noted()

    async def _last_used(self, id: str) -> str | None:
        try:
            entry = await self._bus.get(SEEN, f"token.{id}")
        except BusError:
            return None
        return entry.data.decode() if entry is not None and entry.data else None

    # --- inside

    def _identify(self, kind: LoginKind, id: str, proof: str) -> Identity:
        return self._directory.identify(kind, id, proof, self._clock.now())

    def _came_with(self, context: Context) -> Identity:
        kind, _, id = (context.credential or "").partition(":")
        if kind not in LoginKind._value2member_map_:
            raise ENDED()
        return self._identify(LoginKind(kind), id, "")

    def _asker(self, context: Context) -> Asker:
        """Whoever asks, with what they hold by the record now, whatever a door remembers of them."""
        identity = self._came_with(context)
        if identity.user != context.user:
            raise ENDED()
        program = identity.kind is LoginKind.TOKEN
        return Asker(user=identity.user, actions=frozenset(identity.actions), program=program)

    def _must_change(self, wanted: bool | None) -> bool:
        return self._auth.change_at_first_login if wanted is None else wanted

    async def _hash(self, name: str, secret: str, field: str = "password") -> str:
        fit = password.fit(secret, user=name, shortest=self._auth.min_password, field=field)
        try:
            return await self._passwords.hash(fit)
        except TooManyPasswords:
            raise Refusal(ErrorCode.RATE_LIMITED, TOO_MANY_LOGINS, retry_after=1) from None

    def _public_keys(self) -> Mapping[str, VerifyKey]:
        return {name: tokens.public_key(secret) for name, secret in self._keys.items()}

    def _access(self, user: User, session: str) -> tuple[str, int]:
        """An access token, and for how many seconds it is good: none outlives its session. AUTH_FAIL: that is over."""
        ends = self._identify(LoginKind.SESSION, session, "").expires_at
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
