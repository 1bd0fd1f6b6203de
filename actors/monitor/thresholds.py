"""What files of rules say of a figure: a threshold, and words in which its value stands. Pure."""

import re
from collections.abc import Container
from string import Formatter
from typing import Annotated

from msgspec import Meta

Threshold = Annotated[float, Meta(ge=-1e15, le=1e15)]  # a number: `nan` is beyond nothing, `inf` beyond everything

VALUE = "value"
AS_NUMBER = re.compile(r"[+,]?(?:\.[0-9])?[efg%]?")


def names_only(words: str, names: Container[str] = ()) -> bool:
    """Whether words name nothing in `{}` but these, and `{value}`, which may say how the number is written
    (`{value:g}`, `{value:.1f}`), but no width, which is as many letters as it says."""
    try:
        parts = [*Formatter().parse(words)]
    except ValueError:
        return False
    return all(_is_known(name, how or "", names) and not conversion for _, name, how, conversion in parts)


def _is_known(name: str | None, how: str, names: Container[str]) -> bool:
    if name == VALUE:
        return AS_NUMBER.fullmatch(how) is not None
    return name is None or (name in names and not how)
