"""POINT's shell: answers logins and sessions from what is on record. Any host may run it.

Several hosts may write at once: each write names the user's or role's last sequence, so the second writer is
fenced, reads what the first wrote, and decides again.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

import msgspec
import structlog

from actors.point.machine import ENDED, Directory, User, missing_roles
from actors.point.throttle import Throttle
from actors.point.tokens import Claims, encode
from actors.runtime.bus import Bus, Fenced, Recorded, Unsubscribe
from actors.runtime.clock import Clock, utc
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.service import Service
from actors.settings import Auth
from bus_schemas.contract import Topic
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.user import (
    GET_SESSION,
    LOGIN,
    LOGOUT,
    REFRESH,
    ROLE_CHECK,
    TOPICS,
    GetSession,
    LoggedOut,
    Login,
    Logout,
    Refresh,
    RefreshedToken,
    RoleCheck,
    RoleCheckReply,
    SessionClosed,
    SessionOpened,
    SessionView,
    Token,
    UserCreated,
)

log = structlog.get_logger()

SCOPES = ("ottb.v1.evt.role.>", "ottb.v1.evt.user.>")
WRITE_TRIES = 5
READ_DEADLINE = 2.0  # seconds to wait until an own write has come back from the journal
WRONG = Refusal(ErrorCode.AUTH_FAIL, "Wrong user name or password.")


class PasswordChecks(Protocol):
    """Hashing and checking of passwords, slow on purpose."""

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
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._passwords = passwords
        self._keys = keys
        self._auth = auth
        self._directory = Directory()
        self._throttle = Throttle()
        self._following: list[Unsubscribe] = []
        self._moved = asyncio.Condition()
        self._service = Service(
            bus=bus,
            queue="point",
            handlers={
                LOGIN: self.login,
                REFRESH: self.refresh,
                LOGOUT: self.logout,
                ROLE_CHECK: self.role_check,
                GET_SESSION: self.get_session,
            },
        )

    async def start(self) -> None:
        """Read what is on record, write the built-in roles if they are missing, and serve."""
        for scope in SCOPES:
            after = 0
            async for recorded in self._bus.replay(scope):
                await self._hear(recorded)
                after = recorded.seq
            self._following.append(await self._bus.follow(scope, self._hear, after=after))
        for event in missing_roles(self._directory, self._now()):
            await self._write("role", event.role, event)
        await self._service.start()

    async def stop(self) -> None:
        await self._service.stop()
        for stop in self._following:
            await stop()

    async def seed(self, name: str, password: str, role: str) -> bool:
        """Create a user unless there is one of this name. True: created."""
        if name in self._directory.users:
            return False
        stored = await self._passwords.hash(password)
        await self._write(
            "user",
            name,
            UserCreated(user=name, at=self._now(), role=role, email=None, password_hash=stored, by="system"),
        )
        return True

    # --- contract lines

    async def login(self, request: Login, context: Context) -> Token:
        wait = self._throttle.wait(request.username, context.address, self._clock.monotonic())
        if wait > 0:
            raise Refusal(ErrorCode.RATE_LIMITED, "Too many wrong passwords. Wait.", retry_after=round(wait, 1))
        user = self._directory.users.get(request.username)
        right = await self._passwords.check(user.password_hash if user else None, request.password)
        if not right or user is None:
            self._throttle.failed(request.username, context.address, self._clock.monotonic())
            raise WRONG
        self._throttle.succeeded(request.username, context.address)
        session = await self._open_session(user, context)
        role = self._directory.role_of(user)
        return Token(
            token=self._token(user, session.session),
            role=user.role,
            expires=self._auth.token_seconds,
            permissions=role.permissions,
        )

    async def refresh(self, request: Refresh, context: Context) -> RefreshedToken:
        session = self._session(context)
        token = self._token(self._directory.users[session.user], session.session)
        return RefreshedToken(token=token, expires=self._auth.token_seconds)

    async def logout(self, request: Logout, context: Context) -> LoggedOut:
        session = self._session(context)
        event = SessionClosed(user=session.user, at=self._now(), session=session.session, by=context.user)
        await self._write("user", session.user, event)
        return LoggedOut(status="logged_out")

    async def role_check(self, request: RoleCheck, context: Context) -> RoleCheckReply:
        if request.action not in Action._value2member_map_:
            raise Refusal(ErrorCode.INVALID_PARAMS, "No such action.", known=sorted(Action))
        session = self._session(context)
        return RoleCheckReply(allowed=request.action in session.actions, permissions=session.actions)

    async def get_session(self, request: GetSession, context: Context) -> SessionView:
        return self._directory.session(request.session, self._clock.now())

    # --- inside

    def _session(self, context: Context) -> SessionView:
        if context.session is None:
            raise ENDED
        return self._directory.session(context.session, self._clock.now())

    async def _open_session(self, user: User, context: Context) -> SessionOpened:
        self._directory.forget_expired(self._clock.now())
        event = SessionOpened(
            user=user.name,
            at=self._now(),
            session=self._ids.new(),
            address=context.address,
            expires_at=utc(self._clock.now() + timedelta(seconds=self._auth.session_seconds)),
        )
        await self._write("user", user.name, event)
        return event

    def _token(self, user: User, session: str) -> str:
        now = int(self._clock.now().timestamp())
        claims = Claims(
            user=user.name,
            session=session,
            role=user.role,
            token_id=self._ids.new(),
            issued=now,
            expires=now + self._auth.token_seconds,
        )
        return encode(claims, self._keys)

    def _now(self) -> str:
        return utc(self._clock.now())

    async def _write(self, kind: str, name: str, event: Any) -> None:
        topic: Topic[Any] = next(topic for topic in TOPICS if topic.event is type(event))
        scope = f"ottb.v1.evt.{kind}.{name}.*"
        headers = {"Nats-Msg-Id": self._ids.new()}
        for _ in range(WRITE_TRIES):
            expect = self._directory.sequences.get(f"{kind}.{name}", 0)
            try:
                seq = await self._bus.append(
                    topic.subject_for(event), msgspec.json.encode(event), headers, scope=scope, expect=expect
                )
            except Fenced:
                last = await self._bus.last(scope)
                await self._until(f"{kind}.{name}", last.seq if last else 0)
                continue
            await self._until(f"{kind}.{name}", seq)
            return
        raise Refusal(ErrorCode.UNAVAILABLE, "Others change the same thing. Try again.")

    async def _until(self, whose: str, seq: int) -> None:
        """Wait until the journal's entry has come back: then every answer includes it."""
        try:
            async with asyncio.timeout(READ_DEADLINE), self._moved:
                await self._moved.wait_for(lambda: self._directory.sequences.get(whose, 0) >= seq)
        except TimeoutError:
            raise Refusal(ErrorCode.TIMEOUT, "Written, but not read back in time.") from None

    async def _hear(self, recorded: Recorded) -> None:
        _, _, _, kind, name, past = recorded.subject.split(".")
        topic = next((t for t in TOPICS if t.past == past and f".{kind}." in t.subject), None)
        if topic is not None:
            self._directory.apply(msgspec.json.decode(recorded.data, type=topic.event))
        self._directory.sequences[f"{kind}.{name}"] = recorded.seq
        async with self._moved:
            self._moved.notify_all()
