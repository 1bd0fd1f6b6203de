"""An asyncio client of the Asterisk Manager Interface: one connection, kept up, with a deadline on everything.

Protocol (Asterisk 22, `main/manager.c`): header lines `Key: value` ended by CRLF, an empty line ends a message. The
server takes a bare LF for a line's end too, so a value with one in it would be a header, or an action, of somebody
else's: nothing with a control character is ever sent. Lines over 1,024 bytes and messages of over 128 lines break the
session there, so they are refused here.

What was sent is never sent again. An action whose connection ends before its answer is `AmiUncertain`, one that was
not sent is `AmiDown`; the caller decides by looking.
"""

import asyncio
import itertools
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import structlog

from actors.adapters.peer import is_strange
from actors.runtime.turns import Turns

log = structlog.get_logger()

LINE_LIMIT, HEADERS_LIMIT = 1000, 100  # bytes, lines: below the server's own 1,024 and 128
MESSAGE_LIMIT = 256 * 1024  # bytes of one message from the server
LIST_LIMIT = 8 * 2**20  # bytes of one list from it: 10,000 channels
LISTS_LIMIT = 2  # so many times as much of all that come at once: each call that is up is asked for by itself
PENDING_LIMIT = 2000  # actions that wait for their answers
CONNECT_SECONDS, ACTION_SECONDS, BOOT_SECONDS = 5.0, 5.0, 15.0
PING_PAUSE, PING_SECONDS = 5.0, 3.0
FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0
REFUSED_PAUSE, LOGINS = 5.0, 5  # a PBX that does not accept the secret is asked a few times, ever more rarely

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

AmiMessage = Mapping[str, str]
Fields = Sequence[tuple[str, str]]


class AmiError(Exception):
    """The PBX did not do it."""


class AmiDown(AmiError):
    """There is no connection: nothing was sent."""


class AmiUncertain(AmiError):
    """It was sent and no answer came."""


class AmiRefused(AmiError):
    """The PBX said no."""


class Unsendable(AmiError):
    """A field that must not be sent. Nothing was."""


class LoginRefused(AmiError):
    """The PBX does not accept the user or the secret."""


def encode(action: str, action_id: str, fields: Fields) -> bytes:
    """One action as bytes. Raises Unsendable for anything that could be taken for more than it is."""
    lines = [("Action", action), ("ActionID", action_id), *fields]
    if len(lines) > HEADERS_LIMIT:
        raise Unsendable("too many fields")
    out = []
    for key, value in lines:
        if not _KEY.match(key) or _CONTROL.search(value):
            raise Unsendable(f"a field with a control character or a bad name: {key[:32]!r}")
        line = f"{key}: {value}\r\n".encode()
        if len(line) > LINE_LIMIT:
            raise Unsendable(f"{key} is too long")
        out.append(line)
    return b"".join(out) + b"\r\n"


def decode(raw: bytes) -> dict[str, str]:
    """One message. Of a field that comes more than once the first counts."""
    message: dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").split("\r\n"):
        key, colon, value = line.partition(":")
        if colon:
            message.setdefault(key.strip(), value.strip())
    return message


