"""Where in a TOML file each of its values stands. Pure.

`tomllib` reads the file and says what is wrong with its text; of a value that is well written and wrong it knows no
place any more. So a text that it has accepted is walked once more, for the places alone: what is valid is known by
then, and this need not tell.
"""

import re

Path = tuple[str | int, ...]
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_END = re.compile(r"[^,\]}#\n]*")
_ESCAPES = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_SHORT = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
_QUOTES = ('"""', "'''", '"', "'")


def places(text: str) -> dict[Path, int]:
    """Of each table and value of a text that `tomllib` accepts, by its way from the top: where its name begins, or, of
    an element of an array, the element itself, as an offset into the text."""
    return _Walk(text).all()


def place(offset: int, text: str) -> tuple[int, int]:
    """Line and column, from 1."""
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")


def nearest(path: Path, known: dict[Path, int]) -> int:
    """Where the value stands, or else the innermost table that it would stand in."""
    while path and path not in known:
        path = path[:-1]
    return known.get(path, 0)


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: dict[Path, int] = {(): 0}
        self._tables: dict[Path, int] = {}  # arrays of tables, and how many they have by now

    def all(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip() < len(self._text):
            table = self._header() if self._text[self._at] == "[" else self._pair(table)
        return self._found

    def _skip(self) -> int:
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at

    def _header(self) -> Path:
        began, many = self._at, self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        way = self._inside((), self._key(), began, last=not many)
        self._at += 2 if many else 1
        if many:
            self._tables[way] = self._tables.get(way, 0) + 1
            self._found.setdefault(way, began)
            way = (*way, self._tables[way] - 1)
        self._found[way] = began
        return way

    def _inside(self, way: Path, key: tuple[str, ...], began: int, *, last: bool) -> Path:
        """The way of a header: through an array of tables it goes by the newest."""
        for number, name in enumerate(key):
            way = (*way, name)
            if way in self._tables and (last or number + 1 < len(key)):
                way = (*way, self._tables[way] - 1)
            elif number + 1 < len(key):
                self._found.setdefault(way, began)
        return way

    def _pair(self, table: Path) -> Path:
        began = self._at
        way = (*table, *self._key())
        for length in range(len(table) + 1, len(way) + 1):
            self._found.setdefault(way[:length], began)
        self._skip()
        self._at += 1  # the `=`
        self._value(way)
        return table

    def _key(self) -> tuple[str, ...]:
        names = []
        while True:
            self._skip()
            bare = _BARE.match(self._text, self._at)
            names.append(bare[0] if bare else self._string())
            self._at = bare.end() if bare else self._at
            if not self._text.startswith(".", self._skip()):
                return tuple(names)
            self._at += 1

    def _value(self, way: Path) -> None:
        self._skip()
        sign = self._text[self._at]
        if sign == "[":
            self._array(way)
        elif sign == "{":
            self._inline(way)
        elif sign in "\"'":
            self._string()
        else:
            match = _END.match(self._text, self._at)
            self._at = match.end() if match else self._at

    def _array(self, way: Path) -> None:
        self._at += 1
        number = 0
        while self._text[self._skip()] != "]":
            self._found[(*way, number)] = self._at
            self._value((*way, number))
            number += 1
            if self._text[self._skip()] == ",":
                self._at += 1
        self._at += 1

    def _inline(self, way: Path) -> None:
        self._at += 1
        while self._text[self._skip()] != "}":
            self._pair(way)
            if self._text[self._skip()] == ",":
                self._at += 1
        self._at += 1

    def _string(self) -> str:
        quote = next(quote for quote in _QUOTES if self._text.startswith(quote, self._at))
        began = self._at = self._at + len(quote)
        while not self._text.startswith(quote, self._at):
            self._at += 2 if self._text[self._at] == "\\" and quote[0] == '"' else 1
        ended = self._at
        self._at += len(quote)
        while len(quote) == 3 and self._text.startswith(quote[0], self._at):  # up to two more belong to the text
            self._at += 1
        return _ESCAPES.sub(_unescaped, self._text[began:ended]) if quote == '"' else self._text[began:ended]


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _SHORT.get(match[3], match[3])
