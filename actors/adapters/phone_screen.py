"""A phone's screen over its shell: the `Screen` port.

What is done goes as one line into a shell of its own, since `input`, `am` and `uiautomator` start a virtual machine
each and may hang. A line that was sent and not answered is `maybe` done. `uiautomator dump` is believed only if it said
that the file is new, and the file has a name that none had before.
"""

import asyncio
import itertools
import secrets
from typing import Protocol

from actors.adapters import screen_lines as lines
from actors.adapters.phone_typing import NO_WAY, HelperTyping
from actors.adapters.screen_server import ScreenServer
from actors.adapters.screen_trees import beside
from actors.script import guard, tree
from actors.script.as_read import ready
from actors.script.effects import (
    Back,
    ClearField,
    CloseKeyboard,
    Done,
    Dump,
    InputText,
    LaunchApp,
    Looked,
    NotDone,
    OpenLink,
    PressAt,
    PressKey,
    RunCommand,
    SendUssd,
    SwipeOver,
    TapAt,
)
from actors.script.quoting import NotSendable, line, typing
from actors.slot.phone import PhoneError, PhoneUncertain, PhoneUnreachable, ShellResult
from actors.slot.screen import PICTURE_LIMIT, OnScreen

TOUCH_TIMEOUT = 20.0  # seconds; each starts a virtual machine, on a phone that has much to do
LAUNCH_TIMEOUT = 30.0
COMMAND_TIMEOUT = 30.0
DUMP_TIMEOUT = 30.0  # one that finds no rest gives up after 10 s, on slow phones later
PICTURE_TIMEOUT = 15.0
SIZE_TIMEOUT = 10.0
TYPING_WAIT = 30.0  # for another text, whose every command has its own
OUTPUT_LIMIT = 64 * 1024
SIGNS = 5000  # that a field is emptied of; more than fit into any that is typed into


class PhoneShell(Protocol):
    """What of a phone this needs. Both raise PhoneUnreachable (it was not sent) and PhoneUncertain (it was)."""

    async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult: ...

    async def raw_output(self, command: str, *, timeout: float, max_output: int) -> bytes:
        """What a command writes, without what it complains of. More than `max_output`: PhoneUncertain."""


