"""An asyncio client of the adb server: the host protocol, as far as the phones' work needs it.

Source: AOSP `packages/modules/adb` (SERVICES.TXT, OVERVIEW.TXT, shell_protocol.h). Every read has a deadline and is
exact: a reply cut short is an error, never a shorter answer. A service is asked for only after the transport has
answered; sent together, the server loses the second request.
"""

import asyncio
import contextlib
import itertools
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from actors.adapters.adb_listing import Listing, Seen
from actors.adapters.adb_place import LINE_LIMIT, AdbPlace, place_of
from actors.runtime.rendezvous import fnv1a32
from actors.runtime.turns import Turns
from actors.slot.adb_servers import AdbServer
from actors.slot.phone import PhoneUncertain, PhoneUnreachable, ShellResult
from actors.slot.settings import Adb

CONNECT_TIMEOUT = 3.0
REPLY_TIMEOUT = 5.0
CONNECT_PHONE_TIMEOUT = 12.0  # adb itself waits 10 s for a phone that accepts and says nothing
ASKED_AT_ONCE = 4  # of one phone: no phone waits for another one that does not answer
LONG_SHELL_LIMIT = 256 * 1024
CODE_LIMIT = 16  # bytes of an exit code, with what ends its line
PIECES = 64 * 1024  # bytes of what has no frames, at once
PIECE = 16 * 1024  # bytes of a frame whose lines are told apart at once
OUT, ERR, EXIT, STDIN = 1, 2, 3, 0
LAST_KIND = 5  # kIdWindowSizeChange
FRAME_LIMIT = 4 * 1024 * 1024  # bytes; a phone sends at most 1 MiB at once
QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has it


def boot_time() -> float:
    """Seconds on a clock that never jumps and that counts the time in which this machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_LENGTH = re.compile(rb"[0-9A-Fa-f]{4}")


class AdbServerGone(PhoneUnreachable):
    """The adb server does not answer. Says nothing about any phone."""


class AdbRefused(PhoneUnreachable):
    """The server answered FAIL: the phone is missing, offline or not authorised. The message is the server's."""


class Wire:
    """One connection to the server. Each step has a deadline; after any error the connection is of no more use."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self.reader = reader
        self._writer = writer
        self._name = name
        self._turns = Turns()

    async def ask(self, service: str, *, timeout: float = REPLY_TIMEOUT) -> None:
        """Send a request and wait for its OKAY. Raises AdbRefused, AdbServerGone."""
        try:
            async with asyncio.timeout(timeout):
                request = service.encode()
                self._writer.write(b"%04x" % len(request) + request)
                status = await self.reader.readexactly(4)
                if status == b"FAIL":
                    raise AdbRefused(f"{self._name}: {await self._read_text()}")
                if status != b"OKAY":
                    raise ValueError(f"{status!r} is no answer of an adb server")
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as error:
            raise AdbServerGone(f"{self._name}: {service.split(':', 1)[0]}: {error!r}") from None

    async def read_text(self, *, timeout: float | None = REPLY_TIMEOUT) -> str:
        """A length and so many bytes. No `timeout` for a stream that speaks when it has news."""
        try:
            async with asyncio.timeout(timeout):
                return await self._read_text()
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as error:
            raise AdbServerGone(f"{self._name}: {error!r}") from None

    async def _read_text(self) -> str:
        digits = await self.reader.readexactly(4)
        if not _LENGTH.fullmatch(digits):
            raise ValueError(f"{digits!r} is no length of an adb server")
        length = int(digits, 16)
        return (await self.reader.readexactly(length)).decode(errors="replace")

    async def frame(self) -> tuple[int, bytes]:
        """One shell v2 frame, after others' turn. Raises ConnectionError for what cannot be one."""
        header = await self.reader.readexactly(5)
        kind, length = header[0], int.from_bytes(header[1:], "little")
        if kind > LAST_KIND or length > FRAME_LIMIT or (kind == EXIT and length == 0):
            raise ConnectionError(f"{self._name}: no frame of a shell: {header!r}")
        data = await self.reader.readexactly(length)
        await self._turns.after(length)
        return kind, data

    async def piece(self) -> bytes:
        """What comes next of a service without frames, after others' turn; nothing at its end."""
        data = await self.reader.read(PIECES)
        await self._turns.after(len(data))
        return data

    def send_stdin(self, data: bytes) -> None:
        self._writer.write(bytes([STDIN]) + len(data).to_bytes(4, "little") + data)

    async def send(self, data: bytes) -> None:
        """Send bytes to a service, as fast as it takes them."""
        self._writer.write(data)
        await self._writer.drain()

    def expect_more(self) -> None:
        """Say that a piece was read and another is awaited. Over TCP the server holds back the second of two small
        pieces until the first is acknowledged (Nagle), and the kernel would wait 40 ms with that."""
        connection = self._writer.get_extra_info("socket")
        if connection is not None and connection.family != socket.AF_UNIX and QUICKACK is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)

    def close(self) -> None:
        """Closing tells the phone, which ends what ran there."""
        self._writer.close()


