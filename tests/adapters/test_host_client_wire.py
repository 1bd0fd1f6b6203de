"""What the host client makes of a server that stops in the middle: never a shorter answer, never a false `not sent`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from actors.adapters.adb import AdbClient, AdbRefused, AdbServerGone, LongShell
from actors.adapters.adb_place import AdbPort
from actors.slot.phone import PhoneUncertain, PhoneUnreachable
from tests.support.site import PATIENCE

Script = Callable[["Told", asyncio.StreamWriter], Awaitable[None]]


class Told:
    """What the client asked, one request after another."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def next(self) -> str:
        length = int(await self._reader.readexactly(4), 16)
        return (await self._reader.readexactly(length)).decode()


@asynccontextmanager
async def server(script: Script) -> AsyncIterator[AdbClient]:
    """A server whose every connection goes by the script and is then closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(Told(reader), writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield AdbClient(AdbPort("127.0.0.1", listening.sockets[0].getsockname()[1]))
    finally:
        listening.close()


async def transport(told: Told, writer: asyncio.StreamWriter) -> None:
    assert await told.next() == "host:tport:serial:P1"
    writer.write(b"OKAY" + bytes(8))


@pytest.mark.parametrize("sent", [b"", b"OK", b"OKAY00", b"OKAY0020P1 dev", b"OKAYzzzz"])
async def test_a_list_that_is_cut_short_is_no_list(sent: bytes) -> None:
    async def script(told: Told, writer: asyncio.StreamWriter) -> None:
        assert await told.next() == "host:track-devices-l"
        writer.write(sent)

    async with server(script) as client:
        with pytest.raises(AdbServerGone):
            async for devices in client.track():
                pytest.fail(f"took {devices} for whole")


async def test_a_phone_that_is_refused_was_sent_nothing() -> None:
    async def script(told: Told, writer: asyncio.StreamWriter) -> None:
        await told.next()
        writer.write(b"FAIL000edevice offline")

    async with server(script) as client:
        with pytest.raises(AdbRefused, match="device offline"):
            await client.shell("P1", "true", timeout=2, max_output=10)


async def test_a_connection_lost_before_the_command_is_unreachable() -> None:
    async def script(told: Told, writer: asyncio.StreamWriter) -> None:
        await told.next()
        writer.write(b"OKAY" + bytes(3))

    async with server(script) as client:
        with pytest.raises(PhoneUnreachable):
            await client.shell("P1", "true", timeout=2, max_output=10)


async def test_a_connection_lost_after_the_command_was_sent_is_uncertain() -> None:
    async def script(told: Told, writer: asyncio.StreamWriter) -> None:
        await transport(told, writer)
        assert await told.next() == "shell,v2,raw:reboot"

    async with server(script) as client:
        with pytest.raises(PhoneUncertain):
            await client.shell("P1", "reboot", timeout=2, max_output=10)


async def test_output_without_an_exit_code_is_no_answer() -> None:
    async def script(told: Told, writer: asyncio.StreamWriter) -> None:
        await transport(told, writer)
        await told.next()
        writer.write(b"OKAY" + b"\x01\x05\x00\x00\x00whole" + b"\x01\x05\x00\x00\x00ha")

    async with server(script) as client:
        with pytest.raises(PhoneUncertain):
            await client.shell("P1", "cat file", timeout=2, max_output=10)


async def test_a_silent_server_is_given_up_in_time() -> None:
    async def script(told: Told, writer: asyncio.StreamWriter) -> None:
        await transport(told, writer)
        await told.next()
        await told.next()  # the client hangs up first

    async with server(script) as client:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(PhoneUncertain):
                await client.shell("P1", "true", timeout=0.2, max_output=10)


async def test_a_long_shell_that_ended_unused_is_opened_anew_and_sends_once() -> None:
    opened = 0
    ended = asyncio.Event()
    commands: list[bytes] = []

    async def script(told: Told, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        await transport(told, writer)
        assert await told.next() == "shell,v2,raw:sh 2>&1"
        writer.write(b"OKAY")
        opened += 1
        header = await told._reader.readexactly(5)
        line = await told._reader.readexactly(int.from_bytes(header[1:], "little"))
        commands.append(line.split(b"\n")[0])
        word = line.split(b"echo ")[-1].split(b":")[0] + b":0\n"
        writer.write(b"\x01" + len(word).to_bytes(4, "little") + word)
        await writer.drain()
        if opened == 1:
            writer.close()
            await writer.wait_closed()
            ended.set()

    async with server(script) as client:
        shell = LongShell(client=client, serial="P1")
        await shell.run("first", timeout=2)
        await ended.wait()
        assert shell._wire is not None
        async with asyncio.timeout(2):
            while not shell._wire.reader.at_eof():
                await asyncio.sleep(0.005)
        await shell.run("second", timeout=2)
        shell.close()
    assert (commands, opened) == ([b"first", b"second"], 2)


@pytest.mark.parametrize(
    "frames", [b"\x03\x00\x00\x00\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x01\xff\xff\xff\xffxx"]
)
async def test_what_is_no_frame_of_a_shell_is_uncertain(frames: bytes) -> None:
    async def script(told: Told, writer: asyncio.StreamWriter) -> None:
        await transport(told, writer)
        await told.next()
        writer.write(b"OKAY" + frames)

    async with server(script) as client:
        with pytest.raises(PhoneUncertain):
            await client.shell("P1", "true", timeout=2, max_output=10)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n", b"FAIL-001", bytes(8)])
async def test_what_is_no_answer_of_a_server_says_nothing_about_the_phone(answer: bytes) -> None:
    async def script(told: Told, writer: asyncio.StreamWriter) -> None:
        await told.next()
        writer.write(answer)

    async with server(script) as client:
        with pytest.raises(AdbServerGone):
            await client.shell("P1", "true", timeout=2, max_output=10)
