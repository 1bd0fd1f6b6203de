"""What a recorded tap costs: the name of a thing is looked for once on the screen, whatever an app shows there."""

import random
import time

import pytest

from actors.by_hand import draft
from actors.script import guard
from actors.script.selectors import Selector, matches
from actors.script.tree import NODES, NOWHERE, Bounds, Node, Tree
from bus_schemas.slot_screen import TapScreen

WHOLE = Bounds(0, 0, 1000, 2000)
SECONDS = 1.0  # of processor time; 0.2 were measured of the dearest, where it had been minutes


def crowd(many: int, *, own: bool) -> Tree:
    """A thing that takes taps, and all in it that says what it is: the same, or in pairs of each."""
    top = Node(at=0, parent=-1, end=many + 1, bounds=WHOLE, clickable=True, id="x", text="x", description="x")
    rest = (
        Node(at=at, parent=0, end=at + 1, bounds=WHOLE, kind="a.b.View", package="an.app",
             id=f"id {(at + 1) // 2 * own}", text=f"{(at + 1) // 2 * own}", description=f"of {(at + 1) // 2 * own}")
        for at in range(1, many)
    )  # fmt: skip
    last = Node(at=many, parent=0, end=many + 1, bounds=WHOLE, id="x", text="x", description="x")
    return Tree(nodes=(top, *rest, last))


@pytest.mark.parametrize("own", [False, True])
def test_a_tap_costs_no_more_than_the_screen(own: bool) -> None:
    tree = crowd(NODES - 1, own=own)
    began = time.thread_time()
    made = draft.step(TapScreen(slot=44, x=5, y=5), tree, 1)
    took = time.thread_time() - began
    assert made.unsure is not None and took < SECONDS, took


def test_a_name_is_found_as_a_script_would_find_it() -> None:
    rand = random.Random(7)
    words = ["", "a", "A", "a\u200b", "b", "x/a", "x/b", "y.a", "Call"]
    for _ in range(300):
        nodes = tuple(
            Node(at=at, parent=at - 1 if at == 1 else -1, end=at + 1, bounds=rand.choice([WHOLE, WHOLE, NOWHERE]),
                 id=called[0], text=called[1], description=called[2], kind=called[3])
            for at, called in enumerate(rand.choices(words, k=4) for _ in range(5))
        )  # fmt: skip
        tree = Tree(nodes=nodes)
        for node in nodes:
            alone = [
                fields for fields in draft._known_by(node)
                if matches(Selector(**fields), tree) == [node] and guard.of_selector(Selector(**fields)) is None
            ]  # fmt: skip
            wanted = {{"kind": "class"}.get(name, name): text for name, text in alone[0].items()} if alone else None
            assert draft.selector(node, tree) == wanted
