"""What is wrong with a script: all of it, each with its place."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.dialing.rules import DialRules
from actors.dialing.rules import canonical as by_the_rules
from actors.script.checking import check
from actors.script.values import NoValue, bound, filled, filled_link
from bus_schemas.errors import Refusal
from tests.script.scripts import HEAD, script, wrong
from tests.support.depth import examples


def step(text: str) -> str:
    return f"{HEAD}[[steps]]\n{text}\n"


def test_a_script_that_is_well_has_no_problems() -> None:
    found = script('[[steps]]\ndo = "tap"\non = { text = ["Allow", "Дозволити"] }\n')
    assert found.name == "a" and found.steps[0].on.text == ["Allow", "Дозволити"]


def test_all_problems_are_told_at_once_each_with_its_place() -> None:
    text = """name = "Bad Name"
version = 0
sumary = "x"

[[steps]]
do = "tap"
on = { txt = "a" }

[[steps]]
do = "tapp"

[[steps]]
do = "repeat"
most = 1000
steps = [
  { do = "key", key = 3 },
  { do = "wait", seconds = "long", more = 1 },
]

[[steps]]
name = "x"

[params.number]
type = "phon"
"""
    expected = [
        "1:1: `summary` is missing",
        "1:1: name: Expected 1 to 40 letters (a-z), digits or `_`, a letter first",
        "2:1: version: Expected `int` >= 1",
        "3:1: sumary: it is not known here: perhaps `summary`",
        "7:8: steps[0].on.txt: it is not known here: perhaps `text`",
        "10:1: steps[1].do: there is no such step: perhaps `tap`",
        "14:1: steps[2].most: Expected `int` <= 100",
        "16:17: steps[2].steps[0].key: Expected `str`, got `int`",
        "17:18: steps[2].steps[1].seconds: Expected `float`, got `str`",
        "17:36: steps[2].steps[1].more: it is not known here; there are after_crash, deadline, name, retry, seconds",
        "20:1: steps[3]: `do` is missing: what kind of step is it? assert, call, clear",
        "23:1: params.number: `summary` is missing",
        "24:1: params.number.type: Invalid enum value 'phon'",
    ]
    found = wrong(text)
    assert len(found) == len(expected)
    for said, begins in zip(found, expected, strict=True):
        assert said.startswith(begins)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = ", "1:8: no TOML"),
        ("a = 1\na = 2", "2:6: no TOML"),
        (HEAD + 'steps = "x"', "4:1: steps: an array is expected, not a text"),
        (HEAD + "steps = []", "4:1: steps: Expected `array` of length >= 1"),
        (HEAD + "steps = [1]", "4:10: steps[0]: a table is expected, not a number"),
        (step('do = "tap"'), "4:1: steps[0]: `on` is missing"),
        (step('do = "tap"\non = {}'), "6:1: steps[0].on: an empty selector"),
        (step('do = "tap"\non = { text = "" }'), "6:8: steps[0].on.text: an empty text"),
        (step('do = "tap"\non = { text_matching = "(" }'), "6:8: steps[0].on.text_matching: not a pattern of RE2"),
        (step('do = "tap"\non = { class = "a", inside = {id = ""} }'), "6:31: steps[0].on.inside.id: an empty text"),
        (step('do = "wait_for"'), "4:1: steps[0]: either `on` or `gone`"),
        (step('do = "extract"\ninto = "x"'), "4:1: steps[0]: either `on` or `value`"),
        (step('do = "extract"\ninto = "call"\nvalue = "x"'), "6:1: steps[0].into: `call` is"),
        (step('do = "extract"\ninto = "x"\nvalue = "x"\npattern = "(?=x)"'), "8:1: steps[0].pattern: not a pattern"),
        (step('do = "type"\ntext = "${who}"'), "6:1: steps[0].text: there is no value `who`"),
        (step('do = "tap"\non = { text = ["a", "${who}"] }'), "6:8: steps[0].on.text: there is no value `who`"),
        (step('do = "if"\nwhen = {}\nthen = [{do="wait",seconds=1}]'), "6:1: steps[0].when: exactly one of"),
        (step('do = "assert"\nmessage = "x"\nwhen = {value = "x"}'), "7:1: steps[0].when: a `value` either"),
        (step('do = "run"\nscript = "b"'), "6:1: steps[0].script: there is no script `b`"),
        (step('do = "run"\nscript = "a"'), "6:1: steps[0].script: a script that runs itself"),
        (step('do = "key"\nkey = "power"'), "6:1: steps[0].key: no such key"),
        (step('do = "shell"\ncommand = ["pm", "clear", "a.b"]'),
         "6:1: steps[0].command: it takes `slot.apps`, which is none of `needs.permissions`"),
        (step('do = "ussd"\ncode = "*111#"'), "6:1: steps[0].code: it is none of `needs.ussd`"),
        (step('do = "shell"\ncommand = ["${x}"]\n[params.x]\ntype="text"\nsummary="x"'),
         "6:1: steps[0].command: no command that"),
        (step('do = "wait"\nseconds = 1\n[params.x]\ntype="choice"\nsummary="x"'), "7:1: params.x: `of` stands"),
        (step('do = "wait"\nseconds = 1\n[params.x]\ntype="text"\nsummary="x"\nleast=1'), "7:1: params.x: `least` and"),
        (step('do = "wait"\nseconds = 1\n[params.x]\ntype="text"\nsummary="x"\npattern="["'), "10:1: params.x.pat"),
        (step('do = "wait"\nseconds = 1\n[params.x]\ntype="integer"\nsummary="x"\ndefault="1"'), "10:1: params.x.def"),
        (step('do = "wait"\nseconds = 1\n[params.Bad]\ntype="text"\nsummary="x"'), "7:1: params.Bad: Expected 1 to"),
        (step('do = "wait"\nseconds = 1\n[[handlers]]\nname="x"\non={text="a"}'), "7:1: handlers[0]: either `tap`"),
        (step('do = "call"\napp = "a.b"\nnumber = "1"\non = {id = "x"}\nduring = {id = "y"}\nafter_crash = "repeat"'),
         "6:1: steps[0].app: it is none of `needs.apps`"),
        ('values = ["x"]\n' + step('do = "wait"\nseconds = 1'), "1:11: values[0]: no step puts"),
        (HEAD + "steps = " + "[{do='try', steps=" * 100 + "[]" + "}]" * 100, "4:543: steps[0]"),
    ],
)  # fmt: skip
def test_what_a_script_cannot_be(text: str, expected: str) -> None:
    assert wrong(text)[0].startswith(expected)


def test_what_is_too_deep_is_no_script() -> None:
    [said, *_] = wrong(HEAD + "steps = " + "[" * 5000 + "]" * 5000)
    # As deep as this process may go: hypothesis lets it go deeper.
    assert said.startswith(("1:1: no TOML: too deep", "4:10: steps[0]: a table is expected"))


@pytest.mark.parametrize(
    "text",
    [
        'do = "open"\nlink = "tel:112"',
        'do = "open"\nlink = "TEL:${x}"',
        'do = "open"\nlink = "${x}"',
        'do = "open"\nlink = "${x}:112"',
        'do = "open"\nlink = "tg://call?phone=${x}"',
        'do = "key"\nkey = "call"',
        'do = "call"\napp = "com.android.dialer"\nnumber = "1"\non = { id = "x" }\nduring = { id = "y" }\nlongest = 1',
        'do = "launch"\napp = "com.android.dialer"',
        'do = "tap"\non = { description = "Call" }',
        'do = "long_press"\non = { text = ["x", "Виклик"] }',
        'do = "shell"\ncommand = ["am", "start", "-a", "android.intent.action.CALL", "-d", "tel:${x}"]',
        'do = "shell"\ncommand = ["am", "start", "-a", "${x}"]',
        'do = "shell"\ncommand = ["input", "keyevent", "5"]',
        'do = "try"\nsteps = [{ do = "repeat", most = 2, steps = [{ do = "open", link = "tel:112" }] }]',
        'do = "try"\nsteps = [{do = "wait", seconds = 1}]\non_failure = [{ do = "key", key = "call" }]',
    ],
)
def test_a_step_that_dials_is_refused(text: str) -> None:
    head, params = 'needs = { apps = ["com.android.dialer"] }\n', '[params.x]\ntype = "text"\nsummary = "x"\n'
    problems = wrong(head + step(text) + params)
    assert len(problems) == 1 and problems[0].startswith("7:" if "on_failure" not in text else "8:"), problems


AIRPLANE = '["cmd", "connectivity", "airplane-mode", "disable"]'


@pytest.mark.parametrize(
    ("cleanup", "expected"),
    [
        (f"[{AIRPLANE}]", "cleanup[0]: it takes `slot.configure`, which is none of `needs.permissions`"),
        ('[["am", "start", "-a", "android.intent.action.CALL"]]', "cleanup[0]: it dials"),
        ('[["am", "start", "-a", "android.settings.SETTINGS"]]', "cleanup[0]: it sets nothing of a phone"),
        ('[["reboot"]]', "cleanup[0]: no command that scripts may run"),
        ('[["pm", "clear", "${app}"]]', "cleanup[0]: no values stand in it"),
        ('["svc"]', "cleanup: "),
        ("[[]]", "cleanup: "),
        (f"[{', '.join([AIRPLANE] * 6)}]", "cleanup: "),
    ],
)  # fmt: skip
def test_what_sets_right_is_checked_as_steps_are(cleanup: str, expected: str) -> None:
    head = 'params.app = { type = "text", summary = "x" }\n'
    text = f'{HEAD}{head}cleanup = {cleanup}\n[[steps]]\ndo = "key"\nkey = "home"\n'
    found = wrong(text)
    assert len(found) == 1 and found[0].startswith("5:") and f" {expected}" in found[0], found
    assert not wrong(f'{HEAD}cleanup = [{AIRPLANE}]\n[[steps]]\ndo = "key"\nkey = "home"\n'
                     '[needs]\npermissions = ["slot.configure"]\n')


def test_handlers_do_not_dial_either() -> None:
    head = '[[handlers]]\nname = "x"\non = { text = "a" }\n'
    assert "calls" in wrong(step('do = "wait"\nseconds = 1') + head + 'tap = { text = "Call" }')[0]
    assert "calls" in wrong(step('do = "wait"\nseconds = 1') + head + 'key = "call"')[0]


@pytest.mark.parametrize("more", ['after_crash = "repeat"', "retry = { times = 1 }"])
def test_a_call_is_never_done_a_second_time(more: str) -> None:
    call = f'do = "call"\napp = "a.b"\nnumber = "1"\non = {{ id = "x" }}\nduring = {{ id = "y" }}\n{more}'
    (problem,) = wrong("deadline = 300\n" + step(call) + '[needs]\napps = ["a.b"]')
    assert "never done a second time" in problem


def test_scripts_run_each_other_only_so_deep_and_not_in_circles() -> None:
    run = '[[steps]]\ndo = "run"\nscript = "{}"\n'
    library = {"d": script('[[steps]]\ndo = "wait"\nseconds = 1\n', name="d")}
    for name, inner in (("c", "d"), ("b", "c")):
        library[name] = script(run.format(inner), library=library, name=name)
    assert "no deeper" in wrong(HEAD + run.format("b"), library)[0]
    assert script(run.format("c"), library=library)
    around = {"b": script(run.format("a"), library={"a": script('[[steps]]\ndo = "wait"\nseconds = 1\n')}, name="b")}
    assert "runs itself" in wrong(HEAD + run.format("b"), around)[0]


def test_what_a_script_is_run_with_is_checked() -> None:
    inner = script(
        '[[steps]]\ndo = "wait"\nseconds = 1\n[params.x]\ntype = "text"\nsummary = "x"\n', name="b"
    )  # fmt: skip
    run = '[[steps]]\ndo = "run"\nscript = "b"\n'
    assert "must be given `x`" in wrong(HEAD + run, {"b": inner})[0]
    assert "has no parameter `y`" in wrong(HEAD + run + 'params = { x = "1", y = "2" }', {"b": inner})[0]


def test_a_file_is_called_as_its_script() -> None:
    text = step('do = "wait"\nseconds = 1')
    assert check(text, {}, "a").script is not None
    assert check(text, {}, "b").problems[0].text("b.toml") == "b.toml:1:1: name: its file is called `b`"


def test_blocks_and_steps_are_bounded() -> None:
    deep = '{do = "wait", seconds = 1}'
    for _ in range(7):
        deep = f'{{do = "try", steps = [{deep}]}}'
    assert "no deeper" in wrong(f"{HEAD}steps = [{deep}]")[0]
    many = ",".join(['{do = "wait", seconds = 1}'] * 99)
    blocks = ",".join([f'{{do = "try", steps = [{many}]}}'] * 6)
    assert "more than 500" in wrong(f"{HEAD}steps = [{blocks}]")[0]
    assert "longer than" in wrong("#" * 200_001)[0]


@settings(max_examples=examples(300), deadline=None)
@given(at=st.integers(0, 600), change=st.text(max_size=6), cut=st.integers(0, 30))
def test_a_damaged_script_has_problems_or_is_a_script(at: int, change: str, cut: int) -> None:
    text = step('do = "if"\nwhen = { seen = { text = "a" } }\n[[steps.then]]\ndo = "key"\nkey = "home"\n'
                '[[steps.else]]\ndo = "open"\nlink = "tg://resolve?phone=${x}"\n[params.x]\ntype="phone"\nsummary="y"')
    checked = check(text[:at] + change + text[at + cut :], {})
    assert (checked.script is None) == bool(checked.problems)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in checked.problems)


PARAMS = """[[steps]]
do = "wait"
seconds = 1
[params.number]
type = "phone"
summary = "Whom to call."
[params.code]
type = "text"
summary = "A code."
pattern = "[0-9]{4}"
default = "0000"
[params.count]
type = "integer"
summary = "How many."
least = 1
most = 5
default = 2
[params.sim]
type = "choice"
summary = "Which SIM."
of = ["1", "2"]
default = "1"
"""


def canonical(raw: str, field: str) -> str:
    return "+" + raw.strip("+ ")


def test_parameters_are_bound_by_their_types() -> None:
    bare = bound(script(PARAMS), {"number": " 380991234567"}, canonical)
    assert bare == {"number": "+380991234567", "code": "0000", "count": "2", "sim": "1"}
    given = bound(script(PARAMS), {"number": "1", "code": "1234", "count": 5, "sim": "2"}, canonical)
    assert (given["code"], given["count"], given["sim"]) == ("1234", "5", "2")


@pytest.mark.parametrize(
    "given",
    [
        {}, {"number": None}, {"number": 5}, {"number": "1", "code": "12345"}, {"number": "1", "code": "1234\n"},
        {"number": "1", "count": 6}, {"number": "1", "count": 0}, {"number": "1", "count": "x"},
        {"number": "1", "count": True}, {"number": "1", "count": 1.5}, {"number": "1", "sim": "3"},
        {"number": "1", "other": "x"}, {"number": "1\0"}, {"number": "\ud83d"}, {"number": "1" * 5000},
        {"number": "1", "count": " 1"}, {"number": ["1"]},
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        bound(script(PARAMS), given, canonical)
    assert refused.value.code == "INVALID_PARAMS" and "params." in refused.value.message


def test_a_refusal_names_the_pattern() -> None:
    with pytest.raises(Refusal) as refused:
        bound(script(PARAMS), {"number": "1", "code": "x"}, canonical)
    assert refused.value.details == {"field": "params.code", "parameter": "code", "pattern": "[0-9]{4}"}


def test_values_in_texts_mean_nothing_more() -> None:
    values = {"a": "${b}", "b": "&x=1#"}
    assert filled("<${a}|${b}>", values) == "<${b}|&x=1#>"
    assert filled_link("tg://x?p=${b}", values) == "tg://x?p=%26x%3D1%23"
    with pytest.raises(NoValue, match="`c`"):
        filled("${c}", values)


def test_numbers_go_by_the_rules_of_the_site() -> None:
    rules = DialRules(site_region="UA")

    def ruled(raw: str, field: str) -> str:
        return by_the_rules(raw, rules, ["UA"], field).e164

    assert bound(script(PARAMS), {"number": "099 123-45-67"}, ruled)["number"] == "+380991234567"
    for number, rule in (("112", "emergency"), ("*#06#", "mmi"), ("nobody", "format")):
        with pytest.raises(Refusal) as refused:
            bound(script(PARAMS), {"number": number}, ruled)
        assert refused.value.details is not None and refused.value.details["rule"] == rule
        assert refused.value.details["field"] == "params.number"
