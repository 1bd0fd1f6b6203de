"""The audit at the doors: who did what, on what, with which result. One place for HTTP and the bus alike.

Nobody is told that something was done before it is on the audit. Requests of nobody (no token, a bad one, a login that
must wait) change nothing and are not on it: a stranger could fill the disk. They are in the log and in the figures.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import web
from msgspec import Struct

from actors.runtime.bus import Bus
from actors.runtime.clock import Clock, utc
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.wire import ask
from bus_schemas.audit import RECORD_AUDIT, AuditEntry, RecordAudit
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from gateway.auth import Caller
from gateway.routes import Route

log = structlog.get_logger()

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
TRACE_ID: web.RequestKey[str] = web.RequestKey("trace_id", str)
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
WANTED: web.RequestKey[Struct] = web.RequestKey("wanted", Struct)

STRANGERS = frozenset({"RATE_LIMITED", "INVALID_PARAMS", "UNSUPPORTED_MEDIA_TYPE", "PAYLOAD_TOO_LARGE"})
LONGEST = 64  # characters of one value on the audit
NOT_WRITTEN = Refusal(
    ErrorCode.UNAVAILABLE, "It may have been done, but the audit could not be written. Ask before repeating."
)


class Auditor:
    """Puts deeds on the audit."""

    def __init__(self, *, bus: Bus, clock: Clock, ids: Ids) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids

    async def watch(
        self, route: Route, request: web.Request, work: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Do the work and put it on the audit, whether it succeeds or is refused."""
        try:
            response = await work()
        except Refusal as refusal:
            await self._note(route, request, refusal.code.value, b"")
            raise
        except web.HTTPException as error:
            await self._note(route, request, f"HTTP_{error.status}", b"")
            raise
        except Exception:
            await self._note(route, request, ErrorCode.INTERNAL.value, b"")
            raise
        body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
        await self._note(route, request, "OK" if response.status < 400 else f"HTTP_{response.status}", body)
        return response

    async def _note(self, route: Route, request: web.Request, result: str, reply: bytes) -> None:
        caller = request.get(CALLER)
        if caller is None and (isinstance(route.permission, Action) or result in STRANGERS):
            return
        logged_in = getattr(request.get(WANTED), "username", "") if result == "OK" else ""
        entry = AuditEntry(
            at=utc(self._clock.now()),
            user=caller.user if caller else logged_in,
            door="http",
            action=f"{route.method} {route.path}",
            result=result,
            subject=subject_of(route.rpc, request.get(WANTED), reply if result == "OK" else b""),
            credential=(caller.credential or None) if caller else None,
            address=request.remote or "",
            request_id=request[REQUEST_ID],
            trace_id=request.get(TRACE_ID),
        )
        await self.record(entry)

    async def record(self, entry: AuditEntry) -> None:
        """Put one entry on record. Raises Refusal(UNAVAILABLE) when that is not possible now."""
        try:
            await ask(self._bus, RECORD_AUDIT, RecordAudit(entry=entry), Context(command_id=self._ids.new()))
        except Refusal as refusal:
            log.error("audit not written", refusal=refusal.message, entry=msgspec.to_builtins(entry))
            raise NOT_WRITTEN from None


def subject_of(rpc: Rpc[Any, Any], wanted: Any, reply: bytes) -> dict[str, str | int]:
    """What a deed was about: the fields that the contract line names, of the reply or of the request."""
    if not rpc.about:
        return {}
    answered: dict[str, Any] = {}
    if reply:
        decoded = msgspec.json.decode(reply)
        answered = decoded if isinstance(decoded, dict) else {}
    found: dict[str, str | int] = {}
    for name in rpc.about:
        value = answered.get(name, getattr(wanted, name, None))
        if isinstance(value, int | str):
            found[name] = value[:LONGEST] if isinstance(value, str) else value
    return found
