"""The screen of a virtual phone over the real adb server, and where that goes wrong."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.adapters.adb_phone import AdbPhone
from actors.adapters.phone_screen import PhoneScreen
from actors.script.effects import Dump, Looked, NotDone, TapAt
from actors.script.tree import BYTES, Crashed, Unreadable
from actors.slot.phone import PhoneError, PhoneUncertain, PhoneUnreachable, ShellResult
from simulators.phone.android import Android, InputFault
from simulators.phone.handset import Handset
from simulators.phone.screens.profile import Profile
from simulators.phone.screens.screens import Screens
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.screen_contract import CHAT, PlainDumpContract
from tests.support.site import PATIENCE


@pytest.fixture
async def screens(handset: VirtualPhone) -> Screens:
    screens = handset.android.screens
    screens.profile = replace(screens.profile, moves=0.0)
    return screens


@pytest.mark.parametrize("handset", [11], indirect=True)
class TestOverAdb(PlainDumpContract):
    @pytest.fixture
    async def files(self, handset: VirtualPhone) -> dict[str, bytes]:
        return handset.android.files

    @pytest.fixture
    async def dials(self, handset: VirtualPhone, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        heard: list[str] = []
        monkeypatch.setattr(handset.android, "dialled", heard.append)
        return heard


class TestSimulated(PlainDumpContract):
    """The phone of simulated time, here with the seconds of a clock."""

    @pytest.fixture
    async def handset(self) -> Handset:
        return Handset()

    @pytest.fixture
    async def screens(self, handset: Handset) -> Screens:
        return handset.give_screens(Profile(moves=0.0))

    @pytest.fixture
    async def phone(self, handset: Handset) -> SimulatedPhone:
        phone = SimulatedPhone(handset, alive=lambda: True, buried=asyncio.Event())
        phone.start(lambda _: None)
        return phone

    @pytest.fixture
    async def files(self, screens: Screens) -> dict[str, bytes]:
        assert isinstance(screens.body, Android)
        return screens.body.files

    @pytest.fixture
    async def dials(self, handset: Handset) -> list[str]:
        return handset.dials


TAP = TapAt(x=10, y=10)


@pytest.mark.parametrize("handset", [14], indirect=True)
class TestFaults:
    async def test_keys_that_the_phone_refuses_are_not_pressed(self, phone: AdbPhone, handset: VirtualPhone) -> None:
        handset.android.input_fault = InputFault.REFUSED
        back = await phone.screen.carry_out(TAP)
        assert isinstance(back, NotDone) and not back.maybe and "INJECT_EVENTS" in back.why

    async def test_a_link_that_breaks_in_the_middle_leaves_it_open(
        self, phone: AdbPhone, handset: VirtualPhone, screens: Screens
    ) -> None:
        handset.slow = 5.0
        doing = asyncio.ensure_future(phone.screen.carry_out(TAP))
        await asyncio.sleep(0.3)
        await handset.drop()
        back = await doing
        assert isinstance(back, NotDone) and back.maybe

    async def test_a_phone_that_is_gone_was_told_nothing(self, phone: AdbPhone, handset: VirtualPhone) -> None:
        await handset.unplug()
        async with asyncio.timeout(PATIENCE):
            while not isinstance(back := await phone.screen.carry_out(TAP), NotDone) or back.maybe:
                await asyncio.sleep(0.05)
        looked = await phone.screen.carry_out(Dump())
        assert isinstance(looked, Looked) and isinstance(looked.screen, Crashed)
        with pytest.raises(PhoneError):
            await phone.screen.picture()

    async def test_half_a_picture_is_none(self, phone: AdbPhone, handset: VirtualPhone) -> None:
        handset.truncate = True
        with pytest.raises(PhoneError):
            await phone.screen.picture()


class Told:
    """A phone that answers so to each line."""

    def __init__(self, *answers: Callable[[str], str] | Exception, truncated: bool = False) -> None:
        self.lines: list[str] = []
        self._answers = list(answers)
        self._truncated = truncated

    async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult:
        self.lines.append(command)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return ShellResult(exit_code=0, output=answer(command), truncated=self._truncated)

    async def raw_output(self, command: str, *, timeout: float, max_output: int) -> bytes:
        raise NotImplementedError


SCREEN = "<hierarchy rotation='0'><node index='0' text='{}' bounds='[0,0][9,9]'/></hierarchy>"


def dumped(text: str, file: str | None = None) -> Callable[[str], str]:
    """The dump says that it is where it was told to be, and there lies a screen with this text."""

    def answer(command: str) -> str:
        path, mark = command.split("cat ")[1].split(";")[0], command.split("echo ")[-1].split(";")[0]
        return f"UI hierchary dumped to: {path}\n\n{mark}\n{SCREEN.format(text) if file is None else file}"

    return answer


async def look(phone: Told) -> Any:
    looked = await PhoneScreen(phone).carry_out(Dump())
    assert isinstance(looked, Looked)
    return looked.screen


async def test_a_mark_on_the_screen_is_not_the_end_of_what_was_said() -> None:
    screen = await look(Told(dumped("ottb-1-1 UI hierchary dumped to: /sdcard/old.xml ERROR: null root node")))
    assert screen.tree.nodes[0].text.startswith("ottb-1-1")


async def test_a_file_with_a_name_of_before_is_never_asked_for() -> None:
    phone = Told(*[dumped("a")] * 3)
    screen = PhoneScreen(phone)
    for _ in range(3):
        await screen.carry_out(Dump())
    again = Told(dumped("b"))
    await PhoneScreen(again).carry_out(Dump())
    assert len({line.split("cat ")[1] for line in phone.lines + again.lines}) == 4


BROKEN = ["", "<hierarchy><node text='a", "\x00\x01", "<!DOCTYPE a [<!ENTITY b 'c'>]><hierarchy/>"]


@pytest.mark.parametrize("file", BROKEN)
async def test_a_broken_file_is_no_screen(file: str) -> None:
    assert isinstance(await look(Told(dumped("", file))), Crashed | Unreadable)


async def test_a_screen_that_is_too_large_is_not_read() -> None:
    assert isinstance(await look(Told(dumped("x" * BYTES))), Unreadable)
    assert isinstance(await look(Told(dumped("x"), truncated=True)), Unreadable)


async def test_looks_that_fail_are_looks() -> None:
    assert isinstance(await look(Told(PhoneUnreachable("gone"))), Crashed)
    assert isinstance(await look(Told(PhoneUncertain("gone"))), Crashed)


async def test_one_look_at_a_time() -> None:
    running, most = 0, 0

    class Slow(Told):
        async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            return await super().shell(command, timeout=timeout, max_output=max_output)

    screen = PhoneScreen(Slow(*[dumped("a")] * 5))
    await asyncio.gather(*(screen.carry_out(Dump()) for _ in range(5)))
    assert most == 1


async def test_what_is_sent_and_not_answered_may_be_done() -> None:
    assert await PhoneScreen(Told(PhoneUncertain("cut"))).carry_out(CHAT) == NotDone("cut", maybe=True)
    assert await PhoneScreen(Told(PhoneUnreachable("cut"))).carry_out(CHAT) == NotDone("cut")


async def test_a_command_that_was_killed_may_be_done() -> None:
    class Killed(Told):
        async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult:
            return ShellResult(exit_code=137, output="Killed\n", truncated=False)

    back = await PhoneScreen(Killed()).carry_out(TAP)
    assert isinstance(back, NotDone) and back.maybe
