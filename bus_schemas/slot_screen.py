"""What somebody sees of a phone's screen and does on it by hand, and what of that becomes a script."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import SlotId
from bus_schemas.permissions import Action
from bus_schemas.slot import SEES, SLOT_ABSENT
from bus_schemas.slot_files import HELD, PHONE, OpenedStream

E = ErrorCode
A = Action

Pixel = Annotated[int, Meta(ge=0, le=9_999, examples=[540])]


class PhoneKey(StrEnum):
    """Keys that are pressed by hand, as scripts name them. None of them calls."""

    HOME = "home"
    BACK = "back"
    UP = "up"
    DOWN = "down"
    LEFT = "left"
    RIGHT = "right"
    CENTER = "center"
    VOLUME_UP = "volume_up"
    VOLUME_DOWN = "volume_down"
    TAB = "tab"
    ENTER = "enter"
    DELETE = "delete"
    MENU = "menu"
    SEARCH = "search"
    ESCAPE = "escape"
    PAGE_UP = "page_up"
    PAGE_DOWN = "page_down"
    RECENT_APPS = "recent_apps"
    SLEEP = "sleep"
    WAKE = "wake"


class TakeScreenshot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is on the screen now, as it is turned. `quality`: of a JPEG. `width`: pixels, if the screen has more."""

    slot: SlotId
    format: Literal["png", "jpeg"] = "png"
    quality: Annotated[int, Meta(ge=10, le=90)] = 80
    width: Annotated[int, Meta(ge=120, le=2000)] | None = None


class WatchScreen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The screen as pictures, one in place of the other (`multipart/x-mixed-replace`), at most `fps` a second, as long
    as they are read and for an hour at most. A browser opens it by a signed link."""

    slot: SlotId
    fps: Annotated[float, Meta(ge=0.2, le=5)] = 2.0
    quality: Annotated[int, Meta(ge=10, le=80)] = 60
    width: Annotated[int, Meta(ge=120, le=1080)] = 480


class TapScreen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tap there, or press for `seconds`. The screen is read before: what would call is refused."""

    slot: SlotId
    x: Pixel
    y: Pixel
    seconds: Annotated[float, Meta(ge=0.3, le=10)] | None = None


class SwipeScreen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Move a finger from one place to another."""

    slot: SlotId
    x: Pixel
    y: Pixel
    to_x: Pixel
    to_y: Pixel
    seconds: Annotated[float, Meta(ge=0.05, le=5)] = 0.3


class TypeOnScreen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Type a text where the cursor is. `secret`: a recording keeps a parameter for it; it is in no log either way."""

    slot: SlotId
    text: Annotated[str, Meta(min_length=1, max_length=2_000)]
    secret: bool = False


class PressKeyOnScreen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Press a key. None of them calls."""

    slot: SlotId
    key: PhoneKey


class Touched(Struct, frozen=True, kw_only=True):
    """The phone took it. `on`: what was under the finger, or had the cursor, as far as it has a name; `recorded`: as
    which step of the recording that is under way."""

    status: str
    slot: SlotId
    on: str | None = None
    recorded: int | None = None


class StartRecording(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From now on what the asker does on the screen becomes a script, up to 90 steps. It is lost if the slot's host
    ends, and after an hour."""

    slot: SlotId


class StopRecording(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End the recording. It is kept nowhere: the answer is all there is of it. Others' recordings are ended by who may
    (`slot.reserve_any`), and what was recorded is gone then."""

    slot: SlotId


class Recorded(Struct, frozen=True, kw_only=True):
    """A recording. `script`: the draft, a file that `ottb script check` passes; null: it goes on, or nothing was done.
    `unsure`: the numbers of steps of which the screen told no name: they are left out, and the draft says so."""

    status: str
    slot: SlotId
    steps: int
    script: str | None = None
    unsure: tuple[int, ...] = ()


# fmt: off
#              subject                                  request          reply         may be refused with
TAKE_SCREENSHOT = Rpc("ottb.v1.cmd.slot.{slot}.screenshot", TakeScreenshot, OpenedStream, PHONE, timeout=30.0,
                      summary="A picture of a phone's screen", permission=A.SLOT_SCREEN, asks=SEES,
                      fallback=SLOT_ABSENT, audit_fields=("slot",))
WATCH_SCREEN = Rpc("ottb.v1.cmd.slot.{slot}.watch",      WatchScreen,     OpenedStream, PHONE, timeout=10.0,
                   summary="Watch a phone's screen", permission=A.SLOT_SCREEN, asks=SEES, fallback=SLOT_ABSENT,
                   audit_fields=("slot",))
TOUCHED = HELD | {E.CONFLICT}
TAP_SCREEN   = Rpc("ottb.v1.cmd.slot.{slot}.tap",        TapScreen,       Touched, TOUCHED, timeout=100.0,
                   summary="Tap on a phone's screen", permission=A.SLOT_TOUCH, asks=SEES, fallback=SLOT_ABSENT,
                   audit_fields=("slot",))
SWIPE_SCREEN = Rpc("ottb.v1.cmd.slot.{slot}.swipe",      SwipeScreen,     Touched, TOUCHED, timeout=100.0,
                   summary="Swipe over a phone's screen", permission=A.SLOT_TOUCH, asks=SEES, fallback=SLOT_ABSENT,
                   audit_fields=("slot",))
TYPE_ON_SCREEN = Rpc("ottb.v1.cmd.slot.{slot}.type",     TypeOnScreen,    Touched, TOUCHED, timeout=100.0,
                     summary="Type on a phone", permission=A.SLOT_TOUCH, asks=SEES, fallback=SLOT_ABSENT,
                     audit_fields=("slot",))
PRESS_KEY    = Rpc("ottb.v1.cmd.slot.{slot}.key",        PressKeyOnScreen, Touched, TOUCHED, timeout=100.0,
                   summary="Press a key of a phone", permission=A.SLOT_TOUCH, asks=SEES, fallback=SLOT_ABSENT,
                   audit_fields=("slot", "key"))
START_RECORDING = Rpc("ottb.v1.cmd.slot.{slot}.start_recording", StartRecording, Recorded, HELD,
                      summary="Record what is done on a phone's screen", permission=A.SLOT_TOUCH, asks=SEES,
                      fallback=SLOT_ABSENT, audit_fields=("slot",))
STOP_RECORDING = Rpc("ottb.v1.cmd.slot.{slot}.stop_recording", StopRecording, Recorded, frozenset({E.NOT_FOUND}),
                     summary="End a recording, and have it as a script", permission=A.SLOT_TOUCH,
                     asks=SEES | {A.SLOT_RESERVE_ANY},
                     fallback=SLOT_ABSENT, audit_fields=("slot",))
# fmt: on
