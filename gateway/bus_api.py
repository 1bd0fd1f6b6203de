"""The door on the bus: commands and queries of other systems, under the prefix that the server grants to each alone.

`ottb.v1.own.<user>.cmd.call.start`, or `ottb.v1.token.<token id>...` for service tokens, stands for the contract line
`ottb.v1.cmd.call.start`. What is asked, checked and put on the audit is the same as over HTTP.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any, get_type_hints

import msgspec
import structlog
from aiohttp import web

from actors.runtime.bus import Bus, Message, Unsubscribe
from actors.runtime.clock import Clock, utc
from actors.runtime.context import Context
from actors.runtime.ids import Ids
from actors.runtime.sparing import FAILED_LINES, SparingLog
from actors.runtime.wire import (
    CURSOR_HEADER,
    INEXACT_HEADER,
    SEQ_HEADER,
    TOTAL_HEADER,
    UNCHANGED_HEADER,
    ask_raw,
    send_refusal,
)
from bus_schemas.audit import UNKNOWN, AuditEntry
from bus_schemas.contract import UNDECODABLE, Rpc
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.names import Share, inbox_of, share_of
from bus_schemas.permissions import Action
from bus_schemas.user import LoginKind
from gateway.auditor import Auditor, is_in_doubt, subject_of
from gateway.auth import Authenticator, Caller
from gateway.bodies import object_in, request_of
from gateway.brake import Brake, GiveBack
from gateway.connections import Connections
from gateway.errors import REPLAYED
from gateway.idempotency import Idempotency, digest_of
from gateway.reads import Reads
from gateway.routes import Held, Route
from gateway.surface import ROUTES

log = structlog.get_logger()

SUBJECTS = ("ottb.v1.own.*.cmd.>", "ottb.v1.own.*.qry.>", "ottb.v1.token.*.cmd.>", "ottb.v1.token.*.qry.>")
KINDS = {"own": LoginKind.CONNECTION, "token": LoginKind.TOKEN}
AT_ONCE = 256
AT_ONCE_EACH = 32  # of one user, and of all their service tokens
REFUSED_EACH = 200  # that a second are told so; a flood's answers would cost more than the flood
UNANSWERED_LINES = 6  # a minute in the log, of requests that are not answered at all
LONGEST_BODY = 64 * 1024
LONGEST_INBOX = 512  # characters of a subject for an answer

NO_LINE = RefusalTemplate(ErrorCode.NOT_FOUND, "There is no such command or query.")
BUSY = RefusalTemplate(ErrorCode.UNAVAILABLE, "Too many requests at once here. Try again.")
BUSY_WITH_YOURS = RefusalTemplate(ErrorCode.RATE_LIMITED, "Too many of your requests at once. Wait for answers.")

_FIELD = re.compile(r"\\\{(\w+)\\\}")
LINES = [
    (re.compile(_FIELD.sub(r"(?P<\1>[^.]+)", re.escape(route.rpc.subject)) + r"\Z"), route)
    for route in ROUTES
    if isinstance(route.permission, Action)
    and not (route.lines or route.upload or route.passed)  # files come over HTTP
]


class BusApi:
    """Serves other systems. Any gateway may answer. `door`: a connection on which nothing of the platform's own waits
    behind what others send."""

    def __init__(
        self,
        *,
        door: Bus,
        bus: Bus,
        clock: Clock,
        ids: Ids,
        authenticator: Authenticator,
        idempotency: Idempotency,
        auditor: Auditor,
        brake: Brake,
        reads: Reads,
        connections: Connections,
    ) -> None:
        self._connections = connections
        self._door = door
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._authenticator = authenticator
        self._idempotency = idempotency
        self._auditor = auditor
        self._brake = brake
        self._reads = reads
        self._tasks: set[asyncio.Task[None]] = set()
        self._held_back = 0  # of them, that only wait until they may be answered
        self._stopping = asyncio.Event()
        self._running: Counter[str] = Counter()  # by whose they are
        self._refused: Counter[str] = Counter()  # in this second
        self._second = 0.0
        self._unanswered = SparingLog(per_minute=UNANSWERED_LINES, now=clock.monotonic)
        self._failed = SparingLog(per_minute=FAILED_LINES, now=clock.monotonic)
        self._stops: list[Unsubscribe] = []

    async def start(self) -> None:
        for subject in SUBJECTS:
            self._stops.append(await self._door.subscribe(subject, self._receive, queue="door"))

    async def stop(self) -> None:
        for stop in self._stops:
            await stop()
        self._stopping.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _receive(self, message: Message) -> None:
        _, _, door, name, *_ = message.subject.split(".")
        if not _is_inbox(message.reply_to, inbox_of(KINDS[door], name)):
            # Whoever asks chooses where the answer goes; elsewhere it would be published with our rights, not theirs.
            self._unanswered.warning(
                "request without an inbox of its own", subject=message.subject, reply_to=message.reply_to[:128]
            )
            return
        whose = f"{door}.{name}"
        if self._running[whose] >= AT_ONCE_EACH or len(self._tasks) - self._held_back >= AT_ONCE:
            if self._is_answered(whose):
                await send_refusal(message, (BUSY_WITH_YOURS if self._running[whose] >= AT_ONCE_EACH else BUSY)())
            return
        self._running[whose] += 1
        task = asyncio.get_running_loop().create_task(self._answer(message, KINDS[door], name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._end(whose))

    def _is_answered(self, whose: str) -> bool:
        """Whether one more refusal of somebody's is answered."""
        now = self._clock.monotonic()
        if now - self._second >= 1.0:
            self._second = now
            self._refused.clear()
        self._refused[whose] += 1
        return self._refused[whose] <= REFUSED_EACH

    def _end(self, whose: str) -> None:
        self._running[whose] -= 1
        if not self._running[whose]:
            del self._running[whose]

    async def _answer(self, message: Message, kind: LoginKind, name: str) -> None:
        share = share_of(kind, name)
        try:
            caller = await self._authenticator.identify(kind, name)
            share = caller.share
            answered = await self._among_the_users(message, caller)
            assert message.reply is not None
            await message.reply(_data(answered), _public_headers(answered.headers))
        except Refusal as refusal:
            await self._hold_back(share, len(message.data))
            await send_refusal(message, refusal)
        except Exception:  # noqa: BLE001  it is logged, and whoever asked is told
            self._failed.exception("bus request failed", subject=message.subject)
            await send_refusal(message, Refusal(ErrorCode.INTERNAL, "Internal error."))

    async def _hold_back(self, share: Share, sent: int) -> None:
        """Wait before a refusal to who has had many, over HTTP or here. Meanwhile it counts among theirs alone."""
        wait = self._connections.wait(share, "", sent)
        if wait <= 0:
            return
        self._held_back += 1
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._stopping.wait()
        finally:
            self._held_back -= 1

    async def _among_the_users(self, message: Message, caller: Caller) -> web.Response:
        """All service tokens of a user together have as many as one: else everybody would have as many as they make
        tokens. The user's own are not among them, so that they can end a token that somebody else uses."""
        if not caller.is_program:
            return await self._carry_out(message, caller)
        whose = ".".join(caller.share)
        if self._running[whose] >= AT_ONCE_EACH:
            raise BUSY_WITH_YOURS()
        self._running[whose] += 1
        try:
            return await self._carry_out(message, caller)
        finally:
            self._end(whose)

    async def _in_turn(self, route: Route, caller: Caller) -> None:
        """Wait for the turn of what changes nothing. Raises Refusal."""
        if route.brake is Held.TURNS:
            await self._brake.turn(caller.share)
        elif route.brake is Held.LOOKS:
            await self._brake.look(caller.share)

    async def _ask(self, route: Route, request: Any, asked: Context, share: Share) -> Message:
        """Ask on the bus, of what is read much in turn. Raises Refusal."""
        async with self._reads.turn(share) if route.many else contextlib.nullcontext():
            answered = await ask_raw(self._bus, route.rpc, request, asked)
        if route.brake is Held.LOOKS:
            self._brake.looked(share, len(answered.data))
        return answered

    async def _carry_out(self, message: Message, caller: Caller) -> web.Response:
        subject = "ottb.v1." + ".".join(message.subject.split(".")[4:])
        route, fields = _line(subject)
        rpc, audited = route.rpc, route.audited
        given = message.headers.get("Nats-Msg-Id")
        record = Idempotency.record_of(caller.whose, "bus", given) if given else ""
        command = subject.encode() + b"\n" + message.data  # what an id stands for
        digest = await digest_of(command) if record else ""
        context = Context(
            command_id=Idempotency.command_id(record, digest) if record else self._ids.new(),
            user=caller.user,
            actions=caller.actions & rpc.needed,
            traceparent=_trace(message.headers),
            credential=caller.credential,
        )
        request: Any = None
        intent = ""
        give_back: GiveBack | None = None

        async def work(again: bool) -> web.Response:
            nonlocal intent
            now = await self._authenticator.again(caller, rpc.permission)  # they waited for their id
            asked = msgspec.structs.replace(context, actions=now.actions & rpc.needed, again=again)
            if audited:
                intent = await self._auditor.announce(self._entry(rpc, request, b"", caller, UNKNOWN, context))
            answered = await self._ask(route, request, asked, caller.share)
            return web.Response(body=answered.data, headers=_public_headers(answered.headers))

        try:
            caller.must(rpc.permission)
            if audited:
                give_back = await self._brake.admit(rpc, caller.share)
                await self._authenticator.again(caller, rpc.permission)
            else:
                await self._in_turn(route, caller)
            request = _read(rpc, fields, message.data)
            if record and route.effect:
                answered = await self._idempotency.run(record, digest, work)
            else:
                answered = await work(False)
        except Exception as error:
            if audited:
                code = error.code if isinstance(error, Refusal) else ErrorCode.INTERNAL
                if give_back is not None and not is_in_doubt(code, intent):
                    give_back()
                entry = self._entry(rpc, request, b"", caller, code.value, context)
                await self._auditor.conclude(entry, intent)
            raise
        if audited:
            changed = not {REPLAYED, UNCHANGED_HEADER} & answered.headers.keys()
            if give_back is not None and not changed:
                give_back()
            entry = self._entry(rpc, request, b"" if route.table else _data(answered), caller, "OK", context)
            await self._auditor.conclude(entry, intent, changed=changed)
        return answered

    def _entry(
        self, rpc: Rpc[Any, Any], request: Any, reply: bytes, caller: Caller, result: str, context: Context
    ) -> AuditEntry:
        return AuditEntry(
            at=utc(self._clock.now()),
            user=caller.user,
            door="bus",
            action=rpc.subject,
            result=result,
            subject=subject_of(rpc, request, reply),
            credential=caller.credential,
            request_id=context.command_id,
            trace_id=context.trace_id,
        )


