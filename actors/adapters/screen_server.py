"""The server of uiautomator2 on a phone, where it is installed: it reads the screen some ten times as fast.

Its program is `/data/local/tmp/u2.jar`, which the project's own installer leaves there; it serves JSON-RPC 2.0 over
HTTP/1.1 on the phone's port 9008 (`GET /ping` says `pong`, calls are `POST /jsonrpc/0`). It is reached through adb's
`tcp:` service, so no port of this host is taken. Android lets one program at a time read the screen: while the server
runs `uiautomator dump` is killed, and ours is ended where it does not answer. Never asked for is gzip, with which its
HTTP library loses file descriptors.
"""

import asyncio
import io
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any, Protocol, TypeVar, cast

import msgspec
import structlog

from actors.adapters.screen_trees import beside
from actors.script import tree
from actors.script.as_read import ready
from actors.slot.phone import PhoneError, ShellResult

log = structlog.get_logger()
Answer = TypeVar("Answer")

PORT = 9008
JAR = "/data/local/tmp/u2.jar"
START = f"env CLASSPATH={JAR} app_process / com.wetest.uia2.Main -p {PORT} >/dev/null 2>&1"
ASK_TIMEOUT = 10.0
PING_TIMEOUT = 2.0
STARTS_WITHIN = 10.0  # seconds
LOOK_EVERY = 0.3
STANDS_STILL = 1000  # milliseconds that a look waits for the screen to stand still
AGAIN = 300.0  # seconds until a phone without it is asked again, which costs two commands
DEPTH = tree.DEPTH
LIMIT = 3 * tree.BYTES  # bytes of an answer: JSON escapes what XML has
PONG_LIMIT = 4096


class Held(Protocol):
    """A command that runs on the phone until it is closed."""

    def close(self) -> None:
        """End it."""


class ServerLink(Protocol):
    """What of a phone this needs. All raise PhoneError."""

    async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult: ...

    async def exchange(self, port: int, request: bytes, *, timeout: float, max_output: int) -> bytes:
        """Send that to one of the phone's own ports, and read until it closes."""

    async def hold(self, command: str) -> Held:
        """Start a command whose end is ours."""


class ServerGone(Exception):
    """It gave no answer that can be used. The message says why; nothing of what was asked shows in it."""


Result = str | int | float | bool | None  # whatever else an answer carries was not asked for


class _Error(msgspec.Struct):
    code: int


class _Answer(msgspec.Struct):
    result: Result | msgspec.UnsetType = msgspec.UNSET
    error: _Error | None = None


