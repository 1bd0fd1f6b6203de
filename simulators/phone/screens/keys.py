"""The keys of `input keyevent`: their numbers and names, and what each does on the screen."""

from collections.abc import Mapping

from simulators.phone.screens.screens import Screens

NUMBERS: Mapping[str, str] = {
    "3": "HOME", "4": "BACK", "5": "CALL", "6": "ENDCALL", "17": "STAR", "18": "POUND", "26": "POWER", "62": "SPACE",
    "66": "ENTER", "67": "DEL", "79": "HEADSETHOOK", "81": "PLUS", "111": "ESCAPE", "123": "MOVE_END",
    "160": "NUMPAD_ENTER", "187": "APP_SWITCH", "223": "SLEEP", "224": "WAKEUP", "279": "PASTE",
    **{str(7 + digit): str(digit) for digit in range(10)},
    **{str(29 + place): letter for place, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")},
}  # fmt: skip
TYPED = {"STAR": "*", "POUND": "#", "SPACE": " ", "PLUS": "+", "NUMPAD_ENTER": "ENTER"}
LAST = 400  # no key has a higher number


def name_of(key: str) -> str | None:
    """A key's name without `KEYCODE_`, whichever way it is written. None: there is no such key."""
    name = key.upper().removeprefix("KEYCODE_")
    if name in NUMBERS:
        return NUMBERS[name]
    if name in NUMBERS.values():
        return name
    return "UNKNOWN" if name.isdecimal() and int(name) <= LAST else None


def press(screens: Screens, name: str) -> None:
    """What a key does on the screen. Those that end and take calls do that elsewhere."""
    screens.settle()
    match name:
        case "HOME" | "APP_SWITCH":
            if screens.awake and not screens.locked:
                screens.home()
        case "BACK" | "ESCAPE":
            if screens.awake:
                screens.back()
        case "POWER":
            screens.power()
        case "WAKEUP" | "SLEEP":
            screens.power(name == "WAKEUP")
        case "PASTE":
            screens.type(screens.clipboard)
        case "DEL" | "ENTER":
            screens.press(name)
        case _ if name in TYPED:
            screens.press(TYPED[name])
        case _ if len(name) == 1:
            screens.press(name.lower())