def _is_inbox(subject: str, prefix: str) -> bool:
    """Whether an answer can go there: a subject under the prefix, and none that stands for several. The server refuses
    others, with a line in its log and in ours for each."""
    inside = subject.startswith(f"{prefix}.") and len(subject) <= LONGEST_INBOX and subject.isprintable()
    return inside and not any(token in ("", "*", ">") for token in subject.split("."))


def _line(subject: str) -> tuple[Route, dict[str, str]]:
    for pattern, route in LINES:
        if (match := pattern.match(subject)) is not None:
            return route, match.groupdict()
    raise NO_LINE()


def _trace(headers: Mapping[str, str]) -> str | None:
    """The asker's trace, if it is one: it goes on with every message and into the journal."""
    given = headers.get("traceparent")
    return given if Context(command_id="", traceparent=given).trace_id is not None else None


def _data(answered: web.Response) -> bytes:
    assert isinstance(answered.body, bytes)
    return answered.body


def _public_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What an answer's headers say to other systems."""
    kept = (CURSOR_HEADER, SEQ_HEADER, TOTAL_HEADER, INEXACT_HEADER, UNCHANGED_HEADER)
    return {name: headers[name] for name in kept if name in headers}


def _read(rpc: Rpc[Any, Any], fields: dict[str, str], data: bytes) -> Any:
    """The request struct of a body and of what the subject says. Raises Refusal(INVALID_PARAMS)."""
    if len(data) > LONGEST_BODY:
        raise Refusal(ErrorCode.PAYLOAD_TOO_LARGE, "The body is too large.")
    struct: type = rpc.request
    body, types, more = object_in(data, struct), _types(struct), dict[str, Any]()
    for name, text in fields.items():
        if name not in body.fields:
            more[name] = _value(text, types[name])
        if str(more[name]) != text if name in more else not _says(body.fields[name], text):
            raise misfit(name, "it is another one in the subject.")
    return request_of(body, struct, more)


def _value(text: str, type_: Any) -> str | int:
    """A text of a subject as what it is to be, which may have the form of a number and be none."""
    with contextlib.suppress(msgspec.ValidationError):
        return str(msgspec.convert(text, type_))
    return int(text) if text.isdecimal() and len(text) < 10 else text


@cache
def _types(struct: type) -> Mapping[str, Any]:
    return get_type_hints(struct, include_extras=True)


def _says(value: msgspec.Raw, text: str) -> bool:
    """Whether a part of a body is this text, or this number."""
    try:
        return str(msgspec.json.decode(value, type=int | str)) == text
    except UNDECODABLE:
        return False
