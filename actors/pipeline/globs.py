"""Patterns of branches, and of what outside services post: `*` stands for anything, `?` for a letter, `[...]` for one
of some. They are tried in the loop of a host, hundreds of them, so none may be hard to make a regular expression of:
one of another letter than ASCII's in brackets has Python look through all 65,536 (0.6 ms). Pure.
"""

import re
from fnmatch import translate
from functools import lru_cache

MOST = 8  # `*` in one, and `[`
_IN_BRACKETS = re.compile(r"\[!?\]?[^]]*")


def odd_glob(glob: str) -> str | None:
    """Why it is no pattern that can be used."""
    within = _IN_BRACKETS.findall(glob)
    if glob.count("*") > MOST or len(within) > MOST:
        return f"more than {MOST} `*` or `[` in one"
    return None if all(map(str.isascii, within)) else "another letter than ASCII's in brackets"


def fits(glob: str, text: str) -> bool:
    """Whether all of a text fits; into an odd one, which may be on record from before, none does."""
    made = _made(glob)
    return made is not None and made.match(text) is not None


@lru_cache(maxsize=2048)  # of 8 kB at most
def _made(glob: str) -> re.Pattern[str] | None:
    return re.compile(translate(glob)) if odd_glob(glob) is None else None
