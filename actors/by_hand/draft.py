"""What was done by hand, as the draft of a script: by what things are called, not by where they were. Pure.

Where the screen told no name that is one thing's alone, no place is written down instead: the draft has a step there
that fails and says what is missing.
"""

from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Any

from msgspec import Struct

from actors.by_hand import fingers
from actors.script import guard
from actors.script.selectors import Selector, answers_to, as_compared
from actors.script.tree import Node, Tree
from bus_schemas.slot_screen import PressKeyOnScreen, SwipeScreen, TapScreen, TypeOnScreen

LONGEST_NAME = 60  # characters of a text by which a thing is known
LABELS = 100  # of one thing that are tried; the rest of them is a list, not a name
SYSTEM = ("android", "com.android.systemui")

Asked = TapScreen | SwipeScreen | TypeOnScreen | PressKeyOnScreen
Fields = dict[str, Any]  # any: a value of TOML


class Step(Struct, frozen=True):
    """One step. `secret`: a text that is a parameter. `unsure`: why it says nothing that could be done."""

    fields: Fields
    param: tuple[str, Fields] | None = None
    unsure: str | None = None


def step(asked: Asked, tree: Tree | None, number: int) -> Step:
    """What somebody has done, with the screen as it was before."""
    match asked:
        case TapScreen():
            return _tap(asked, tree)
        case SwipeScreen():
            return _swipe(asked, tree)
        case TypeOnScreen():
            return _type(asked, tree, number)
        case PressKeyOnScreen():
            return Step({"do": "key", "key": asked.key.value})


def _tap(tap: TapScreen, tree: Tree | None) -> Step:
    meant = _meant(tree, tap.x, tap.y) if tree is not None else ()
    names = _Names(tree) if tree is not None else None
    found = next(((node, on) for node in meant if names and (on := names.selector(node)) is not None), None)
    if tree is None or found is None:
        package = next((node.package for node in fingers.under(tree, tap.x, tap.y)), "") if tree is not None else ""
        where = f" in {package}" if package else ""
        why = f"tapped at {tap.x}, {tap.y}{where}, where the screen tells no name that is one thing's alone"
        return Step({"do": "fail", "message": f"Say here what is meant: {why}."[:300]}, unsure=why)
    node, on = found
    named: Fields = {"name": _name("Tap", fingers.called(node, tree)), "on": on}
    if tap.seconds is not None:
        return Step({"do": "long_press", **named, "seconds": tap.seconds})
    return Step({"do": "tap", **named})


def _meant(tree: Tree, x: int, y: int) -> Iterator[Node]:
    """What may be meant by a tap there, the likeliest first: what takes it, what it says, and the rest on the way."""
    taken = fingers.pressed(tree, x, y)
    if taken is not None:
        yield taken
        yield from islice(fingers.labels(tree, taken), LABELS)
        return
    yield from fingers.under(tree, x, y)[:1]


def selector(node: Node, tree: Tree) -> Fields | None:
    """By what a thing is known that no other on its screen is. None: there is nothing."""
    return _Names(tree).selector(node)


class _Names:
    """What the things on a screen are known by. Each kind of name is gone through once for all that ask: what an app
    shows may be thousands of things that are called the same."""

    def __init__(self, tree: Tree) -> None:
        screen = tree.screen
        self._seen = [node for node in tree.nodes if not node.bounds.within(screen).empty]
        self._alone: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {}

    def selector(self, node: Node) -> Fields | None:
        """By what it is known alone. None: there is nothing."""
        for fields in _known_by(node):
            if self._whose(fields) == node.at and guard.of_selector(Selector(**fields)) is None:
                return {"class" if name == "kind" else name: value for name, value in fields.items()}
        return None

    def _whose(self, fields: Fields) -> int | None:
        """The one thing that is known by it. None, -1: nothing is, several are."""
        names = tuple(fields)
        if names not in self._alone:
            self._alone[names] = self._owners(names)
        return self._alone[names].get(tuple(as_compared(name, text) for name, text in fields.items()))

    def _owners(self, names: tuple[str, ...]) -> dict[tuple[str, ...], int]:
        found: dict[tuple[str, ...], int] = {}
        for node in self._seen:
            for called in product(*(answers_to(name, node) for name in names)):
                found[called] = -1 if called in found else node.at
        return found


