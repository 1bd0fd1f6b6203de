"""Types of the contract as text of a Python file, with what it has to import for them."""

import enum
import types
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Literal, Union, get_args, get_origin

from msgspec import UnsetType

WIDTH = 120
OURS = ("bus_schemas", "ottb_client")
STANDARD = ("typing", "collections.abc")


class Source:
    """One file's."""

    def __init__(self) -> None:
        self._imports: dict[str, set[str]] = {}

    def use(self, module: str, name: str) -> str:
        """Have it imported. Gives the name."""
        self._imports.setdefault(module, set()).add(name)
        return name

    def imports(self) -> str:
        """In the linter's order: the standard library, others', ours."""
        parts = groupby(sorted(self._imports, key=_order), key=lambda module: _order(module)[0])
        return "\n".join("".join(_import(module, self._imports[module]) for module in modules) for _, modules in parts)

    def of(self, kind: Any, *, given: bool = False) -> str:
        """A type without what it asks of values. `given`: of what a method takes, where any sequence will do."""
        origin, args = get_origin(kind), get_args(kind)
        if hasattr(kind, "__metadata__"):
            return self.of(kind.__origin__, given=given)
        if origin in (Union, types.UnionType):
            return " | ".join(dict.fromkeys(self.of(one, given=given) for one in sorted(args, key=_is_nothing)))
        if origin is Literal:
            return f"{self.use('typing', 'Literal')}[{', '.join(map(literal, args))}]"
        if origin in (tuple, list) and given:
            return f"{self.use('collections.abc', 'Sequence')}[{self.of(args[0], given=True)}]"
        if origin is not None:
            inner = ", ".join("..." if one is Ellipsis else self.of(one, given=given) for one in args)
            return f"{self._named(origin)}[{inner}]"
        return "None" if kind is types.NoneType else self._named(kind)

    def _named(self, kind: Any) -> str:
        name: str = kind.__name__
        if kind.__module__ == "builtins":
            return name
        return self.use("msgspec" if kind is UnsetType else kind.__module__, name)


def literal(value: Any) -> str:
    """A value as text."""
    value = value.value if isinstance(value, enum.Enum) else value
    return f'"{value}"' if isinstance(value, str) else repr(value)


def folded(parts: Iterable[str], depth: int) -> str:
    """What stands in brackets, so deep, on as few lines as it fits on. `parts`: what a comma follows."""
    lines, line = list[str](), ""
    for part in parts:
        longer = f"{line} {part}," if line else f"{part},"
        if line and depth + len(longer) > WIDTH:
            lines.append(line)
            longer = f"{part},"
        line = longer
    return "".join(f"{' ' * depth}{one}\n" for one in (*lines, line))


def _is_nothing(kind: Any) -> int:
    return (UnsetType, types.NoneType).index(kind) + 1 if kind in (UnsetType, types.NoneType) else 0


def or_unset(kind: str) -> str:
    """The text of a type, or of that and what says that nothing is given."""
    if "UnsetType" in kind:
        return kind
    return f"{kind.removesuffix(' | None')} | UnsetType | None" if kind.endswith(" | None") else f"{kind} | UnsetType"


def _order(module: str) -> tuple[int, str]:
    return (0 if module in STANDARD else 2 if module.split(".")[0] in OURS else 1), module


def _import(module: str, names: Iterable[str]) -> str:
    ordered = sorted(names, key=lambda name: (not name.isupper(), not name[:1].isupper(), name))
    line = f"from {module} import {', '.join(ordered)}\n"
    if len(line) <= WIDTH + 1:
        return line
    return f"from {module} import (\n{''.join(f'    {name},{chr(10)}' for name in ordered)})\n"
