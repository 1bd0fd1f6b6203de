"""`am` and `monkey` of a virtual phone: what is opened, and what they print. Calls are placed elsewhere."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from simulators.phone.result import Result
from simulators.phone.screens.app import App, Intent
from simulators.phone.screens.screens import Screens
from simulators.phone.screens.system import HELPER

VALUES = {"-a", "-d", "-t", "-c", "-n", "-p", "-f", "-e", "--user", "--display"}  # options that take one word
PAIRS = {"--es", "--ei", "--ez", "--el", "--ef", "--eu", "--esn"}  # and those that take a name and a value
NAMED = {"-a": "action", "-d": "data", "-t": "type", "-n": "component", "-p": "package"}
HOME = "android.intent.category.HOME"
NO_ACTIVITY = 252  # what `monkey` ends with


def read(args: list[str]) -> tuple[Intent, set[str]]:
    """The intent of `am start` and the like, and the options without values. Raises ValueError: an option without its
    word."""
    found: dict[str, str] = {}
    extras: dict[str, str] = {}
    flags: set[str] = set()
    rest = iter(args)
    for word in rest:
        try:
            if word in PAIRS or word == "-e":
                name = next(rest)
                extras[name] = next(rest)
            elif word in VALUES:
                found[NAMED.get(word, word)] = next(rest)
            elif word.startswith("-"):
                flags.add(word)
            else:
                found[_kind(word)] = word
        except StopIteration:
            raise ValueError(word) from None
    intent = Intent(extras=extras, **{name: found[name] for name in NAMED.values() if name in found})
    return intent, flags | ({HOME} if found.get("-c") == HOME else set())


def _kind(word: str) -> str:
    return "data" if ":" in word else "component" if "/" in word else "package"


def start(screens: Screens, args: list[str]) -> Result:
    """`am start`: opens an app, or says why it does not."""
    try:
        intent, flags = read(args)
    except ValueError as error:
        return _failed(f"Error: Argument expected after \"{error}\"")
    if HOME in flags:
        screens.home()
        return Result(f"Starting: {_shown(intent)}\n".encode())
    starting = f"Starting: {_shown(intent)}\n"
    app = _app_of(screens, intent)
    if app is None and intent.component:
        missing = f"Error type 3\nError: Activity class {{{_long(intent.component)}}} does not exist."
        return Result(starting.encode(), f"{missing}\n".encode(), 1)
    if app is None:
        return _failed(f"Error: Activity not started, unable to resolve {_shown(intent)}", starting)
    if "-S" in flags:
        screens.stop(app)
    again = app is screens.front and not intent.data
    screens.open(app, intent)
    return Result((starting + _followed(app, again=again, waited="-W" in flags)).encode())


def _followed(app: App, *, again: bool, waited: bool) -> str:
    brought = "Warning: Activity not started, its current task has been brought to the front\n" if again else ""
    if not waited:
        return brought
    state = "HOT" if again else "COLD"
    times = "TotalTime: 312\nWaitTime: 318\nComplete\n"
    return f"{brought}Status: ok\nLaunchState: {state}\nActivity: {app.activity}\n{times}"


def _failed(message: str, before: str = "") -> Result:
    return Result(before.encode(), f"{message}\n".encode(), 1)


def _app_of(screens: Screens, intent: Intent) -> App | None:
    apps = [*screens.apps.values(), screens.launcher]
    if intent.component:
        return next((app for app in apps if _long(intent.component) in _components(app)), None)
    if intent.package:
        wanted = [app for app in apps if app.package == intent.package]
        taken = [app for app in wanted if app.takes(intent) or intent.action in ("", "android.intent.action.MAIN")]
        return next(iter(taken), None)
    return next((app for app in apps if intent.action and app.takes(intent)), None)


def _components(app: App) -> set[str]:
    return {_long(f"{app.package}/{activity}") for activity in app.activities}


def _long(component: str) -> str:
    package, _, name = component.partition("/")
    return f"{package}/{package}{name}" if name.startswith(".") else component


def _shown(intent: Intent) -> str:
    """As `Intent.toShortString`, which keeps numbers and queries to itself."""
    parts = [("act", intent.action), ("dat", _safe(intent.data)), ("typ", intent.type), ("cmp", intent.component),
             ("pkg", intent.package)]  # fmt: skip
    extras = " (has extras)" if intent.extras else ""
    return f"Intent {{ {' '.join(f'{name}={value}' for name, value in parts if value)}{extras} }}"


def _safe(uri: str) -> str:
    scheme, colon, rest = uri.partition(":")
    if not colon or not rest.startswith("//"):
        return f"{scheme}{colon}{re.sub('[0-9]', 'x', rest)}"
    try:
        return f"{scheme}://{urlsplit(uri).netloc}/..."
    except ValueError:
        return f"{scheme}://..."


def am(screens: Screens, args: list[str]) -> Result:
    """All of `am` that starts no activity."""
    match args:
        case ["force-stop", *options]:
            for app in (*screens.apps.values(), screens.launcher):
                if options and app.package == options[-1]:
                    screens.stop(app)
            return Result()
        case ["broadcast", *options]:
            return _broadcast(screens, options)
        case ["kill-all"] | ["kill", _]:
            return Result()
    return Result()


def _broadcast(screens: Screens, args: list[str]) -> Result:
    try:
        intent, _ = read(args)
    except ValueError as error:
        return _failed(f"Error: Argument expected after \"{error}\"")
    helper = HELPERS.get(intent.action)
    if helper is not None and screens.profile.helper and screens.method == HELPER:
        helper(screens, intent.extras)
    extras = " (has extras)" if intent.extras else ""
    shown = f"Broadcasting: Intent {{ act={intent.action} flg=0x400000{extras} }}\nBroadcast completed: result=0\n"
    return Result(shown.encode())


def _type(screens: Screens, extras: Mapping[str, str]) -> None:
    screens.type(extras.get("msg", ""))


def _type_encoded(screens: Screens, extras: Mapping[str, str]) -> None:
    try:
        screens.type(base64.b64decode(extras.get("msg", "")).decode())
    except (binascii.Error, ValueError):
        return  # it looks into no word that it cannot read


def _clear(screens: Screens, _: Mapping[str, str]) -> None:
    if screens.field:
        screens.write("")


def _enter(screens: Screens, _: Mapping[str, str]) -> None:
    screens.press("ENTER")


HELPERS: Mapping[str, Callable[[Screens, Mapping[str, str]], None]] = {
    "ADB_INPUT_TEXT": _type,
    "ADB_INPUT_B64": _type_encoded,
    "ADB_CLEAR_TEXT": _clear,
    "ADB_EDITOR_CODE": _enter,
}


def monkey(screens: Screens, args: list[str]) -> Result:
    """`monkey -p PACKAGE ... 1`: opens an app as its icon does."""
    package = args[args.index("-p") + 1] if "-p" in args[:-1] else ""
    heard = "".join(f"  bash arg: {word}\n" for word in args).encode()
    app = next((app for app in screens.apps.values() if app.package == package), None)
    if app is None:
        return Result(heard, b"** No activities found to run, monkey aborted.\n", NO_ACTIVITY)
    screens.open(app)
    return Result(heard + b"Events injected: 1\n## Network stats: elapsed time=18ms (0ms mobile, 0ms wifi)\n")
