"""A NATS connection for what every call pays for: requests, answers, messages. Without a task, a queue or a timer for
each message or each subscription. Streams, buckets and consumers are made by nats-py, on a connection of its own.

Protocol: docs.nats.io/reference/reference-protocols/nats-protocol. A request's answer comes on a subject of ours with
a number in it; status 503 without a body says that nobody heard the question. Subscriptions and unanswered requests
outlive a lost connection: an answer may still come after it. What was handed over and not sent yet is lost with it, so
of a question that has gone out nobody ever knows more than that no answer came.
"""

import asyncio
import contextlib
import itertools
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog

from actors.adapters.nats_wire import STRANGE, TURN, Info, LateHeaders, Refused, Wire, encode_headers
from actors.adapters.random_ids import RandomIds
from actors.adapters.tls import ClientTls
from actors.runtime.bus import BusUnavailable, Handler, Headers, Message, RequestTimeout, TooLarge
from actors.runtime.repeats import Repeats
from actors.runtime.sparing import SparingLog
from actors.runtime.turns import Turns

log = structlog.get_logger()

ERROR_LINES = 30  # a minute in the log, of what the server says is wrong

PORT = 4222
CONNECT_SECONDS = 2.0
TELL_SECONDS = 10.0  # for a server to take in all subscriptions
FINISH_SECONDS = 1.0  # for the last messages of a subscription
RECONNECT_PAUSE = 0.2
TICK = 0.05  # seconds by which an answer's time may be over late
MOST_WAITING = 8 * 1024 * 1024  # bytes that may wait to be sent
MOST_BYTES = 64 * 1024 * 1024  # bytes that may wait for one handler
LONGEST_SUBJECT = 900  # characters; with the subject for the answer it must fit into a line of 4 kB

Heard = Callable[[str, str, bytes, bytes], None]  # subject, subject to answer on, raw headers, data

new_id = RandomIds().new


class Hearing:
    """One subscription. Its messages are handled one at a time and in order; while there are none it costs nothing."""

    __slots__ = ("_bytes", "_handler", "_link", "_lost", "_most", "_waiting", "sid")

    def __init__(self, link: "Link", handler: Handler, most: int) -> None:
        self._link = link
        self._handler = handler
        self._most = most
        self._waiting: deque[Message] | None = None
        self._bytes = 0  # that wait
        self._lost = 0
        self.sid = 0

    def hear(self, subject: str, reply_to: str, headers: bytes, data: bytes) -> None:
        if self._waiting is not None and (len(self._waiting) >= self._most or self._bytes >= MOST_BYTES):
            if not self._lost:
                log.warning("messages are lost: too many wait here", subject=subject, waiting=self._most)
            self._lost += 1
            return
        message = Message(
            subject=subject,
            data=data,
            headers=LateHeaders(headers) if headers else {},
            reply_to=reply_to,
            reply=_Answer(self._link, reply_to) if reply_to else None,
        )
        if self._waiting is None:
            self._waiting = deque((message,))
            self._bytes = len(data)
            self._link.spawn(self._work(self._waiting))
        else:
            self._waiting.append(message)
            self._bytes += len(data)

    @property
    def waits(self) -> bool:
        """Whether something is being handled, or waits for that."""
        return self._waiting is not None

    async def stop(self) -> None:
        """Hear no more, also not what waits."""
        self._link.unsubscribe(self.sid)
        if self._waiting is not None:
            self._waiting.clear()
            self._bytes = 0

    async def finish(self) -> None:
        """Hear no more, but what was sent before the server knew of that: whoever asked something is answered."""
        with contextlib.suppress(TimeoutError, Refused):
            async with asyncio.timeout(FINISH_SECONDS):
                await self._link.end(self.sid)
                while self._waiting:
                    await asyncio.sleep(0.001)
        await self.stop()

    async def _work(self, waiting: deque[Message]) -> None:
        turns = Turns()
        while waiting:
            message = waiting.popleft()
            self._bytes -= len(message.data)
            try:
                await self._handler(message)
            except asyncio.CancelledError:
                if self._link.closed:
                    raise
                log.warning("what a handler waited for was cancelled", subject=message.subject)
            except Exception:
                log.exception("handler failed", subject=message.subject)
            await turns.after(len(message.data))
        self._waiting = None
        if self._lost:
            log.warning("messages were lost", count=self._lost)
            self._lost = 0


class _Answer:
    """Answers one asker. Raises TooLarge."""

    __slots__ = ("_link", "_subject")

    def __init__(self, link: "Link", subject: str) -> None:
        self._link = link
        self._subject = subject

    async def __call__(self, data: bytes, headers: Headers) -> None:
        try:
            await self._link.publish(self._subject, data, encode_headers(headers))
        except TooLarge:
            raise
        except BusUnavailable as problem:
            log.info("answer not sent", subject=self._subject, error=str(problem))


