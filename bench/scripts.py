"""A step of a script on a phone: reading the screen, finding what is meant among what comes up, deciding what is done.

Against the same dump of the same screen through a raw socket to the adb server, and through adbutils, in one run. The
phone is another process; its dump takes some milliseconds where a real phone's takes seconds, so what is measured is
what the platform adds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_place import AdbPlace
from actors.adapters.adb_tools import AdbTools
from actors.adapters.adb_tracker import DeviceTracker
from actors.adapters.screen_lines import FOLDER
from actors.script import engine
from actors.script.checking import check
from actors.script.effects import Done, Dump, OpenLink
from actors.script.position import Succeeded
from actors.script.program import Program, program
from actors.slot.screen import Screen
from bench.one_phone import one_phone
from bench.table import Row

ROOT = Path(__file__).resolve().parents[1]
COUNT, ROUNDS = 40, 5
PATH = f"{FOLDER}/bench.xml"
RAW = f"rm -f {PATH}; uiautomator dump {PATH}; cat {PATH}"
STEP = """
name = "step"
version = 1
summary = "One step, with what may come up."
needs = { apps = ["org.telegram.messenger"] }

[[steps]]
do = "wait_for"
on = { class = "EditText", package = "org.telegram.messenger", below = { text_matching = "[0-9]{1,2}:[0-9]{2}|[A-Z]" } }
"""


def step() -> Program:
    """A step with the handlers of telegram_call."""
    shipped = (ROOT / "config" / "scripts" / "telegram_call.toml").read_text()
    checked = check(STEP + shipped[shipped.index("[[handlers]]") :], {})
    assert checked.script is not None, checked.problems
    return program(checked.script, {})


async def measure(folder: Path) -> list[Row]:
    async with one_phone(folder) as there:
        place, serial = there.place, there.serial
        tracker = DeviceTracker(client=there.client, folder=there.folder)
        tracker.start()
        phone = AdbPhone(serial=serial, tracker=tracker, health_every=600)
        chat = OpenLink(link="tg://resolve?phone=380671110007", app="org.telegram.messenger")
        assert await phone.screen.carry_out(chat) == Done()
        await asyncio.sleep(1)
        one = step()
        ours, raw, theirs = [], [], []
        for _ in range(ROUNDS):
            ours.append(await _each(lambda: _step(one, phone.screen)))
            raw.append(await _each(lambda: _raw(place, serial)))
            theirs.append(await asyncio.to_thread(_adbutils, place, serial))
        await tracker.stop()
    mine, floor, peer = median(ours), median(raw), median(theirs)
    over, peers = mine - floor, peer - floor
    return [
        Row("script step: look, find, decide", f"{mine:.1f} ms", f"raw dump {floor:.1f} ms", mine / floor, "<= 1.5"),
        Row("its overhead over the raw dump", f"{over:.1f} ms", f"adbutils' {peers:.1f} ms", over / peers, "<= 0.5"),
    ]  # fmt: skip


async def _step(one: Program, screen: Screen) -> None:
    position = engine.begin(one, {}, 0.0)
    while position.outcome is None:
        assert isinstance(position.asked, Dump), position
        position = engine.advance(one, position, await screen.carry_out(position.asked), 0.0)
    assert isinstance(position.outcome, Succeeded), position.outcome


async def _raw(place: AdbPlace, serial: str) -> None:
    """The floor: the same commands with nothing around them; what comes back is not looked at."""
    reader, writer = await place.connect()
    for service in (f"host:transport:{serial}", f"shell,v2,raw:{RAW}"):
        writer.write(b"%04x" % len(service) + service.encode())
        assert await reader.readexactly(4) == b"OKAY"
    said = await reader.read(-1)
    assert b"</hierarchy>" in said
    writer.close()


async def _each(work: Callable[[], Awaitable[object]]) -> float:
    """The median time of one, in milliseconds."""
    times = []
    for _ in range(COUNT):
        began = time.perf_counter()
        await work()
        times.append(time.perf_counter() - began)
    return 1000 * median(times)


def _adbutils(place: AdbPlace, serial: str) -> float:
    device = AdbTools(place).device(serial)
    times = []
    for _ in range(COUNT // 2):
        began = time.perf_counter()
        assert "</hierarchy>" in device.dump_hierarchy()
        times.append(time.perf_counter() - began)
    return 1000 * median(times)
