"""What a script has done on its phone, and what comes back of it. All of it can be kept in the journal."""

from typing import Literal

from msgspec import Struct

from actors.script.tree import Screen
from bus_schemas.call import EndReason


class Effect(Struct, frozen=True, kw_only=True, tag_field="do", omit_defaults=True):
    """One thing to do on the phone. Places are pixels of the screen as it is turned."""


class Dump(Effect, frozen=True, tag="dump"):
    """Read the screen; `Looked` comes back. `compressed`: where the whole was not to be had."""

    compressed: bool = False


class TapAt(Effect, frozen=True, tag="tap"):
    """Tap there."""

    x: int
    y: int


class PressAt(Effect, frozen=True, tag="press"):
    """Press there for some seconds."""

    x: int
    y: int
    seconds: float


class SwipeOver(Effect, frozen=True, tag="swipe"):
    """Move a finger from one place to another."""

    x: int
    y: int
    to_x: int
    to_y: int
    seconds: float


class InputText(Effect, frozen=True, tag="type"):
    """Type a text, of any signs. `x`, `y`: the field, to be tapped first; None: where the cursor is. `secret`: it gets
    into no log."""

    text: str
    x: int | None = None
    y: int | None = None
    secret: bool = False


class ClearField(Effect, frozen=True, tag="clear"):
    """Tap the field there and empty it, which holds so many signs."""

    x: int
    y: int
    signs: int


class PressKey(Effect, frozen=True, tag="key"):
    """Press a key, by Android's number."""

    code: int


class CloseKeyboard(Effect, frozen=True, tag="close_keyboard"):
    """Be rid of the keyboard, if one is on the screen; else nothing is done."""


class LaunchApp(Effect, frozen=True, tag="launch"):
    """Start an app; `fresh`: end it first."""

    app: str
    fresh: bool = False


class OpenLink(Effect, frozen=True, tag="open"):
    """Open a link, in this app if one is named."""

    link: str
    app: str | None = None


class TakeScreenshot(Effect, frozen=True, tag="screenshot"):
    """Keep a picture of the screen."""

    label: str


class Pause(Effect, frozen=True, tag="pause"):
    """Come back after some seconds."""

    seconds: float


class PlaceCall(Effect, frozen=True, tag="call"):
    """Ask the dial rules for the number, put the call on record, and then tap there, once. What comes back as not done
    was refused, or nothing was tapped, unless it `maybe` was."""

    app: str
    number: str
    x: int
    y: int


class TellCall(Effect, frozen=True, tag="call_is"):
    """What is seen of the call that was placed. Telling it twice is telling it once. `reason`: why it is over, where
    more is known than that, or nothing."""

    state: Literal["answered", "over"]
    reason: EndReason | None = None


class SendUssd(Effect, frozen=True, tag="ussd"):
    """Send this service code to the network."""

    code: str


class RunCommand(Effect, frozen=True, tag="shell"):
    """Run a command of these words (`quoting.line`); `Done` has what it printed."""

    words: tuple[str, ...]


AnyEffect = (
    Dump | TapAt | PressAt | SwipeOver | InputText | ClearField | PressKey | CloseKeyboard | LaunchApp | OpenLink
    | TakeScreenshot | Pause | PlaceCall | TellCall | SendUssd | RunCommand
)  # fmt: skip


class Looked(Struct, frozen=True):
    """The screen was read, or could not be."""

    screen: Screen


class Done(Struct, frozen=True):
    """It was done. `output`: what a command printed."""

    output: str = ""


class NotDone(Struct, frozen=True):
    """It was not, or (`maybe`) nobody knows whether it was. `changed`: it surely was not, since what it was about was
    not on the screen any more; a call may then be begun anew. `unplaced`: no call has come on record."""

    why: str
    maybe: bool = False
    changed: bool = False
    unplaced: bool = False


Back = Looked | Done | NotDone
