"""The audit at the doors: who did what, on what, with which result. One place for HTTP and the bus alike.

Nobody is told that something was done before it is on the audit. The audit hears of an action before the actors do, so
that it is on record also when this gateway dies in between; nobody waits for that.

Nobody fills the disk by being refused. Requests of nobody (no token, a bad one, a login that must wait) change nothing
and are not on it; they are in the log and in the figures. What a known user is refused, and who tries passwords or
refresh tokens, is told once for each kind and minute, with the number of times (`actors/runtime/alike.py`). So is what
was done and changed nothing: a fresh access token in the same session, the end of a call that is over, and a repeat
that was answered as the first.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import web
from msgspec import NODEFAULT, Struct

from actors.point.tokens import claimed
from actors.runtime.alike import STRANGERS, Alike
from actors.runtime.bus import Bus, BusError
from actors.runtime.clock import Clock, utc
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.wire import ask
from bus_schemas.audit import (
    ENDED_SESSION,
    INTEND_AUDIT,
    RECORD_AUDIT,
    UNKNOWN,
    WITHDRAW_AUDIT,
    AuditEntry,
    IntendAudit,
    RecordAudit,
    WithdrawAudit,
)
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.fields import UNSEEN
from bus_schemas.permissions import Access
from bus_schemas.user import Login, LoginKind, Refresh
from gateway.auth import Caller
from gateway.errors import MAYBE_DONE, REPLAYED
from gateway.routes import Route
from gateway.server import client_of

log = structlog.get_logger()

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
TRACE_ID: web.RequestKey[str] = web.RequestKey("trace_id", str)
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
INTENT: web.RequestKey[str] = web.RequestKey("intent", str)
CHANGED: web.RequestKey[bool] = web.RequestKey("changed", bool)  # not set: it may have been
RPC_REQUEST: web.RequestKey[Struct] = web.RequestKey("rpc_request", Struct)

TRIED = ("username", "refresh_token")  # the fields of a request by which a stranger tries to be somebody
LATE = 10_000  # entries that are kept in memory while the audit is away
LATE_PAUSE = 1.0
SOON = 0.5  # seconds that whoever has changed nothing waits for their record
LONGEST = 64  # characters of one value on the audit
_UNSEEN = re.compile(f"[{UNSEEN}]")
# Of what a role or a service token may do, said once each; all that there is takes less. And of a filter, as JSON.
LONGEST_LIST = 2048
NOT_WRITTEN = RefusalTemplate(
    ErrorCode.UNAVAILABLE, "It may have been done, but the audit could not be written. Ask before repeating."
)


class Auditor:
    """Puts actions on the audit. `nearly_full`: whether the journal is."""

    def __init__(self, *, bus: Bus, clock: Clock, ids: Ids, nearly_full: Callable[[], bool] = lambda: False) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._late: deque[RecordAudit] = deque(maxlen=LATE)
        self._catching_up: asyncio.Task[None] | None = None
        self._soon: set[asyncio.Task[None]] = set()  # that nobody waits for any more, or not for long
        self._alike = Alike(clock=clock, write=self.record, nearly_full=nearly_full)

    async def watch(
        self, route: Route, request: web.Request, work: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Do the work and put it on the audit, whether it succeeds or is refused."""
        try:
            response = await work()
        except Refusal as refusal:
            ended = (refusal.details or {}).get(ENDED_SESSION)
            if isinstance(ended, str):  # refused, and not without effect
                entry = self._entry(route, request, refusal.code.value, b"", shown=True)
                entry = msgspec.structs.replace(entry, subject={ENDED_SESSION: ended})
                await self.record(entry, request.get(INTENT, ""))
            else:
                await self._note(route, request, refusal.code.value, b"")
            raise
        except Exception:
            await self._note(route, request, ErrorCode.INTERNAL.value, b"")
            raise
        body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
        await self._note(route, request, "OK", b"" if route.table else body, has_changed(request, response))
        return response

    async def intend(self, route: Route, request: web.Request) -> None:
        """Tell the audit what is about to be done. What nobody is behind has no entry, and no intent."""
        if route.audited and request.get(CALLER) is not None:
            request[INTENT] = await self.announce(self._entry(route, request, UNKNOWN, b""))

    async def announce(self, entry: AuditEntry) -> str:
        """Tell the audit of an action before it is done, in the order of this connection; returns the intent's id."""
        intent = self._ids.new()
        await self._say(INTEND_AUDIT, IntendAudit(intent=intent, entry=entry), intent)
        return intent

    async def conclude(
        self, entry: AuditEntry, intent: str = "", *, who: str | None = None, changed: bool = True
    ) -> None:
        """Say how an action went: what changed nothing (a refusal, or not `changed`) and is like others of
        this minute is counted, all else is put on record. `who`: the asker, if not the entry's user. Raises
        Refusal(UNAVAILABLE), as `record` does, where something may have been done."""
        if changed if entry.result == "OK" else is_in_doubt(entry.result, intent):
            await self.record(entry, intent)
        elif self._alike.take(entry, entry.user if who is None else who) is not None:
            await self._record_soon(entry, intent)
        elif intent:
            await self._say(WITHDRAW_AUDIT, WithdrawAudit(intent=intent), intent)

    async def _say(self, rpc: Rpc[Any, Any], said: Struct, intent: str) -> None:
        try:
            await self._bus.publish(rpc.subject, msgspec.json.encode(said), Context(command_id=intent).headers())
        except BusError as error:  # then the action does not get through either, or what was refused is told as UNKNOWN
            log.info("not announced", what=rpc.subject, error=repr(error))

    async def _note(
        self, route: Route, request: web.Request, result: str, reply: bytes, changed: bool = True
    ) -> None:
        known = request.get(CALLER) is not None
        if known or result == "OK" or _tried(route, request, result):
            entry = self._entry(route, request, result, reply)
            who = STRANGERS if not entry.user else None
            await self.conclude(entry, request.get(INTENT, ""), who=who, changed=changed)

    def _entry(
        self, route: Route, request: web.Request, result: str, reply: bytes, *, shown: bool = False
    ) -> AuditEntry:
        """`shown`: POINT has believed the login or the refresh token, although it was refused."""
        user, credential = _who(request, believed=shown or result == "OK")
        return AuditEntry(
            at=utc(self._clock.now()),
            user=user,
            door="http",
            action=f"{route.method} {route.path}",
            result=result,
            subject=subject_of(route.rpc, request.get(RPC_REQUEST), reply if result == "OK" else b""),
            credential=credential,
            address=client_of(request),
            request_id=request[REQUEST_ID],
            trace_id=request.get(TRACE_ID),
        )

    async def record(self, entry: AuditEntry, intent: str = "") -> None:
        """Put one entry on record. Raises Refusal(UNAVAILABLE) when that is not possible now: it is done later."""
        request = RecordAudit(entry=entry, intent=intent or self._ids.new())
        try:
            await self._write(request, fresh=True)
        except Refusal as refusal:
            log.error("audit not written", refusal=refusal.message, entry=msgspec.to_builtins(entry))
            self._late.append(request)
            if self._catching_up is None or self._catching_up.done():
                self._catching_up = asyncio.get_running_loop().create_task(self._catch_up())
            raise NOT_WRITTEN() from None

    async def _record_soon(self, entry: AuditEntry, intent: str) -> None:
        """Put on record what has changed nothing. What is answered is true without it, so that nobody waits for long
        while the audit cannot be written, or is told that it may have been done."""
        task = asyncio.get_running_loop().create_task(self.record(entry, intent))
        self._soon.add(task)
        task.add_done_callback(self._said)
        await asyncio.wait((task,), timeout=SOON)

    def _said(self, task: asyncio.Task[None]) -> None:
        self._soon.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Refusal):
            log.error("audit not written", error=repr(error))

    async def _write(self, request: RecordAudit, *, fresh: bool = False) -> None:
        """Asked again where it is not answered, which is harmless: by its intent it is written once."""
        await ask(self._bus, RECORD_AUDIT, request, Context(command_id=self._ids.new(), fresh=fresh))

    async def _catch_up(self) -> None:
        """Write what could not be written, oldest first, until all of it is there."""
        while self._late:
            request = self._late[0]
            try:
                await self._write(request)
            except Refusal as refusal:
                if refusal.code is not ErrorCode.INVALID_PARAMS:
                    await asyncio.sleep(LATE_PAUSE)
                    continue
                log.error("audit entry is given up", refusal=refusal.message)
            if self._late and self._late[0] is request:  # it may have been pushed out meanwhile
                self._late.popleft()

    async def stop(self) -> None:
        """Tell what was counted, and give up what is late. It is in the log."""
        await self._alike.stop()
        if self._soon:
            await asyncio.wait(self._soon, timeout=SOON)
        tasks = [*self._soon, *([] if self._catching_up is None else [self._catching_up])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _who(request: web.Request, *, believed: bool) -> tuple[str, str | None]:
    """User and credential of who has asked: by what POINT has believed of the body, else as the door knows them."""
    match request.get(RPC_REQUEST):
        case Login(username=name) if believed:
            return name, None
        case Refresh(refresh_token=str(token)) if believed:
            user, session = claimed(token)
            return user, f"{LoginKind.SESSION}:{session}"
    caller = request.get(CALLER)
    return (caller.user, caller.credential or None) if caller else ("", None)


def is_in_doubt(result: str, intent: str) -> bool:
    """Whether what was refused may have been done all the same. Without an intent it was not even sent."""
    return bool(intent) and result in MAYBE_DONE


def has_changed(request: web.Request, response: web.StreamResponse) -> bool:
    """Whether something was written for a request that was not refused."""
    return request.get(CHANGED, True) and REPLAYED not in response.headers


def _tried(route: Route, request: web.Request, result: str) -> bool:
    """Whether a stranger has tried to be somebody, and failed."""
    asked = request.get(RPC_REQUEST)
    open_to_all = route.permission in (Access.PUBLIC, Access.OPTIONAL)
    return open_to_all and result == ErrorCode.AUTH_FAIL and any(getattr(asked, name, None) for name in TRIED)


def subject_of(rpc: Rpc[Any, Any], request: Any, reply: bytes) -> dict[str, str | int]:
    """What an action was about: the fields that the contract line names, of the reply or of the request."""
    if not rpc.audit_fields:
        return {}
    answered: dict[str, Any] = {}
    if reply:
        decoded = msgspec.json.decode(reply)
        answered = decoded if isinstance(decoded, dict) else {}
    found: dict[str, str | int] = {}
    for field in rpc.audit_fields:
        name, _, inner = field.partition(".")
        value = answered.get(name, getattr(request, name, None))
        if inner and isinstance(value, dict):
            value = value.get(inner)
        if isinstance(value, Struct):  # which leads, or the like: what is given of it
            found[name] = _escaped(msgspec.json.encode(value).decode())[:LONGEST_LIST]
        elif isinstance(value, list | dict):
            found[name] = _escaped(_listed(value))[:LONGEST_LIST]
        elif isinstance(value, int | str) and not isinstance(value, bool):  # which is an int, but not on record
            found[name] = _escaped(value)[:LONGEST] if isinstance(value, str) else value
    if rpc.audit_changes and request is not None:
        found["changed"] = " ".join(_given(request))
    return found


def _escaped(text: str) -> str:
    """A text with what is not seen in it told by its number: what was refused may be anything."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _listed(value: list[str] | dict[str, list[str]]) -> str:
    """Actions, or verbs by module, in one order and each once: nobody pushes one beyond the end by repeating others."""
    if isinstance(value, list):
        return " ".join(sorted(set(value)))
    return "; ".join(f"{module}: {_listed(verbs)}" for module, verbs in sorted(value.items()))


def _given(request: Struct) -> list[str]:
    """The fields that may be left out of a request, and were not."""
    values = {one.name: (getattr(request, one.name), one.default) for one in msgspec.structs.fields(request)}
    return [name for name, (value, default) in values.items() if default is not NODEFAULT and value != default]
