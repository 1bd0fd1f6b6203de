"""Texts of a screen as people read them: without regard to case, to what is not seen (marks of direction, blanks of
other widths, soft hyphens) and to how a letter is put together. Pure."""

import re
from typing import TypeVar

from msgspec.structs import replace

from actors.runtime.letters import composed
from actors.script.tree import READ, Seen

_UNSEEN = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_BLANKS = re.compile(r"\s+")
Read = TypeVar("Read")  # what a dump was read as


def as_read(text: str) -> str:
    """A text, to be compared with others that were made so."""
    return _BLANKS.sub(" ", _UNSEEN.sub("", composed(text))).strip().casefold()


def ready(screen: Read) -> Read | Seen:
    """A screen with its texts made ready to be compared, once for all selectors; what is none, as it is."""
    if not isinstance(screen, Seen):
        return screen
    read = tuple(tuple(as_read(getattr(node, name)) for name in READ) for node in screen.tree.nodes)
    return Seen(replace(screen.tree, read=read))
