"""What variables of the environment set: `OTTB_<SECTION>__<NAME>` one value, with the ending `__FILE` that of a file.

A list is set whole, as JSON (`OTTB_DIAL__COUNTRIES='["UA", "PL"]'`); every other value is a text, whatever it looks
like. Which settings are lists, their type says.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, inspect

from actors.runtime.settings import SettingsError
from bus_schemas.contract import UNDECODABLE

PREFIX = "OTTB_"
LISTS = (inspect.ListType, inspect.VarTupleType, inspect.TupleType, inspect.SetType, inspect.FrozenSetType)
Values = dict[str, Any]


def set_by_variables(values: Values, environment: Mapping[str, str], settings: type[Struct]) -> None:
    """Put what variables say into values of these settings. Raises SettingsError, which names the variable."""
    known = inspect.type_info(settings)
    for name, text in sorted(environment.items()):
        path = _path_of(name, known)
        if not path:
            continue
        try:
            _set(values, path, _value_of(name, text, path, known))
        except _Within as problem:
            raise SettingsError(f"{name}: `{problem}` is one value, and has nothing within it") from None


def set_at(values: Values, path: list[str], value: Any) -> None:
    """Put one value at its place, as an argument names it. Raises SettingsError."""
    try:
        _set(values, path, value)
    except _Within as problem:
        raise SettingsError(f"{'.'.join(path)}: `{problem}` is one value, and has nothing within it") from None


class _Within(Exception):
    """A place within something that is no table."""


def _path_of(name: str, known: inspect.Type) -> list[str]:
    """The place that a variable names; empty: it is none of ours. Raises SettingsError for a whole section."""
    if not name.startswith(PREFIX):
        return []
    path = [part.lower() for part in name.removeprefix(PREFIX).split("__") if part and part != "FILE"]
    if "__" in name or not (found := list(_at(known, path))):
        return path if "__" in name else []
    if any(isinstance(option, inspect.StructType | inspect.DictType) for option in found):
        raise SettingsError(f"{name}: a variable names one value, as {name}__... does")
    return path


def _value_of(name: str, text: str, path: list[str], known: inspect.Type) -> Any:
    text = _read_if_file(name, text)
    for length in range(1, len(path)):
        if any(isinstance(option, LISTS) for option in _at(known, path[:length])):
            raise SettingsError(f"{name}: `{'.'.join(path[:length])}` is a list, and set whole, as JSON")
    if not any(isinstance(option, LISTS) for option in _at(known, path)):
        return text
    try:
        return msgspec.json.decode(text)
    except UNDECODABLE as error:
        raise SettingsError(f'{name}: a list is set as JSON, like `["a", "b"]`: {error}') from None


def _at(known: inspect.Type, path: list[str]) -> Iterator[inspect.Type]:
    """The types that a value at this place may have; none where there is no such place."""
    if isinstance(known, inspect.Metadata):
        yield from _at(known.type, path)
    elif isinstance(known, inspect.UnionType):
        for option in known.types:
            yield from _at(option, path)
    elif not path:
        yield known
    elif isinstance(known, inspect.StructType):
        for field in known.fields:
            if field.encode_name == path[0]:
                yield from _at(field.type, path[1:])
    elif isinstance(known, inspect.DictType):
        yield from _at(known.value_type, path[1:])


def _read_if_file(name: str, value: str) -> str:
    if not name.endswith("__FILE"):
        return value
    try:
        return Path(value).read_text().strip()
    except OSError as error:
        raise SettingsError(f"{name}: {value} cannot be read: {error.strerror}") from None


def _set(values: Values, path: list[str], value: Any) -> None:
    for at, part in enumerate(path[:-1], 1):
        values = values.setdefault(_named(values, part), {})
        if not isinstance(values, dict):
            raise _Within(".".join(path[:at]))
    values[_named(values, path[-1])] = value


def _named(values: Mapping[str, Any], part: str) -> str:
    """The name that the file has for what a variable names in capitals (`HUB1`)."""
    return next((name for name in values if name.lower() == part.lower()), part)
