"""Screens in the shape of real dumps, for tests."""

from pathlib import Path

from actors.script.tree import Bounds, Node, Seen, Tree, parse

FOLDER = Path(__file__).parent / "trees"
NAMES = sorted(path.stem for path in FOLDER.glob("*.xml"))


def data(name: str) -> bytes:
    """The dump of that name."""
    return (FOLDER / f"{name}.xml").read_bytes()


def screen(name: str) -> Tree:
    """The screen of that name."""
    seen = parse(data(name))
    assert isinstance(seen, Seen), seen
    return seen.tree


def drawn(*things: tuple[str, tuple[int, int, int, int]], clickable: bool = True, package: str = "an.app") -> Tree:
    """A screen of texts and where they stand, in a frame of 1,000 by 2,000 pixels."""
    frame = Node(at=0, parent=-1, end=len(things) + 1, bounds=Bounds(0, 0, 1000, 2000), package=package)
    nodes = [
        Node(at=at, parent=0, end=at + 1, text=text, bounds=Bounds(*place), clickable=clickable, package=package)
        for at, (text, place) in enumerate(things, 1)
    ]
    return Tree(nodes=(frame, *nodes))
