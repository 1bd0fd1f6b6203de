"""The shell commands that look at a virtual phone's screens, touch them and change its settings.

What each prints and how it ends is what Android's own say. Each takes the screens, its arguments and the phone's files.
"""

import struct
from collections.abc import Callable, Mapping

from simulators.phone.result import Result
from simulators.phone.screens import dumping, intents, keys
from simulators.phone.screens.dialler import imei_of
from simulators.phone.screens.paint import pixels, png
from simulators.phone.screens.profile import Display
from simulators.phone.screens.screens import Screens
from simulators.phone.screens.system import HELPER, KEYBOARD

FAILED = 255
NO_GLYPH = (
    b"\nException occurred while executing 'text':\n"
    b"java.lang.NullPointerException: Attempt to get length of null array\n"
    b"\tat com.android.server.input.InputShellCommand.sendText(InputShellCommand.java:323)\n"
    b"\tat com.android.server.input.InputShellCommand.runText(InputShellCommand.java:305)\n"
)
INSTALLED = ("com.android.phone", "com.android.systemui", "com.google.android.permissioncontroller")
DEFAULTS: Mapping[str, str] = {
    "global/airplane_mode_on": "0",
    "global/wifi_on": "1",
    "global/window_animation_scale": "1.0",
    "global/transition_animation_scale": "1.0",
    "global/animator_duration_scale": "1.0",
    "system/accelerometer_rotation": "1",
    "system/user_rotation": "0",
}
PORTION = 16  # bytes in a line of a parcel
Command = Callable[[Screens, list[str], dict[str, bytes]], Result]


def touch(screens: Screens, args: list[str]) -> Result:
    """`input` but for its keys."""
    if args[:1] and args[0] in ("touchscreen", "keyboard", "mouse", "dpad"):
        args = args[1:]
    match args:
        case ["tap", *numbers] if (at := _numbers(numbers)) and len(at) == 2:
            screens.tap(at[0], at[1])
        case ["swipe" | "draganddrop", *numbers] if (at := _numbers(numbers)) and len(at) in (4, 5):
            screens.swipe((at[0], at[1]), (at[2], at[3]), (at[4] if len(at) == 5 else 300) / 1000)
        case ["text", text, *_]:
            return _type(screens, text)
        case ["tap" | "swipe" | "text" | "keyevent" as name, *_]:
            return Result(err=f"Error: Invalid arguments for command: {name}\n".encode(), code=FAILED)
        case _:
            return Result(err=f"Error: Unknown command: {' '.join(args[:1])}\n".encode(), code=FAILED)
    return Result()


def _numbers(words: list[str]) -> list[int]:
    try:
        return [round(float(word)) for word in words]
    except (ValueError, OverflowError):
        return []


def _type(screens: Screens, text: str) -> Result:
    """`%s` is a blank. Letters that the keyboard of the system's own key map has not are no text at all."""
    screens.settle()
    if not text or not text.isascii() or not text.isprintable():
        return Result(err=NO_GLYPH, code=FAILED)
    screens.type(text.replace("%s", " "))
    return Result()


def press(screens: Screens, words: list[str]) -> Result:
    """`input keyevent`, as far as the screen goes."""
    for word in (word for word in words if not word.startswith("--")):
        name = keys.name_of(word)
        if name is None:
            return Result(err=f"Error: Unknown keycode: {word}\n".encode(), code=FAILED)
        keys.press(screens, name)
    return Result()


# --- what is installed, and settings


def _packages(screens: Screens, args: list[str], files: dict[str, bytes]) -> Result:
    """`pm`."""
    apps = {app.package: app for app in screens.apps.values()}
    match args:
        case ["list", "packages", *options]:
            installed = sorted({*apps, *INSTALLED, screens.launcher.package, screens.in_call.package,
                                *([HELPER.partition("/")[0]] if screens.profile.helper else [])})  # fmt: skip
            own = {screens.messenger.package, HELPER.partition("/")[0]}
            shown = [one for one in installed if "-3" not in options or one in own]
            wanted = [word for word in options if not word.startswith("-")]
            shown = [one for one in shown if all(word in one for word in wanted)]
            return Result("".join(f"package:{one}\n" for one in shown).encode())
        case ["clear", *_, package]:
            if package not in apps:
                return Result(b"Failed\n", code=1)
            screens.clear(apps[package])
            return Result(b"Success\n")
        case ["path", package]:
            known = package in apps or package in INSTALLED
            return Result(f"package:/data/app/{package}/base.apk\n".encode() if known else b"", code=int(not known))
        case ["uninstall", *_]:  # the phone's own stay
            return Result(b"Failure [DELETE_FAILED_INTERNAL_ERROR]\n", code=1)
    return Result(b"package:com.android.phone\n")