class _Question:
    """What was asked and is not answered. `repeat`: when it may be asked a second time, with which data and headers."""

    __slots__ = ("answer", "due", "repeat", "subject")

    def __init__(self, answer: "asyncio.Future[tuple[bytes, bytes]]", due: float, subject: str) -> None:
        self.answer = answer
        self.due = due
        self.subject = subject
        self.repeat: tuple[float, bytes, bytes] | None = None

    def give_up(self) -> None:
        """No answer came."""
        if not self.answer.done():
            self.answer.set_exception(RequestTimeout(self.subject))


class Link:
    """One connection, kept up for ever once it was made. Raises BusUnavailable where nothing was sent."""

    def __init__(
        self, url: str, *, name: str, user: str | None, password: str | None, tls: ClientTls | None = None,
        owner: int | None = None, on_error: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        self._tls, self._owner = tls, owner
        self._loop = asyncio.get_running_loop()
        self._errors = SparingLog(per_minute=ERROR_LINES, now=self._loop.time)  # what others send may be why
        self.refused = on_error or (lambda why: self._errors.warning("bus", error=why))
        self._servers = [url]
        self._options: dict[str, Any] = {
            "verbose": False, "pedantic": False, "lang": "python", "version": "1", "protocol": 1, "headers": True,
            "no_responders": True, "echo": True, "name": name,
        }  # fmt: skip
        if user:
            self._options |= {"user": user, "pass": password or ""}
        self._inboxes = f"_INBOX{'_' + user if user else ''}."
        self._inbox = f"{self.new_inbox()}."
        self._wire: Wire | None = None
        self._info = Info()
        self._heard: dict[int, tuple[str, str, Heard]] = {0: (f"{self._inbox}*", "", self._answered)}
        self._sids = itertools.count(1)
        self._numbers = itertools.count(1)
        self._asked: dict[int, _Question] = {}
        self._repeats = Repeats()
        self._late: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.closed = False
        self.connections = 0  # that there were

    @property
    def up(self) -> bool:
        return self._wire is not None and self._wire.ready

    @property
    def server_version(self) -> str | None:
        """Of the server that it is connected to, or was last."""
        return self._info.version

    async def start(self) -> None:
        """Connect. Raises OSError, TimeoutError, Refused."""
        await self._connect(self._servers[0])

    async def close(self) -> None:
        self.closed = True
        if self._wire is not None:
            self._wire.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for question in self._asked.values():
            question.give_up()
        if self._late is not None:
            self._late.cancel()

    def spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what is said

    def new_inbox(self) -> str:
        """A subject for answers that nobody else may hear."""
        return f"{self._inboxes}{new_id()}"

    async def request(
        self, subject: str, data: bytes, headers: bytes, timeout: float, again: tuple[float, bytes] | None = None
    ) -> tuple[bytes, bytes]:
        """The headers and the data of the first answer. `again`: after how many seconds it is sent a second time, as
        `Bus.request` has it, and with which headers. Raises RequestTimeout, BusUnavailable."""
        number = next(self._numbers)
        self._send(subject, data, headers, f"{self._inbox}{number}")
        now = self._loop.time()
        question = self._asked[number] = _Question(self._loop.create_future(), now + timeout, subject)
        if again is not None:
            self._repeats.earn()
            question.repeat = now + again[0], data, again[1]
        if self._late is None:
            self._late = self._loop.call_later(TICK, self._look_for_late)
        try:
            return await question.answer
        finally:
            self._asked.pop(number, None)

    async def publish(self, subject: str, data: bytes, headers: bytes, reply_to: str = "") -> None:
        """Raises BusUnavailable."""
        wire = self._send(subject, data, headers, reply_to)
        if wire.waiting > TURN or wire.full:
            await wire.taken()

    def subscribe(self, subject: str, handler: Handler, *, queue: str = "", most: int) -> Hearing:
        """Hear a subject; up to `most` messages wait for the handler."""
        hearing = Hearing(self, handler, most)
        hearing.sid = next(self._sids)
        self._heard[hearing.sid] = (subject, queue, hearing.hear)
        if self._wire is not None:
            self._wire.put(_sub(hearing.sid, subject, queue))
        return hearing

    def listen(self, subject: str, heard: Heard) -> int:
        """Hear a subject without a queue: `heard` must not raise, nor take long. Gives what `unsubscribe` takes."""
        sid = next(self._sids)
        self._heard[sid] = (subject, "", heard)
        if self._wire is not None:
            self._wire.put(_sub(sid, subject, ""))
        return sid

    async def end(self, sid: int) -> None:
        """Have the server send no more to a subscription, and wait until it has sent all. Raises Refused."""
        if self._wire is not None and self._wire.ready:
            self._wire.put(b"UNSUB %d\r\n" % sid)
            await self._wire.ask()

    def unsubscribe(self, sid: int) -> None:
        if self._heard.pop(sid, None) is not None and self._wire is not None:
            self._wire.put(b"UNSUB %d\r\n" % sid)

    def _send(self, subject: str, data: bytes, headers: bytes, reply_to: str) -> "Wire":
        wire = self._wire
        if wire is None or not wire.ready:
            raise BusUnavailable("not connected")
        if not subject.isprintable() or " " in subject or not 0 < len(subject) <= LONGEST_SUBJECT:
            raise BusUnavailable(f"not a subject: {subject[:64]!r}")
        size = len(headers) + len(data)
        if size > self._info.max_payload:
            raise TooLarge(f"{size} bytes are more than the bus takes in one message ({self._info.max_payload})")
        if wire.waiting + wire.unsent > MOST_WAITING:
            raise BusUnavailable("too much waits to be sent")
        if headers:
            line = f"HPUB {subject} {reply_to} {len(headers)} {size}".encode()
            wire.put(b"%b\r\n%b%b\r\n" % (line, headers, data))
        else:
            wire.put(b"%b\r\n%b\r\n" % (f"PUB {subject} {reply_to} {size}".encode(), data))
        return wire

    def _look_for_late(self) -> None:
        now = self._loop.time()
        for number, question in list(self._asked.items()):
            if question.due <= now:
                question.give_up()
            elif question.repeat is not None and question.repeat[0] <= now and not question.answer.done():
                self._ask_again(number, question, *question.repeat[1:])
        self._late = self._loop.call_later(TICK, self._look_for_late) if self._asked else None

    def _ask_again(self, number: int, question: "_Question", data: bytes, headers: bytes) -> None:
        """To the same place, so that the first answer counts; later, where there is no connection now or too many were
        asked again."""
        if self.up and self._repeats.spend():
            question.repeat = None
            with contextlib.suppress(BusUnavailable):
                self._send(question.subject, data, headers, f"{self._inbox}{number}")

    # --- what is heard

    def hear(self, sid: int, subject: str, reply_to: str, headers: bytes, data: bytes) -> None:
        known = self._heard.get(sid)
        if known is not None:
            known[2](subject, reply_to, headers, data)

    def _answered(self, subject: str, reply_to: str, headers: bytes, data: bytes) -> None:
        number = subject[len(self._inbox) :]
        asked = self._asked.get(int(number)) if number.isdecimal() else None
        if asked is not None and not asked.answer.done():
            asked.answer.set_result((headers, data))

    # --- the connection

    def news(self, info: Info) -> None:
        """The server says how it is, at the start and whenever that changes."""
        self._info = info
        scheme = urlsplit(self._servers[0]).scheme
        known = self._servers[:1]  # the others are as the server says now
        self._servers = known + [url for other in info.connect_urls if (url := f"{scheme}://{other}") not in known]

    def lost(self, wire: "Wire", why: str) -> None:
        if self._wire is wire:
            self._wire = None
            if wire.ready and not self.closed:
                log.warning("bus connection lost", why=why)
                self.spawn(self._connect_again())

    async def _connect_again(self) -> None:
        for server in itertools.cycle(self._servers[:]):
            await asyncio.sleep(RECONNECT_PAUSE)
            try:
                await self._connect(server)
            except (OSError, TimeoutError, Refused) as error:
                log.debug("bus not reached yet", error=repr(error))
            except ValueError as error:  # no address, says the resolver, or the URL
                log.warning("bus: an address of another server is none", error=repr(error))
            else:
                log.info("bus connected again")
                return

    async def _connect(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("nats", "tls") or not parts.hostname:
            raise Refused(f"not an address like nats://127.0.0.1:{PORT}")
        wire = Wire(self)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._loop.create_connection(lambda: wire, parts.hostname, parts.port or PORT)
                info = await wire.greeting
                if self._owner is not None and wire.is_strange(self._owner):
                    raise Refused(STRANGE)
                if info.tls_required or parts.scheme == "tls":
                    tls = self._tls or ClientTls(ssl.create_default_context())
                    await wire.encrypt(tls.context, tls.name or parts.hostname)
                wire.put(b"CONNECT %b\r\n" % msgspec.json.encode(self._options))
                wire.put(b"".join(self._subscriptions()))
                self._wire = wire  # what is subscribed from now on is told to it
            async with asyncio.timeout(TELL_SECONDS):
                await wire.ask()
        except BaseException:
            wire.close()
            raise
        if wire.gone:
            raise Refused("the connection was lost at once")
        self.connections += 1
        wire.ready = True

    def _subscriptions(self) -> Iterator[bytes]:
        return (_sub(sid, subject, queue) for sid, (subject, queue, _) in self._heard.items())


def _sub(sid: int, subject: str, queue: str) -> bytes:
    return f"SUB {subject} {queue} {sid}\r\n".encode()
