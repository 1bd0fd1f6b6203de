"""What the system shows around the apps: its bars, the keyboard, questions, and the lock screen. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from simulators.phone.screens.app import Choice, Question
from simulators.phone.screens.kit import BLUE, DARK, GREY, LINE, PALE, WHITE, Kit
from simulators.phone.screens.node import Act, Node, Paint, Rect
from simulators.phone.screens.words import LETTERS

SYSTEM_UI = "com.android.systemui"
KEYBOARD, HELPER = "com.android.inputmethod.latin/.LatinIME", "com.android.adbkeyboard/.AdbIME"
STATUS, NAVIGATION = 28, 48  # dp
WRONG_PINS, WAIT = 5, 30.0  # so many wrong ones in a row, then so many seconds without


def status_bar(kit: Kit, at: Rect, words: str) -> Node:
    """The line on top. No dump of an app's window has it."""
    text = kit.text(at.inset(kit.px(12), kit.px(2)), words, size=12, ink=WHITE)
    return Node(at, "FrameLayout", package=SYSTEM_UI, paint=Paint(fill="#3c4043"), children=(text,))


def navigation_bar(kit: Kit, at: Rect, acts: tuple[Act, Act, Act]) -> Node:
    """Back, home and the list of apps."""
    keys = zip(at.columns(3), ("back", "home", "recents"), acts, strict=True)
    buttons = [kit.icon(place, icon, kit.words[icon], (icon, icon), act, ink=GREY) for place, icon, act in keys]
    return Node(at, "FrameLayout", package=SYSTEM_UI, paint=Paint(fill=WHITE), children=tuple(buttons))


def keyboard_height(kit: Kit, screen: Rect, method: str) -> int:
    """How much of the screen an input method covers."""
    if method == HELPER:
        return kit.px(40)
    return round(screen.height * (0.36 if screen.height > screen.width else 0.5))


def keyboard(kit: Kit, at: Rect, method: str, press: Callable[[str], None]) -> Node:
    """The keys on the screen. `press` is told a letter, `DEL` or `ENTER`."""
    package = method.partition("/")[0]
    paint = Paint(fill="#d2d6dc")
    if method == HELPER:
        text = kit.text(at, "ADB Keyboard {ON}", size=14, ink=GREY, align="centre")
        return Node(at, package=package, paint=paint, children=(text,))
    rows = at.rows(5)
    keys = []
    for place, letters in zip(rows, LETTERS[kit.profile.language], strict=False):
        spots = place.columns(len(letters))
        keys += [_key(kit, spot, letter, letter, press) for spot, letter in zip(spots, letters, strict=True)]
    plus, space, delete, enter = (rows[4].columns(6)[0], rows[4], rows[4].columns(6)[4], rows[4].columns(6)[5])
    space = space._replace(left=plus.right, right=delete.left)
    special = ((plus, "+", "+"), (space, kit.words["space"], " "), (delete, "⌫", "DEL"), (enter, "↵", "ENTER"))
    keys += [_key(kit, spot, label, value, press) for spot, label, value in special]
    return Node(at, package=package, paint=paint, children=tuple(keys))


def _key(kit: Kit, at: Rect, label: str, value: str, press: Callable[[str], None]) -> Node:
    icon = {"DEL": "delete", "ENTER": "enter"}.get(value, "")
    paint = Paint(fill=WHITE, align="centre", size=18, round=True, icon=icon)
    return Node(at.inset(kit.px(2), kit.px(3)), "Button", "" if icon else label, tap=lambda: press(value), paint=paint)


def question(kit: Kit, at: Rect, asked: Question, choose: Callable[[Choice], None]) -> Node:
    """A window over the app. Touching beside it does nothing."""
    line = kit.px(52)
    heights = [line if asked.title else 0, kit.px(96) if asked.text else 0, *(line for _ in asked.choices)]
    width, height = min(at.width - kit.px(48), kit.px(420)), sum(heights) + kit.px(24)
    left, top = at.left + (at.width - width) // 2, at.top + max(0, (at.height - height) // 2)
    box = Rect(left, top, left + width, top + height).common(at)
    rest, parts = box.inset(kit.px(16), kit.px(12)), []
    for text, ids, size, tall in (
        (asked.title, ("android:id/alertTitle",) * 2, 20, heights[0]),
        (asked.text, _message(asked), 16, heights[1]),
    ):
        place, rest = rest.split_top(tall)
        if text:
            parts.append(kit.text(place, text, ids, size=size))
    for choice in asked.choices:
        place, rest = rest.split_top(line)
        parts.append(_choice(kit, place.inset(0, kit.px(3)), choice, choose))
    panel = kit.group(box, parts, ("android:id/parentPanel",) * 2, fill=WHITE)
    return Node(box, "FrameLayout", children=(panel,))