class AdbClient:
    """The adb servers of a host, by number: each has phones of its own. `network`: those that connect to phones on the
    network, `usb`: those that phones on USB are on; none given, all of them."""

    def __init__(self, *places: AdbPlace, network: Sequence[int] = (), usb: Sequence[int] = ()) -> None:
        self.places = places
        self.usb = usb or range(len(places))
        self._network = network or range(len(places))
        self.targets: dict[str, Seen] = {}  # the phones that names lead to, as the list has them
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()  # of each phone

    @asynccontextmanager
    async def wire(self, name: str = "adb server", *, server: int = 0) -> AsyncIterator[Wire]:
        """A connection to a server, closed at the end. Raises AdbServerGone."""
        wire = await self.open(name, server=server)
        try:
            yield wire
        finally:
            wire.close()

    async def open(self, name: str = "adb server", *, server: int = 0) -> Wire:
        """A connection that the caller closes."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                reader, writer = await self.places[server].connect()
        except (OSError, TimeoutError) as error:
            raise AdbServerGone(f"{name}: the adb server does not answer: {error!r}") from None
        return Wire(reader, writer, name)

    @classmethod
    def of(cls, adb: Adb, servers: Sequence[AdbServer], state: Path) -> "AdbClient":
        """Of a host's servers, as the settings have them."""
        return cls(
            *(place_of(adb, state, number) for number in range(len(servers))),
            network=[number for number, server in enumerate(servers) if server.network],
            usb=[number for number, server in enumerate(servers) if server.usb],
        )

    def server_for(self, address: str) -> int:
        """Which server connects to a phone on the network: the same one after every start."""
        return self._network[fnv1a32(address) % len(self._network)]

    def _server_of(self, name: str) -> int:
        """The server that lists a phone."""
        return self.targets[name].server if name in self.targets else self.server_for(name)

    def target(self, name: str) -> str:
        """By what adb finds a phone: its serial, or its place on the bus that it is on."""
        return self.targets[name].target if name in self.targets else name

    async def version(self, server: int = 0) -> int:
        """A server's own version number."""
        async with self.wire(server=server) as wire:
            await wire.ask("host:version")
            text = await wire.read_text()
            if not _LENGTH.fullmatch(text.encode()):
                raise AdbServerGone(f"adb server: {text[:20]!r} is no version")
            return int(text, 16)

    async def devices(self) -> dict[str, Seen]:
        """All phones of all servers, as they are now."""
        listing = Listing(len(self.places))
        for server in range(len(self.places)):
            async with self.wire(server=server) as wire:
                await wire.ask("host:devices-l")
                try:
                    listing.put(server, await wire.read_text())
                except ValueError as error:
                    raise AdbServerGone(f"adb server: {error}") from None
        return {listing.key(seen): seen for seen in listing}

    async def connect(self, address: str) -> str:
        """Have its server connect to a phone on TCP. Returns what that said, which is no promise."""
        async with self.wire(server=self.server_for(address)) as wire:
            await wire.ask(f"host:connect:{address}", timeout=CONNECT_PHONE_TIMEOUT)
            return await wire.read_text(timeout=CONNECT_PHONE_TIMEOUT)

    async def disconnect(self, address: str) -> None:
        """Have the server that has it drop a phone on TCP, with whatever hangs on it."""
        server = next((seen.server for seen in self.targets.values() if seen.target == address), None)
        async with self.wire(server=self.server_for(address) if server is None else server) as wire:
            await wire.ask(f"host:disconnect:{address}")

    async def reconnect(self, serial: str) -> None:
        """Have the server begin afresh with one phone."""
        async with self.wire(serial, server=self._server_of(serial)) as wire:
            await wire.ask(f"host-serial:{self.target(serial)}:reconnect")

    async def track(self, server: int = 0) -> AsyncIterator[str]:
        """What a server lists (Listing.put), now and at every change. Ends with AdbServerGone."""
        async with self.wire(server=server) as wire:
            await wire.ask("host:track-devices-l")
            while True:
                yield await wire.read_text(timeout=None)
                await asyncio.sleep(0)  # what has come already is read without a wait

    async def ask(self, serial: str, command: str, *, timeout: float, max_output: int) -> ShellResult:
        """`shell` for what we want to know ourselves, in the phone's next turn, which no command of a user takes.
        PhoneUnreachable: also where there was none within `timeout`."""
        turns = self._turns.get(serial) or self._turns.setdefault(serial, asyncio.Semaphore(ASKED_AT_ONCE))
        try:
            async with asyncio.timeout(timeout) as wait, turns:
                wait.reschedule(None)
                return await self.shell(serial, command, timeout=timeout, max_output=max_output)
        except TimeoutError:
            raise PhoneUnreachable(f"{serial}: it answers nothing of what it was asked before") from None

    async def shell(self, serial: str, command: str, *, timeout: float, max_output: int) -> ShellResult:
        """Run one command in a shell of its own. PhoneUnreachable: it was not sent; PhoneUncertain: it was."""
        wire = await self._transport(serial)
        try:
            async with asyncio.timeout(timeout):
                await wire.ask(f"shell,v2,raw:{command}", timeout=timeout)
                return await _collect(wire, max_output)
        except TimeoutError:
            raise PhoneUncertain(f"{serial}: no end of the command in {timeout:g} s") from None
        except (OSError, asyncio.IncompleteReadError, AdbServerGone) as error:
            raise PhoneUncertain(f"{serial}: connection lost while a command ran: {error!r}") from None
        finally:
            wire.close()

    async def raw_output(self, serial: str, command: str, *, timeout: float, max_output: int) -> bytes:
        """What a command writes, byte by byte, without what it complains of. Not by `exec:`, for which some phones want
        a terminal. PhoneUnreachable: it was not sent; PhoneUncertain: it was, and has not ended, or has written more
        than `max_output`."""
        wire = await self._transport(serial)
        data = bytearray()
        try:
            async with asyncio.timeout(timeout):
                await wire.ask(f"shell,v2,raw:{command}", timeout=timeout)
                while (frame := await wire.frame())[0] != EXIT:
                    data += frame[1] if frame[0] == OUT else b""
                    if len(data) > max_output:
                        raise PhoneUncertain(f"{serial}: the command wrote more than {max_output} bytes")
                    wire.expect_more()
        except TimeoutError:
            raise PhoneUncertain(f"{serial}: no end of the command in {timeout:g} s") from None
        except (OSError, asyncio.IncompleteReadError, AdbServerGone) as error:
            raise PhoneUncertain(f"{serial}: connection lost while a command ran: {error!r}") from None
        finally:
            wire.close()
        return bytes(data)

    async def exchange(self, serial: str, port: int, request: bytes, *, timeout: float, max_output: int) -> bytes:
        """Send that to a port of the phone's own, and read until it closes. PhoneUnreachable: nobody listens there;
        PhoneUncertain: no whole answer."""
        wire = await self.open_service(serial, f"tcp:{port}")
        data = bytearray()
        try:
            async with asyncio.timeout(timeout):
                await wire.send(request)
                while len(data) <= max_output and (piece := await wire.piece()):
                    data += piece
        except TimeoutError:
            raise PhoneUncertain(f"{serial}: no whole answer of port {port} in {timeout:g} s") from None
        except OSError as error:
            raise PhoneUncertain(f"{serial}: connection to port {port} lost: {error!r}") from None
        finally:
            wire.close()
        if len(data) > max_output:
            raise PhoneUncertain(f"{serial}: port {port} wrote more than {max_output} bytes")
        return bytes(data)

    @asynccontextmanager
    async def lines(self, serial: str, command: str) -> AsyncIterator[AsyncIterator[str]]:
        """What a command prints, line by line, for as long as it runs. Ends when the stream does."""
        wire = await self.open_service(serial, f"shell,v2,raw:{command}")
        try:
            yield _lines(wire)
        finally:
            wire.close()

    async def open_service(self, serial: str, service: str) -> Wire:
        """A connection on which the phone's service answers. Raises AdbRefused, AdbServerGone."""
        wire = await self._transport(serial)
        try:
            await wire.ask(service)
        except BaseException:
            wire.close()
            raise
        return wire

    async def _transport(self, serial: str) -> Wire:
        """A connection that leads to the phone; nothing has been asked of it yet. One that came anew since the list
        was told may be another phone."""
        wire = await self.open(serial, server=self._server_of(serial))
        try:
            await wire.ask(f"host:tport:serial:{self.target(serial)}")
            async with asyncio.timeout(REPLY_TIMEOUT):
                number = int.from_bytes(await wire.reader.readexactly(8), "little")
            if serial in self.targets and self.targets[serial].transport_id != str(number):
                raise AdbRefused(f"{serial}: adb has it on another connection by now")
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            wire.close()
            raise AdbServerGone(f"{serial}: {error!r}") from None
        except BaseException:
            wire.close()
            raise
        return wire


