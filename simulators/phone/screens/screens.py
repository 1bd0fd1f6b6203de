"""The screens of one phone: what is in front, what touching and typing do, and the log of what was really done.

Nothing runs by itself: whatever is due by the phone's clock happens before anybody looks at the screen or touches it.
"""

import random
from collections import deque
from dataclasses import dataclass, replace

from simulators.phone.screens.app import App, Body, Choice, Intent, Question
from simulators.phone.screens.dialler import Dialler, InCall
from simulators.phone.screens.kit import Kit
from simulators.phone.screens.launcher import Launcher
from simulators.phone.screens.messenger import PERMISSIONS, Messenger
from simulators.phone.screens.node import Act, Node, Rect, under
from simulators.phone.screens.profile import Display, Profile, Troubles
from simulators.phone.screens.settings_app import Settings
from simulators.phone.screens.system import (
    KEYBOARD,
    NAVIGATION,
    STATUS,
    SYSTEM_UI,
    Lock,
    keyboard,
    keyboard_height,
    navigation_bar,
    question,
    status_bar,
)

LOG_LIMIT = 10_000
LONG_PRESS = 0.5  # seconds
SCALES = ("window_animation_scale", "transition_animation_scale")
SCREEN = {
    PERMISSIONS: "com.android.permissioncontroller.permission.ui.GrantPermissionsActivity",
    "com.google.android.gms": "com.google.android.gms.update.SystemUpdateActivity",
    "com.android.phone": "com.android.phone.MMIDialogActivity",
}


@dataclass(frozen=True)
class Did:
    """A line of the log of what was really done: `what` at `at` (the phone's seconds), in the app `where`."""

    at: float
    what: str
    where: str
    data: str = ""


@dataclass(frozen=True)
class Window:
    """A window with its place on the screen. `name`: package and component, as `dumpsys window` has it."""

    root: Node
    package: str
    name: str


def in_focus(windows: list[Window]) -> Window:
    """The one that has the focus: the topmost of an app, or of a question."""
    return [one for one in windows if one.name not in ("SystemBar", "InputMethod")][-1]


