"""What was done by hand as a script: by names, and where there is none, never by a place."""

import tomllib
from typing import Any

import msgspec
import pytest

from actors.by_hand import draft, fingers
from actors.script.checking import check
from actors.script.selectors import Selector, matches, point
from actors.script.tree import Tree
from bus_schemas.slot_screen import PhoneKey, PressKeyOnScreen, SwipeScreen, TapScreen, TypeOnScreen
from tests.script.screens import NAMES, drawn, screen

TREES = {name: screen(name) for name in NAMES}


def tap(tree: Tree | None, x: int, y: int, **more: Any) -> draft.Step:
    return draft.step(TapScreen(slot=44, x=x, y=y, **more), tree, 1)


def typed(text: str, tree: Tree | None = None, **more: Any) -> draft.Step:
    return draft.step(TypeOnScreen(slot=44, text=text, **more), tree, 1)


def passes(*steps: draft.Step, app: str | None = None) -> str:
    """The draft of these steps, which the check of scripts passes."""
    text = draft.script(steps, name="draft", summary="By hand.", app=app)
    checked = check(text, {}, "draft")
    assert checked.script is not None, (checked.problems, text)
    return text


@pytest.mark.parametrize("name", NAMES)
def test_each_tap_is_known_by_a_name_or_is_left_open(name: str) -> None:
    tree, steps, open_ = TREES[name], [], 0
    for node in tree.nodes:
        where = point(node, tree)
        if not node.clickable or where is None or fingers.of_point(tree, *where) is not None:
            continue
        made = tap(tree, *where)
        steps.append(made)
        if made.unsure is not None:
            open_ += 1
            assert made.fields["do"] == "fail"
            continue
        found = matches(msgspec.convert(made.fields["on"], Selector), tree)
        again = point(found[0], tree)
        assert len(found) == 1 and again is not None
        assert fingers.pressed(tree, *again) == fingers.pressed(tree, *where)
    passes(*steps[:90])
    text = draft.script(steps, name="draft", summary="", app=None)
    assert not {"x", "y", "to_x"} & {key for step in tomllib.loads(text)["steps"] for key in step}
    print(f"{name}: {len(steps)} taps, {open_} without a name")


def test_what_has_no_name_of_its_own_is_said_and_stops_the_draft() -> None:
    tree = drawn(("Delete", (0, 0, 500, 100)), ("Delete", (0, 200, 500, 300)))
    made = tap(tree, 100, 250)
    assert made.unsure is not None and "100, 250 in an.app" in made.unsure
    text = passes(made)
    assert text.count("# Step 1: tapped at 100, 250") == 1 and 'do = "fail"' in text
    assert tap(None, 1, 2).unsure is not None


def test_a_row_is_known_by_what_it_says() -> None:
    tree = TREES["settings_12_en"]
    row = next(node for node in tree.nodes if node.clickable and not node.text and list(fingers.labels(tree, node)))
    where = point(row, tree)
    assert where is not None
    made = tap(tree, *where, seconds=1.5)
    assert made.fields["do"] == "long_press" and made.fields["seconds"] == 1.5 and "on" in made.fields


@pytest.mark.parametrize("text", ['say "hi" \\ #', "a\tb\x7f\u2028\u202e", "Ж \U0001f44b", "'''\"\"\""])
def test_any_text_is_a_text_of_the_draft(text: str) -> None:
    read = tomllib.loads(passes(typed(text)))
    assert read["steps"][1]["text"] == text


def test_a_text_that_goes_into_no_field_is_named_so() -> None:
    assert typed("x", drawn(("a", (0, 0, 500, 100)))).fields["name"] == "Type"


def test_secrets_are_parameters_and_stand_nowhere() -> None:
    text = passes(typed("hunter2", secret=True))
    read = tomllib.loads(text)
    assert "hunter2" not in text and read["steps"][1]["text"] == "${secret_1}" and read["steps"][1]["secret"]
    assert read["params"]["secret_1"]["secret"]


def test_what_is_typed_into_a_password_field_is_a_secret() -> None:
    tree = drawn(("old secret", (0, 0, 500, 100)))
    frame, field = tree.nodes
    field = msgspec.structs.replace(field, password=True, focused=True, kind="android.widget.EditText")
    made = typed("hunter2", Tree(nodes=(frame, field)))
    text = passes(made)
    assert "hunter2" not in text and "old secret" not in text
    assert made.fields["on"] == {"class": "EditText"}


def test_what_stands_in_a_field_names_nothing() -> None:
    tree = drawn(("my own words", (0, 0, 500, 100)), ("Send", (0, 200, 500, 300)))
    frame, field, send = tree.nodes
    tree = Tree(nodes=(frame, msgspec.structs.replace(field, kind="android.widget.EditText"), send))
    assert tap(tree, 10, 10).fields["on"] == {"class": "EditText"}
    assert fingers.called(tree.nodes[1], tree) is None


def test_a_text_that_looks_like_a_value_is_a_parameter() -> None:
    read = tomllib.loads(passes(typed("pay ${amount}")))
    assert read["steps"][1]["text"] == "${text_1}" and "text_1" in read["params"]
    tree = drawn(("${number}", (0, 0, 500, 100)))
    assert tap(tree, 10, 10).unsure is not None


@pytest.mark.parametrize(
    ("to", "direction", "share"),
    [((500, 300), "up", 0.6), ((500, 1900), "down", 0.2), ((90, 1500), "left", 0.41), ((900, 1501), "right", 0.4)],
)
def test_a_swipe_is_a_direction_and_how_far(to: tuple[int, int], direction: str, share: float) -> None:
    made = draft.step(SwipeScreen(slot=44, x=500, y=1500, to_x=to[0], to_y=to[1]), drawn(), 1)
    assert (made.fields["direction"], made.fields["share"]) == (direction, share)
    passes(made)


def test_keys_are_keys_and_an_app_is_begun_where_the_recording_was() -> None:
    key = draft.step(PressKeyOnScreen(slot=44, key=PhoneKey.BACK), None, 1)
    read = tomllib.loads(passes(key, app="org.telegram.messenger"))
    assert read["steps"] == [
        {"do": "launch", "app": "org.telegram.messenger", "fresh": True}, {"do": "key", "key": "back"}
    ]
    assert tomllib.loads(passes(key))["steps"][0] == {"do": "key", "key": "home"}
    assert draft.begins_in(TREES["settings_12_en"]) == "com.android.settings"
    assert draft.begins_in(TREES["launcher_pixel_13_en"]) is None
    assert draft.begins_in(TREES["dialler_pixel_12_en"]) is None
