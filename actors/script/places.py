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


def places(text: str) -> "Places":
    """Of each table and value of a text that `tomllib` accepts, by its way from the top: where its name begins, or, of
    an element of an array, the element itself, as an offset into the text."""
    return _Walk(text).all()


class Places:
    """Where each value stands. Each is known by its number, so a way costs no more where it goes far down."""

    def __init__(self) -> None:
        self._inner: dict[tuple[int, str | int], int] = {}  # in which one, by what name: its number
        self._offsets = [0]

    def put(self, table: int, name: str | int, offset: int, *, anew: bool = False) -> int:
        """What is called so in a table, by its number; it stands where it was first seen, unless `anew`."""
        number = self._inner.setdefault((table, name), len(self._offsets))
        if number == len(self._offsets):
            self._offsets.append(offset)
        elif anew:
            self._offsets[number] = offset
        return number

    def nearest(self, path: Path) -> int:
        """Where the value stands, or else the innermost table that it would stand in."""
        number = 0
        for name in path:
            inner = self._inner.get((number, name))
            if inner is None:
                break
            number = inner
        return self._offsets[number]

    def all(self) -> dict[Path, int]:
        """Each by its way from the top."""
        ways: list[Path] = [()]
        for table, name in self._inner:  # a table is there before what is in it
            ways.append((*ways[table], name))
        return dict(zip(ways, self._offsets, strict=True))


def place(offset: int, text: str) -> tuple[int, int]:
    """Line and column, from 1."""
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found = Places()
        self._tables: dict[int, int] = {}  # arrays of tables, and how many they have by now

    def all(self) -> Places:
        table = 0
        while self._skip() < len(self._text):
            table = self._header() if self._text[self._at] == "[" else self._pair(table)
        return self._found

    def _skip(self) -> int:
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at

    def _header(self) -> int:
        began, many = self._at, self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        table = self._inside(self._key(), began, many=many)
        self._at += 2 if many else 1
        if many:
            self._tables[table] = self._tables.get(table, 0) + 1
            table = self._found.put(table, self._tables[table] - 1, began)
        return table

    def _inside(self, key: tuple[str, ...], began: int, *, many: bool) -> int:
        """The table of a header: through an array of tables it goes by the newest."""
        table = 0
        for left, name in zip(range(len(key) - 1, -1, -1), key, strict=True):
            table = self._found.put(table, name, began, anew=not left and not many)
            if table in self._tables and (left or not many):
                table = self._found.put(table, self._tables[table] - 1, began, anew=not left)
        return table

    def _pair(self, table: int) -> int:
        began, inner = self._at, table
        for name in self._key():
            inner = self._found.put(inner, name, began)
        self._skip()
        self._at += 1  # the `=`
        self._value(inner)
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

    def _value(self, way: int) -> None:
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

    def _array(self, way: int) -> None:
        self._at += 1
        number = 0
        while self._text[self._skip()] != "]":
            self._value(self._found.put(way, number, self._at))
            number += 1
            if self._text[self._skip()] == ",":
                self._at += 1
        self._at += 1

    def _inline(self, way: int) -> None:
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
