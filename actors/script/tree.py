"""What is on a phone's screen, from what `uiautomator dump` said and wrote. Pure.

The command ends with 0 whether it worked or not, so only what it said counts, and a file is believed only if it was
said to be new. Nothing is guessed out of a broken tree: half of a screen would be tapped as if it were the whole.
"""

import re
from collections.abc import Mapping
from typing import Any
from xml.parsers import expat

from msgspec import Struct

BYTES = 2_000_000  # of one dump; a long chat has 300 kB
NODES = 10_000
QUOTES = 5_000  # in one tag: its attributes are taken at once, while no other thread runs; honest ones have twenty
PIECE = 16_384  # characters that are cleaned at a time: no other thread runs meanwhile
DEPTH = 100  # the deepest that was seen is 47
_SAID = re.compile(r"UI (?:hierchary|hierarchy) dumped to: *(\S+)")  # the tool writes the first
_PATH = re.compile(r"(?!.*/\.\./)/[A-Za-z0-9_./-]{1,200}\Z")
_BOUNDS = re.compile(r"\[(-?[0-9]{1,6}),(-?[0-9]{1,6})\]\[(-?[0-9]{1,6}),(-?[0-9]{1,6})\]\Z")
_REFERENCE = re.compile(r"&#(?:x([0-9A-Fa-f]{1,8})|([0-9]{1,10}));")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DECLARED = re.compile(r"\A\s*<\?xml[^>]*\?>")
_END = "</hierarchy>"
LOST = "\ufffd"  # stands for what XML cannot carry


class Bounds(Struct, frozen=True, array_like=True):
    """A place on the screen in pixels; `right` and `bottom` are the first that are not in it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def empty(self) -> bool:
        return self.right <= self.left or self.bottom <= self.top

    def has(self, x: int, y: int) -> bool:
        return self.left <= x < self.right and self.top <= y < self.bottom

    def within(self, other: "Bounds") -> "Bounds":
        """The part of it that is in the other."""
        return Bounds(
            max(self.left, other.left), max(self.top, other.top),
            min(self.right, other.right), min(self.bottom, other.bottom),
        )  # fmt: skip


NOWHERE = Bounds(0, 0, 0, 0)
READ = ("text", "description", "package")


class Node(Struct, frozen=True, kw_only=True):
    """One thing on the screen. `at`: its place in `Tree.nodes`, which stand in the order of the dump, about that in
    which they are drawn; `parent`: of its parent, -1: none; `end`: of the first behind it that is not in it."""

    at: int
    parent: int
    end: int
    text: str = ""
    id: str = ""  # as `com.android.settings:id/switch`
    kind: str = ""  # its class, as `android.widget.Button`
    package: str = ""
    description: str = ""
    bounds: Bounds = NOWHERE
    clickable: bool = False
    enabled: bool = True
    checked: bool = False
    focused: bool = False
    selected: bool = False
    scrollable: bool = False
    password: bool = False
    visible: bool = True  # False: something lies over it, as a keyboard that makes no room


class Tree(Struct, frozen=True, kw_only=True):
    """A screen. `rotation`: quarters of a turn to the left. `read`: of each node the texts READ as people read them,
    which each selector asks for; none: they are made when they are asked for."""

    nodes: tuple[Node, ...]
    rotation: int = 0
    read: tuple[tuple[str, ...], ...] = ()

    @property
    def screen(self) -> Bounds:
        """All of it that is drawn on."""
        roots = [node.bounds for node in self.nodes if node.parent == -1 and not node.bounds.empty]
        if not roots:
            return NOWHERE
        return Bounds(
            min(one.left for one in roots), min(one.top for one in roots),
            max(one.right for one in roots), max(one.bottom for one in roots),
        )  # fmt: skip


class Seen(Struct, frozen=True, tag="seen"):
    """The screen."""

    tree: Tree


class NotIdle(Struct, frozen=True, tag="not_idle"):
    """Something on the screen never stands still, as the timer of a call. `--compressed` may get through."""


class NoRoot(Struct, frozen=True, tag="no_root"):
    """No window was in front, as in the middle of a change. What lies at the path is an older screen."""


class Crashed(Struct, frozen=True, tag="crashed"):
    """The tool ended without a word, or was killed, or another one holds the access to the screen."""

    said: str = ""


class Elsewhere(Struct, frozen=True, tag="elsewhere"):
    """The dump lies there, not where it was told to be: read it there."""

    path: str


class Unreadable(Struct, frozen=True, tag="unreadable"):
    """What was written is no screen, or too much of one."""

    why: str


Screen = Seen | NotIdle | NoRoot | Crashed | Elsewhere | Unreadable


def read(said: str, file: bytes | None, asked: str) -> Screen:
    """What a dump came to. `said`: all that the command printed; `file`: what lay at the path afterwards, None where
    nothing did; `asked`: the path that it was given. The dump may be in what was said, as to `/dev/tty`."""
    failed = _failed(said)
    if failed is not None:
        return failed
    told = _SAID.search(said.rpartition(_END)[2])  # behind a screen, which may show these words too
    if told is None:
        return Crashed(said=said.strip()[:200])
    if "<hierarchy" in said:
        return parse("".join(said.rpartition(_END)[:2]).encode("utf-8", "replace"))
    if told[1] != asked:
        return Elsewhere(told[1]) if _PATH.match(told[1]) else Unreadable("it was written to a path that is none")
    if file is None or not file.strip():
        return Crashed(said="the file is empty" if file is not None else "there is no file")
    return parse(file)


def _failed(said: str) -> Screen | None:
    head = said.partition("<hierarchy")[0]  # a screen may show these words too
    if "could not get idle state" in head:
        return NotIdle()
    if "null root node" in head:
        return NoRoot()
    if not said.strip():
        return Crashed()
    if "ERROR:" in head:  # without it, what is said before the dump is warnings: only its last words count
        return Crashed(said=head.strip()[:200])
    return None


def parse(data: bytes) -> Seen | Unreadable:
    """The screen of a dump's bytes. No entity is expanded and nothing is fetched."""
    if len(data) > BYTES:
        return Unreadable(f"more than {BYTES} bytes")
    text = _cleaned(data.decode("utf-8", "replace"))
    if "<!" in text:
        return Unreadable("it declares a type or entities, or has a comment: no dump does")
    if text.count("<") > 3 * NODES:
        return Unreadable(f"more than {NODES} nodes")
    if any(max(tag.count('"'), tag.count("'")) > QUOTES for tag in text.split("<")):
        return Unreadable("a thing with more attributes than any has")
    reader = _Reader()
    try:
        reader.read(text.encode())
    except expat.ExpatError as error:
        return Unreadable(f"no XML: {error}"[:200])
    except _NoScreen as error:
        return Unreadable(str(error))
    return Seen(Tree(nodes=tuple(Node(**fields) for fields in reader.found), rotation=reader.rotation))


