"""Who is mentioned in a text: `@name`, where there is a user of that name."""

import asyncio
import re

from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.note import MENTIONS
from bus_schemas.user import FIND_EXTENSION, FindExtension

# Not what stands behind a letter, as in an address of mail.
NAMED = re.compile(r"(?<![\w@.+-])@([A-Za-z0-9_-]{1,64})(?![A-Za-z0-9_-])")


def names_in(text: str) -> tuple[str, ...]:
    """The names that may be mentioned, each once, in their order; no more than are looked up."""
    return tuple(dict.fromkeys(NAMED.findall(text)))[:MENTIONS]


async def mentioned(bus: Bus, text: str, context: Context) -> tuple[str, ...]:
    """Those of them that are users. Raises Refusal where nobody can say that now."""
    names = names_in(text)
    known = await asyncio.gather(*(_is_user(bus, name, context) for name in names))
    return tuple(name for name, there in zip(names, known, strict=True) if there)


async def _is_user(bus: Bus, name: str, context: Context) -> bool:
    try:
        return (await ask(bus, FIND_EXTENSION, FindExtension(user=name), context)).active
    except Refusal as refusal:
        if refusal.code is not ErrorCode.NOT_FOUND:
            raise
        return False
