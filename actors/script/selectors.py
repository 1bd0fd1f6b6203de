"""How a script says which thing on the screen it means, and which one that is. Pure.

Texts are compared as people read them (`as_read.py`). All that a selector says must be true of the one node.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct, field, structs

from actors.script.as_read import as_read
from actors.script.patterns import compiled
from actors.script.tree import READ, Bounds, Node, Tree

Text = Annotated[str, Meta(max_length=1000)]
Texts = Text | Annotated[list[Text], Meta(min_length=1, max_length=30)]
Pattern = Annotated[str, Meta(min_length=1, max_length=500, description="A regular expression of RE2.")]

DEEPEST = 4  # selectors in selectors


class Selector(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which thing on the screen. Where a text may be several, in a list, one of them is enough: so a script serves
    phones in several languages.

    `text`, `description`: all of it. `text_containing`, `description_containing`: a part of it. `text_matching`,
    `description_matching`: some of it fits the pattern (`^` and `$` for all of it). `id`: the resource id,
    `com.android.settings:id/switch`, or what stands behind the `/` alone. `class`: `android.widget.Button`, or what
    stands behind the last dot. `package`: of the app. `clickable`, `enabled`, `checked`, `selected`, `focused`,
    `scrollable`: true or false.

    `below`, `above`, `left_of`, `right_of`: another thing, beside which it stands, in the same column or row; of
    several the nearest is meant first. `inside`: another, in which it is, however deep. `containing`: another that is
    in it, so a row of a list by what it says; of several the smallest is meant first. `sibling_of`: another with
    the same parent.

    `index`: which of several, from 0, from the end: -1 the last. Without it: the first. `any_of`: others instead of all
    the rest; the first of which there is one on the screen counts."""

    text: Texts | None = None
    text_containing: Texts | None = None
    text_matching: Pattern | None = None
    description: Texts | None = None
    description_containing: Texts | None = None
    description_matching: Pattern | None = None
    id: Texts | None = None
    kind: Texts | None = field(default=None, name="class")
    package: Texts | None = None
    clickable: bool | None = None
    enabled: bool | None = None
    checked: bool | None = None
    selected: bool | None = None
    focused: bool | None = None
    scrollable: bool | None = None
    below: "Selector | None" = None
    above: "Selector | None" = None
    left_of: "Selector | None" = None
    right_of: "Selector | None" = None
    inside: "Selector | None" = None
    containing: "Selector | None" = None
    sibling_of: "Selector | None" = None
    index: Annotated[int, Meta(ge=-1000, le=1000)] | None = None
    any_of: Annotated[list["Selector"], Meta(min_length=1, max_length=10)] | None = None


OTHERS = ("below", "above", "left_of", "right_of", "inside", "containing", "sibling_of")
PATTERNS = ("text_matching", "description_matching")
TEXTS = ("text", "text_containing", "description", "description_containing", "id", "kind", "package")
_FLAGS = ("clickable", "enabled", "checked", "selected", "focused", "scrollable")
_OWN = (*TEXTS, *PATTERNS, *_FLAGS)
Test = Callable[[Node], bool]
Said = Callable[[Node], str]
Maker = Callable[..., Test]  # of what is wanted, and the screen
_MARKS = {"id": "/", "kind": "."}  # a name is whole, or what stands behind the last of these


