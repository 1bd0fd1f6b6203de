"""Values of a script: what it is run with, and how they get into its texts. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import structs

from actors.script.language import Param, Script
from actors.script.patterns import compiled
from actors.script.selectors import OTHERS, TEXTS, Selector
from bus_schemas.errors import Refusal, misfit

LONGEST = 4_000  # characters of one value
LONGEST_TEXT, LONGEST_LINK = 10_000, 50_000  # characters of what is made with values
_PLACE = re.compile(r"\$\{([^{}]*)\}")


class NoValue(ValueError):
    """A text cannot be made: a value is not there (yet), which the message names, or it would be too long."""


def named_in(text: str) -> list[str]:
    """The values that a text needs."""
    return _PLACE.findall(text)


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with the values in place; what is in them means nothing any more. Raises NoValue."""
    return _filled(text, values, lambda value: value, LONGEST_TEXT)


def filled_link(link: str, values: Mapping[str, str]) -> str:
    """The same for a link, where values are encoded: none adds a part to it. Raises NoValue."""
    return _filled(link, values, lambda value: quote(value.encode("utf-8", "replace"), safe=""), LONGEST_LINK)


def _filled(text: str, values: Mapping[str, str], encoded: Callable[[str], str], most: int) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise NoValue(f"there is no value `{match[1]}` yet")
        return encoded(values[match[1]])

    made = _PLACE.sub(value, text)
    if len(made) > most:
        raise NoValue(f"with its values in place, a text would have more than {most:,} characters")
    return made


def filled_selector(selector: Selector, values: Mapping[str, str]) -> Selector:
    """The same for all texts of a selector; its patterns stay as they are. Raises NoValue."""
    changed: dict[str, Any] = {}
    for name in TEXTS:
        wanted = getattr(selector, name)
        if wanted is not None:
            texts = [filled(text, values) for text in ([wanted] if isinstance(wanted, str) else wanted)]
            changed[name] = texts[0] if isinstance(wanted, str) else texts
    for name in OTHERS:
        if (other := getattr(selector, name)) is not None:
            changed[name] = filled_selector(other, values)
    if selector.any_of is not None:
        changed["any_of"] = [filled_selector(other, values) for other in selector.any_of]
    return structs.replace(selector, **changed)


def bound(script: Script, given: Mapping[str, Any], canonical: Callable[[str, str], str]) -> dict[str, str]:
    """What a script is run with. `canonical`: the number that was written, by the site's rules, and the field that it
    was sent in; it raises the Refusal that names the rule. Raises Refusal (INVALID_PARAMS) for the first that does not
    fit, with its name, and its pattern if it has one."""
    for name in given:
        if name not in script.params:
            known = ", ".join(script.params) or "none"
            raise misfit(f"params.{name}"[:200], f"the script `{script.name}` has no such parameter: it has {known}")
    return {name: _bound(name, param, given, canonical) for name, param in script.params.items()}


def _bound(name: str, param: Param, given: Mapping[str, Any], canonical: Callable[[str, str], str]) -> str:
    value, field = given.get(name, param.default), f"params.{name}"
    if value is None:
        raise misfit(field, f"it must be given: {param.summary}")
    why = _unfit(value, param)
    if why is not None:
        more = {"pattern": param.pattern} if param.pattern is not None else {}
        raise Refusal(misfit(field, why).code, f"`{field}`: {why}", field=field, parameter=name, **more)
    return canonical(value, field) if param.type == "phone" else str(value)


def _unfit(value: Any, param: Param) -> str | None:
    """Why a value does not fit. None: it does, or it is a phone number, of which others know that."""
    if param.type == "integer":
        return _unfit_integer(value, param)
    if not isinstance(value, str):
        return "a text is expected"
    if len(value) > LONGEST:
        return f"longer than {LONGEST} characters"
    if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        return "it has a NUL or half a character in it"
    if param.type == "choice" and value not in (param.of or ()):
        return f"it must be one of {', '.join(param.of or ())}"
    if param.pattern is not None and not compiled(param.pattern).fits(value):
        return f"it must fit the pattern {param.pattern}"
    return None


def _unfit_integer(value: Any, param: Param) -> str | None:
    try:
        number = msgspec.convert(value, int, strict=False)
    except msgspec.ValidationError:
        return "a whole number is expected"
    if isinstance(value, bool) or str(value) != str(number):
        return "a whole number is expected"
    if param.least is not None and number < param.least:
        return f"it must be {param.least} or more"
    if param.most is not None and number > param.most:
        return f"it must be {param.most} or less"
    return None