def _known_by(node: Node) -> Iterator[Fields]:
    texts = {} if fingers.is_field(node) else {"text": node.text}  # what stands in a field changes, and may be a secret
    known = {"id": node.id, "description": node.description, **texts}
    said = {name: text for name, text in known.items() if _usable(text)}
    for name in said:
        yield {name: said[name]}
    kind = node.kind.rpartition(".")[2]
    for name in said:
        if name != "id" and "id" in said:
            yield {"id": said["id"], name: said[name]}
        if _usable(kind):
            yield {"kind": kind, name: said[name]}
    if fingers.is_field(node) and _usable(kind):
        yield {"kind": kind}


def _usable(text: str) -> bool:
    return bool(text.strip()) and len(text) <= LONGEST_NAME and "${" not in text


def _swipe(swipe: SwipeScreen, tree: Tree | None) -> Step:
    across, down = swipe.to_x - swipe.x, swipe.to_y - swipe.y
    sideways = abs(across) > abs(down)
    direction = ("right" if across > 0 else "left") if sideways else ("down" if down > 0 else "up")
    moved = next((node for node in fingers.under(tree, swipe.x, swipe.y) if node.scrollable), None) if tree else None
    on = selector(moved, tree) if moved is not None and tree is not None else None
    over = moved.bounds if moved is not None and on is not None else tree.screen if tree is not None else None
    whole = (over.right - over.left if sideways else over.bottom - over.top) if over is not None else 0
    share = min(max(round(max(abs(across), abs(down)) / whole, 2), 0.1), 0.9) if whole > 0 else 0.6
    return Step({
        "do": "swipe", "direction": direction, **({"on": on} if on is not None else {}), "share": share,
        "seconds": swipe.seconds,
    })  # fmt: skip


def _type(typed: TypeOnScreen, tree: Tree | None, number: int) -> Step:
    field = fingers.focused(tree) if tree is not None else None
    on = selector(field, tree) if field is not None and tree is not None else None
    secret = typed.secret or (field is not None and field.password)
    called = fingers.called(field, tree) if tree is not None else None
    name = _name("Type into", called) if called else "Type"
    into: Fields = {"name": name, **({"on": on} if on is not None else {})}
    if not secret and "${" not in typed.text:
        return Step({"do": "type", **into, "text": typed.text})
    param = f"{'secret' if secret else 'text'}_{number}"
    asked: Fields = {"type": "text", "summary": f"What is typed in step {number}."}
    if secret:
        return Step({"do": "type", **into, "text": f"${{{param}}}", "secret": True}, (param, {**asked, "secret": True}))
    return Step({"do": "type", **into, "text": f"${{{param}}}"}, (param, asked))


def _name(what: str, called: str | None) -> str:
    return f"{what} {called}"[:200].replace("${", "$ {") if called else what


def begins_in(tree: Tree) -> str | None:
    """The app in which a recording begins. None: none that a script can start."""
    root = next((node for node in tree.nodes if node.parent == -1 and node.package), None)
    if root is None or root.package in SYSTEM or "launcher" in root.package:
        return None
    return root.package if guard.of_app(root.package) is None else None


# --- the file -----------------------------------------------------------------------------------------------------


def script(steps: Sequence[Step], *, name: str, summary: str, app: str | None) -> str:
    """The draft, as TOML."""
    begin: Fields = {"do": "launch", "app": app, "fresh": True} if app is not None else {"do": "key", "key": "home"}
    parts = [
        "# A draft, made of what was done by hand. Steps follow one another as fast as the screen shows what they\n"
        "# need; where something else may come up, add handlers. docs/scripts.md\n",
        _table("", {"name": name, "version": 1, "summary": summary, "deadline": float(60 + 15 * len(steps))}),
        *(_table(f"[params.{made.param[0]}]", made.param[1]) for made in steps if made.param is not None),
        _table("[[steps]]", begin),
    ]
    for number, made in enumerate(steps, 1):
        comment = f"# Step {number}: {_line(made.unsure)}\n" if made.unsure is not None else ""
        parts.append(comment + _table("[[steps]]", made.fields))
    return "\n".join(parts)


def _table(head: str, fields: Fields) -> str:
    lines = [head] if head else []
    return "\n".join([*lines, *(f"{name} = {_value(value)}" for name, value in fields.items())]) + "\n"


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case dict():
            return "{ " + ", ".join(f"{name} = {_value(one)}" for name, one in value.items()) + " }"
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    """A text of TOML: what is not seen stands there by its number."""
    return '"' + "".join(_sign(one) for one in text) + '"'


def _sign(one: str) -> str:
    if one in '"\\':
        return f"\\{one}"
    if one.isprintable():
        return one
    return f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}"


def _line(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)
