"""A script, or what else people write in TOML, from its text: all that is wrong with how it is written, each with its
place. Pure.

`msgspec` says what the first wrong value is; whoever writes a script wants to know of all of them. So each table is
looked at by itself, against the fields of its struct, and each value that is no table against its type.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Struct, structs

from actors.script.places import Path, Places, place, places
from actors.script.weight import too_much
from bus_schemas.fields import plainly

LONGEST = 200_000  # characters of one script
MOST_PROBLEMS = 100
DEEPEST = 60  # tables and arrays in each other; blocks and selectors, as deep as they may be, need fewer
_AT = re.compile(r" \(at line ([0-9]+), column ([0-9]+)\)\Z")
PATTERNS = frozenset({"text_matching", "description_matching", "matching", "pattern"})  # the fields that have one
MOST_PATTERNS = 100  # different ones of one script; each may take some milliseconds to be made
Wanted = TypeVar("Wanted", bound=Struct)
WAY = " - at `"  # how msgspec begins the place of an error, at its end


class Problem(Struct, frozen=True, kw_only=True, order=True):
    """One thing that is wrong. `line`, `column`: from 1; `at`: the way to the value, as `steps[3].on.text`."""

    line: int
    column: int
    at: str
    message: str

    def text(self, file: str) -> str:
        """As compilers say it: `file:line:column: at: message`."""
        where = f"{self.at}: " if self.at else ""
        return f"{file}:{self.line}:{self.column}: {where}{self.message}"


class Source(Struct, frozen=True):
    """A text that is TOML, and what it says."""

    text: str
    said: dict[str, Any]
    places: Places

    def problem(self, path: Path, message: str) -> Problem:
        """What is wrong with the value there."""
        line, column = place(self.places.nearest(path), self.text)
        return Problem(line=line, column=column, at=named(path), message=message)


def named(path: Path) -> str:
    """A way from the top, as people write it."""
    said = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return said.removeprefix(".")[:300]


def plain(text: str) -> str:
    """The text as it is read, however it was saved."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def source(text: str) -> Source | Problem:
    """The text's values and where they stand."""
    if len(text) > LONGEST:
        return Problem(line=1, column=1, at="", message=f"longer than {LONGEST} characters")
    text = plain(text)
    if (found := too_much(text)) is not None:
        line, column = place(found[0], text)
        return Problem(line=line, column=column, at="", message=found[1])
    try:
        return Source(text, tomllib.loads(text), places(text))
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        match = _AT.search(said)
        line, column = (int(match[1]), int(match[2])) if match else place(len(text), text)
        return Problem(line=line, column=column, at="", message=f"no TOML: {_AT.sub('', said)}")
    except ValueError as error:  # what Python cannot make of it, though it is TOML
        return Problem(line=1, column=1, at="", message=f"no TOML: {error}"[:300])
    except RecursionError:
        return Problem(line=1, column=1, at="", message="no TOML: too deep")


def written(source: Source, wanted: type[Wanted]) -> tuple[Wanted | None, list[Problem]]:
    """What it is, such a struct as is wanted, or None and all that is wrong with how it is written."""
    try:
        found = list(islice(_unfit(source.said, wanted, ()), MOST_PROBLEMS)) or list(islice(_beyond(source.said), 1))
        if found:
            return None, [source.problem(path, why) for path, why in found]
        return msgspec.convert(source.said, wanted), []
    except RecursionError:
        return None, [source.problem((), "it is too deep")]
    except msgspec.ValidationError as error:
        return None, [source.problem((), _words(error))]


Unfit = Iterator[tuple[Path, str]]


def _unfit(value: Any, wanted: Any, path: Path) -> Unfit:
    """All that is wrong with a value and with what is in it."""
    if len(path) > DEEPEST:
        yield path, "it is too deep"
        return
    why = _why(value, wanted)
    if why is None:
        return  # as most are: nothing in it is looked at by itself
    kind, args = get_origin(wanted), get_args(wanted)
    inner = args[0] if kind is Annotated else wanted
    if kind is Annotated and get_origin(inner) is type(value) and _has_tables(inner):
        empty: Any = list[Any] if isinstance(value, list) else dict[str, Any]
        if (many := _why(value, Annotated[empty, *args[1:]])) is not None:
            yield path, many  # they are not looked at one by one
            return
    told = False
    for found in _within(value, inner, path):
        told = True
        yield found
    if not told:
        yield path, why


