"""What the pages of apps are put together from: bars, rows, buttons, fields and lists, sized for one display. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simulators.phone.screens.node import Act, Node, Paint, Rect
from simulators.phone.screens.profile import Profile
from simulators.phone.screens.words import Words

GREY, BLUE, GREEN, RED, WHITE, DARK = "#5f6368", "#1a73e8", "#1e8e3e", "#d93025", "#ffffff", "#1f2a36"
PALE, LINE = "#f1f3f4", "#e8eaed"
Ids = tuple[str, str]  # the resource id in each layout


@dataclass(frozen=True)
class Field:
    """A text field as its app holds it."""

    name: str
    text: str
    focused: bool


class Kit:
    """Parts for the pages of one app. `area`: the pixels that the app has."""

    def __init__(self, profile: Profile, area: Rect) -> None:
        self.profile = profile
        self.words = Words(profile.language)
        self.area = area

    @property
    def second(self) -> bool:
        """The second of the two layouts."""
        return self.profile.layout == 2

    def px(self, dp: float) -> int:
        return round(dp * self.profile.display.dpi / 160)

    def id(self, ids: Ids) -> str:
        return ids[self.profile.layout - 1]

    # --- parts

    def text(
        self, at: Rect, text: str, ids: Ids = ("", ""), *, size: int = 16, ink: str = "#202124", align: str = "left"
    ) -> Node:
        return Node(at, "TextView", text, id=self.id(ids), paint=Paint(ink=ink, size=size, align=align))

    def button(
        self, at: Rect, text: str, ids: Ids, tap: Act | None, *, fill: str = PALE, ink: str = BLUE, desc: str = ""
    ) -> Node:
        paint = Paint(fill=fill, ink=ink, size=16, align="centre", round=True)
        return Node(at, "Button", text, id=self.id(ids), desc=desc, tap=tap, paint=paint)

    def icon(
        self, at: Rect, icon: str, desc: str, ids: Ids, tap: Act | None, *, fill: str = "", ink: str = "#202124"
    ) -> Node:
        """A button with a picture, whose name is said to those who cannot see it."""
        paint = Paint(fill=fill, ink=ink, icon=icon, round=bool(fill))
        return Node(at, "ImageButton", id=self.id(ids), desc=desc, tap=tap, paint=paint)

    def field(self, at: Rect, field: Field, hint: str, ids: Ids, *, password: bool = False, size: int = 16) -> Node:
        return Node(
            at, "EditText", field.text, id=self.id(ids), field=field.name, focused=field.focused, password=password,
            hint=hint, paint=Paint(fill=PALE, size=size, ink="#202124" if field.text else GREY, round=True),
        )  # fmt: skip

    def group(self, at: Rect, children: Sequence[Node], ids: Ids = ("", ""), *, kind: str = "LinearLayout",
              tap: Act | None = None, hold: Act | None = None, desc: str = "", fill: str = "") -> Node:  # fmt: skip
        return Node(at, kind, id=self.id(ids), desc=desc, tap=tap, hold=hold, children=tuple(children),
                    paint=Paint(fill=fill))  # fmt: skip

    # --- arrangements

    def page(self, children: Sequence[Node], *, fill: str = WHITE) -> Node:
        """All that an app shows."""
        content = Node(self.area, "FrameLayout", id="android:id/content", children=tuple(children))
        return Node(self.area, "FrameLayout", children=(content,), paint=Paint(fill=fill))

    def bar(self, title: str, back: Act | None, at: Rect, *more: tuple[str, str, Ids, Act]) -> Node:
        """The bar on top. `more`: icon, name, ids and effect of each button at its right."""
        rest, parts = at, []
        if back is not None:
            corner, rest = rest.split_left(self.px(56))
            parts.append(self.icon(corner, "back", self.words["navigate up"], ("", ""), back))
        buttons = []
        for icon, name, ids, tap in reversed(more):
            rest, corner = rest.split_right(self.px(52))
            buttons.append(self.icon(corner, icon, name, ids, tap))
        ids = ("action_bar_title", "toolbar_title")
        parts.append(self.text(rest.inset(self.px(16), self.px(4)), title, ids, size=20))
        return self.group(at, [*parts, *reversed(buttons)], ("action_bar", "toolbar"), fill=PALE)

    def row(
        self, at: Rect, title: str, summary: str = "", tap: Act | None = None, *, ids: Ids = ("", ""),
        hold: Act | None = None, side: Sequence[Node] = (),
    ) -> Node:  # fmt: skip
        """A line of a list. `side`: what stands at its right."""
        inner = at.inset(self.px(16), self.px(4))
        if side:
            inner = inner._replace(right=max(inner.left, side[0].bounds.left - self.px(4)))
        ids_title, ids_summary = ("android:id/title",) * 2, ("android:id/summary",) * 2
        parts = [self.text(inner, title, ids_title)]
        if summary:
            upper, lower = inner.rows(2)
            parts = [self.text(upper, title, ids_title), self.text(lower, summary, ids_summary, size=13, ink=GREY)]
        return self.group(at, [*parts, *side], ids, tap=tap, hold=hold)

    def switch(self, at: Rect, title: str, on: bool, flip: Act, ids: Ids) -> Node:
        """A line with a switch. In the first layout all of it flips, in the second the switch alone."""
        _, corner = at.split_right(self.px(124))
        paint = Paint(fill=GREEN if on else LINE, ink=WHITE if on else GREY, align="centre", size=13, round=True)
        word = self.words["on" if on else "off"]
        side = Node(
            corner.inset(self.px(8), self.px(12)), "Switch", word, id=self.id(ids), checkable=True, checked=on,
            desc=title if self.second else "", tap=flip if self.second else None, paint=paint,
        )  # fmt: skip
        return self.row(at, title, tap=None if self.second else flip, side=[side])

    def list(
        self, at: Rect, rows: Sequence[Callable[[Rect], Node]], ids: Ids, offset: int, scroll: Callable[[int], None],
        *, height: float = 64,
    ) -> Node:  # fmt: skip
        """As many whole rows as there is room for, from `offset` on. What does not fit can be scrolled to."""
        size = self.px(height)
        fit = max(at.height // size, 1)
        first = max(0, min(offset, len(rows) - fit))
        shown, rest = [], at
        for row in rows[first : first + fit]:
            place, rest = rest.split_top(size)
            shown.append(row(place))
        kind = "androidx.recyclerview.widget.RecyclerView" if self.second else "ListView"

        def move(by: int) -> None:
            scroll(max(0, min(first + by, len(rows) - fit)))

        return Node(at, kind, id=self.id(ids), scroll=move if len(rows) > fit else None, children=tuple(shown))
