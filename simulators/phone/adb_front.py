"""An adb server as a machine with phones on USB has it, in front of the real one, which has the virtual phones on TCP.

It lists each phone as it is told to: by another serial, at a place in the USB tree, in another state; and lines of no
phone besides. Phones are found by what it lists, as adb finds them. All else goes through as it comes.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Annotated, Any

from actors.adapters.adb_place import AdbPlace, short_name
from actors.slot.settings import UsbPath
from bus_schemas.fields import shaped
from simulators.orders import Plain

LISTS = ("host:devices-l", "host:track-devices-l")
PLUG_EVERY = 1.0  # seconds
PIECE = 64 * 1024
_LINE = re.compile(r"(\S+) +(.*?)( product:.*| transport_id:.*)")
_TRANSPORT = re.compile(r"(host:(?:tport:serial|transport):)(.*)")


class Listed(Plain, frozen=True, kw_only=True):
    """How a phone is listed: null as it is. `usb`: its place in the USB tree, for example `1-2.4.2`."""

    serial: Annotated[str, shaped(r"^[^\n]{0,64}$(?!\n)", "a serial, of up to 64 letters in one line")] | None = None
    state: Annotated[str, shaped(r"^[^\n]{1,200}$(?!\n)", "a state as adb says it, in one line")] | None = None
    usb: UsbPath | None = None


class AdbFront:
    """The front of the adb server at `real`. `lines`: what it lists besides, each as adb would write it."""

    def __init__(self, real: AdbPlace) -> None:
        self._real = real
        self._listed: dict[str, Listed] = {}  # by address, which is adb's own name of a virtual phone
        self._lines: tuple[str, ...] = ()
        self._states: dict[str, str] = {}  # by address, as the real one told them last
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def serving(self, socket: Path) -> AsyncIterator[None]:
        """Serve on a socket file, in a folder that its user alone can open."""
        with short_name(socket) as name:
            server = await asyncio.start_unix_server(self._serve, name)
        plugging = asyncio.ensure_future(self._keep_plugged())
        try:
            yield
        finally:
            plugging.cancel()
            server.close()
            with contextlib.suppress(FileNotFoundError):
                await asyncio.to_thread(socket.unlink)

    async def list_as(self, address: str, listed: Listed) -> None:
        """List a phone so from now on."""
        self._listed[address] = listed
        await self._tell()

    async def list_besides(self, lines: tuple[str, ...]) -> None:
        """List these lines too from now on."""
        self._lines = lines
        await self._tell()

    # --- inside

    async def _keep_plugged(self) -> None:
        """A phone on USB comes and goes by itself, and nobody knows its address."""
        while True:
            for address in [one for one, listed in self._listed.items() if listed.usb and not self._is_there(one)]:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    answers, asks = await self._real.connect()
                    with contextlib.closing(asks):
                        asks.write(_message(f"host:{'disconnect' if address in self._states else 'connect'}:{address}"))
                        await answers.readexactly(4)
            await asyncio.sleep(PLUG_EVERY)

    def _is_there(self, address: str) -> bool:
        """Whether the list has it. What was unplugged is listed on, as offline, on TCP alone."""
        listed = self._listed.get(address, Listed())
        return address in self._states and not (listed.usb and self._states[address] == "offline")

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            length = int(await reader.readexactly(4), 16)
            request = (await reader.readexactly(length)).decode()
            answers, asks = await self._real.connect()
            with contextlib.closing(asks):
                if request in LISTS:
                    asks.write(_message(request))
                    await self._list(answers, writer)
                elif (wanted := self._translated(request)) is not None:
                    asks.write(_message(wanted))
                    await _both_ways((reader, asks), (answers, writer))
                else:
                    writer.write(b"FAIL" + _message("device not found, or more than one device of this name"))
                    await writer.drain()

    async def _list(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on each list as it is to be seen, also when only that has changed."""
        writer.write(await answers.readexactly(4))
        latest: list[str] = []

        async def read() -> None:
            while True:
                text = (await answers.readexactly(int(await answers.readexactly(4), 16))).decode()
                latest[:] = [text]
                self._states = {match[1]: match[2] for line in text.splitlines() if (match := _LINE.match(line))}
                writer.write(_message(self._seen(text)))
                await writer.drain()

        async def repeat() -> None:
            while True:
                async with self._changed:
                    await self._changed.wait()
                for text in latest:
                    writer.write(_message(self._seen(text)))

        await _first_of(read(), repeat())

    def _seen(self, text: str) -> str:
        lines = [seen for line in text.splitlines() if (seen := self._line(line)) is not None]
        return "".join(f"{line}\n" for line in (*lines, *self._lines))

    def _line(self, line: str) -> str | None:
        match = _LINE.match(line)
        listed = self._listed.get(match[1]) if match else None
        if match is None or listed is None:
            return line
        if not self._is_there(match[1]):
            return None
        usb = f" usb:{listed.usb}" if listed.usb else ""
        serial = match[1] if listed.serial is None else listed.serial
        return f"{serial:22} {listed.state or match[2]}{usb}{match[3]}"

    def _translated(self, request: str) -> str | None:
        """A request with adb's own name for the phone. None: the list has no such phone, or several."""
        if match := _TRANSPORT.match(request):
            address = self._address(match[2])
            return None if address is None else match[1] + address
        if request.startswith("host-serial:"):
            name, colon, service = request.removeprefix("host-serial:").rpartition(":")
            address = self._address(name)
            return None if address is None else f"host-serial:{address}{colon}{service}"
        return request

    def _address(self, name: str) -> str | None:
        found = [one for one in self._states if self._is_there(one) and name in self._names(one)]
        if not found and name not in self._states:
            return name  # the real one says what is wrong
        return found[0] if len(found) == 1 else None

    def _names(self, address: str) -> tuple[str, str]:
        listed = self._listed.get(address, Listed())
        return (address if listed.serial is None else listed.serial, f"usb:{listed.usb}")


def _message(text: str) -> bytes:
    data = text.encode()
    return b"%04x" % len(data) + data


async def _both_ways(*ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Pass on what comes until either side ends."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()

    await _first_of(*(pass_on(reader, writer) for reader, writer in ways))


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Do these at once until one of them ends, in whatever way."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
