"""What an app is to the phone that runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from simulators.phone.screens.kit import Field, Kit
from simulators.phone.screens.node import Act, Node
from simulators.phone.telephony import PhoneCall, Telephony


class Who(Protocol):
    """What a phone is."""

    serial: str
    model: str
    brand: str
    release: int
    operator: str
    sims: int


class Body(Protocol):
    """What the screens need of their phone."""

    telephony: Telephony
    settings: dict[str, str]
    outgoing_sim: str
    shows: str

    @property
    def identity(self) -> Who: ...
    @property
    def clock(self) -> Callable[[], float]: ...
    def place(self, number: str) -> None:
        """Dial, as the green button does."""

    def take(self) -> None:
        """Answer the call that rings."""

    def put_down(self, call: PhoneCall) -> None:
        """End one call."""

    def use_sim(self, number: int) -> None:
        """The call that asks goes out on this SIM."""

    def fly(self, on: bool) -> None:
        """Airplane mode: the radio is off, or on."""


@dataclass(frozen=True)
class Choice:
    """A button of a question. `act` follows its disappearance."""

    text: str
    id: str
    act: Act = lambda: None


@dataclass(frozen=True)
class Question:
    """A window over everything, of `package`, which waits to be answered. `back`: which choice the BACK key is; `of`:
    the app for which another one asks."""

    kind: str
    package: str
    title: str
    text: str
    choices: tuple[Choice, ...]
    back: int = -1
    of: str = ""


@dataclass
class Intent:
    """What an app is started with."""

    action: str = ""
    data: str = ""
    component: str = ""
    package: str = ""
    type: str = ""
    extras: Mapping[str, str] = field(default_factory=dict)


class Desk(Protocol):
    """What an app can do on its phone."""

    body: Body

    @property
    def now(self) -> float: ...
    @property
    def apps(self) -> "Mapping[str, App]": ...
    def did(self, what: str, where: str, data: str = "", *, at: float | None = None) -> None:
        """Write into the phone's own log, of this moment or of another."""

    def moved(self) -> None:
        """The screen changes, with an animation."""

    def ask(self, asked: Question, *, since: float | None = None) -> None:
        """Put a question in front of everything, now or since a moment that nobody looked at."""

    def open(self, app: "App") -> None: ...
    def home(self) -> None: ...
    def stop(self, app: "App") -> None: ...
    def clear(self, app: "App") -> None: ...
    def on(self, name: str) -> bool:
        """A setting that is on or off: `wifi` or `airplane`."""

    def turn(self, name: str, on: bool) -> None: ...
    def focused(self, field: str) -> bool: ...
    def focus(self, field: str) -> None: ...


class App:
    """One app. `page`: the one that is shown; `texts`: what its fields hold; `offsets`: how far lists are scrolled."""

    name = ""
    packages = ("", "")
    activities = ("", "")
    first = "main"
    in_launcher = True

    def __init__(self, desk: Desk, kit: Callable[[], Kit]) -> None:
        self.desk = desk
        self._kit = kit
        self.pages: list[str] = [self.first]
        self.texts: dict[str, str] = {}
        self.offsets: dict[str, int] = {}
        self.running = False
        self.used = True  # it has data

    @property
    def kit(self) -> Kit:
        return self._kit()

    @property
    def package(self) -> str:
        return self.kit.id(self.packages)

    @property
    def activity(self) -> str:
        """The component that is in front, written out."""
        name = self.kit.id(self.activities)
        return f"{self.package}/{self.package}{name}" if name.startswith(".") else f"{self.package}/{name}"

    @property
    def page(self) -> str:
        return self.pages[-1]

    @property
    def ticks(self) -> bool:
        """A timer counts on the screen, which so never stands still."""
        return False

    def view(self, kit: Kit) -> Node:
        """All that is shown."""
        raise NotImplementedError

    def takes(self, intent: Intent) -> bool:
        """Whether this app answers to an intent that names none."""
        return False

    def start(self, intent: Intent) -> None:
        """It is opened with an intent."""

    def settle(self, now: float) -> None:
        """Let what is due happen."""

    def typed(self, field: str) -> None:
        """A field's text has changed."""

    def entered(self, field: str) -> None:
        """The ENTER key, in a field."""

    def go(self, page: str) -> None:
        """Show another page, from which BACK leads here."""
        self.pages.append(page)
        self.offsets.pop(page, None)
        self.desk.focus("")
        self.desk.moved()

    def back(self) -> bool:
        """The BACK key. False: there is nothing to go back to."""
        if len(self.pages) < 2:
            return False
        self.pages.pop()
        self.desk.focus("")
        self.desk.moved()
        return True

    def up(self) -> None:
        """The arrow in the bar."""
        if not self.back():
            self.desk.home()

    def stop(self) -> None:
        """It is stopped by force: what it showed is forgotten."""
        self.pages, self.running = [self.first], False
        self.texts.clear()
        self.offsets.clear()

    def clear(self) -> None:
        """Its data are gone."""
        self.stop()
        self.used = False

    def field(self, name: str) -> Field:
        return Field(name, self.texts.get(name, ""), self.desk.focused(name))

    def scroll(self, name: str) -> Callable[[int], None]:
        def move(to: int) -> None:
            self.offsets[name] = to

        return move