class AmiClient:
    """One connection to one PBX. `on_event` hears every event in the order in which it came; `on_up` is called after
    each login and may ask; `on_down` says why there is no connection."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        user: str,
        secret: str,
        prefix: str,
        on_event: Callable[[AmiMessage], None],
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
        owner: int | None = None,
    ) -> None:
        self._host, self._port, self._owner = host, port, owner
        self._user, self._secret = user, secret
        self._prefix = prefix  # our action ids: answers and `OriginateResponse`s are heard by every session
        self._on_event, self._on_up, self._on_down = on_event, on_up, on_down
        self._count = itertools.count(1)
        self._pending: dict[str, asyncio.Future[dict[str, str]]] = {}
        self._lists: dict[str, list[dict[str, str]]] = {}
        self._listed: Counter[str] = Counter()  # bytes of each of them
        self._writer: asyncio.StreamWriter | None = None
        self._booted = asyncio.Event()
        self._up = False
        self._task: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        return self._up

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._up = False
        if self._writer is not None:
            self._writer.transport.abort()

    # --- asking

    async def act(self, action: str, fields: Fields = (), *, timeout: float = ACTION_SECONDS) -> dict[str, str]:
        """Send an action and wait for its answer. AmiDown, AmiUncertain, AmiRefused, Unsendable."""
        if not self._up:
            raise AmiDown("no connection to the PBX")
        return await self._send(action, fields, timeout)

    async def ask_list(
        self, action: str, fields: Fields = (), *, timeout: float = ACTION_SECONDS
    ) -> list[dict[str, str]]:
        """The events of a list. One that is empty may be refused by the PBX: AmiRefused."""
        if not self._up:
            raise AmiDown("no connection to the PBX")
        events: list[dict[str, str]] = []
        await self._send(action, fields, timeout, events)
        return events

    async def _send(
        self, action: str, fields: Fields, timeout: float, events: list[dict[str, str]] | None = None
    ) -> dict[str, str]:
        writer = self._writer
        if writer is None or len(self._pending) >= PENDING_LIMIT:
            raise AmiDown("no connection to the PBX" if writer is None else "too many actions wait for the PBX")
        action_id = f"{self._prefix}-{next(self._count)}"
        data = encode(action, action_id, fields)
        done: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self._pending[action_id] = done
        if events is not None:
            self._lists[action_id] = events
        try:
            writer.write(data)
            async with asyncio.timeout(timeout):
                answered = await done
        except TimeoutError:
            raise AmiUncertain(f"{action}: no answer within {timeout:g} s") from None
        finally:
            self._pending.pop(action_id, None)
            self._lists.pop(action_id, None)
            self._listed.pop(action_id, None)
        if answered.get("Response") == "Error":
            raise AmiRefused(answered.get("Message", "refused"))
        return answered

    # --- the connection

    async def _keep(self) -> None:
        pause, refused = FIRST_PAUSE, 0
        while True:
            why = "the connection ended"
            try:
                await self._session()
                pause = FIRST_PAUSE
            except LoginRefused as error:
                why, refused = str(error), refused + 1
                pause = REFUSED_PAUSE * 4 ** (refused - 1)
            except (OSError, TimeoutError, AmiError, ValueError, EOFError) as error:
                why = str(error) or type(error).__name__
                refused = 0
            else:
                refused = 0
            self._part(why)
            if refused >= LOGINS:
                log.error("the PBX does not accept the secret; given up", host=self._host, tries=refused)
                self._on_down("login refused too often: mend the secret, then restart")
                return
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            if not refused:
                pause = min(2 * pause, LAST_PAUSE)

    async def _session(self) -> None:
        """One connection, from its first byte to its end. Returns when a session that worked is over."""
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=MESSAGE_LIMIT)
            banner = await reader.readline()
        if not banner.startswith(b"Asterisk Call Manager"):
            raise AmiDown("this is not an Asterisk manager port")
        known = self._writer.get_extra_info
        if self._owner is not None and is_strange(known("sockname"), known("peername"), self._owner):
            raise AmiDown("another user of this machine listens there: nothing was said to them")
        self._booted.clear()
        reading = asyncio.ensure_future(self._read(reader))
        try:
            await self._login()
            self._up = True
            log.info("PBX connected", host=self._host, port=self._port)
            self._call(self._on_up)
            while not reading.done():
                await asyncio.wait({reading}, timeout=PING_PAUSE)
                if not reading.done():
                    await self._send("Ping", (), PING_SECONDS)
            reading.result()
        except AmiUncertain:
            if not self._up:
                raise
            log.warning("PBX does not answer", host=self._host)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _login(self) -> None:
        fields = (("Username", self._user), ("Secret", self._secret), ("Events", "call,system,cdr"))
        try:
            await self._send("Login", fields, ACTION_SECONDS)
        except AmiRefused as error:
            if "uthentication" in str(error):
                raise LoginRefused("the PBX does not accept the secret") from None
            raise
        try:  # told only to who may read system events; without it, its modules may not be there yet
            async with asyncio.timeout(BOOT_SECONDS):
                await self._booted.wait()
        except TimeoutError:
            log.warning("PBX does not say that it is fully booted: has the user `read = system`?", host=self._host)

    def _part(self, why: str) -> None:
        self._up = False
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()
        for done in self._pending.values():
            if not done.done():
                done.set_exception(AmiUncertain("the connection to the PBX ended"))
        log.warning("PBX not connected", host=self._host, port=self._port, why=why)
        self._call(lambda: self._on_down(why))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        turns = Turns()
        while True:
            try:
                raw = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                raise AmiDown("a message without end") from None
            self._take(decode(raw), len(raw))
            await turns.after(len(raw))

    def _take(self, message: dict[str, str], size: int) -> None:
        """Hand a message of so many bytes to who waits for it. Raises AmiDown for a list without end."""
        action_id = message.get("ActionID", "")
        event = message.get("Event")
        if event is None:
            done = self._pending.get(action_id)
            if done is not None and not done.done() and not self._begins_list(message, action_id):
                done.set_result(message)
        elif event == "FullyBooted":
            self._booted.set()
        elif event == "AuthDetail":
            return  # holds passwords: never kept, never passed on
        elif action_id in self._lists and event != "OriginateResponse":
            self._collect(message, action_id, size)
        else:
            self._call(lambda: self._on_event(message))

    def _begins_list(self, message: AmiMessage, action_id: str) -> bool:
        return action_id in self._lists and message.get("Response") == "Success"

    def _collect(self, message: dict[str, str], action_id: str, size: int) -> None:
        self._listed[action_id] += size
        if message.get("EventList", "").lower() == "complete":
            done = self._pending[action_id]
            if not done.done():
                done.set_result(message)
        elif self._listed[action_id] > LIST_LIMIT or self._listed.total() > LISTS_LIMIT * LIST_LIMIT:
            raise AmiDown("a list without end")
        else:
            self._lists[action_id].append(message)

    def _call(self, work: Callable[[], None]) -> None:
        """A fault of a listener is not the connection's."""
        try:
            work()
        except Exception:
            log.exception("a listener of the PBX failed")
