"""Typing any text on a phone, where something goes wrong in the middle, and what is written down of it."""

from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from actors.adapters.phone_screen import PhoneScreen
from actors.adapters.phone_typing import HELPER
from actors.script.effects import Done, InputText, NotDone
from actors.slot.phone import PhoneError, PhoneUncertain, PhoneUnreachable, ShellResult

OWN = "com.samsung.android.honeyboard/.service.HoneyBoardService"
BROADCAST = "'am' 'broadcast'"
SECRET = "пароль 4711"


class Keyboards:
    """A phone with ADBKeyBoard. `fails`: what is wrong with a line. `used`: the input method that is chosen."""

    def __init__(self, fails: Callable[[str], PhoneError | ShellResult | None] = lambda line: None) -> None:
        self.used = OWN
        self.sent: list[str] = []
        self._fails = fails

    async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult:
        self.sent.append(command)
        wrong = self._fails(command)
        if isinstance(wrong, PhoneError):
            raise wrong
        if wrong is not None:
            return wrong
        if "'ime' 'set'" in command:
            self.used = command.partition("'ime' 'set' '")[2].partition("'")[0]
        said = {
            "ime list": f"{OWN}\n{HELPER}\n", "settings get": f"{self.used}\n",
            "dumpsys": f"  mSelectedMethodId={self.used}\n", BROADCAST: "Broadcast completed: result=0\n",
        }  # fmt: skip
        output = next((text for start, text in said.items() if command.startswith(start)), "")
        return ShellResult(exit_code=0, output=output, truncated=False)

    async def raw_output(self, command: str, *, timeout: float, max_output: int) -> bytes:
        raise NotImplementedError


def when(start: str, wrong: PhoneError | ShellResult) -> Callable[[str], PhoneError | ShellResult | None]:
    return lambda line: wrong if line.startswith(start) else None


TEXT = InputText(text=SECRET, x=1, y=2, secret=True)
FAILED = ShellResult(exit_code=255, output=f"Error: {SECRET}", truncated=False)


async def test_the_field_is_tapped_and_the_own_keyboard_put_back() -> None:
    phone = Keyboards()
    assert await PhoneScreen(phone).carry_out(TEXT) == Done()
    assert phone.used == OWN and sum("'input' 'tap' '1' '2'" in line for line in phone.sent) == 1


@pytest.mark.parametrize(
    ("fails", "maybe"),
    [
        (when(BROADCAST, PhoneUncertain("cut")), True),
        (when(BROADCAST, PhoneUnreachable("gone")), False),
        (when(BROADCAST, FAILED), True),
        (when("'ime' 'enable'", FAILED), False),
        (when("dumpsys", PhoneUnreachable("gone")), False),
    ],
)
async def test_whatever_goes_wrong_the_own_keyboard_is_put_back(
    fails: Callable[[str], PhoneError | ShellResult | None], maybe: bool
) -> None:
    phone = Keyboards(fails)
    back = await PhoneScreen(phone).carry_out(TEXT)
    assert isinstance(back, NotDone) and back.maybe is maybe
    assert phone.used == OWN and "'ime' 'set'" in phone.sent[-1]


async def test_a_text_that_is_cut_in_the_middle_may_be_typed() -> None:
    count = 0

    def second(line: str) -> PhoneError | None:
        nonlocal count
        count += line.startswith(BROADCAST)
        return PhoneUnreachable("gone") if count == 2 else None

    back = await PhoneScreen(Keyboards(second)).carry_out(InputText(text="ї" * 1500))
    assert isinstance(back, NotDone) and back.maybe


@pytest.mark.parametrize("text", [SECRET, "plain-4711"])
@pytest.mark.parametrize("failing", [BROADCAST, "'ime' 'enable'", "'input'", "'ime' 'set'", "none"])
async def test_a_secret_is_in_no_log_and_no_answer(
    logged: list[MutableMapping[str, Any]], text: str, failing: str
) -> None:
    wrong = ShellResult(exit_code=255, output=f"Error: Exception: cannot type {text}\n{text}", truncated=False)
    screen = PhoneScreen(Keyboards(when(failing, wrong)))
    back = await screen.carry_out(InputText(text=text, x=1, y=2, secret=True))
    assert text not in repr(back) and text not in repr(logged)