def problems(selector: Selector, deep: int = 1) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with it beyond its types: the way to the place in it, in the names that scripts have, and why."""
    said = {name for name in structs.asdict(selector) if getattr(selector, name) is not None}
    if deep > DEEPEST:
        yield (), f"selectors stand in selectors no deeper than {DEEPEST}"
        return
    if not said - {"index"}:
        yield (), "an empty selector would mean whatever stands first on the screen"
    if selector.any_of is not None and len(said) > 1:
        yield ("any_of",), f"beside it nothing else counts: put `{min(said - {'any_of'})}` into each of them"
    for name in TEXTS:
        if any(not _plain(text) for text in _several(getattr(selector, name))):
            yield (_outside(name),), "an empty text"
    for name in PATTERNS:
        if (pattern := getattr(selector, name)) is not None:
            try:
                compiled(pattern)
            except ValueError as error:
                yield (name,), f"not a pattern of RE2: {error}"
    for name in OTHERS:
        if (other := getattr(selector, name)) is not None:
            yield from (((name, *way), why) for way, why in problems(other, deep + 1))
    for place, other in enumerate(selector.any_of or ()):
        yield from ((("any_of", place, *way), why) for way, why in problems(other, deep + 1))


def matches(selector: Selector, tree: Tree) -> list[Node]:
    """All nodes that are meant, the first before the others, whatever `index` says. Only what is seen counts: what has
    no place on the screen, or lies under a keyboard, is not there."""
    for other in selector.any_of or ():
        if found := _chosen(other, matches(other, tree)):
            return found
    if selector.any_of is not None:
        return []
    screen = tree.screen
    first, *more = _tests(selector, tree) or [_anything]  # most are not what is meant by the first
    found = [
        node for node in tree.nodes
        if first(node) and node.visible and all(test(node) for test in more) and not node.bounds.within(screen).empty
    ]  # fmt: skip
    for name in OTHERS:
        if (other := getattr(selector, name)) is not None and found:
            found = _related(name, found, other, tree)
    return found


def as_compared(name: str, text: str) -> str:
    """What is asked of this field, as `matches` compares it."""
    return text if name in _MARKS else _plain(text)


def answers_to(name: str, node: Node) -> set[str]:
    """All that a thing may be called by this field, as it is compared."""
    text = getattr(node, name)
    return {text, text.rpartition(_MARKS[name])[2]} if name in _MARKS else {_plain(text)}


def one(selector: Selector, tree: Tree) -> Node | None:
    """The node that is meant. None: there is none."""
    found = _chosen(selector, matches(selector, tree))
    return found[0] if found else None


def point(node: Node, tree: Tree) -> tuple[int, int] | None:
    """Where it is tapped: in the middle of what is seen of it, or, where something that takes taps was drawn over that,
    at a place beside it. None: nothing of it can be reached."""
    seen = node.bounds.within(tree.screen)
    way = node.parent
    while way != -1:
        if not tree.nodes[way].bounds.empty:
            seen = seen.within(tree.nodes[way].bounds)
        way = tree.nodes[way].parent
    if seen.empty:
        return None
    over = [one for one in tree.nodes[node.end :] if one.clickable and one.visible and not one.bounds.empty]
    for x, y in _places(seen):
        if not any(one.bounds.has(x, y) for one in over):
            return x, y
    return None


def _places(seen: Bounds) -> Iterator[tuple[int, int]]:
    """The middle, and eight places around it."""
    width, height = seen.right - seen.left, seen.bottom - seen.top
    for across, down in ((2, 2), (1, 2), (3, 2), (2, 1), (2, 3), (1, 1), (3, 1), (1, 3), (3, 3)):
        yield seen.left + width * across // 4, seen.top + height * down // 4


def _chosen(selector: Selector, found: list[Node]) -> list[Node]:
    """The one that `index` names, alone; without it all."""
    if selector.index is None:
        return found
    place = selector.index if selector.index >= 0 else len(found) + selector.index
    return found[place : place + 1] if place >= 0 else []


def _anything(node: Node) -> bool:
    return True


def _tests(selector: Selector, tree: Tree) -> list[Test]:
    return [_MAKERS[name](wanted, tree) for name in _OWN if (wanted := getattr(selector, name)) is not None]


def _plain(text: str) -> str:
    """As people read it. Long texts are not kept, whatever an app shows."""
    return _kept_plain(text) if len(text) <= 200 else as_read(text)


@lru_cache(maxsize=10_000)
def _kept_plain(text: str) -> str:
    return as_read(text)


def _said(name: str, tree: Tree) -> Said:
    """What gives a text of a thing as people read it; of a dump that was made where the dump was read."""
    if not tree.read:
        return lambda node: _plain(getattr(node, name))
    at, read = READ.index(name), tree.read
    return lambda node: read[node.at][at]


def _several(texts: str | list[str] | None) -> list[str]:
    return [] if texts is None else [texts] if isinstance(texts, str) else texts


def _equal(attribute: str) -> Maker:
    def make(wanted: str | list[str], tree: Tree) -> Test:
        plain, said = {_plain(text) for text in _several(wanted)}, _said(attribute, tree)
        return lambda node: said(node) in plain

    return make


def _part(attribute: str) -> Maker:
    def make(wanted: str | list[str], tree: Tree) -> Test:
        plain, said = [_plain(text) for text in _several(wanted)], _said(attribute, tree)
        return lambda node: any(text in its for its in (said(node),) for text in plain)

    return make


def _fitting(attribute: str) -> Maker:
    def make(wanted: str, tree: Tree) -> Test:
        pattern = compiled(wanted)
        return lambda node: pattern.in_it(getattr(node, attribute))

    return make


def _named(attribute: str, mark: str) -> Maker:
    """The whole name, or what stands behind the last mark."""

    def make(wanted: str | list[str], tree: Tree) -> Test:
        names = set(_several(wanted))
        return lambda node: bool(names & {getattr(node, attribute), getattr(node, attribute).rpartition(mark)[2]})

    return make


def _flag(attribute: str) -> Maker:
    return lambda wanted, tree: lambda node: bool(getattr(node, attribute) == wanted)


_MAKERS: dict[str, Maker] = {
    "text": _equal("text"),
    "text_containing": _part("text"),
    "text_matching": _fitting("text"),
    "description": _equal("description"),
    "description_containing": _part("description"),
    "description_matching": _fitting("description"),
    "id": _named("id", _MARKS["id"]),
    "kind": _named("kind", _MARKS["kind"]),
    "package": _equal("package"),
    **{name: _flag(name) for name in _FLAGS},
}


def _related(name: str, found: list[Node], other: Selector, tree: Tree) -> list[Node]:
    """Those that stand so to another, which is one node: but what is contained may be any that fits."""
    if name == "containing":
        around = _around(_chosen(other, matches(other, tree)), tree)
        return sorted((node for node in found if node.at in around), key=lambda node: node.end - node.at)
    anchor = one(other, tree)
    if anchor is None:
        return []
    if name == "inside":
        return [node for node in found if anchor.at < node.at < anchor.end]
    if name == "sibling_of":
        return [node for node in found if node.parent == anchor.parent and node.at != anchor.at]
    return _beside(name, found, anchor)


def _around(inner: list[Node], tree: Tree) -> set[int]:
    """All that these are in."""
    around: set[int] = set()
    for node in inner:
        way = node.parent
        while way != -1 and way not in around:
            around.add(way)
            way = tree.nodes[way].parent
    return around


def _beside(name: str, found: list[Node], anchor: Node) -> list[Node]:
    """Those on that side of the anchor, in its column or row, the nearest first."""
    beside = []
    for node in found:
        away = _away(name, node.bounds, anchor.bounds)
        across = name in ("below", "above")
        low, high = (0, 2) if across else (1, 3)
        a, b = tuple(_edges(node.bounds)), tuple(_edges(anchor.bounds))
        if away >= 0 and a[low] < b[high] and b[low] < a[high]:
            beside.append((away, node.at, node))
    return [node for _, _, node in sorted(beside, key=lambda entry: entry[:2])]


def _edges(bounds: Bounds) -> tuple[int, int, int, int]:
    return bounds.left, bounds.top, bounds.right, bounds.bottom


def _away(name: str, place: Bounds, anchor: Bounds) -> int:
    """Pixels between them; fewer than 0: it stands elsewhere."""
    if name == "below":
        return place.top - anchor.bottom
    if name == "above":
        return anchor.top - place.bottom
    if name == "left_of":
        return anchor.left - place.right
    return place.left - anchor.right


def _outside(name: str) -> str:
    return "class" if name == "kind" else name