def _message(asked: Question) -> tuple[str, str]:
    permission = "com.android.permissioncontroller:id/permission_message"
    return (permission if "permission" in asked.package else "android:id/message",) * 2


def _choice(kit: Kit, at: Rect, choice: Choice, choose: Callable[[Choice], None]) -> Node:
    return kit.button(at, choice.text, (choice.id, choice.id), lambda: choose(choice), fill=LINE, ink=BLUE)


@dataclass
class Lock:
    """The lock screen of a phone with a PIN. It does `open` once the PIN was right, else `wrong`."""

    pin: str
    open: Act
    wrong: Act
    clock: Callable[[], float]
    asks: bool = False  # for the PIN: it was swiped up
    entered: str = ""
    failures: int = 0
    until: float = 0.0  # no PIN is taken before

    def close(self) -> None:
        self.asks, self.entered = False, ""

    def press(self, key: str) -> None:
        """A digit, `DEL` or `ENTER`."""
        if self.waits or not self.asks:
            return
        if key == "DEL":
            self.entered = self.entered[:-1]
        elif key != "ENTER":
            self.entered = (self.entered + key)[:16]
        elif self.entered == self.pin:
            self.failures = 0
            self.close()
            self.open()
        elif self.entered:
            self._refuse()

    @property
    def waits(self) -> bool:
        return self.clock() < self.until

    def _refuse(self) -> None:
        self.entered, self.failures = "", self.failures + 1
        if self.failures % WRONG_PINS == 0:
            self.until = self.clock() + WAIT
        self.wrong()

    def lift(self, by: int) -> None:
        """It is swiped up."""
        if by > 0:
            self.asks = True

    def view(self, kit: Kit) -> Node:
        """All that is shown while it is locked."""
        words, (upper, lower) = kit.words, kit.area.rows(2)
        if not self.asks:
            _, line = lower.split_bottom(kit.px(80))
            ids = ("keyguard_indication_text",) * 2
            hint = kit.text(line, words["swipe up"], ids, ink=WHITE, align="centre")
            whole = Node(kit.area, "FrameLayout", id="notification_panel", scroll=self.lift, children=(hint,))
            return Node(kit.area, "FrameLayout", package=SYSTEM_UI, paint=Paint(fill=DARK), children=(whole,))
        said = "try later" if self.waits else "wrong pin" if self.failures and not self.entered else "enter pin"
        title, entry = upper.inset(kit.px(24), kit.px(8)).rows(2)
        _, entry = entry.split_bottom(min(entry.height, kit.px(56)))
        dots = Node(entry, "EditText", self.entered, id="pinEntry", password=True,
                    paint=Paint(ink=WHITE, size=24, align="centre"))  # fmt: skip
        text = kit.text(title, words[said], ("keyguard_message_area",) * 2, size=18, ink=WHITE, align="centre")
        children = (text, dots, kit.group(lower, self._keys(kit, lower), ("keyguard_pin_view",) * 2))
        return Node(kit.area, "FrameLayout", package=SYSTEM_UI, paint=Paint(fill=DARK), children=children)

    def _keys(self, kit: Kit, at: Rect) -> list[Node]:
        places = [place.inset(kit.px(6), kit.px(4)) for row in at.rows(4) for place in row.columns(3)]
        keys = []
        for place, key in zip(places, "123456789D0E", strict=True):
            paint = Paint(fill=PALE, size=22, align="centre", round=True)
            if key in "DE":
                name, id, press = ("delete", "delete_button", "DEL") if key == "D" else ("enter", "key_enter", "ENTER")
                keys.append(kit.icon(place, name, kit.words[name], (id, id), self._pressing(press), fill=PALE))
            else:
                keys.append(Node(place, "Button", key, id=f"key{key}", tap=self._pressing(key), paint=paint))
        return keys

    def _pressing(self, key: str) -> Act:
        return lambda: self.press(key)