class PhoneScreen:
    """`word`: begins the names of its files on the phone, which no other's begin with. `server`: reads the screen
    where the phone has it."""

    def __init__(self, phone: PhoneShell, word: str = "", server: ScreenServer | None = None) -> None:
        self._phone = phone
        self._server = server
        self._word = word or secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._typing = HelperTyping(lambda command: self._run(command, TOUCH_TIMEOUT))
        self._one_typist = asyncio.Lock()
        self._looking = asyncio.Lock()  # one process on a phone may read its screen at a time

    async def carry_out(self, effect: OnScreen) -> Back:
        if isinstance(effect, Dump):
            return Looked(await self._look(effect))
        try:
            why = _dials(effect)
            return NotDone(why) if why is not None else await self._do(effect)
        except NotSendable as error:
            return NotDone(f"no command can say it: {error}")
        except PhoneUncertain as error:
            return NotDone(str(error), maybe=True)
        except PhoneError as error:
            return NotDone(str(error))

    async def picture(self) -> bytes:
        data = await self._phone.raw_output(
            "screencap -p", timeout=PICTURE_TIMEOUT, max_output=PICTURE_LIMIT
        )
        png = lines.whole_picture(data)
        if png is None:
            raise PhoneUnreachable(f"no picture of the screen: {data[:80]!r}")
        return png

    async def size(self) -> tuple[int, int]:
        result = await self._phone.shell(lines.size_line(), timeout=SIZE_TIMEOUT, max_output=OUTPUT_LIMIT)
        size = lines.parse_size(result.output)
        if size is None:
            raise PhoneUnreachable(f"no size of the screen: {result.output[:80]!r}")
        return size

    # --- looking

    async def _look(self, effect: Dump) -> tree.Screen:
        """Raises nothing: what cannot be read is a screen that cannot be read."""
        try:
            async with asyncio.timeout(2 * DUMP_TIMEOUT), self._looking:
                seen = await self._server.look(compressed=effect.compressed) if self._server is not None else None
                return seen if seen is not None else await self._dumped(compressed=effect.compressed)
        except (PhoneError, TimeoutError) as error:
            return tree.Crashed(said=str(error)[:200] or "another look takes too long")

    async def _dumped(self, *, compressed: bool) -> tree.Screen:
        number = next(self._numbers)
        path, mark = f"{lines.FOLDER}/ottb-screen-{self._word}-{number}.xml", f"ottb-{self._word}-{number}"
        result = await self._read(lines.dump_line(path, mark, compressed=compressed))
        if isinstance(result, tree.Unreadable):
            return result
        said, _, file = result.partition(f"\n{mark}\n")
        screen = await beside(len(result), lambda: ready(tree.read(said, file.encode() or None, path)))
        if not isinstance(screen, tree.Elsewhere):
            return screen
        there = await self._read(line(("cat", screen.path)))
        if isinstance(there, tree.Unreadable):
            return there
        return await beside(len(there), lambda: ready(tree.parse(there.encode())))

    async def _read(self, command: str) -> str | tree.Unreadable:
        limit = tree.BYTES + OUTPUT_LIMIT
        result = await self._phone.shell(command, timeout=DUMP_TIMEOUT, max_output=limit)
        return tree.Unreadable(f"more than {limit} bytes") if result.truncated else result.output

    # --- touching

    async def _do(self, effect: OnScreen) -> Back:
        match effect:
            case TapAt():
                return await self._touch(lines.words_of("input", "tap", effect.x, effect.y))
            case PressAt(x=x, y=y):
                return await self._drag((x, y, x, y), effect.seconds)
            case SwipeOver():
                return await self._drag((effect.x, effect.y, effect.to_x, effect.to_y), effect.seconds)
            case PressKey():
                return await self._touch(lines.words_of("input", "keyevent", effect.code))
            case CloseKeyboard():
                return await self._close_keyboard()
            case ClearField() if effect.signs > SIGNS:
                return NotDone(f"there are more than {SIGNS} signs in the field")
            case ClearField():
                return await self._touch(lines.joined(lines.clear_lines(effect.x, effect.y, effect.signs)))
            case InputText():
                return await self._type(effect)
            case _:
                return await self._open(effect)

    async def _open(self, effect: OnScreen) -> Back:
        match effect:
            case LaunchApp():
                return await self._touch(lines.launch_line(effect.app, fresh=effect.fresh), LAUNCH_TIMEOUT)
            case OpenLink():
                inside = ("-p", effect.app) if effect.app is not None else ()
                words = ("am", "start", "-a", "android.intent.action.VIEW", "-d", effect.link, *inside)
                return await self._touch(line(words), LAUNCH_TIMEOUT)
            case SendUssd():
                return await self._send_code(effect.code)
            case RunCommand():
                result = await self._run(line(effect.words), COMMAND_TIMEOUT)
                failure = lines.refused(result)
                return NotDone(failure.why, failure.maybe) if failure is not None else Done(output=result.output)
            case _:
                return NotDone(f"nothing that a phone does: {type(effect).__name__}")

    async def _touch(self, command: str, timeout: float = TOUCH_TIMEOUT, *, silent: bool = False) -> Back:
        failure = lines.failed(await self._run(command, timeout), silent=silent)
        return Done() if failure is None else NotDone(failure.why, failure.maybe)

    async def _run(self, command: str, timeout: float) -> ShellResult:
        return await self._phone.shell(command, timeout=timeout, max_output=OUTPUT_LIMIT)

    async def _drag(self, way: tuple[int, int, int, int], seconds: float) -> Back:
        words = lines.words_of("input", "swipe", *way, round(1000 * seconds))
        return await self._touch(words, TOUCH_TIMEOUT + seconds)

    async def _close_keyboard(self) -> Back:
        """BACK, but only where it goes to a keyboard: else it would leave what is on the screen."""
        shown = await self._run(lines.words_of("dumpsys", "input_method"), COMMAND_TIMEOUT)
        if not lines.KEYBOARD_SHOWN.search(shown.output):
            return Done()
        return await self._touch(lines.words_of("input", "keyevent", lines.BACK))

    async def _send_code(self, code: str) -> Back:
        if not lines.CODE.match(code):
            return NotDone("that is no service code")
        uri = f"tel:{code.replace('#', '%23')}"
        return await self._touch(line(("am", "start", "-a", "android.intent.action.CALL", "-d", uri)), LAUNCH_TIMEOUT)

    async def _type(self, effect: InputText) -> Back:
        commands = typing(effect.text)
        if commands is None:
            return await self._type_any(effect)
        first = [] if effect.x is None or effect.y is None else [lines.words_of("input", "tap", effect.x, effect.y)]
        said = [*first, *(line(words) for words in commands)]
        return await self._touch(lines.joined(said), silent=effect.secret) if said else Done()

    async def _type_any(self, effect: InputText) -> Back:
        """Signs that the phone's own command does not type."""
        if "\0" in effect.text or not _encodes(effect.text):
            return NotDone("there is half a character in the text, or a NUL")
        try:
            async with asyncio.timeout(TYPING_WAIT) as wait, self._one_typist:
                wait.reschedule(None)
                if await self._typing.installed():
                    return await self._typing.type(effect)
                if self._server is not None and await self._server.put_on_clipboard(effect.text):
                    return await self._paste(effect)
        except TimeoutError:
            return NotDone("another text is being typed")
        return NotDone(NO_WAY)

    async def _paste(self, effect: InputText) -> Back:
        first = [] if effect.x is None or effect.y is None else [lines.words_of("input", "tap", effect.x, effect.y)]
        back = await self._touch(lines.joined([*first, lines.words_of("input", "keyevent", lines.PASTE)]))
        if effect.secret and self._server is not None:
            await self._server.put_on_clipboard("")
        return back


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _dials(effect: OnScreen) -> str | None:
    """Why it is not done: it may dial. The engine has looked already, at what is touched as well; this is the last
    place before the phone."""
    match effect:
        case PressKey() if effect.code in lines.CALLING:
            return "the key calls: calls are placed by the platform"
        case OpenLink():
            return guard.of_link(effect.link) or (guard.of_app(effect.app) if effect.app is not None else None)
        case LaunchApp():
            return guard.of_app(effect.app)
        case RunCommand():
            return guard.of_command(list(effect.words))
        case _:
            return None
