"""Who may run shell commands runs as many, as long and as wordy ones as are let through. And phones that never answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from actors.adapters import adb_phone
from actors.adapters.adb import AdbClient
from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_place import AdbPort
from actors.adapters.adb_tracker import DeviceTracker
from actors.slot.phone import PhoneError

LONG = 64  # commands and looks that never end
SOON = 2.0  # seconds


@pytest.fixture
async def client() -> AsyncIterator[AdbClient]:
    """Of an adb server whose phones carry out every command at once, but `sleep`, and but those that hang."""
    asked: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def request() -> str:
            return (await reader.readexactly(int(await reader.readexactly(4), 16))).decode()

        phone = await request()
        writer.write(b"OKAY" + bytes(8))
        command = await request()
        writer.write(b"OKAY")
        if "sleep" not in command and "hangs" not in phone:
            writer.write(b"\x03\x01\0\0\0\0")
        await reader.read()
        writer.close()

    def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        asked.add(task)
        task.add_done_callback(asked.discard)

    listening = await asyncio.start_server(serving, "127.0.0.1", 0)
    yield AdbClient(AdbPort("127.0.0.1", listening.sockets[0].getsockname()[1]))
    listening.close()
    for task in asked:
        task.cancel()


def phone(client: AdbClient, serial: str) -> AdbPhone:
    return AdbPhone(serial=serial, tracker=DeviceTracker(client=client, folder=Path("unused")))


async def answered(work: Awaitable[object]) -> float:
    """Seconds until an answer, which is none about calls here."""
    began = time.monotonic()
    with pytest.raises(PhoneError):
        async with asyncio.timeout(SOON):
            await work
    return time.monotonic() - began


async def test_long_commands_hold_up_no_other_phone_and_not_their_own(client: AdbClient) -> None:
    phones = [phone(client, f"P{number}") for number in range(LONG // 4)]
    running = [
        asyncio.create_task(one.shell("sleep 300", timeout=300, max_output=10)) for one in phones for _ in range(4)
    ]
    await asyncio.sleep(0.2)
    waits = [await answered(one.look()) for one in (phone(client, "other"), phones[0])]
    done = await phone(client, "other").shell("true", timeout=SOON, max_output=10)  # somebody else's
    print(f"{len(running)} commands that never end; looks beside them took {waits[0]:.2f} s and {waits[1]:.2f} s")
    assert done.exit_code == 0
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_phones_that_never_answer_hold_up_no_other_one(
    client: AdbClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = phone(client, "hangs")
    looks = [asyncio.create_task(hanging.look()) for _ in range(LONG)]
    await asyncio.sleep(0.2)
    wait = await answered(phone(client, "other").look())
    for task in looks:
        task.cancel()
    await asyncio.gather(*looks, return_exceptions=True)
    monkeypatch.setattr(adb_phone, "LOOK_TIMEOUT", 0.5)
    began = time.monotonic()
    ended = await asyncio.gather(*(hanging.look() for _ in range(LONG)), return_exceptions=True)
    took = time.monotonic() - began
    print(f"{LONG} looks at a phone that hangs: ended after {took:.2f} s; a look at another one took {wait:.2f} s")
    assert all(isinstance(one, PhoneError) for one in ended) and took < 2 * 0.5 + SOON
