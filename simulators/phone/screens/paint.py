"""A phone's screen as a picture: the same windows that a dump describes, drawn with Pillow."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from simulators.phone.screens.node import Node, Rect
from simulators.phone.screens.screens import Screens

SMALLEST = 7  # pixels; text that fits at no size is cut
PADDING = 2
SHADE = 110  # of 255: how dark it gets behind a question


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    path = files("fontpkg_noto_sans") / "files" / "NotoSans[wdth,wght].ttf"
    return ImageFont.truetype(io.BytesIO(path.read_bytes()), size, layout_engine=ImageFont.Layout.BASIC)


class Lines(NamedTuple):
    """A text as it fits: its lines, the size of its letters in pixels, and the height of a line."""

    lines: tuple[str, ...]
    size: int
    height: int


@lru_cache(maxsize=4096)
def fit(text: str, width: int, height: int, size: int) -> Lines:
    """The text in letters of `size` or, where that does not go into the room, smaller ones, in several lines if there
    is height for them."""
    found = Lines((), SMALLEST, 1)
    while size >= SMALLEST:
        font, tall = _font(size), round(size * 1.36)
        lines = _wrapped(text, width, font)
        found = Lines(lines, size, tall)
        if len(lines) * tall <= height and all(font.getlength(line) <= width for line in lines):
            return found
        size -= max(1, size // 12)
    return found._replace(lines=found.lines[: max(height // found.height, 0)])


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont) -> tuple[str, ...]:
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and font.getlength(longer) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return tuple(lines)


@dataclass
class Painter:
    """Draws nodes into a picture of `dpi` dots per inch."""

    picture: Image.Image
    dpi: int

    def __post_init__(self) -> None:
        self.draw = ImageDraw.Draw(self.picture)

    def window(self, root: Node) -> None:
        for node in root.walk():
            if node.bounds.width > 0 and node.bounds.height > 0:
                self._node(node)

    def _node(self, node: Node) -> None:
        paint, at = node.paint, node.bounds
        if paint.fill:
            box = (at.left, at.top, at.right - 1, at.bottom - 1)
            radius = min(self.px(20), at.height // 2, at.width // 2) if paint.round else 0
            self.draw.rounded_rectangle(box, radius, fill=paint.fill)
        elif node.kind == "LinearLayout" and node.touchable:
            self.draw.line((at.left, at.bottom - 1, at.right - 1, at.bottom - 1), fill="#dadce0")
        if paint.icon:
            self._icon(node)
        elif node.shown:
            self._text(node)
        if node.focused:
            self.draw.line((at.left, at.bottom - 2, at.right - 1, at.bottom - 2), fill="#1a73e8", width=2)

    def px(self, dp: float) -> int:
        return round(dp * self.dpi / 160)

    def fitted(self, node: Node) -> Lines:
        """A node's text as it is drawn."""
        room = self._room(node)
        return fit(node.shown, room.width, room.height, self.px(node.paint.size))

    def _room(self, node: Node) -> Rect:
        across = PADDING + (self.px(12) if node.paint.fill else 0)
        return node.bounds.inset(min(across, node.bounds.width // 6), 0)

    def _text(self, node: Node) -> None:
        room, (lines, size, tall) = self._room(node), self.fitted(node)
        top = room.top + (room.height - len(lines) * tall) // 2
        font = _font(size)
        for place, line in enumerate(lines):
            spare = room.width - font.getlength(line)
            left = room.left + (spare / 2 if node.paint.align == "centre" else 0)
            self.draw.text((left, top + place * tall), line, font=font, fill=node.paint.ink)

    def _icon(self, node: Node) -> None:
        at = node.bounds
        side = min(self.px(28), at.width, at.height)
        x, y = at.centre
        shape = SHAPES.get(node.paint.icon, _unknown)
        shape(self.draw, Box(x - side / 2, y - side / 2, side, node.paint.ink, max(2, self.px(2))))


class Box(NamedTuple):
    """A square for an icon: its upper left corner and its side in pixels, the colour and the width of lines."""

    x: float
    y: float
    side: float
    ink: str
    width: int

    def at(self, *points: tuple[float, float]) -> list[tuple[float, float]]:
        """Points of the unit square."""
        return [(self.x + x * self.side, self.y + y * self.side) for x, y in points]


Shape = Callable[[ImageDraw.ImageDraw, Box], None]


def _lines(*strokes: tuple[tuple[float, float], ...]) -> Shape:
    def shape(draw: ImageDraw.ImageDraw, box: Box) -> None:
        for stroke in strokes:
            draw.line(box.at(*stroke), fill=box.ink, width=box.width, joint="curve")

    return shape


def _filled(*points: tuple[float, float]) -> Shape:
    return lambda draw, box: draw.polygon(box.at(*points), fill=box.ink)


def _dots(*points: tuple[float, float], size: float = 0.09) -> Shape:
    def shape(draw: ImageDraw.ImageDraw, box: Box) -> None:
        for x, y in box.at(*points):
            radius = box.side * size
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=box.ink)

    return shape


def _ring(size: float, dot: float = 0.0, handle: bool = False) -> Shape:
    def shape(draw: ImageDraw.ImageDraw, box: Box) -> None:
        (left, top), (right, bottom) = box.at((0.5 - size, 0.5 - size), (0.5 + size, 0.5 + size))
        draw.ellipse((left, top, right, bottom), outline=box.ink, width=box.width)
        if dot:
            _dots((0.5, 0.5), size=dot)(draw, box)
        if handle:
            draw.line(box.at((0.72, 0.72), (0.95, 0.95)), fill=box.ink, width=box.width)

    return shape


def _unknown(draw: ImageDraw.ImageDraw, box: Box) -> None:
    draw.rectangle([*box.at((0.2, 0.2))[0], *box.at((0.8, 0.8))[0]], outline=box.ink, width=box.width)


HANDSET = ((0.2, 0.1), (0.4, 0.1), (0.45, 0.35), (0.33, 0.45), (0.55, 0.67), (0.65, 0.55), (0.9, 0.6), (0.9, 0.8),
           (0.75, 0.92), (0.4, 0.75), (0.15, 0.4), (0.1, 0.2))  # fmt: skip
LYING = ((0.05, 0.55), (0.2, 0.38), (0.5, 0.32), (0.8, 0.38), (0.95, 0.55), (0.9, 0.7), (0.7, 0.65), (0.68, 0.5),
         (0.32, 0.5), (0.3, 0.65), (0.1, 0.7))  # fmt: skip
GRID = tuple((0.2 + 0.3 * column, 0.2 + 0.3 * row) for row in range(3) for column in range(3))
SHAPES: Mapping[str, Shape] = {
    "back": _lines(((0.85, 0.5), (0.15, 0.5)), ((0.45, 0.2), (0.15, 0.5), (0.45, 0.8))),
    "home": _ring(0.3),
    "recents": _lines(((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.2))),
    "phone": _filled(*HANDSET),
    "end": _filled(*LYING),
    "keypad": _dots(*GRID),
    "more": _dots((0.5, 0.2), (0.5, 0.5), (0.5, 0.8)),
    "search": _ring(0.3, handle=True),
    "send": _filled((0.1, 0.15), (0.95, 0.5), (0.1, 0.85), (0.25, 0.5)),
    "messenger": _filled((0.05, 0.5), (0.95, 0.1), (0.75, 0.9), (0.45, 0.7), (0.4, 0.9), (0.3, 0.6)),
    "settings": _ring(0.35, dot=0.15),
    "delete": _lines(((0.05, 0.5), (0.3, 0.2), (0.95, 0.2), (0.95, 0.8), (0.3, 0.8), (0.05, 0.5)),
                     ((0.45, 0.37), (0.75, 0.63)), ((0.45, 0.63), (0.75, 0.37))),
    "enter": _lines(((0.9, 0.2), (0.9, 0.6), (0.15, 0.6)), ((0.35, 0.4), (0.15, 0.6), (0.35, 0.8))),
    "chosen": _ring(0.35, dot=0.2),
    "free": _ring(0.35),
}  # fmt: skip


def picture(screens: Screens) -> Image.Image:
    """What is on the screen now; black, if it is off."""
    screen = screens.screen
    image = Image.new("RGB", (screen.width, screen.height), "black")
    if not screens.awake:
        return image
    painter = Painter(image, screens.display.dpi)
    main, *others = screens.windows()
    painter.window(main.root)
    if screens.questions or screens.body.shows:
        image.paste(Image.blend(image, Image.new("RGB", image.size, "black"), SHADE / 255))
    for window in others:
        painter.window(window.root)
    return image


def png(screens: Screens) -> bytes:
    """The screen as a PNG file. Pillow's own writer weighs five filters for each row, which takes ten times as long as
    all of the drawing, and keeps every other phone of the process waiting."""
    image = picture(screens)
    data, width = image.tobytes(), image.width * 3
    rows = b"".join(b"\0" + data[at : at + width] for at in range(0, len(data), width))
    head = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_part(name, content) for name, content in parts)


def _part(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def pixels(screens: Screens) -> tuple[int, int, bytes]:
    """Width and height in pixels, and the screen's pixels as RGBA."""
    image = picture(screens)
    return image.width, image.height, image.convert("RGBA").tobytes()
