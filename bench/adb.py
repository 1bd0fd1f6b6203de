"""Commands on a phone through our client, against a raw socket to the adb server and against adbutils.

The order to dial is the whole line that looks and dials. The phone is out of service, so every call ends at once; the
floor sends the same line.
"""

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import aiohttp

from actors.adapters.adb import LongShell
from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_place import AdbPlace
from actors.adapters.adb_tools import AdbTools
from actors.adapters.adb_tracker import DeviceTracker
from actors.adapters.android_orders import dial_line
from actors.telephony.reports import CallSeen
from bench.one_phone import SECRET, one_phone
from bench.table import Row

COUNT = 200
NUMBER = "+380991230007"


async def measure(folder: Path) -> list[Row]:
    async with one_phone(folder) as one:
        place, client, serial = one.place, one.client, one.serial
        shell = LongShell(client=client, serial=serial)
        tracker = DeviceTracker(client=client, folder=one.folder)
        tracker.start()
        phone = AdbPhone(serial=serial, tracker=tracker)
        over = asyncio.Event()
        phone.start(lambda report: over.set() if isinstance(report, CallSeen) and report.reason else None)
        await shell.run("true", timeout=5)
        await _take_out_of_service(one.control)
        ours, raw, one_shot, theirs, dials, raw_dials = [], [], [], [], [], []
        for _ in range(5):
            dials.append(await _each(lambda: phone.dial(NUMBER, "c_1", lambda: True), over=over))
            raw_dials.append(await _raw_long_shell(place, serial, dial_line(NUMBER, "c_1")))
            ours.append(await _each(lambda: shell.run("true", timeout=5)))
            raw.append(await _raw_long_shell(place, serial, "true"))
            one_shot.append(await _each(lambda: client.shell(serial, "true", timeout=5, max_output=1024), 50))
            theirs.append(await asyncio.to_thread(_adbutils, place, serial))
        await phone.close()
        await tracker.stop()
        shell.close()
    mine, floor, peer, single = median(ours), median(raw), median(theirs), median(one_shot)
    dial, line = median(dials), median(raw_dials)
    return [
        Row("dial command: look and dial", f"{dial:.2f} ms", f"raw socket {line:.2f} ms", dial / line, "<= 1.2"),
        Row("short command: long-lived shell", f"{mine:.2f} ms", f"raw socket {floor:.2f} ms", mine / floor, "<= 1.2"),
        Row("the same against adbutils", f"{mine:.2f} ms", f"adbutils shell() {peer:.1f} ms", mine / peer, "<= 0.2"),
        Row("one-shot shell", f"{single:.2f} ms", f"adbutils shell() {peer:.1f} ms", single / peer, "<= 0.2"),
    ]


async def _each(
    work: Callable[[], Awaitable[object]], count: int = COUNT, *, over: asyncio.Event | None = None
) -> float:
    """The median time of one, in milliseconds. `over` is set when the next may begin."""
    times = []
    for _ in range(count):
        if over is not None:
            over.clear()
        began = time.perf_counter()
        await work()
        times.append(time.perf_counter() - began)
        if over is not None:
            await over.wait()
    return 1000 * median(times)


async def _take_out_of_service(control: int) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {SECRET}"}) as session:
        await session.post(f"http://127.0.0.1:{control}/phones/44/set", json={"in_service": False})


async def _raw_long_shell(place: AdbPlace, serial: str, command: str) -> float:
    """The floor: a shell's stream with nothing around it, one line there and one line back."""
    reader, writer = await place.connect()
    for service in (f"host:transport:{serial}", "shell,v2,raw:sh"):
        writer.write(b"%04x" % len(service) + service.encode())
        assert await reader.readexactly(4) == b"OKAY"

    async def once() -> None:
        line = f"{command}\necho done:$?\n".encode()
        writer.write(struct.pack("<BI", 0, len(line)) + line)
        output = b""
        while b"done:" not in output:
            header = await reader.readexactly(5)
            output += await reader.readexactly(int.from_bytes(header[1:], "little"))

    figure = await _each(once)
    writer.close()
    return figure


def _adbutils(place: AdbPlace, serial: str) -> float:
    device = AdbTools(place).device(serial)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        device.shell("true")
        times.append(time.perf_counter() - began)
    return 1000 * median(times)