class Screens:
    """The screens of one phone, which is `body`. The same seed and the same orders make the same screens."""

    def __init__(self, body: Body, profile: Profile | None = None, *, seed: int = 0) -> None:
        self.body = body
        self.profile = profile or Profile()
        self.troubles = Troubles()
        self.chance = random.Random(seed)
        self._log: deque[Did] = deque(maxlen=LOG_LIMIT)
        self.awake = True
        self.turned = 0  # how the phone is held: 1 is on its left side
        self.override: Display | None = None  # what `wm` has set
        self.clipboard, self.readers = "", 0  # and how many programs keep others from reading the screen
        self.lock = Lock(self.profile.pin, self._unlocked, lambda: self.did("wrong_pin", SYSTEM_UI), lambda: self.now)
        self.locked = bool(self.profile.pin)
        self.dialler = Dialler(self, self._kit)
        self.in_call = InCall(self, self._kit)
        self.messenger = Messenger(self, self._kit)
        self.launcher = Launcher(self, self._kit)
        self.apps: dict[str, App] = {
            app.name: app for app in (self.dialler, self.messenger, Settings(self, self._kit))
        }
        self.front: App = self.launcher
        self._before_call: App = self.launcher
        self._shown_calls: set[str] = set()
        self.questions: list[Question] = []
        self._coming: list[float] = []
        self._still_from = 0.0
        self.field = ""  # which field of the app in front is typed into
        self._keys_up = False
        self.method = KEYBOARD
        self._wifi, self._wifi_before, self._airplane = True, True, False

    # --- the log

    @property
    def log(self) -> list[Did]:
        """What was really done, up to now."""
        self.settle()
        return sorted(self._log, key=lambda did: did.at)

    def did(self, what: str, where: str, data: str = "", *, at: float | None = None) -> None:
        self._log.append(Did(self.now if at is None else at, what, where, data))

    # --- time

    @property
    def now(self) -> float:
        return self.body.clock()

    @property
    def moving(self) -> bool:
        """An animation runs: what is touched does not feel it."""
        return self.now < self._still_from

    @property
    def moves_for(self) -> float:
        """Seconds until it stands still."""
        return max(self._still_from - self.now, 0.0)

    @property
    def ticking(self) -> bool:
        """A timer counts in the window that has the focus."""
        return not self.questions and not self.body.shows and self.front.ticks

    def moved(self, since: float | None = None) -> None:
        """The screen changes, now or since a moment that nobody looked at."""
        scales = [self.body.settings.get(f"global/{name}", "1") for name in SCALES]
        if all(scale not in ("0", "0.0") for scale in scales):
            since = self.now if since is None else since
            self._still_from = max(self._still_from, since + self.profile.moves)

    def settle(self) -> None:
        """Let everything happen that is due."""
        now = self.now
        for app in (self.dialler, self.messenger, self.in_call):
            app.settle(now)
        self._follow_calls()
        for at in [at for at in self._coming if at <= now]:
            self._coming.remove(at)
            if self.awake and not self.locked and not self.questions:
                self.ask(self._surprise(), since=at)

    def _follow_calls(self) -> None:
        """A call of the telephony brings its screen to the front, and its end takes that away."""
        telephony = self.body.telephony
        new = {call.id: call.created for call in telephony.live if call.id not in self._shown_calls}
        if new:
            self._shown_calls |= new.keys()
            self.awake = True
            if self.front is not self.in_call:
                self._before_call, self.front = self.front, self.in_call
                self.focus("")
            self.moved(max(new.values()))
        elif self.front is self.in_call and self.in_call.over:
            self.front = self._before_call
            self.moved(self.in_call.leaves_at)

    def use_pin(self, pin: str) -> None:
        """The phone has this PIN from now on, or none. It locks when it next goes to sleep."""
        self.profile, self.lock.pin = replace(self.profile, pin=pin), pin
        self.locked = self.locked and bool(pin)

    def restart(self) -> None:
        """The phone restarts."""
        for app in (*self.apps.values(), self.in_call, self.launcher):
            app.stop()
        self.in_call.last = self.in_call.ended_at = None
        self.questions.clear()
        self._coming.clear()
        self._shown_calls.clear()
        self.front = self._before_call = self.launcher
        self.focus("")
        self.awake, self.locked = True, bool(self.profile.pin)
        self.lock.close()

    # --- what is seen

    @property
    def rotation(self) -> int:
        settings = self.body.settings
        if settings.get("system/accelerometer_rotation", "1") == "1":
            return self.turned
        chosen = settings.get("system/user_rotation", "0")
        return int(chosen) if chosen in ("0", "1", "2", "3") else 0

    @property
    def display(self) -> Display:
        return self.override or self.profile.display

    @property
    def screen(self) -> Rect:
        """All pixels, as the phone is held."""
        width, height, _ = self.display
        return Rect(0, 0, height, width) if self.rotation % 2 else Rect(0, 0, width, height)

    @property
    def keys_up(self) -> bool:
        """The keyboard is on the screen."""
        return self._keys_up and bool(self.field) and not (self.questions or self.locked or self.body.shows)

    def _kit(self, area: Rect | None = None) -> Kit:
        return Kit(replace(self.profile, display=self.display), area or self.screen)

    def windows(self) -> list[Window]:
        """The windows, from the lowest to the topmost. The focus is in the last of an app (`active`)."""
        self.settle()
        kit = self._kit()
        status, rest = self.screen.split_top(kit.px(STATUS))
        area, bottom = rest.split_bottom(kit.px(NAVIGATION))
        found = [self._main(area, kit)]
        if self.questions or self.body.shows:
            found.append(self._asking(area))
        elif self.keys_up:
            at = area._replace(top=area.bottom - keyboard_height(kit, self.screen, self.method))
            keys = keyboard(kit, at, self.method, self.press)
            found.append(Window(keys, self.method.partition("/")[0], "InputMethod"))
        network = self.body.identity.operator if self.body.telephony.in_service else "—"
        bars = (status_bar(kit, status, network), navigation_bar(kit, bottom, (self.back, self.home, self.home)))
        return [*found, *(Window(bar, SYSTEM_UI, "SystemBar") for bar in bars)]

    def active(self) -> Window | None:
        """The window that has the focus, which is the one that a dump is of. None: the screen is off."""
        return in_focus(self.windows()) if self.awake else None

    def _main(self, area: Rect, kit: Kit) -> Window:
        if self.locked and self.front is not self.in_call:
            name = "NotificationShade" if self.body.identity.release >= 11 else "StatusBar"
            return Window(self.lock.view(self._kit(area)), SYSTEM_UI, name)
        if not self.keys_up:
            return Window(self.front.view(self._kit(area)), self.front.package, self.front.activity)
        left, cover = area.split_bottom(keyboard_height(kit, self.screen, self.method))
        if not kit.second:
            return Window(self.front.view(self._kit(left)), self.front.package, self.front.activity)
        root = under(self.front.view(self._kit(area)), cover)  # this layout is not made smaller for the keyboard
        return Window(root, self.front.package, self.front.activity)

    def _asking(self, area: Rect) -> Window:
        asked = self.questions[-1] if self.questions else Question("shows", SYSTEM_UI, "", self.body.shows, ())
        package = asked.package
        own = self.front.activity if package == self.front.package else package  # an app's dialog is named as it is
        name = f"{package}/{SCREEN[package]}" if package in SCREEN else own
        return Window(question(self._kit(area), area, asked, self._chosen), package, name)

    # --- touching

    def tap(self, x: int, y: int, *, long: bool = False) -> None:
        """A finger at one place. Whatever else is there below does not feel it."""
        self.settle()
        if not self.awake or self.moving:
            return
        window = self._touched(x, y)
        if window is None:
            return
        held = window.root.at(x, y, lambda node: node.hold is not None) if long else None
        node = held or window.root.at(x, y, lambda node: node.touchable)
        if node is not None:
            self._touch(node, window, held=held is not None)

    def _touched(self, x: int, y: int) -> Window | None:
        """The window that feels a finger there. Below a question none does."""
        main, *others = self.windows()
        below = [] if self.questions or self.body.shows else [main]
        return next((one for one in reversed([*below, *others]) if one.root.bounds.holds(x, y)), None)

    def _touch(self, node: Node, window: Window, *, held: bool) -> None:
        what = node.id or node.desc or node.text
        self.did("hold" if held else "tap", node.package or window.package, what)
        if held and node.hold is not None:
            node.hold()
        elif node.field:
            self.focus(node.field)
        elif node.tap is not None:
            node.tap()
        self._meanwhile()

    def swipe(self, start: tuple[int, int], end: tuple[int, int], seconds: float) -> None:
        """A finger that moves. One that stays where it is holds, or taps."""
        across, up = end[0] - start[0], start[1] - end[1]
        slop = self._kit().px(8)
        if abs(across) <= slop and abs(up) <= slop:
            self.tap(*start, long=seconds >= LONG_PRESS)
            return
        self.settle()
        if not self.awake or self.moving or abs(across) > abs(up):
            return
        window = self._touched(*start)
        node = window.root.at(*start, lambda node: node.scroll is not None) if window else None
        if window is not None and node is not None and node.scroll is not None:
            rows = max(1, round(abs(up) / self._kit().px(64)))
            self.did("scroll", window.package, node.id)
            node.scroll(rows if up > 0 else -rows)

    def _meanwhile(self) -> None:
        """Something was done: by chance a question comes up soon."""
        if self.chance.random() < self.troubles.popups:
            self._coming.append(self.now + self.chance.uniform(0.1, 2.0))

    # --- keys and text

    def back(self) -> None:
        """The BACK key."""
        if self.body.shows:
            return  # whoever shows it takes the key
        if self.questions:
            asked = self.questions[-1]
            self._chosen(asked.choices[asked.back] if asked.back >= 0 else Choice("", "back"))
        elif self.locked and self.front is not self.in_call:
            self.lock.close()
        elif self.keys_up:
            self._keys_up = False
            self.moved()
        elif self.front is self.in_call:
            self._leave_call()
        elif not self.front.back() and self.front is not self.launcher:
            self.home()

    def _leave_call(self) -> None:
        self.front = self._before_call
        self.moved()

    def home(self) -> None:
        """The HOME key."""
        self.questions = [one for one in self.questions if one.kind not in ("menu", "sure")]
        if self.front is not self.launcher:
            self.front = self.launcher
            self.moved()
        self.launcher.pages = ["main"]
        self.focus("")

    def power(self, on: bool | None = None) -> None:
        """The power key, or what only wakes (True) or only sends to sleep (False)."""
        wanted = not self.awake if on is None else on
        if wanted != self.awake:
            self.awake = wanted
            self.lock.close()
            self.locked = self.locked or bool(self.profile.pin)
            self.moved()

    def press(self, key: str) -> None:
        """A key that types: a letter, `DEL` or `ENTER`."""
        if not self.awake:
            return
        if self.locked and self.front is not self.in_call:
            self.lock.press(key)
        elif not self.field or self.questions or self.body.shows:
            return
        elif key == "ENTER":
            self.front.entered(self.field)
        else:
            text = self.front.texts.get(self.field, "")
            self.write(text[:-1] if key == "DEL" else text + key)

    def type(self, text: str) -> None:
        """Text is typed where the focus is; nowhere, if it is nowhere."""
        if self.locked and self.front is not self.in_call:
            for letter in text:
                self.press(letter)
        elif self.awake and self.field and not (self.questions or self.body.shows):
            self.did("typed", self.front.package, text)
            self.write(self.front.texts.get(self.field, "") + text)

    def write(self, text: str) -> None:
        """The field that is typed into holds this from now on."""
        self.front.texts[self.field] = text
        self.front.typed(self.field)

    # --- what apps do (`Desk`)

    def ask(self, asked: Question, *, since: float | None = None) -> None:
        self.questions = [one for one in self.questions if one.kind != asked.kind]
        self.questions.append(asked)
        self.did("asked", asked.package, asked.kind, at=since)
        self.moved(since)

    def _chosen(self, choice: Choice) -> None:
        asked = self.questions.pop()
        self.did("answered", asked.package, f"{asked.kind}: {choice.id.rpartition('/')[2]}")
        self.moved()
        choice.act()

    def open(self, app: App, intent: Intent | None = None) -> None:
        self.questions = [one for one in self.questions if one.kind != "menu"]
        shown = self.in_call if app is self.dialler and self.body.telephony.live else app
        if self.front is not shown:
            self.front = shown
            self.focus("")
        app.running = app.used = True
        self.did("opened", app.package)
        self.moved()
        app.start(intent or Intent())
        self._meanwhile()

    def stop(self, app: App) -> None:
        self._end("stopped", app, app.stop)

    def clear(self, app: App) -> None:
        self._end("cleared", app, app.clear)

    def _end(self, what: str, app: App, how: Act) -> None:
        self.did(what, app.package)
        self.questions = [one for one in self.questions if one.package != app.package and one.of != app.name]
        how()
        if self.front is app:
            self.home()

    def on(self, name: str) -> bool:
        return self._airplane if name == "airplane" else self._wifi

    def turn(self, name: str, on: bool) -> None:
        if self.on(name) == on:
            return
        if name == "wifi":
            self._wifi = on
        else:
            self._airplane = on
            before, self._wifi_before = self._wifi_before, self._wifi
            self._wifi = before if not on else False  # which can be turned on all the same
            self.body.settings["global/airplane_mode_on"] = str(int(on))
            self.body.fly(on)
        self.body.settings["global/wifi_on"] = str(int(self.on("wifi")))
        self.did("setting", name, "on" if on else "off")

    def focused(self, field: str) -> bool:
        return bool(field) and field == self.field

    def focus(self, field: str) -> None:
        self.field = field
        self._keys_up = bool(field)

    def _unlocked(self) -> None:
        self.locked = False
        self.did("unlocked", SYSTEM_UI)
        self.moved()

    def _surprise(self) -> Question:
        words, prefix = self._kit().words, "com.android.permissioncontroller:id/permission"
        permission = (Choice(words["allow"], f"{prefix}_allow_button"),
                      Choice(words["do not allow"], f"{prefix}_deny_button"))  # fmt: skip
        update = (Choice(words["update now"], "update_now"), Choice(words["later"], "later"))
        return self.chance.choice((
            Question("permission", PERMISSIONS, "", words["notifications"], permission, back=1),
            Question("update", "com.google.android.gms", words["update"], words["update text"], update, back=1),
            Question("battery", SYSTEM_UI, words["battery low"], words["battery text"],
                     (Choice(words["got it"], "android:id/button1"),)),
        ))  # fmt: skip
