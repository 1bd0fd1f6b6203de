"""What is under a finger, or has the cursor, and why it is not touched. Pure.

A hand on the screen must be no way around the dial rules. What is looked at is the screen as it was read just before;
what an app draws without telling (a canvas, a game, a page that tells no texts) nobody sees here.
"""

from collections.abc import Iterable, Iterator

from actors.script import guard
from actors.script.tree import Node, Tree

DIALLER = "numbers are dialled in this app: calls are placed by the platform"
SPOKEN = 80  # characters of what a thing is called


def under(tree: Tree, x: int, y: int) -> list[Node]:
    """All that is there, the topmost first."""
    return [node for node in reversed(tree.nodes) if not node.bounds.empty and node.bounds.has(x, y)]


def pressed(tree: Tree, x: int, y: int) -> Node | None:
    """What takes the tap: the topmost that takes taps, with whatever is in it."""
    return next((node for node in under(tree, x, y) if node.clickable), None)


def labels(tree: Tree, node: Node) -> Iterator[Node]:
    """What says what a thing is: all in it that takes no taps of its own."""
    at = node.at + 1
    while at < node.end:
        one = tree.nodes[at]
        if one.clickable:
            at = one.end
            continue
        yield one
        at += 1


def of_point(tree: Tree, x: int, y: int) -> str | None:
    """Why nothing is touched there. None: it may be. Also what lies beneath is looked at: what of it is seen, no tree
    tells."""
    taken = pressed(tree, x, y)
    there = [*under(tree, x, y), *(labels(tree, taken) if taken is not None else ())]
    return of_front(tree) or _first(there)


def _first(nodes: Iterable[Node]) -> str | None:
    return next((why for node in nodes if (why := guard.of_node(node)) is not None), None)


def of_front(tree: Tree) -> str | None:
    """Why nothing is done in the app that is in front. None: it may be."""
    roots = [node for node in tree.nodes if node.parent == -1]
    dials = any(node.package in guard.DIALLERS - {guard.PHONE_APP} for node in roots)
    return DIALLER if dials else None


def of_cursor(tree: Tree) -> str | None:
    """Why nothing is typed, or pressed with a key, where the cursor is. None: it may be."""
    there = [node for node in tree.nodes if node.focused or (node.selected and node.clickable)]
    inside = (one for node in there if node.clickable for one in labels(tree, node))
    return of_front(tree) or _first((*there, *inside))


def called(node: Node | None, tree: Tree) -> str | None:
    """What people call a thing. None: it has no name. What stands in a field is not told: it may be a secret."""
    if node is None:
        return None
    for one in (node, *labels(tree, node)):
        text = one.description if is_field(one) else one.text or one.description
        if text:
            return " ".join(text.split())[:SPOKEN]
    return node.id.rpartition("/")[2][:SPOKEN] or None


def is_field(node: Node) -> bool:
    """Whether somebody types into it."""
    return node.password or node.kind.endswith(("EditText", "AutoCompleteTextView"))


def focused(tree: Tree) -> Node | None:
    """The field that has the cursor."""
    return next((node for node in tree.nodes if node.focused and is_field(node)), None)
