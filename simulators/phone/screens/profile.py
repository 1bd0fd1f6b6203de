"""What kind of screen a phone has, and what goes wrong with it. Pure."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Language(Enum):
    """The language of all that is shown."""

    ENGLISH = "en"
    UKRAINIAN = "uk"


class Display(NamedTuple):
    """Pixels in portrait, and dots per inch."""

    width: int
    height: int
    dpi: int


LARGE, SMALL = Display(1080, 2400, 420), Display(720, 1600, 320)


@dataclass(frozen=True)
class Profile:
    """How a phone's screens look. `layout`: 1 and 2 are arranged in two ways and name their parts otherwise, as two
    versions of an app do. `pin`: what unlocks it; none: it never locks. `helper`: an input method that types what it
    is sent (ADBKeyBoard) is installed. `moves`: seconds that a change of the screen takes."""

    layout: int = 1
    language: Language = Language.ENGLISH
    display: Display = LARGE
    pin: str = ""
    helper: bool = False
    moves: float = 0.3


@dataclass
class Troubles:
    """How often something comes in between: chances from 0 to 1.

    `popups`: for each thing that is done, that a question comes up within two seconds. Of each dump: `not_idle` (says
    that the screen does not stand still), `no_root` (the old file stays), `crash` (says nothing; what is in the file is
    old, or nothing), `elsewhere` (writes to another path). `ticking`: that a dump fails while a timer counts on the
    screen; `gives_up`: seconds after which it says so.
    """

    popups: float = 0.0
    not_idle: float = 0.0
    no_root: float = 0.0
    crash: float = 0.0
    elsewhere: float = 0.0
    ticking: float = 1.0
    gives_up: float = 1.0
