"""Regular expressions of scripts. They come from whoever writes a script, and are tried on what any app shows, so they
are RE2's: their time grows with the text alone, whatever they are, and none can be written that takes for ever. Look-
arounds and back references are what it does without. Pure.
"""

from functools import lru_cache
from typing import Any

import re2

LONGEST = 500  # characters of a pattern
_MEMORY = 1 << 20  # bytes of what a pattern becomes
LARGE = 2000  # instructions, of 8 bytes, from which on a pattern is a large one
_compile: Any = re2.compile  # it has no types


class BadPattern(ValueError):
    """It is no pattern that can be used. The message says why."""


def compiled(pattern: str) -> "Pattern":
    """The pattern, ready. Raises BadPattern."""
    if len(pattern) > LONGEST:
        raise BadPattern(f"longer than {LONGEST} characters")
    return _kept(pattern) or _made(pattern)


@lru_cache(maxsize=1000)
def _kept(pattern: str) -> "Pattern | None":
    """None: it is a large one. Of those fewer are kept: whoever has scripts checked has many made."""
    made = _made(pattern)
    return made if made.work <= LARGE else None


@lru_cache(maxsize=32)
def _made(pattern: str) -> "Pattern":
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        return Pattern(_compile(pattern, options))
    except re2.error as error:
        said = error.args[0] if error.args else ""
        raise BadPattern(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)) from None
    except UnicodeEncodeError:
        raise BadPattern("it has half a character in it") from None
    finally:
        re2.purge()  # it keeps 128 itself


class Pattern:
    """One that was compiled."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    @property
    def groups(self) -> int:
        """How many groups in brackets it has."""
        return int(self._compiled.groups)

    @property
    def work(self) -> int:
        """How many instructions it is: it took a microsecond or two for each to make it."""
        return int(self._compiled.programsize)

    def in_it(self, text: str) -> bool:
        """Whether some of the text fits."""
        return self._compiled.search(_whole(text)) is not None

    def fits(self, text: str) -> bool:
        """Whether all of the text fits."""
        return self._compiled.fullmatch(_whole(text)) is not None

    def out_of(self, text: str) -> str | None:
        """The first group of the first place that fits, all of the place if it has none. None: no place fits."""
        match = self._compiled.search(_whole(text))
        if match is None:
            return None
        return str((match.group(1) if self.groups else match.group(0)) or "")


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