async def _collect(wire: Wire, max_output: int) -> ShellResult:
    output, errors, truncated = bytearray(), bytearray(), False
    while True:
        kind, data = await wire.frame()
        if kind == EXIT:
            text = bytes(output + errors)[:max_output]
            return ShellResult(exit_code=data[0], output=text.decode(errors="replace"), truncated=truncated)
        room = max_output - len(output) - len(errors)
        truncated = truncated or len(data) > room
        (output if kind == OUT else errors).extend(data[: max(room, 0)])
        wire.expect_more()


async def _lines(wire: Wire) -> AsyncIterator[str]:
    rest, turns = bytearray(), Turns()
    while True:
        try:
            kind, data = await wire.frame()
        except (OSError, asyncio.IncompleteReadError):
            return
        if kind == EXIT:
            return
        for start in range(0, len(data), PIECE):
            *whole, last = data[start : start + PIECE].split(b"\n")
            for line in whole:
                rest += line
                yield rest.decode(errors="replace")
                await turns.after(len(rest))
                rest.clear()
            rest += last
            del rest[:-LINE_LIMIT]


class LongShell:
    """One shell on a phone that stays open: a short command costs one round trip instead of a new process.

    Commands go one after another; each is followed by a line that prints a word nobody else knows, and its exit
    code. After a deadline or a broken connection the shell is closed and the next command opens a fresh one.
    """

    def __init__(self, *, client: AdbClient, serial: str) -> None:
        self._client = client
        self._serial = serial
        self._turn = asyncio.Lock()
        self._wire: Wire | None = None
        self._numbers = itertools.count(1)

    async def run(
        self,
        command: str,
        *,
        timeout: float,
        sent_within: float | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> ShellResult:
        """Run a command of one line. PhoneUnreachable: it was not sent; PhoneUncertain: it may have run.

        `sent_within`: seconds after which it is no longer sent, for what must not be done late, also if this machine
        was suspended meanwhile; default `timeout`.
        `wanted` is asked when its turn has come, right before it leaves: no longer wanted, it is not sent.
        """
        assert "\n" not in command
        began, called = asyncio.get_running_loop().time(), boot_time()
        try:
            async with asyncio.timeout(sent_within or timeout) as deadline, self._turn:
                if self._wire is not None and self._wire.reader.at_eof():  # it ended while nobody used it
                    self.close()
                wire = self._wire or await self._open()
                if sent_within is not None:
                    if boot_time() - called > sent_within:
                        raise PhoneUnreachable(f"{self._serial}: more than {sent_within:g} s late, not sent")
                    deadline.reschedule(began + timeout)
                if not wanted():
                    raise PhoneUnreachable(f"{self._serial}: the order was withdrawn before it was sent")
                return await self._exchange(wire, command, deadline)
        except TimeoutError:
            raise PhoneUnreachable(f"{self._serial}: the shell was in use for {sent_within or timeout:g} s") from None

    async def _open(self) -> Wire:
        # One output: adbd reads two by turns, and what a command complains of would come after the word of its end.
        self._wire = await self._client.open_service(self._serial, "shell,v2,raw:sh 2>&1")
        return self._wire

    async def _exchange(self, wire: Wire, command: str, deadline: asyncio.Timeout) -> ShellResult:
        word = f"ottb-{next(self._numbers)}-{id(wire):x}"
        try:
            wire.send_stdin(f"{command}\necho {word}:$?\n".encode())
            return await self._until(wire, word.encode())
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError) as error:
            self.close()
            if isinstance(error, asyncio.CancelledError) and not deadline.expired():
                raise
            raise PhoneUncertain(f"{self._serial}: no end of the command: {error!r}") from None

    async def _until(self, wire: Wire, word: bytes) -> ShellResult:
        output = bytearray()
        while True:
            kind, data = await wire.frame()
            if kind == EXIT:
                raise ConnectionError("the shell ended")
            output += data
            if len(output) > LONG_SHELL_LIMIT:
                raise ConnectionError("too much output for the long-lived shell")
            at = output.rfind(word + b":", max(len(output) - len(word) - CODE_LIMIT, 0))
            if at >= 0 and output.endswith(b"\n") and (code := output[at + len(word) + 1 :].strip()).isdigit():
                return ShellResult(exit_code=int(code), output=output[:at].decode(errors="replace"), truncated=False)
            wire.expect_more()

    def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            with contextlib.suppress(RuntimeError):  # the loop may be closing
                wire.close()