def _settings(screens: Screens, args: list[str], files: dict[str, bytes]) -> Result:
    """`settings`. What is put says what was meant: airplane mode and Wi-Fi do not follow, as on a phone."""
    stored = screens.body.settings
    match args:
        case ["put", table, name, value, *_]:
            if (table, name) == ("secure", "default_input_method"):
                return _ime(screens, ["set", value], files)
            if stored.get(f"{table}/{name}") != value:
                screens.did("setting", f"{table}/{name}", value)
            stored[f"{table}/{name}"] = value
            return Result()
        case ["delete", table, name, *_]:
            found = stored.pop(f"{table}/{name}", None) is not None
            return Result(f"Deleted {int(found)} rows\n".encode())
        case ["get", table, name, *_]:
            key = f"{table}/{name}"
            value = stored.get(key, DEFAULTS.get(key, "null"))
            if key == "secure/default_input_method":
                value = screens.method
            return Result(f"{value}\n".encode())
        case ["list", table, *_]:
            lines = {key.partition("/")[2]: value for key, value in {**DEFAULTS, **stored}.items()
                     if key.startswith(f"{table}/")}  # fmt: skip
            return Result("".join(f"{name}={value}\n" for name, value in sorted(lines.items())).encode())
    return Result(b"null\n")


def _svc(screens: Screens, args: list[str], files: dict[str, bytes]) -> Result:
    """`svc`, which says nothing."""
    if args[:1] == ["wifi"] and args[1:2] and args[1] in ("enable", "disable"):
        screens.settle()
        screens.turn("wifi", args[1] == "enable")
    return Result()


def service(screens: Screens, args: list[str]) -> Result | None:
    """What `cmd` does with the services that are here. None: it is another one's."""
    match args:
        case ["connectivity", "airplane-mode", *state] if screens.body.identity.release >= 11:
            if state and state[0] not in ("enable", "disable"):
                return Result(err=b"Unknown option\n", code=FAILED)
            if state:
                screens.settle()
                screens.turn("airplane", state[0] == "enable")
                return Result()
            return Result(b"enabled\n" if screens.on("airplane") else b"disabled\n")
        case ["connectivity", *_]:
            return Result(b"Unknown command\n", code=FAILED)
        case ["wifi", "set-wifi-enabled", state]:
            screens.settle()
            screens.turn("wifi", state == "enabled")
            return Result()
        case ["package", "list" | "path" | "clear", *_]:
            return _packages(screens, args[1:], {})
    return None


# --- what is shown


def dumpsys(screens: Screens, args: list[str]) -> str | None:
    """What the services of the screen say of themselves. None: it is another one's."""
    screens.settle()
    window = screens.active()
    name = window.name if window is not None else "NotificationShade"
    match args[:1]:
        case ["window"] if args[1:2] == ["displays"]:
            own, now = screens.profile.display, screens.screen
            was = f"init={own.width}x{own.height} {own.dpi}dpi"
            return f"  Display: mDisplayId=0\n    {was} cur={now.width}x{now.height} app={now.width}x{now.height}\n"
        case ["window"]:
            focus = f"Window{{5e1f2a9 u0 {name}}}"
            return f"  mCurrentFocus={focus}\n  mFocusedApp=ActivityRecord{{c0ffee1 u0 {screens.front.activity} t42}}\n"
        case ["activity"]:
            return f"  mResumedActivity: ActivityRecord{{c0ffee1 u0 {screens.front.activity} t42}}\n"
        case ["input_method"]:
            return f"  mCurMethodId={screens.method}\n  mInputShown={str(screens.keys_up).lower()}\n"
        case ["wifi"]:
            return f"Wi-Fi is {'enabled' if screens.on('wifi') else 'disabled'}\n"
        case ["power"]:
            return f"  mWakefulness={'Awake' if screens.awake else 'Asleep'}\n"
        case ["audio"]:
            in_app = screens.messenger.call is not None and screens.messenger.call.ended is None
            mode = "IN_CALL" if screens.body.telephony.live else "IN_COMMUNICATION" if in_app else "NORMAL"
            return f"- mode (external) = MODE_{mode}\n"
    return None


