"""A virtual phone in somebody's hand: shell commands, a clock that is turned by the test, and finding things on the
screen as a script has to, by what a dump says."""

import re
import shlex
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from simulators.phone.android import Android, Identity
from simulators.phone.result import Result
from simulators.phone.screens.profile import LARGE, SMALL, Language, Profile
from simulators.phone.screens.screens import Screens
from simulators.phone.telephony import Happened, Telephony

PROFILES = [
    Profile(layout=layout, language=language, display=display)
    for layout in (1, 2)
    for language in Language
    for display in (LARGE, SMALL)
]
NAMES = [f"{one.layout}-{one.language.value}-{one.display.width}" for one in PROFILES]
MESSENGER = "org.telegram.messenger"
STEP = 0.4  # seconds that pass before each command


class Hand:
    """One phone. `dials`: what its telephony was told to call; `happened`: what it says happened."""

    def __init__(self, profile: Profile | None = None, *, sims: int = 1, release: int = 14, seed: int = 7) -> None:
        self.now = 100.0
        self.dials: list[str] = []
        self.happened: list[Happened] = []
        self.telephony = Telephony()
        self.android = Android(
            identity=Identity(serial="OTTBSIM0044", sims=sims, release=release),
            telephony=self.telephony,
            clock=lambda: self.now,
            wall_at=lambda at: datetime.fromtimestamp(at, UTC),
            happened=self.happened.extend,
            dialled=self.dials.append,
        )
        self.screens = Screens(self.android, profile, seed=seed)
        self.android.use_screens(self.screens)

    @property
    def second(self) -> bool:
        return self.screens.profile.layout == 2

    def wait(self, seconds: float) -> None:
        """Time passes; the network does what is due."""
        self.now += seconds
        self.happened.extend(self.telephony.advance(self.now))

    def run(self, line: str) -> Result:
        """One command, a moment after the last."""
        self.wait(STEP)
        return self.android.run(shlex.split(line))

    def out(self, line: str) -> str:
        return self.run(line).out.decode()

    # --- what is seen

    def dump(self) -> ElementTree.Element:
        """What is on the screen; it has to stand still."""
        said = self.out("uiautomator dump /dev/tty")
        assert said.endswith("UI hierchary dumped to: /dev/tty\n"), said
        return ElementTree.fromstring(said.rpartition("UI hierchary")[0])

    def nodes(self) -> list[ElementTree.Element]:
        return list(self.dump().iter("node"))

    def texts(self) -> list[str]:
        return [node.get("text", "") for node in self.nodes() if node.get("text")]

    def find(self, wanted: str) -> ElementTree.Element:
        """The node whose resource id ends so, or whose text or description is this."""
        for node in self.nodes():
            names = node.get("resource-id", "").rpartition("/")[2], node.get("text"), node.get("content-desc")
            if wanted in names:
                return node
        raise AssertionError(f"no {wanted!r} in {self.texts()}")

    def shows(self, wanted: str) -> bool:
        return wanted in self.texts()

    def word(self, name: str) -> str:
        """What the phone's language has for it."""
        return self.screens._kit().words[name]

    # --- what is touched

    def tap(self, *wanted: str) -> None:
        """The thing of this name; of two names, the one that this layout has."""
        x, y = centre(self.find(wanted[-1] if self.second else wanted[0]))
        self.run(f"input tap {x} {y}")

    def view(self, link: str) -> None:
        self.run(f"am start -a android.intent.action.VIEW -d '{link}'")

    def chat(self, number: str) -> None:
        """Opens the chat with somebody by a deep link."""
        self.view(f"tg://resolve?phone={number.removeprefix('+')}")

    def call_in_app(self) -> None:
        """From a chat: the place of the button is another in each layout."""
        if self.second:
            self.tap("menu_overflow")
            self.tap("menu_call")
        else:
            self.tap("call_button")

    # --- what is on record

    def did(self, *what: str) -> list[tuple[str, str]]:
        """The phone's log of such things: what, and about whom or with what."""
        return [(line.what, line.data if line.what == "setting" else line.where) for line in self.screens.log
                if line.what in what]  # fmt: skip

    def outcomes(self) -> list[tuple[str, str]]:
        """Numbers called in the app, and how each call ended."""
        return [(line.where, line.data) for line in self.screens.log if line.what == "app_call_ended"]


def bounds(node: ElementTree.Element) -> tuple[int, int, int, int]:
    left, top, right, bottom = map(int, re.findall(r"-?[0-9]+", node.get("bounds", "")))
    return left, top, right, bottom


def centre(node: ElementTree.Element) -> tuple[int, int]:
    left, top, right, bottom = bounds(node)
    return (left + right) // 2, (top + bottom) // 2


def visits(hand: Hand) -> Iterator[str]:
    """Goes to every kind of screen in turn, and names each."""
    for name, go in SCREENS.items():
        hand.run("input keyevent HOME")
        go(hand)
        hand.wait(1)
        yield name


def _typing(hand: Hand) -> None:
    hand.chat("+380671110007")
    hand.wait(1)
    hand.tap("chat_edit_text", "message_input")
    hand.run("input text hello%sthere")


def _searching(hand: Hand) -> None:
    hand.run(f"am force-stop {MESSENGER}")
    hand.run(f"monkey -p {MESSENGER} -c android.intent.category.LAUNCHER 1")
    hand.wait(1)
    hand.tap("menu_search", "action_search")
    hand.wait(1)
    hand.tap("search_src_text", "search_field")


def _calling(hand: Hand) -> None:
    hand.chat("+380671110002")
    hand.wait(1)
    hand.call_in_app()


def _phoning(hand: Hand) -> None:
    if hand.screens.messenger.call is not None:
        hand.run(f"am force-stop {MESSENGER}")
    hand.run("am start -a android.intent.action.DIAL -d tel:%2B380671110002")
    hand.wait(1)
    hand.tap("dialButton", "dialpad_voice_call_button")


def _no_longer_phoning(hand: Hand) -> None:
    hand.run("input keyevent ENDCALL")
    hand.wait(3)
    hand.run("am start -a android.intent.action.DIAL -d tel:")


def _ringing(hand: Hand) -> None:
    hand.happened.extend(hand.telephony.ring("+380441112233", hand.now))


def _rung(hand: Hand) -> None:
    hand.run("input keyevent ENDCALL")
    hand.wait(3)
    hand.run("am start -a android.intent.action.DIAL -d tel:")
    hand.wait(1)
    hand.run("input keyevent BACK")


def _page(page: str, more: str = "") -> Callable[[Hand], object]:
    return lambda hand: hand.run(f"am start -a android.settings.{page} {more}")


SCREENS: dict[str, Callable[[Hand], object]] = {
    "home": lambda hand: None,
    "contacts": lambda hand: hand.run(f"monkey -p {MESSENGER} 1"),
    "chat, typing": _typing,
    "search": _searching,
    "call in the app": _calling,
    "phone call": _phoning,
    "dialler": _no_longer_phoning,
    "phone rings": _ringing,
    "recent calls": _rung,
    "settings": _page("SETTINGS"),
    "network": _page("WIRELESS_SETTINGS"),
    "wifi": _page("WIFI_SETTINGS"),
    "about": _page("DEVICE_INFO_SETTINGS"),
    "sims": _page("MANAGE_ALL_SIM_PROFILES_SETTINGS"),
    "apps": _page("APPLICATION_SETTINGS"),
    "app": _page("APPLICATION_DETAILS_SETTINGS", f"-d package:{MESSENGER}"),
    "question": lambda hand: hand.screens.ask(hand.screens._surprise()),
}
