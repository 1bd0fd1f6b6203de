"""A small reader of PromQL: which series an expression takes, by which labels it picks them, and which labels it names
of what it makes of them. Enough for the files of deploy/; what it cannot read is an error, never nothing."""

import re
from collections.abc import Iterator

from msgspec import Struct

_TOKEN = re.compile(
    r"""\s+ | \#[^\n]* | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<duration>\[[0-9a-z$_:]+\]) | (?P<number>[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)
    | (?P<name>[A-Za-z_:][A-Za-z0-9_:]*) | (?P<op>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){},])""",
    re.VERBOSE,
)
_KEYWORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"}
_GROUPS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
FUNCTIONS = {
    "abs", "avg", "count", "deriv", "histogram_quantile", "increase", "max", "min", "rate", "sum", "topk", "vector",
}  # fmt: skip
OF_COUNTERS = {"rate", "increase"}


class Selector(Struct, frozen=True):
    """A series that is taken. `matchers`: label, operator and value; `inside`: the function right around it."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    inside: str | None


class Read(Struct, frozen=True):
    """What an expression says."""

    selectors: tuple[Selector, ...]
    groups: frozenset[str]  # labels that it sums by, or joins on


def read(expression: str) -> Read:
    """Raises ValueError."""
    tokens = [*_tokens(expression)]
    selectors, groups, around, place = list[Selector](), set[str](), list[str | None](), 0
    while place < len(tokens):
        kind, text = tokens[place]
        following = tokens[place + 1][1] if place + 1 < len(tokens) else ""
        place += 1
        if text in _GROUPS and following == "(":
            end = tokens.index(("op", ")"), place)
            groups |= {name for kind, name in tokens[place + 1 : end] if kind == "name"}
            place = end + 1
        elif text == "(":
            around.append(tokens[place - 2][1] if place > 1 and tokens[place - 2][1] in FUNCTIONS else None)
        elif text == ")":
            around.pop()
        elif kind == "name" and text in FUNCTIONS and (following == "(" or following in _GROUPS):
            continue
        elif kind == "name" and text not in _KEYWORDS:
            matchers, place = _matchers(tokens, place)
            selectors.append(Selector(text, matchers, around[-1] if around else None))
    if around or not selectors:
        raise ValueError(f"not understood: {expression}")
    return Read(tuple(selectors), frozenset(groups))


def _matchers(tokens: list[tuple[str, str]], place: int) -> tuple[tuple[tuple[str, str, str], ...], int]:
    if place >= len(tokens) or tokens[place][1] != "{":
        return (), place
    end = tokens.index(("op", "}"), place)
    inside = [text for _, text in tokens[place + 1 : end] if text != ","]
    if len(inside) % 3:
        raise ValueError(f"not understood: {inside}")
    found = zip(inside[::3], inside[1::3], inside[2::3], strict=True)
    return tuple((label, operator, value[1:-1]) for label, operator, value in found), end + 1


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(expression):
        found = _TOKEN.match(expression, place)
        if found is None:
            raise ValueError(f"not understood: {expression[place : place + 20]}")
        place = found.end()
        if found.lastgroup is not None:
            yield found.lastgroup, found[0]
