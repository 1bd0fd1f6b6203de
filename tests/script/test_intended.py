"""Whatever stands in a value, a phone is told to do what the script says and nothing else: its own record says so."""

import base64
import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.adapters.screen_lines import FOLDER
from actors.script.checking import check
from actors.script.language import Script
from actors.script.position import Failed, Succeeded
from simulators.phone.android import Android
from simulators.phone.result import Result
from simulators.phone.screens.profile import Profile
from simulators.phone.screens.screens import Screens
from tests.script.on_phone import play
from tests.support.depth import examples

APP = "org.telegram.messenger"
TEXT = """
name = "values"
version = 1
summary = "Each place where a value may stand."

[needs]
apps = ["org.telegram.messenger"]
permissions = ["slot.apps", "slot.configure"]

[params.x]
type = "text"
summary = "Anything."

[[steps]]
do = "open"
link = "tg://resolve?phone=380671110007&text=${x}"
app = "org.telegram.messenger"

[[steps]]
do = "type"
text = "${x}"
on = { id = ["chat_edit_text", "message_input"] }

[[steps]]
do = "try"
steps = [{ do = "tap", on = { text = "${x}" }, deadline = 1 }]
on_failure = []

[[steps]]
do = "try"
steps = [{ do = "tap", on = { id = "${x}", description_containing = "${x}" }, deadline = 1 }]
on_failure = []

[[steps]]
do = "try"
steps = [{ do = "launch", app = "${x}" }]
on_failure = []

[[steps]]
do = "try"
steps = [{ do = "shell", command = ["pm", "clear", "${x}"] }]
on_failure = []

[[steps]]
do = "try"
steps = [{ do = "shell", command = ["settings", "put", "system", "screen_off_timeout", "${x}"] }]
on_failure = []
"""
PARTS = (
    "'", '"', "`reboot`", "$(reboot)", ";", "&&reboot", "|", "\n", "\\", "%s", "%", " ", "--user", "-e", "*", "~", "#",
    ">/sdcard/x", "<", "(", ")", "{}", "!", "/", "\t", "\r", "a", "tel:112", "&phone=112", "\U0001f44d", "ї", "\u202e",
    "\0", "..", "com.android.dialer", "Call", "112", "call_button",
)  # fmt: skip
SIGNS = st.characters(exclude_categories=["Cs"])
values = st.lists(st.sampled_from(PARTS) | SIGNS, min_size=1, max_size=12).map("".join)


def script() -> Script:
    checked = check(TEXT, {})
    assert checked.script is not None, [problem.text("") for problem in checked.problems]
    return checked.script


SCRIPT = script()
NUMBER = re.compile(r"-?[0-9]{1,5}\Z")
FILE = re.compile(rf"{FOLDER}/ottb-screen-[a-z0-9*-]+(\.xml)?\Z")
WORD = re.compile(r"[A-Za-z0-9_./:][A-Za-z0-9_./:-]{0,199}\Z")


def intended(argv: list[str], x: str) -> bool:
    """Whether a command is one that the script means, with the value in its place and nowhere else."""
    match argv:
        case ["rm", "-f", path] | ["cat", path] | ["uiautomator", "dump", path]:
            return FILE.match(path) is not None
        case ["uiautomator", "dump", "--compressed", path]:
            return FILE.match(path) is not None
        case ["echo"] | ["ime", *_] | ["settings", "get", "secure", "default_input_method"]:
            return True
        case ["echo", mark]:
            return mark.startswith("ottb-")
        case ["dumpsys", "input_method"]:
            return True
        case ["input", "tap", *numbers]:
            return len(numbers) == 2 and all(NUMBER.match(one) for one in numbers)
        case ["input", "text", text]:
            return text.replace("%s", " ") in x
        case ["am", "broadcast", "-a", "ADB_INPUT_B64", "--es", "msg", encoded]:
            return base64.b64decode(encoded, validate=True).decode() in x
        case ["am", "start", "-a", "android.intent.action.VIEW", "-d", link, "-p", app]:
            return (link, app) == (f"tg://resolve?phone=380671110007&text={quote(x, safe='')}", APP)
        case ["monkey", "-p", app, "-c", "android.intent.category.LAUNCHER", "--pct-syskeys", "0", "1"]:
            return app == x and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*([.][A-Za-z0-9_]+)+", x) is not None
        case ["pm", "clear", word] | ["settings", "put", "system", "screen_off_timeout", word]:
            return word == x and WORD.match(word) is not None
    return False


@settings(max_examples=examples(100), deadline=None)
@given(values)
@example("';reboot;'")
@example("$(am start -a android.intent.action.CALL -d tel:112)")
@example("--user")
@example("#Call")
@example("com.android.dialer")
def test_no_value_makes_a_phone_do_anything_else(x: str) -> None:
    ran: list[list[str]] = []

    def record(screens: Screens) -> None:
        android = screens.body
        assert isinstance(android, Android)
        screens.profile = replace(screens.profile, helper=True, moves=0.0)
        run = android.run

        def recorded(argv: list[str], stdin: bytes = b"") -> Result:
            ran.append(argv)
            return run(argv, stdin)

        set_on: Any = android
        set_on.run = recorded

    played = play(SCRIPT, {"x": x}, Profile(moves=0.0), prepare=record)
    assert [argv for argv in ran if not intended(argv, x)] == []
    assert played.handset.dials == [] and played.did("app_call") == []
    if isinstance(played.outcome, Failed) and played.outcome.at == "steps[0]":
        assert any(word in x.lower() for word in ("call", "dial", "ring", "intent")), played.outcome
    elif "\0" not in x:  # no phone can be told that
        assert isinstance(played.outcome, Succeeded), played.outcome
        assert "".join(text for _, text in played.did("typed")) == x