def _cleaned(text: str) -> str:
    """The text without what XML 1.0 forbids, which old phones write all the same, by itself or by its number."""
    text = _DECLARED.sub("", text.lstrip("\ufeff"))
    pieces = (text[at : at + PIECE] for at in range(0, len(text), PIECE))
    return _REFERENCE.sub(_referred, "".join([_NOT_XML.sub(LOST, piece) for piece in pieces]))


def _referred(match: re.Match[str]) -> str:
    code = int(match[1], 16) if match[1] else int(match[2])
    return LOST if code > 0x10FFFF or _NOT_XML.match(chr(code)) else match[0]


class _NoScreen(Exception):
    """It is XML, and no screen. The message says why."""


class _Reader:
    """All nodes, without recursion. `way`: where those stand that are open. By expat, of which nothing is left when it
    is done: libxml2 keeps each name that it has ever read, for each thread, and whoever makes up names fills memory."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self.rotation = 0
        self._way: list[int] = []
        self._begun = False

    def read(self, data: bytes) -> None:
        """Raises ExpatError, _NoScreen."""
        parser = expat.ParserCreate("utf-8", intern={})
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._end
        parser.Parse(data, True)

    def _begin(self, tag: str, said: Mapping[str, str]) -> None:
        if not self._begun:
            self._begun = True
            if tag != "hierarchy":
                raise _NoScreen(f"its root is `{tag[:40]}`, not `hierarchy`")
            rotation = said.get("rotation", "0")
            self.rotation = int(rotation) if rotation in ("0", "1", "2", "3") else 0
            return
        if tag != "node":
            raise _NoScreen(f"an element `{tag[:40]}` in it")
        at = len(self.found)
        if at == NODES or len(self._way) == DEPTH:
            raise _NoScreen(f"more than {NODES} nodes" if at == NODES else f"deeper than {DEPTH}")
        self.found.append(_fields(said, at=at, parent=self._way[-1] if self._way else -1))
        self._way.append(at)

    def _end(self, tag: str) -> None:
        if self._way:  # else it is the root's
            self.found[self._way.pop()]["end"] = len(self.found)


def _fields(said: Mapping[str, str], at: int, parent: int) -> dict[str, Any]:
    texts = {"text": "text", "id": "resource-id", "kind": "class", "package": "package", "description": "content-desc"}
    flags = ("clickable", "checked", "focused", "selected", "scrollable", "password")
    place = _BOUNDS.match(said.get("bounds", ""))
    return {
        "at": at,
        "parent": parent,
        "bounds": Bounds(*map(int, place.groups())) if place else NOWHERE,
        "enabled": said.get("enabled", "true") == "true",
        "visible": said.get("visible-to-user", "true") != "false",
        **{name: said.get(attribute, "") for name, attribute in texts.items()},
        **{name: said.get(name) == "true" for name in flags},
    }
