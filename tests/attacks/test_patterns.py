"""What phones, exchanges, files and clients say makes no pattern of ours take more than its length in time."""

import ast
import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import combinations, groupby, islice, pairwise, product
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

import actors
import bus_schemas
import gateway
from tests.support.depth import DEPTH

METHODS = ("search", "match", "fullmatch", "finditer", "findall", "sub", "split")
LENGTHS = (64, 1024, 16 * 1024)  # letters; each is compared with the one before
NOTHING = 0.001  # seconds of processor time: what takes less is not looked at
MORE_THAN_LINEAR = 2.5
TOGETHER = 4  # parts of a pattern that stand beside each other, of which inputs are made
LETTERS = "x7 w/A-._:\n"
CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d", codes.CATEGORY_SPACE: r"\s", codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_DIGIT: r"\D", codes.CATEGORY_NOT_SPACE: r"\S", codes.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip

Use = tuple[str, str, str, int]  # where, pattern, method, flags


# --- the patterns, and how each is used


def modules(*packages: ModuleType) -> Iterator[ModuleType]:
    for package in packages:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


@cache
def uses() -> list[Use]:
    """Found when it is asked for: to read all sources takes seconds, and each worker collects these tests."""
    found: set[Use] = set()
    rest: dict[int, tuple[str, re.Pattern[str]]] = {}
    named: set[int] = set()
    for module in modules(actors, gateway, bus_schemas):
        rest |= {id(one): (module.__name__, one) for value in vars(module).values() for one in held(value)}
        for on, method, given in calls(module):
            pattern = vars(module).get(on)
            if on == "re" and isinstance(given, ast.Constant):
                found.add((module.__name__, given.value, method, 0))
            elif isinstance(pattern, re.Pattern):
                named.add(id(pattern))
                found.add((module.__name__, pattern.pattern, method, pattern.flags))
    found |= {(module.__name__, pattern, "search", 0) for module in modules(bus_schemas) for pattern in shaped(module)}
    found |= {(where, one.pattern, "search", one.flags) for key, (where, one) in rest.items() if key not in named}
    return sorted(one for one in found if isinstance(one[1], str))


def calls(module: ModuleType) -> Iterator[tuple[str, str, ast.expr]]:
    """On what name a method of patterns is called, and with what first."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=on), attr=method), args=[given, *_]):
                if method in METHODS:
                    yield on, method, given


def held(value: object) -> Iterator[re.Pattern[str]]:
    """The patterns in a value of a module."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from held(part)


def shaped(module: ModuleType) -> set[str]:
    """What the types of requests ask of texts."""
    found: set[str] = set()

    def walk(hint: object) -> None:
        for part in get_args(hint):
            if isinstance(part, msgspec.Meta) and part.pattern:
                found.add(part.pattern)
            walk(part)

    for value in vars(module).values():
        walk(value)
        if isinstance(value, type) and issubclass(value, msgspec.Struct):
            for hint in get_type_hints(value, include_extras=True).values():
                walk(hint)
    return found


# --- inputs that a pattern may be slow with, made of what stands in it


def tree(pattern: str, flags: int) -> Any:
    return parser.parse(pattern, flags & ~re.UNICODE)


def least(items: Iterable[tuple[Any, Any]]) -> str:
    """A short text that a part of a pattern fits, or nearly."""
    return "".join(_least(op, value) for op, value in items)


def _least(op: Any, value: Any) -> str:
    if op is codes.LITERAL:
        return chr(value)
    if op is codes.NOT_LITERAL or op is codes.ANY:
        return "x" if value != ord("x") else "y"
    if op is codes.IN:
        return of_class(value)
    if op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return least(value[2]) * max(value[0], 1 if value[1] else 0)
    if op is codes.SUBPATTERN:
        return least(value[3])
    if op is codes.ATOMIC_GROUP:
        return least(value)
    if op is codes.BRANCH:
        return least(value[1][0])
    return ""


def of_class(members: list[tuple[Any, Any]]) -> str:
    for letter in LETTERS:
        if is_in(members, letter):
            return letter
    op, value = members[0]
    return chr(value) if op is codes.LITERAL else chr(value[0]) if op is codes.RANGE else ""


def is_in(members: list[tuple[Any, Any]], letter: str) -> bool:
    found = False
    for op, value in members:
        if op is codes.LITERAL:
            found = found or letter == chr(value)
        elif op is codes.RANGE:
            found = found or value[0] <= ord(letter) <= value[1]
        elif op is codes.CATEGORY:
            found = found or re.match(CATEGORIES[value], letter) is not None
    return found != (members[0][0] is codes.NEGATE)