class ScreenServer:
    """One phone's server, found out about when it is first needed."""

    def __init__(self, phone: ServerLink) -> None:
        self._phone = phone
        self._ready = False
        self._ask_at = 0.0  # when a phone without it is asked again
        self._held: Held | None = None
        self._starting = asyncio.Lock()

    async def ready(self) -> bool:
        """Whether it answers; it is started if it is there and does not run."""
        loop = asyncio.get_running_loop()
        async with self._starting:
            if self._ready or loop.time() < self._ask_at:
                return self._ready
            self._ask_at = loop.time() + AGAIN
            try:
                self._ready = await self._answers() or await self._started()
            except PhoneError as error:
                self._ask_at = 0.0  # it says nothing of the server
                log.debug("nobody knows whether uiautomator2 is there", error=str(error))
            if self._ready:
                log.info("the screen is read by uiautomator2")
            return self._ready

    async def look(self, *, compressed: bool) -> tree.Screen | None:
        """What is in front. None: it is to be read in another way."""
        if not await self.ready():
            return None
        try:
            await self.call("waitForIdle", STANDS_STILL)
            text = await self.call("dumpWindowHierarchy", compressed, DEPTH)
            seen = await _tree(text) if isinstance(text, str) else None
        except ServerGone as error:
            self._lost(str(error))
            return None
        if isinstance(seen, tree.Seen) and seen.tree.nodes:
            return tree.Seen(_front(seen.tree))
        self._lost("its answer is no screen")
        return None

    async def put_on_clipboard(self, text: str) -> bool:
        """Put a text on the phone's clipboard. False: it cannot."""
        if not await self.ready():
            return False
        try:
            await self.call("setClipboard", "ottb", text)
        except ServerGone as error:
            self._lost(str(error))
            return False
        return True

    async def call(self, method: str, *params: object) -> Result:
        """Have it do something. Raises ServerGone."""
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            said = await self._ask("POST", "/jsonrpc/0", body, ASK_TIMEOUT, LIMIT)
            return await beside(len(said), lambda: _read(said, lambda said: _rpc(_http(said))))
        except (ServerGone, PhoneError) as error:
            raise ServerGone(f"{method}: {error}") from None

    def close(self) -> None:
        """End it, if it was started here."""
        self._ready = False
        held, self._held = self._held, None
        if held is not None:
            held.close()

    def forget(self) -> None:
        """The phone has gone, or come: it is asked anew."""
        self.close()
        self._ask_at = 0.0

    # --- inside

    async def _answers(self) -> bool:
        try:
            return _read(await self._ask("GET", "/ping", b"", PING_TIMEOUT, PONG_LIMIT), _http) == b"pong"
        except (ServerGone, PhoneError):
            return False

    async def _started(self) -> bool:
        listed = await self._phone.shell(f"ls {JAR}", timeout=ASK_TIMEOUT, max_output=1000)
        if listed.output.strip() != JAR:
            return False
        self._held = await self._phone.hold(START)
        loop = asyncio.get_running_loop()
        until = loop.time() + STARTS_WITHIN
        while loop.time() < until:
            if await self._answers():
                return True
            await asyncio.sleep(LOOK_EVERY)
        self._lost("it was started and does not answer")
        return False

    def _lost(self, why: str) -> None:
        log.warning("uiautomator2 does not answer: the screen is read with `uiautomator dump`", why=why[:200])
        self.close()
        self._ask_at = asyncio.get_running_loop().time() + AGAIN

    async def _ask(self, method: str, path: str, body: bytes, timeout: float, most: int) -> bytes:
        """An HTTP answer, as it came: whatever listens on that port of the phone has made it."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept-Encoding: \r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return await self._phone.exchange(PORT, head.encode() + body, timeout=timeout, max_output=most)


class _Said:
    """Bytes that were received, as `http.client` reads them."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


async def _tree(text: str) -> tree.Screen:
    """A large one is read beside the loop. Raises ServerGone."""
    return await beside(len(text), lambda: ready(_read(text.encode("utf-8", "replace"), tree.parse)))


def _read(data: bytes, reading: Callable[[bytes], Answer]) -> Answer:
    """What an answer says. Raises ServerGone. The phone makes up what is read here, and with it which error comes of
    that: numbers too large for the machine, brackets too deep, half characters."""
    try:
        return reading(data)
    except ServerGone:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is: what cannot be read is no answer
        raise ServerGone(f"no whole answer: {type(error).__name__}") from None


def _http(said: bytes) -> bytes:
    """What an HTTP answer carries."""
    response = HTTPResponse(cast("Any", _Said(said)))
    response.begin()
    if response.status != 200:
        raise ServerGone(f"HTTP {response.status}")
    return response.read()


def _rpc(body: bytes) -> Result:
    """What a JSON-RPC answer carries."""
    answer = msgspec.json.decode(body, type=_Answer)
    if answer.result is msgspec.UNSET:
        raise ServerGone(f"error {answer.error.code}" if answer.error is not None else "an error")
    return answer.result


def _front(seen: tree.Tree) -> tree.Tree:
    """The window that has the focus, which is the first: `uiautomator dump` shows no other."""
    first = seen.nodes[0]
    return tree.Tree(nodes=seen.nodes[: first.end], rotation=seen.rotation, read=seen.read[: first.end])
