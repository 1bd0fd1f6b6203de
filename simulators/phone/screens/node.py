"""What is on a screen: rectangles, and the nodes of the accessibility tree, as `uiautomator dump` writes them. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

Act = Callable[[], None]
# How letters are written in a dump: those that no XML has are dots, as Android's dumper makes them.
WRITTEN = str.maketrans(
    {chr(code): "." for code in (*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF)}
    | {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\t": "&#9;"}
)


class Rect(NamedTuple):
    """Pixels of the screen, from `left` and `top` up to `right` and `bottom`, which are outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def centre(self) -> tuple[int, int]:
        return (self.left + self.right) // 2, (self.top + self.bottom) // 2

    def holds(self, x: int, y: int) -> bool:
        return self.left <= x < self.right and self.top <= y < self.bottom

    def within(self, other: "Rect") -> bool:
        return self == self.common(other)

    def common(self, other: "Rect") -> "Rect":
        """What both cover; of no size where they do not meet."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        return Rect(left, top, max(left, min(self.right, other.right)), max(top, min(self.bottom, other.bottom)))

    def inset(self, x: int, y: int) -> "Rect":
        """Smaller by this much at each side, as far as there is room."""
        x, y = max(0, min(x, self.width // 2)), max(0, min(y, self.height // 2))
        return Rect(self.left + x, self.top + y, self.right - x, self.bottom - y)

    def split_top(self, height: int) -> tuple["Rect", "Rect"]:
        """The upper part of this height, and the rest."""
        at = min(self.top + height, self.bottom)
        return self._replace(bottom=at), self._replace(top=at)

    def split_bottom(self, height: int) -> tuple["Rect", "Rect"]:
        """The rest, and the lower part of this height."""
        at = max(self.bottom - height, self.top)
        return self._replace(bottom=at), self._replace(top=at)

    def split_left(self, width: int) -> tuple["Rect", "Rect"]:
        at = min(self.left + width, self.right)
        return self._replace(right=at), self._replace(left=at)

    def split_right(self, width: int) -> tuple["Rect", "Rect"]:
        at = max(self.right - width, self.left)
        return self._replace(right=at), self._replace(left=at)

    def columns(self, count: int) -> list["Rect"]:
        at = [self.left + self.width * place // count for place in range(count + 1)]
        return [self._replace(left=at[place], right=at[place + 1]) for place in range(count)]

    def rows(self, count: int) -> list["Rect"]:
        at = [self.top + self.height * place // count for place in range(count + 1)]
        return [self._replace(top=at[place], bottom=at[place + 1]) for place in range(count)]


@dataclass(frozen=True)
class Paint:
    """How a node is drawn. `size` of its text in sp; `icon` in place of a text."""

    fill: str = ""
    ink: str = "#202124"
    size: int = 16
    align: str = "left"
    icon: str = ""
    round: bool = False


@dataclass(frozen=True, eq=False)
class Node:
    """One node. `kind` is its class without `android.widget.`, `id` its resource id without the package. `tap` and
    `hold`: what a touch does; `scroll`: by how many rows, forward or back; `field`: which text is typed into here;
    `hint` stands in for the text of an empty field. `covered`: another window lies over its middle."""

    bounds: Rect
    kind: str = "FrameLayout"
    text: str = ""
    hint: str = ""
    id: str = ""
    desc: str = ""
    tap: Act | None = None
    hold: Act | None = None
    scroll: Callable[[int], None] | None = None
    field: str = ""
    focused: bool = False
    password: bool = False
    checkable: bool = False
    checked: bool = False
    selected: bool = False
    enabled: bool = True
    covered: bool = False
    package: str = ""  # where it is not its window's
    paint: Paint = Paint()
    children: tuple["Node", ...] = ()

    @property
    def shown(self) -> str:
        """The text that is seen: dots for a password, the hint for nothing."""
        return "•" * len(self.text) if self.password else self.text or self.hint

    @property
    def touchable(self) -> bool:
        return self.tap is not None or bool(self.field)

    def walk(self) -> Iterator["Node"]:
        """This node and those inside, in the order in which they are drawn."""
        yield self
        for child in self.children:
            yield from child.walk()

    def at(self, x: int, y: int, wanted: Callable[["Node"], bool]) -> "Node | None":
        """The topmost node there that is wanted."""
        found = [node for node in self.walk() if node.bounds.holds(x, y) and wanted(node)]
        return found[-1] if found else None


def under(node: Node, cover: Rect) -> Node:
    """The node with everything marked whose middle is covered."""
    children = tuple(under(child, cover) for child in node.children)
    return replace(node, children=children, covered=cover.holds(*node.bounds.centre))


def to_xml(root: Node, package: str, rotation: int, *, compressed: bool = False) -> str:
    """The window as `uiautomator dump` writes it: in one line, and `--compressed` without what only arranges."""
    body = _element(_compressed(root) if compressed else root, 0, package)
    declaration = "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>"
    return f'{declaration}<hierarchy rotation="{rotation}">{body}</hierarchy>'


def _compressed(root: Node) -> Node:
    """The root stays, whatever it is."""
    return replace(root, children=tuple(one for child in root.children for one in _important(child)))


def _important(node: Node) -> tuple[Node, ...]:
    children = tuple(one for child in node.children for one in _important(child))
    if node.text or node.hint or node.desc or node.id or node.touchable or node.scroll:
        return (replace(node, children=children),)
    return children


def _element(node: Node, index: int, package: str) -> str:
    if not (node.bounds.width and node.bounds.height):
        return ""  # nobody sees it, and no dump has it
    package = node.package or package
    kind = node.kind if "." in node.kind else f"android.widget.{node.kind}"
    bounds = node.bounds
    attributes: dict[str, str | bool] = {
        "index": str(index),
        "text": node.shown,
        "resource-id": node.id if ":" in node.id or not node.id else f"{package}:id/{node.id}",
        "class": kind,
        "package": package,
        "content-desc": node.desc,
        "checkable": node.checkable,
        "checked": node.checked,
        "clickable": node.touchable,
        "enabled": node.enabled,
        "focusable": node.touchable,
        "focused": node.focused,
        "scrollable": node.scroll is not None,
        "long-clickable": node.hold is not None or bool(node.field),
        "password": node.password,
        "selected": node.selected,
    }
    if node.covered:
        attributes["visible-to-user"] = False
    shown = " ".join(f'{name}="{_value(value)}"' for name, value in attributes.items())
    opening = f'<node {shown} bounds="[{bounds.left},{bounds.top}][{bounds.right},{bounds.bottom}]"'
    inside = "".join(_element(child, place, package) for place, child in enumerate(node.children))
    return f"{opening}>{inside}</node>" if inside else f"{opening} />"


def _value(value: str | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.translate(WRITTEN)
