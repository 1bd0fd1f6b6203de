"""What is too much to be read of a TOML text, found before it is read. Pure.

`tomllib` takes the square of a dotted name's length in time and memory, and more for each table in it. So the signs
that a text gets its values by are counted first: outside of its strings and comments, where it is TOML so far. What
stands behind a fault is not looked at right, but it is not read by `tomllib` either.
"""

import re

PARTS = 20  # of a dotted name; blocks and selectors, as deep as they may be, need fewer
VALUES = 20_000  # signs that begin one: 500 steps, as the longest that is shipped has them, need 8,000
LONGEST_WORD = 1000  # characters of a number, or of a name without quotes
_WORD = re.compile(r"[A-Za-z0-9_+-]+")
_SIGN = re.compile(r"[\"'#.=,\[{A-Za-z0-9_+-]")
_ENDS = {
    '"""': re.compile(r'(?:[^"\\]|\\.|"(?!""))*', re.DOTALL),
    "'''": re.compile(r"(?:[^']|'(?!''))*"),
    '"': re.compile(r'(?:[^"\\\n]|\\.)*'),
    "'": re.compile(r"[^'\n]*"),
}  # fmt: skip


def too_much(text: str) -> tuple[int, str] | None:
    """Where there is too much, as an offset into the text, and of what. None: it may be read."""
    at, values, parts = 0, 0, 1
    while (sign := _SIGN.search(text, at)) is not None:
        at = sign.start()
        what = sign[0]
        if what in "=,[{":
            at, values, parts = at + 1, values + 1, 1
        elif what == ".":
            at, parts = at + 1, parts + 1
        else:
            after = _past(text, at)
            if after is None:
                return None  # it never ends: that is for `tomllib` to say
            if what == "#":
                parts = 1
            elif what not in "\"'" and after - at > LONGEST_WORD:
                return at, f"longer than {LONGEST_WORD} characters, without quotes"
            at = after
        if values > VALUES:
            return at - 1, f"more than {VALUES} values"
        if parts > PARTS:
            return at - 1, f"a name of more than {PARTS} parts"
    return None


def _past(text: str, at: int) -> int | None:
    """Behind the comment, the string or the word there. None: it has no end."""
    if text[at] == "#":
        end = text.find("\n", at)
        return end if end != -1 else len(text)
    if text[at] not in "\"'":
        word = _WORD.match(text, at)
        return word.end() if word else None
    quote = text[at] * (3 if text.startswith(text[at] * 3, at) else 1)
    inside = _ENDS[quote].match(text, at + len(quote))
    end = inside.end() if inside else at
    return end + len(quote) if text.startswith(quote, end) else None