def parts(items: Any) -> Iterator[Any]:
    """All sequences in a pattern, the whole first."""
    yield items
    for op, value in items:
        if op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            yield from parts(value[2])
        elif op is codes.SUBPATTERN:
            yield from parts(value[3])
        elif op is codes.BRANCH:
            for branch in value[1]:
                yield from parts(branch)
        elif op is codes.ATOMIC_GROUP:
            yield from parts(value)
        elif op in (codes.ASSERT, codes.ASSERT_NOT):
            yield from parts(value[1])


def joined(items: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """A sequence in which letters that stand side by side are one part."""
    found: list[tuple[Any, Any]] = []
    for is_letter, group in groupby(items, lambda one: one[0] is codes.LITERAL):
        side_by_side = list(group)
        found += [(codes.SUBPATTERN, (None, 0, 0, side_by_side))] if is_letter else side_by_side
    return found


def inputs(pattern: str, flags: int) -> list[tuple[str, str]]:
    """What stands first, and what is repeated behind it."""
    whole = tree(pattern, flags)
    begins = {least(joined(whole)[:count]) for count in range(len(whole) + 1)} | {"x", "\n"}
    repeated = {" ", "\n", "\t", "7", "x", "A", "/", "\n ", " x", "x ", "x\n", ".", "-", ",", ":"}
    for sequence in map(joined, parts(whole)):
        for first, last in combinations(range(len(sequence) + 1), 2):
            if last - first <= TOGETHER:
                repeated |= {least(sequence[first:last]), least(sequence[first:last]) + " "}
    return [(begin, again) for begin in sorted(begins) for again in sorted(repeated) if again]


def seconds(use: Callable[[str], object], text: str, times: int = 1) -> float:
    """Of processor time."""
    best = 60.0
    for _ in range(times):
        began = time.process_time()
        use(text)
        best = min(best, time.process_time() - began)
    return best


def carried_out(pattern: re.Pattern[str], method: str) -> Callable[[str], object]:
    if method == "sub":
        return lambda text: pattern.sub("", text)
    if method == "finditer":
        return lambda text: sum(1 for _ in pattern.finditer(text))
    return getattr(pattern, method)  # type: ignore[no-any-return]


def grows(use: Callable[[str], object], begin: str, again: str, end: str) -> float:
    """By how much more its time grows than its length, where it does; else 0."""
    texts = [begin + again * (length // len(again)) + end for length in LENGTHS]
    for short, long in pairwise(texts):
        if (once := seconds(use, long)) <= NOTHING or of_linear(use, short, once, long) <= MORE_THAN_LINEAR:
            continue  # once is no less than the best of some
        for times in (2, 25):  # a busy machine takes now more of its processor for the same work, now less
            factor = of_linear(use, short, seconds(use, long, times), long, max(times, 5))
            if factor <= MORE_THAN_LINEAR:
                break
            if times > 5 or factor > 10 * MORE_THAN_LINEAR:
                return factor
    return 0.0


def of_linear(use: Callable[[str], object], short: str, taken: float, long: str, times: int = 5) -> float:
    """How often what the long text takes is what it may: as much more than the short one as it is longer."""
    return taken / seconds(use, short, times) / (len(long) / len(short))


PARTS = 8
ENDS = ("\0", "\0\n")


@pytest.mark.parametrize("part", range(PARTS))
def test_no_pattern_takes_more_than_its_length_in_time(part: int) -> None:
    slow: list[str] = []
    tried = 0
    for where, pattern, method, flags in uses()[part::PARTS]:
        use = carried_out(re.compile(pattern, flags), method)
        made = product(inputs(pattern, flags), ENDS)
        for (begin, again), end in made if DEPTH >= 2 else islice(made, part % len(ENDS), None, len(ENDS)):
            tried += 1
            if factor := grows(use, begin, again, end):
                slow.append(f"{where}: {pattern!r}.{method}: {begin!r}, {again!r} repeated, {end!r}: by {factor:.0f}")
                break
    print(f"{len(uses()[part::PARTS])} patterns, {tried} inputs: {len(slow)} take more than their length in time")
    assert not slow, "\n".join(slow)


@pytest.mark.parametrize(
    ("pattern", "begin", "again"),
    [(r"\S*/\S*Chooser\b", "", "/"), (r"(?m)^\s*Success", "", "\n"), (r"Reason: \(([^)]*)\)", "", "Reason: (")],
)
def test_what_grows_faster_is_seen(pattern: str, begin: str, again: str) -> None:
    assert (begin, again) in inputs(pattern, 0)
    assert grows(carried_out(re.compile(pattern), "search"), begin, again, ENDS[0])
    assert len(uses()) > 100
