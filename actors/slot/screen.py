"""The port to a phone's screen: what scripts and people do on it, one thing at a time."""

from typing import Protocol

from actors.script.effects import (
    Back,
    ClearField,
    CloseKeyboard,
    Dump,
    InputText,
    LaunchApp,
    OpenLink,
    PressAt,
    PressKey,
    RunCommand,
    SendUssd,
    SwipeOver,
    TapAt,
)

# What a phone does. Of the others, pauses and what becomes of calls are the run's, a call is placed with `TapAt`, and a
# screenshot is `Screen.picture`, which whoever asked for it keeps.
OnScreen = (
    Dump | TapAt | PressAt | SwipeOver | InputText | ClearField | PressKey | CloseKeyboard | LaunchApp | OpenLink
    | SendUssd | RunCommand
)  # fmt: skip

PICTURE_LIMIT = 24_000_000  # bytes; a screen of 1440 by 3200 that shows nothing but noise has 14


class Screen(Protocol):
    """One phone's screen. Every method has a deadline of its own."""

    async def carry_out(self, effect: OnScreen) -> Back:
        """Do it once, and say what came of it; nothing is raised for a phone that does not do it. A `Dump` comes back
        as `Looked`, whatever was wrong with it; all else as `Done` once the phone took it, or as `NotDone`: the phone
        refused, or nothing was sent; `maybe` where it was sent and nobody knows. What may dial is `NotDone`, too."""

    async def picture(self) -> bytes:
        """What is on the screen, as it is turned: a PNG of at most PICTURE_LIMIT bytes. Raises PhoneError."""

    async def size(self) -> tuple[int, int]:
        """Width and height in pixels, as it is turned. Raises PhoneError."""
