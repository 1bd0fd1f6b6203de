"""Who may run shell commands runs many, long and wordy ones. And phones that never answer."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from actors.adapters import adb_phone
from actors.adapters.adb import AdbClient, LongShell
from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_place import AdbPort
from actors.adapters.adb_tracker import DeviceTracker
from actors.assembly import running
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.settings import Settings
from actors.slot import machine
from actors.slot.phone import PhoneError, ShellResult
from bus_schemas.errors import Refusal
from bus_schemas.permissions import Action
from bus_schemas.slot import ADB_COMMAND, AdbCommand, SlotConfig
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.phone.handset import Handset
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from tests.attacks.test_patterns import grows
from tests.support.turns import Others

LONG = 64  # commands and looks that never end
SOON = 2.0  # seconds
LINES = 200_000  # of a stream, sent at once
FRAMES = 40_000  # each with a line
COMMAND = "\x01" * 4080
SECONDS, A_SECOND = 60, 20  # changes that the doors let through on the long run
BURST, SHARE = 12_000_000, 12_000  # bytes of the journal


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
        if "flood" in command:
            writer.write(b"\x01" + LINES.to_bytes(4, "little") + LINES * b"\n")
        if "drips" in phone + command:
            writer.write(FRAMES * b"\x01\x01\0\0\0\n")
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


async def _follow(client: AdbClient, phone: str, command: str) -> tuple[int, int]:
    """The lines of a stream, and the turns of others from the first of them on."""
    async with client.lines(phone, command) as stream:
        others, lines = Others(), 0
        async for _ in stream:
            lines += 1
            others.turns = others.turns if lines > 1 else 0  # while it was awaited
        return lines, others.end()


@pytest.mark.parametrize(("command", "sent"), [("flood", LINES), ("drips", FRAMES)])
async def test_a_flood_of_lines_leaves_others_their_turn(client: AdbClient, command: str, sent: int) -> None:
    lines, turns = await _follow(client, "P1", command)
    print(f"{lines} lines at once: others had {turns} turns meanwhile")
    assert lines == sent and turns >= sent / 1000


async def test_a_flood_of_frames_leaves_others_their_turn(client: AdbClient) -> None:
    others = Others()
    done = await client.shell("P1", "drips", timeout=30, max_output=1_000_000)
    turns = others.turns
    with pytest.raises(PhoneError):
        await LongShell(client=client, serial="drips").run("true", timeout=5)
    print(f"{2 * FRAMES} frames of two commands: others had {turns} and {others.end() - turns} turns meanwhile")
    assert len(done.output) == FRAMES and min(turns, others.turns - turns) >= FRAMES / 1000


class Echoing(Handset):
    """Answers a command with the command."""

    def run(self, command: str, max_output: int) -> tuple[ShellResult, float]:
        return ShellResult(exit_code=0, output=command, truncated=False), 0.0


async def _fills_the_journal() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    clock = SimClock(loop)
    broker, phones = MemoryBroker(clock=clock), {f"p{id}": Echoing() for id in range(11, 19)}
    bus = MemoryBus(broker)
    settings = Settings(slots=tuple(SlotConfig(id=int(name[1:]), serial=name) for name in phones))
    answers: Counter[str] = Counter()
    numbers = itertools.count()

    async def command(user: str, credential: str = "session:s1") -> Refusal | None:
        number, actions = next(numbers), frozenset({Action.SLOT_SHELL.value})
        context = Context(command_id=f"k{number}", user=user, credential=credential, actions=actions)
        slot = 11 + number % len(phones)
        try:
            await ask(bus, ADB_COMMAND, AdbCommand(slot=slot, command=COMMAND), context)
        except Refusal as refusal:
            answers[refusal.code] += 1
            return refusal
        answers["taken"] += 1
        return None

    async with running(
        settings, bus=bus, clock=clock, ids=CountedIds("t"), devices=lambda: (), pbxs={}, lost=asyncio.Event(),
        make_phone=lambda config: SimulatedPhone(phones[config.serial or ""], alive=lambda: True, buried=bus.buried),
    ):  # fmt: skip
        await asyncio.sleep(8.0)
        for _ in range(SECONDS * A_SECOND):
            last = await command("op12", "token:t1")
            await asyncio.sleep(1 / A_SECOND)
        others = await command("op12", "token:t2"), await command("op12")
        await asyncio.sleep(5.0)
        written = sum(len(entry.data) for entry in broker.journal)
        print(f"{dict(answers)} wordy commands in {SECONDS} s: {written / 1e6:.1f} MB of journal")
        assert written < 1.2 * BURST + SHARE * SECONDS
        assert last is not None and last.details is not None and last.details["rule"] == "shell_bytes"
        assert await command("op21") is None  # another user's share
        assert others[0] is not None and others[1] is None  # who may end the token does not wait for it
        await asyncio.sleep(float(str(last.details["retry_after"])) + 10.0)
        assert await command("op12", "token:t1") is None


def test_wordy_commands_do_not_fill_the_journal() -> None:
    run(_fills_the_journal, seed=1)


@pytest.mark.parametrize("command", ["input keyevent 5", "input keyevent --longpress x KEYCODE_CALL"])
def test_a_command_that_dials_is_seen(command: str) -> None:
    assert machine._dials(command) and not machine._dials("input keyevent 55; echo recall 6")


def test_a_long_command_is_looked_through_in_no_more_than_its_length_in_time() -> None:
    words = ("keyevent ", "keyevent x ", "service ", "cmd ", " ")
    slow = [word for word in words if grows(machine._dials, "", word, "")]
    print(f"{len(words)} long commands: {len(slow)} take more than their length in time")
    assert not slow