def _beyond(said: dict[str, Any]) -> Unfit:
    """What is as it should be, and too deep or too much all the same."""
    row: list[tuple[Path, Any]] = [((), said)]
    patterns: set[str] = set()
    for _ in range(DEEPEST + 1):
        row = [
            ((*path, name), inner)
            for path, one in row if isinstance(one, dict | list)
            for name, inner in (one.items() if isinstance(one, dict) else enumerate(one))
        ]  # fmt: skip
        patterns |= {one for path, one in row if path[-1] in PATTERNS and isinstance(one, str)}
    yield from ((path, "it is too deep") for path, _ in row)
    if len(patterns) > MOST_PATTERNS:
        yield (), f"more than {MOST_PATTERNS} patterns"


def _within(value: Any, inner: Any, path: Path) -> Unfit:
    tables = [one for one in _one_of(inner) if isinstance(one, type) and issubclass(one, Struct)]
    if tables:
        yield from _unfit_table(value, tables, path)
        return
    if not _has_tables(inner):
        return
    origin, args = get_origin(inner), get_args(inner)
    if origin is list:
        if not isinstance(value, list):
            yield path, f"an array is expected, not {_kind(value)}"
            return
        for number, one in enumerate(value):
            yield from _unfit(one, args[0], (*path, number))
    elif origin is dict:
        if not isinstance(value, dict):
            yield path, f"a table is expected, not {_kind(value)}"
            return
        for name, one in value.items():
            if (why := _why(name, args[0])) is not None:
                yield (*path, name), why
            yield from _unfit(one, args[1], (*path, name))
    else:
        for one in _one_of(inner):
            yield from _unfit(value, one, path)


def _unfit_table(value: Any, tables: list[Any], path: Path) -> Unfit:
    if not isinstance(value, dict):
        yield path, f"a table is expected, not {_kind(value)}"
        return
    tagged = {str(one.__struct_config__.tag): one for one in tables if one.__struct_config__.tag is not None}
    if not tagged:
        yield from _unfit_fields(value, tables[0], path, {*()})
        return
    said = value.get("do")
    if said is None:
        yield path, f"`do` is missing: what kind of step is it? {', '.join(sorted(tagged))}"
    elif not isinstance(said, str) or said not in tagged:
        yield (*path, "do"), f"there is no such step{_perhaps(str(said), tagged)}"
    else:
        yield from _unfit_fields(value, tagged[said], path, {"do"})


def _unfit_fields(value: dict[str, Any], table: Any, path: Path, besides: set[str]) -> Unfit:
    fields = _fields(table)
    for name in value:
        if name not in fields and name not in besides:
            yield (*path, name), f"it is not known here{_perhaps(name, fields)}"
    for name, (wanted, needed) in fields.items():
        if name in value:
            yield from _unfit(value[name], wanted, (*path, name))
        elif needed:
            yield path, f"`{name}` is missing"


@cache
def _fields(table: Any) -> dict[str, tuple[Any, bool]]:
    """The type of each field of a struct, and whether it must be there. Asked of the same few for each table of each
    script, which were most of what reading one took."""
    hints = get_type_hints(table, include_extras=True)
    return {
        field.encode_name: (hints[field.name], field.default is NODEFAULT and field.default_factory is NODEFAULT)
        for field in structs.fields(table)
    }


def _why(value: Any, wanted: Any) -> str | None:
    """What `msgspec` has against it."""
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        return _words(error)
    return None


def _words(error: Exception) -> str:
    said = plainly(error)
    return said.rpartition(WAY)[0] if WAY in said and said.endswith("`") else said


def _one_of(wanted: Any) -> list[Any]:
    """The types of a union but for None; else the type."""
    args = get_args(wanted) if get_origin(wanted) in (Union, type(int | str)) else (wanted,)
    return [one for one in args if one is not type(None)]


def _has_tables(wanted: Any) -> bool:
    """Whether there may be tables with fields of their own in it."""
    if isinstance(wanted, type) and issubclass(wanted, Struct):
        return True
    return any(_has_tables(one) for one in get_args(wanted))


def _kind(value: Any) -> str:
    names = {dict: "a table", list: "an array", str: "a text", bool: "true or false", int: "a number",
             float: "a number"}  # fmt: skip
    return names.get(type(value), "a time")


def _perhaps(said: str, known: Any) -> str:
    close = difflib.get_close_matches(said[:60], list(known), n=1)
    return f": perhaps `{close[0]}`" if close else f"; there are {', '.join(sorted(known))}"
