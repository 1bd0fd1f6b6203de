"""Patterns of paths in a workspace, as definitions name artefacts by: `dist/*.apk`, `**/report.xml`. Pure.

`*`, `?` and `[...]` match within one name, `**` any number of folders (also none). They are relative, with `/`, and
match what is there; whatever they match lies within the workspace, as no name that is looked at is `..`.
"""

import fnmatch
import re
from collections.abc import Sequence
from functools import lru_cache

LONGEST = 200  # characters
MOST = 50
_MOST_STARS = 8  # of one name: a regular expression tries many ways for each


class BadGlob(ValueError):
    """It is no pattern that can be used. The message says why."""


class Glob:
    """One pattern. Raises BadGlob."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        if not pattern or len(pattern) > LONGEST:
            raise BadGlob(f"a pattern has 1 to {LONGEST} characters")
        if not pattern.isprintable() or "\\" in pattern:
            raise BadGlob(f"{pattern!r} has a control character or a backslash in it")
        if pattern.startswith("/"):
            raise BadGlob(f"{pattern!r} is not relative to the workspace")
        self.parts = [part for part in pattern.split("/") if part not in ("", ".")]
        if ".." in self.parts or not self.parts:
            raise BadGlob(f"{pattern!r} leads out of the workspace, or to nothing in it")
        if any(part.count("*") > _MOST_STARS for part in self.parts):
            raise BadGlob(f"{pattern!r} has more than {_MOST_STARS} * in one name")

    def matches(self, path: Sequence[str]) -> bool:
        """Whether a path, by its names, is one of these."""
        return len(self.parts) in self._after(path)

    def leads_to(self, folder: Sequence[str]) -> bool:
        """Whether something within a folder may be one of these. Git's own folder only where it is named."""
        if tuple(folder[:1]) == (".git",) and self.parts[0] != ".git":
            return False
        return any(place < len(self.parts) for place in self._after(folder))

    def _after(self, path: Sequence[str]) -> frozenset[int]:
        """At which parts one can be when these names are read."""
        return _after(self, tuple(path))

    def first(self) -> frozenset[int]:
        """The same before any is."""
        return self._on({0})

    def further(self, at: frozenset[int], name: str) -> frozenset[int]:
        """The same when one more is."""
        here = {place for place in at if place < len(self.parts)}
        stay = {place for place in here if self.parts[place] == "**"}
        return self._on(stay | {place + 1 for place in here - stay if _fits(self.parts[place], name)})

    def _on(self, at: set[int]) -> frozenset[int]:
        """`**` may stand for no folder."""
        for place, part in enumerate(self.parts):
            if part == "**" and place in at:
                at.add(place + 1)
        return frozenset(at)


@lru_cache(maxsize=2048)  # folders that are open, 64 at most, for each of some patterns: others of them are asked next
def _after(glob: Glob, path: tuple[str, ...]) -> frozenset[int]:
    return glob.further(_after(glob, path[:-1]), path[-1]) if path else glob.first()


def _fits(part: str, name: str) -> bool:
    return _compiled(part).fullmatch(name) is not None


@lru_cache(maxsize=2048)  # as many as some patterns have parts
def _compiled(part: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(part))
