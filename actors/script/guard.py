"""No step dials: calls are placed by the platform, in an app by a `call` step, which asks the dial rules. Pure.

The check of a script asks this, and so does the engine before each effect, with the values in place. What is allowed is
listed, not what is forbidden: what nobody has thought of is refused.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from actors.script.language import KEYS
from actors.script.selectors import TEXTS, Selector
from actors.script.tree import Node
from bus_schemas.permissions import Action

SCHEMES = frozenset({"http", "https", "tg", "whatsapp", "viber", "market", "geo"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
# `tg://call`, `https://call.whatsapp.com`, `viber://calls`.
_CALLS = re.compile(r"(?<![a-z])(?:video|voice|phone|audio)?[-_]?(?:call|dial|ring)(?:s|ing)?(?![a-z])")
CALLING_KEYS = frozenset({"call", "headsethook", "5", "79", "231", "219", "assist", "voice_assist"})
# Where numbers are dialled by hand. The dialog of a service code is the phone app's own, with Android's own buttons.
DIALLERS = frozenset(
    {"com.android.dialer", "com.google.android.dialer", "com.samsung.android.dialer", "com.android.contacts",
     "com.google.android.contacts", "com.samsung.android.contacts", "com.android.incallui",
     "com.samsung.android.incallui", "com.android.server.telecom", "com.sec.phone", "com.android.emergency",
     "com.huawei.contacts", "com.asus.contacts", "com.oneplus.dialer", "com.truecaller", "com.android.phone",
     "com.android.stk"}
)  # fmt: skip
PHONE_APP = "com.android.phone"
# What buttons that ring are called, in the languages of the scripts that are shipped.
LABELS = frozenset(
    {"call", "voice call", "video call", "audio call", "start call", "call back", "redial", "dial", "emergency call",
     "emergency", "дзвінок", "виклик", "зателефонувати", "подзвонити", "набрати", "аудіодзвінок", "відеодзвінок",
     "голосовий виклик", "відеовиклик", "екстрений виклик", "передзвонити", "позвонить", "звонок", "вызов", "набрать",
     "аудиозвонок", "видеозвонок", "голосовой вызов", "видеовызов", "экстренный вызов", "перезвонить"}
)  # fmt: skip
_IDS = re.compile(r"(?:emergency_call|dial(?:pad|_?button)|call_?button|start_?call|place_?call)", re.IGNORECASE)
_VALUES = re.compile("=[^&#]*")

_WORD = re.compile(r"[A-Za-z0-9_./:][A-Za-z0-9_./:-]{0,199}")
_PUT = frozenset(
    {"airplane_mode_on", "stay_on_while_plugged_in", "screen_off_timeout", "window_animation_scale",
     "transition_animation_scale", "animator_duration_scale", "accelerometer_rotation", "user_rotation",
     "location_mode", "screen_brightness", "screen_brightness_mode"}
)  # fmt: skip
# Commands by their words: a text stands for itself, a set for one of them, None for any plain word.
Pattern = tuple[str | frozenset[str] | re.Pattern[str] | None, ...]
_SPACE = frozenset({"system", "secure", "global"})
COMMANDS: tuple[Pattern, ...] = (
    ("svc", frozenset({"wifi", "data", "bluetooth", "nfc"}), frozenset({"enable", "disable"})),
    ("settings", "get", _SPACE, None),
    ("settings", "put", _SPACE, _PUT, None),
    ("pm", "clear", None),
    ("pm", "path", None),
    ("pm", "list", "packages"),
    ("pm", "list", "packages", None),
    ("am", "force-stop", None),
    ("am", "start", "-a", re.compile(r"android\.settings\.[A-Z_]{1,80}\Z")),
    ("cmd", "connectivity", "airplane-mode"),
    ("cmd", "connectivity", "airplane-mode", frozenset({"enable", "disable"})),
    ("cmd", "wifi", "set-wifi-enabled", frozenset({"enabled", "disabled"})),
    ("cmd", "wifi", "status"),
    ("cmd", "statusbar", frozenset({"collapse", "expand-notifications", "expand-settings"})),
    ("telecom", "set-user-selected-outgoing-phone-account", None, None, frozenset({"0"})),
    ("getprop", None),
    ("dumpsys", frozenset({"battery", "wifi", "window", "power", "telephony.registry", "isub", "audio"})),
    ("wm", frozenset({"size", "density"})),
)
# What changes a phone takes beside `script.run` what it takes by hand, by how its words begin. All else only looks, or
# goes no further than the screen.
PERMISSIONS: tuple[tuple[tuple[str, ...], Action], ...] = (
    (("pm", "clear"), Action.SLOT_APPS),
    (("svc",), Action.SLOT_CONFIGURE),
    (("settings", "put"), Action.SLOT_CONFIGURE),
    (("cmd", "connectivity"), Action.SLOT_CONFIGURE),
    (("cmd", "wifi", "set-wifi-enabled"), Action.SLOT_CONFIGURE),
    (("telecom",), Action.SLOT_CONFIGURE),
)


def of_link(link: str) -> str | None:
    """Why a link is not opened. None: it is."""
    match = _SCHEME.match(link)
    if match is None:
        return "it has no scheme that stands in the script itself, like `https:`"
    scheme = match[1].lower()
    if scheme not in SCHEMES:
        return f"a link of `{scheme}:` may dial, or do anything else: there are {', '.join(sorted(SCHEMES))}"
    rest = unquote(link[match.end() :]).lower()
    if _CALLS.search(_VALUES.sub("", rest)) or "#intent" in rest:
        return "it begins a call: calls in an app are placed by a `call` step"
    return None


def of_key(key: str) -> str | None:
    """Why a key is not pressed. None: it is."""
    if key.lower().removeprefix("keycode_") in CALLING_KEYS:
        return "it calls: calls are placed by the platform, in an app by a `call` step"
    return None if key in KEYS else f"no such key: there are {', '.join(sorted(KEYS))}"


def of_app(app: str) -> str | None:
    """Why an app is not started. None: it is."""
    if app in DIALLERS:
        return "numbers are dialled there: calls are placed by the platform"
    return None if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+", app) else "that is no name of a package"


def of_command(words: Sequence[str]) -> str | None:
    """Why a command is not run. None: it is."""
    if words[:2] == ["am", "start"] and any("CALL" in word.upper() or "DIAL" in word.upper() for word in words):
        return "it dials: calls are placed by the platform, in an app by a `call` step"
    if any(_fits(words, command) for command in COMMANDS):
        return None
    known = sorted({str(command[0]) for command in COMMANDS})
    return f"no command that scripts may run (docs/scripts.md lists those of {', '.join(known)})"


def permission_of(words: Sequence[str]) -> Action | None:
    """What a command takes beside the right to run scripts. None: nothing."""
    return next((one for begins, one in PERMISSIONS if tuple(words[: len(begins)]) == begins), None)


def _fits(words: Sequence[str], command: Pattern) -> bool:
    return len(words) == len(command) and all(
        word == wanted if isinstance(wanted, str)
        else word in wanted if isinstance(wanted, frozenset)
        else (wanted or _WORD).fullmatch(word) is not None
        for word, wanted in zip(words, command, strict=True)
    )  # fmt: skip


def of_node(node: Node) -> str | None:
    """Why a thing on the screen is not touched. None: it is."""
    if node.package == PHONE_APP and node.id.startswith("android:id/"):
        return None  # the dialog of a service code
    if node.package in DIALLERS:
        return "numbers are dialled in this app: calls are placed by the platform"
    if _IDS.search(node.id) or any(_label(text) in LABELS for text in (node.text, node.description)):
        return "this button calls: calls in an app are placed by a `call` step"
    return None


def of_call(app: str, node: Node | None) -> str | None:
    """Why a call is not placed, or ended, with this thing. None: it is. Elsewhere than in the app it would be another
    call than the one that the dial rules were asked about."""
    if (why := of_app(app)) is not None:
        return why
    return "it is not in the app of the call" if node is not None and node.package != app else None


def of_selector(selector: Selector) -> str | None:
    """Why nothing is touched that is meant so, as far as that shows. None: nothing shows."""
    for name in TEXTS:
        wanted = getattr(selector, name)
        for text in [wanted] if isinstance(wanted, str) else wanted or ():
            if name in ("text", "description") and _label(text) in LABELS:
                return f"a button `{text}` calls: calls in an app are placed by a `call` step"
            if name == "package" and text in DIALLERS - {PHONE_APP}:
                return "numbers are dialled in this app: calls are placed by the platform"
            if name == "id" and _IDS.search(text):
                return f"a button `{text}` calls: calls in an app are placed by a `call` step"
    return next((why for other in selector.any_of or () if (why := of_selector(other)) is not None), None)


def _label(text: str) -> str:
    return " ".join(text.casefold().split())
