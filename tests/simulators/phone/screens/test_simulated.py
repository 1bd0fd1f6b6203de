"""The screens in simulated time, over the port that the slots use."""

import asyncio
import re

from simulators.device.chronicle import Source
from simulators.phone.handset import Handset
from simulators.phone.screens.profile import LARGE, Language, Profile
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.time.loop import run

NUMBER = "+380671111234"


async def connected(handset: Handset) -> SimulatedPhone:
    phone = SimulatedPhone(handset, alive=lambda: True, buried=asyncio.Event())
    phone.start(lambda _: None)
    return phone


async def say(phone: SimulatedPhone, line: str) -> str:
    await asyncio.sleep(1)
    return (await phone.shell(line, timeout=10, max_output=100_000)).output


async def tap(phone: SimulatedPhone, wanted: str) -> None:
    tree = await say(phone, "uiautomator dump /dev/tty")
    node = next(node for node in tree.split("<node ") if wanted in node)
    found = re.search(r"\[(\d+),(\d+)\]\[(\d+),(\d+)\]", node)
    assert found is not None
    left, top, right, bottom = map(int, found.groups())
    await say(phone, f"input tap {(left + right) // 2} {(top + bottom) // 2}")


def test_a_call_in_the_app_in_simulated_time() -> None:
    async def main() -> list[tuple[float, str, str]]:
        handset = Handset()
        screens = handset.give_screens(Profile(1, Language.UKRAINIAN, LARGE))
        phone = await connected(handset)
        await say(phone, f"am start -a android.intent.action.VIEW -d 'tg://resolve?phone={NUMBER[1:]}'")
        await tap(phone, "call_button")
        await asyncio.sleep(3605)
        said = await say(phone, "uiautomator dump --compressed /dev/tty")
        assert 'text="60:0' in said
        assert handset.dials == [] and not handset.book.calls
        return [(line.at, line.what, line.data) for line in screens.log]

    log = run(main, 1)
    assert [what for _, what, _ in log if what.startswith("app_call")] == [
        "app_call", "app_call_ringing", "app_call_connected",
    ]  # fmt: skip
    placed, ringing, connected_at = (at for at, what, _ in log if what.startswith("app_call"))
    assert (round(ringing - placed, 6), round(connected_at - placed, 6)) == (0.5, 2.0)
    assert log == run(main, 1)


def test_who_dials_on_the_screen_has_dialled() -> None:
    async def main() -> None:
        handset = Handset()
        handset.give_screens(Profile())
        phone = await connected(handset)
        await say(phone, f"am start -a android.intent.action.DIAL -d tel:{NUMBER}")
        await tap(phone, "dialButton")
        assert handset.dials == [NUMBER]
        await asyncio.sleep(5)
        (look,) = (await phone.look()).live
        assert look.answered_age is not None
        (call,) = handset.book.calls
        assert (call.source, call.call_id, call.ended) == (Source.ORDER, None, None)
        handset.restart(3.0)
        await asyncio.sleep(10)
        assert "launcher" in (await say(await connected(handset), "dumpsys window"))

    run(main, 1)


def test_what_a_dump_takes_passes() -> None:
    async def main() -> tuple[str, float]:
        handset = Handset()
        screens = handset.give_screens(Profile())
        screens.troubles.not_idle = 1.0
        phone, loop = await connected(handset), asyncio.get_running_loop()
        began = loop.time()
        return (await phone.shell("uiautomator dump", timeout=10, max_output=20)).output, loop.time() - began

    said, seconds = run(main, 1)
    assert said == "ERROR: could not get" and 1.0 <= seconds < 1.1
