"""A hand is no way around the dial rules: what would call is not touched."""

import msgspec
import pytest

from actors.by_hand import fingers
from actors.script import guard
from actors.script.selectors import point
from actors.script.tree import Tree
from tests.script.screens import NAMES, drawn, screen


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_calls_is_touched(name: str) -> None:
    tree, refused = screen(name), 0
    for node in tree.nodes:
        where = point(node, tree)
        if where is not None and guard.of_node(node) is not None:
            refused += 1
            assert fingers.of_point(tree, *where) is not None, node
    print(f"{name}: {refused} things that call")


@pytest.mark.parametrize("name", ["dialler_pixel_12_en", "dialler_samsung_13_uk", "in_call_11_ru"])
def test_nothing_is_typed_or_pressed_in_a_dialler(name: str) -> None:
    tree = screen(name)
    assert fingers.of_cursor(tree) is not None and fingers.of_point(tree, 5, 900) is not None


def test_a_button_calls_if_a_label_in_it_says_so() -> None:
    tree = drawn(("", (0, 0, 500, 200)), ("Call", (300, 50, 400, 100)))
    frame, button, label = tree.nodes
    inside = Tree(nodes=(
        frame, msgspec.structs.replace(button, end=3), msgspec.structs.replace(label, parent=1, clickable=False)
    ))  # fmt: skip
    assert fingers.of_point(inside, 10, 10) is not None
    assert fingers.of_point(tree, 10, 10) is None  # that is a button of its own, elsewhere
    assert fingers.of_point(tree, 350, 60) is not None


def test_enter_is_not_pressed_on_a_button_that_calls() -> None:
    tree = drawn(("Call", (0, 0, 500, 200)), ("Cancel", (0, 300, 500, 400)))
    frame, call, cancel = tree.nodes
    focus = msgspec.structs.replace
    assert fingers.of_cursor(Tree(nodes=(frame, focus(call, focused=True), cancel))) is not None
    assert fingers.of_cursor(Tree(nodes=(frame, call, focus(cancel, focused=True)))) is None


def test_the_dialog_of_a_service_code_is_answered_by_nobody() -> None:
    """The key `back` closes it."""
    tree = screen("ussd_9_ru")
    button = next(node for node in tree.nodes if node.clickable and node.id.startswith("android:id/"))
    where = point(button, tree)
    assert where is not None and fingers.of_point(tree, *where) is not None
