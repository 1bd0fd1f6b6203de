"""Typing of texts that `input text` cannot type, on a phone's shell.

ADBKeyBoard (`com.android.adbkeyboard`), where it is installed, is an input method that types what a broadcast brings,
in base64. It is chosen, waited for, used, and the input method of before is chosen again. Android has no command that
sets the clipboard (`cmd clipboard` answers `No shell command implementation.` up to 16), so pasting takes the server of
uiautomator2 (`screen_server.py`).
"""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable

import structlog

from actors.adapters.screen_lines import words_of
from actors.script.effects import Back, Done, InputText, NotDone
from actors.slot.phone import PhoneError, PhoneUncertain, ShellResult

log = structlog.get_logger()

HELPER = "com.android.adbkeyboard/.AdbIME"
PIECE = 1000  # signs of one broadcast
COMES_WITHIN = 4.0  # seconds
LOOK_EVERY = 0.2
NO_WAY = (
    "the phone types plain letters only: for others install ADBKeyBoard (com.android.adbkeyboard) or the server of "
    "uiautomator2 on it"
)
_CURRENT = re.compile(r"\bm(?:Cur|Selected)MethodId=(\S+)")
_METHOD = re.compile(r"[A-Za-z0-9_.]+/[A-Za-z0-9_.$]+\Z")

Run = Callable[[str], Awaitable[ShellResult]]


class HelperTyping:
    """`run` has the phone run a line. `_former`: the input method that is to be there in the end."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._former = ""

    async def installed(self) -> bool:
        """Whether the phone has the input method, and which one is used now. Raises PhoneError."""
        all_of_them = _methods((await self._run("ime list -a -s")).output)
        if HELPER not in all_of_them:
            return False
        used = (await self._run("settings get secure default_input_method")).output.strip()
        if used != HELPER and _METHOD.match(used):
            self._former = used
        elif not self._former:  # it was left so by a host that ended
            enabled = _methods((await self._run("ime list -s")).output)
            self._former = next((method for method in enabled if method != HELPER), "")
        return True

    async def type(self, effect: InputText) -> Back:
        """Type it into the field. Raises PhoneError as long as nothing was typed."""
        try:
            if not await self._chosen(effect):
                return NotDone(f"{HELPER} did not become the phone's input method")
            return await self._sent(effect.text)
        finally:
            await self._put_back()

    async def _chosen(self, effect: InputText) -> bool:
        """Choose it, and tap the field, for which it then comes up."""
        tap = "" if effect.x is None or effect.y is None else f" && {words_of('input', 'tap', effect.x, effect.y)}"
        result = await self._run(f"{words_of('ime', 'enable', HELPER)} && {words_of('ime', 'set', HELPER)}{tap}")
        if result.exit_code != 0:
            return False
        loop = asyncio.get_running_loop()
        until = loop.time() + COMES_WITHIN
        while loop.time() < until:
            current = _CURRENT.search((await self._run("dumpsys input_method")).output)
            if current is not None and current[1] == HELPER:
                return True
            await asyncio.sleep(LOOK_EVERY)
        return False

    async def _sent(self, text: str) -> Back:
        for at in range(0, len(text), PIECE):
            encoded = base64.b64encode(text[at : at + PIECE].encode()).decode()
            try:
                result = await self._run(words_of("am", "broadcast", "-a", "ADB_INPUT_B64", "--es", "msg", encoded))
            except PhoneUncertain as error:
                return NotDone(str(error), maybe=True)
            except PhoneError as error:
                return NotDone(str(error), maybe=at > 0)
            if result.exit_code != 0 or "Broadcast completed" not in result.output:
                return NotDone(f"the phone did not pass the text on (code {result.exit_code})", maybe=True)
        return Done()

    async def _put_back(self) -> None:
        if not self._former:
            return
        try:
            await self._run(words_of("ime", "set", self._former))
        except PhoneError as error:  # the next text puts it back
            log.warning("the input method was not put back", method=self._former, error=str(error))


def _methods(text: str) -> list[str]:
    return [word for word in text.split() if _METHOD.match(word)]
