"""How a contract line travels: `ask` sends a request and `answer` serves one. Used by gateway, CLI and actors alike."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import structlog
from msgspec import Struct

from actors.runtime.bus import Bus, BusUnavailable, Message, NoResponders, RequestTimeout, TooLarge
from actors.runtime.context import FRESH_HEADER, Context
from actors.runtime.tracing import span
from bus_schemas.contract import UNDECODABLE, AnyRpc, Rpc
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, Refused

log = structlog.get_logger()

Request = TypeVar("Request", bound=Struct)
Reply = TypeVar("Reply")

ERROR_HEADER = "Ottb-Error"
CURSOR_HEADER = "Ottb-Next-Cursor"
SEQ_HEADER = "Ottb-Seq"  # the journal's sequence that the answer includes; see Context.after
TOTAL_HEADER = "Ottb-Total"  # how many a list has, on all pages
INEXACT_HEADER = "Ottb-Total-Inexact"  # it has more than these
UNCHANGED_HEADER = "Ottb-Unchanged"  # it is as was asked, and was before: nothing was written for it

TOO_LARGE = RefusalTemplate(ErrorCode.INTERNAL, "The answer is larger than the bus takes in one message. Ask for less.")

WRONG_INSIDE = RefusalTemplate(ErrorCode.INTERNAL, "This went wrong inside. It is in the log.")
STOPPED = RefusalTemplate(ErrorCode.UNAVAILABLE, "This is being taken over. Try again.")

RETRY_FIRST, RETRY_LAST = 0.05, 0.5

_encode = msgspec.json.Encoder().encode
_decode_refused = msgspec.json.Decoder(Refused).decode


class Page(Struct, frozen=True, kw_only=True):
    """A reply that says more than its body: where the next page begins, what it includes of the journal, whether
    anything was changed for it, and how many there are on all pages, where that is counted; not `exact`: at least."""

    body: object
    next_cursor: str | None = None
    seq: int = 0
    changed: bool = True
    total: int | None = None
    exact: bool = True


async def ask_raw(
    bus: Bus, rpc: Rpc[Request, Reply], request: Request, context: Context, *, retry: bool = True
) -> Message:
    """Ask, and give back the answer undecoded. Raises Refusal for every way in which it was not done.

    Nobody there means that nothing was done, so the same command is sent again until the line's time is over. What is
    sent again is not fresh: the first one may have arrived all the same. What is not done twice (`Rpc.again`) is also
    sent once more where nobody answers.
    """
    subject, data, headers = rpc.subject_for(request), _encode(request), context.headers()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + rpc.timeout
    pause = RETRY_FIRST
    while True:
        try:
            return await _ask_once(bus, rpc, subject, data, headers, deadline, again=retry)
        except Refusal as refusal:
            if not retry or not _passes(refusal) or loop.time() + pause >= deadline:
                raise
        headers.pop(FRESH_HEADER, None)
        await asyncio.sleep(pause)
        pause = min(2 * pause, RETRY_LAST)


def _passes(refusal: Refusal) -> bool:
    """Whether it may be done in a moment. What is refused by a rule is not."""
    return refusal.code is ErrorCode.UNAVAILABLE and "rule" not in (refusal.details or {})


async def ask(
    bus: Bus, rpc: Rpc[Request, Reply], request: Request, context: Context, *, retry: bool = True
) -> Reply:
    """Ask and decode the answer. Raises Refusal."""
    answered = await ask_raw(bus, rpc, request, context, retry=retry)
    return msgspec.json.decode(answered.data, type=rpc.reply)


async def forward(
    bus: Bus, rpc: Rpc[Request, Reply], request: Request, context: Context, *, retry: bool = True
) -> Page:
    """Have somebody else answer, and pass the answer on as it is. Raises Refusal."""
    answered = await ask_raw(bus, rpc, request, context, retry=retry)
    cursor, total = answered.headers.get(CURSOR_HEADER), answered.headers.get(TOTAL_HEADER)
    seq, changed = int(answered.headers.get(SEQ_HEADER, "0")), UNCHANGED_HEADER not in answered.headers
    return Page(
        body=msgspec.Raw(answered.data), next_cursor=cursor, seq=seq, changed=changed,
        total=int(total) if total is not None else None, exact=INEXACT_HEADER not in answered.headers,
    )  # fmt: skip


async def _ask_once(
    bus: Bus, rpc: AnyRpc, subject: str, data: bytes, headers: dict[str, str], deadline: float, *, again: bool
) -> Message:
    left = deadline - asyncio.get_running_loop().time()
    try:
        answered = await bus.request(subject, data, headers, timeout=left, again=rpc.asked_again if again else None)
    except NoResponders:
        if rpc.fallback is None:
            raise Refusal(ErrorCode.UNAVAILABLE, "Nobody is there to do this now. Try again.") from None
        headers.pop(FRESH_HEADER, None)
        return await _ask_once(bus, rpc.fallback, rpc.fallback.subject, data, headers, deadline, again=again)
    except RequestTimeout:
        raise Refusal(ErrorCode.TIMEOUT, "No answer in time; it may have been done. Ask before repeating.") from None
    except BusUnavailable:
        raise Refusal(ErrorCode.UNAVAILABLE, "The bus is not reachable now. Try again.") from None
    if ERROR_HEADER in answered.headers:
        refused = _decode_refused(answered.data)
        raise Refusal(refused.code, refused.message, **(refused.details or {}))
    return answered


def decode_request(rpc: Rpc[Request, Reply], message: Message) -> Request:
    """The request in a message. Raises Refusal(INVALID_PARAMS) that names the field."""
    try:
        return msgspec.json.decode(message.data, type=rpc.request)
    except UNDECODABLE as error:
        raise Refusal(ErrorCode.INVALID_PARAMS, str(error)) from None


async def send_reply(message: Message, reply: object) -> None:
    """Answer with a reply of the line's type, or a Page of it."""
    headers: dict[str, str] = {}
    if isinstance(reply, Page):
        if reply.seq:
            headers[SEQ_HEADER] = str(reply.seq)
        if reply.next_cursor is not None:
            headers[CURSOR_HEADER] = reply.next_cursor
        if reply.total is not None:
            headers[TOTAL_HEADER] = str(reply.total)
        if not reply.exact:
            headers[INEXACT_HEADER] = "1"
        if not reply.changed:
            headers[UNCHANGED_HEADER] = "1"
        reply = reply.body
    if message.reply is None:
        return
    try:
        await message.reply(_encode(reply), headers)
    except TooLarge as error:
        log.error("answer not sent", subject=message.subject, error=str(error))
        await send_refusal(message, TOO_LARGE())


async def send_refusal(message: Message, refusal: Refusal) -> None:
    """Answer that it is not done, and why."""
    if message.reply is not None:
        await message.reply(_encode(refusal.as_refused()), {ERROR_HEADER: refusal.code.value})


async def answer(
    message: Message, rpc: Rpc[Request, Reply], handler: Callable[[Request, Context], Awaitable[Reply | Page]]
) -> None:
    """Serve one request whole. The asker always gets an answer, whatever goes wrong in the handler."""
    try:
        context = Context.from_headers(message.headers)
        context.must(rpc.permission)
        with span(rpc.subject, context, kind="server") as context:
            reply = await handler(decode_request(rpc, message), context)
    except Refusal as refusal:
        await send_refusal(message, refusal)
    except asyncio.CancelledError:  # whoever serves ends: the next one knows what became of the command
        await send_refusal(message, STOPPED())
        raise
    except Exception:
        log.exception("request failed", subject=message.subject)
        await send_refusal(message, WRONG_INSIDE())
    else:
        await send_reply(message, reply)