def _wm(screens: Screens, args: list[str], files: dict[str, bytes]) -> Result:
    """`wm size` and `wm density`, which also change them."""
    own, now = screens.profile.display, screens.override
    match args:
        case ["size", "reset"]:
            screens.override = now and Display(own.width, own.height, now.dpi)
        case ["density", "reset"]:
            screens.override = now and Display(now.width, now.height, own.dpi)
        case ["size", wanted]:
            width, _, height = wanted.partition("x")
            if not (_between(width, 480, 4000) and _between(height, 480, 4000)):
                return Result(err=f"Error: bad size {wanted}\n".encode(), code=FAILED)
            screens.override = Display(int(width), int(height), screens.display.dpi)
        case ["density", wanted]:
            if not _between(wanted, 72, 640):
                return Result(err=b"Error: density must be >= 72\n", code=FAILED)
            screens.override = Display(screens.display.width, screens.display.height, int(wanted))
        case ["density"]:
            changed = f"Override density: {now.dpi}\n" if now and now.dpi != own.dpi else ""
            return Result(f"Physical density: {own.dpi}\n{changed}".encode())
        case _:
            changed = f"Override size: {now.width}x{now.height}\n" if now and now[:2] != own[:2] else ""
            return Result(f"Physical size: {own.width}x{own.height}\n{changed}".encode())
    return Result()


def _between(text: str, least: int, most: int) -> bool:
    return text.isascii() and text.isdecimal() and least <= int(text[:9]) <= most


def _screencap(screens: Screens, args: list[str], files: dict[str, bytes]) -> Result:
    """`screencap`: pixels, or with `-p` a PNG; to the terminal, or into a file."""
    screens.settle()
    words = [word for word in args if not word.startswith("-")]
    path = words[-1] if words and not words[-1].isdecimal() else ""  # a number is a display's
    if "-p" in args or path.endswith(".png"):
        content = png(screens)
    else:
        width, height, data = pixels(screens)
        content = struct.pack("<IIII", width, height, 1, 1) + data
    if not path:
        return Result(content)
    files[path] = content
    return Result()


# --- input methods, and the numbers of the phone


def _ime(screens: Screens, args: list[str], files: dict[str, bytes]) -> Result:
    """`ime`: which input methods there are, and which one is used."""
    methods = [KEYBOARD, *([HELPER] if screens.profile.helper else [])]
    match args:
        case ["list", *options]:
            more = "" if "-s" in options else ":\n  mSettingsActivityName=null"
            return Result("".join(f"{method}{more}\n" for method in methods).encode())
        case ["enable" | "set" | "disable" as what, method] if method not in methods:
            unknown = f"Unknown input method {method} cannot be {_past(what)} for user #0\n"
            return Result(err=unknown.encode(), code=FAILED)
        case ["enable", method]:
            return Result(f"Input method {method}: now enabled for user #0\n".encode())
        case ["set", method]:
            screens.method = method
            screens.did("setting", "input_method", method)
            return Result(f"Input method {method} selected for user #0\n".encode())
        case ["disable", method]:
            return Result(f"Input method {method}: now disabled for user #0\n".encode())
        case ["reset"]:
            screens.method = KEYBOARD
            return Result(b"Reset current and enabled IMEs for user #0\n")
    return Result(err=b"Unknown command\n", code=FAILED)


def _past(word: str) -> str:
    return {"set": "selected", "enable": "enabled", "disable": "disabled"}[word]


def subscriber(screens: Screens, args: list[str]) -> Result:
    """`service call iphonesubinfo`: the IMEI in a parcel. From Android 11 on the caller has to say who it is."""
    who = screens.body.identity
    if who.release >= 11 and "com.android.shell" not in args:
        return Result(_parcel(-1, "Package  does not belong to 2000"))
    return Result(_parcel(0, imei_of(who.serial, 1)) if args[:1] == ["1"] else b"Result: Parcel(00000000    '....')\n")


def _parcel(code: int, text: str) -> bytes:
    """How `service` prints a text: four words in a line, the letters of each in the order of their bytes."""
    letters = text.encode("utf-16-le") + b"\0\0"
    data = struct.pack("<ii", code, len(text)) + letters + bytes(-len(letters) % 4)
    lines = []
    for at in range(0, len(data), PORTION):
        part = data[at : at + PORTION]
        words = " ".join(f"{word[0]:08x}" for word in struct.iter_unpack("<I", part))
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"  0x{at:08x}: {words:35} '{seen}'")
    return ("Result: Parcel(\n" + "\n".join(lines) + ")\n").encode()


COMMANDS: Mapping[str, Command] = {
    "ime": _ime,
    "monkey": lambda screens, args, files: intents.monkey(screens, args),
    "pm": _packages,
    "screencap": _screencap,
    "settings": _settings,
    "svc": _svc,
    "uiautomator": dumping.dump,
    "wm": _wm,
}
SLOW = frozenset({"monkey", "pm", "svc", "uiautomator"})  # that start a virtual machine on a real phone
