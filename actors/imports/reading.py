"""The port to reading: where a list is read is not on the event loop that everybody waits for.

`actors/adapters/list_reader.py` reads in a process of its own; `Here` reads in this one, for simulated time.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from io import BytesIO
from typing import Protocol

from actors.dialing.rules import DialRules
from actors.leads.mapping import Mapping
from actors.leads.parts import ListPart, parts_of
from actors.leads.preview import Preview, preview
from actors.leads.reading import Layout


class OpenList(Protocol):
    """A list that is there to be read."""

    async def examine(self, mapping: Mapping | None, *, count: bool) -> Preview:
        """Look at it. Raises ListError."""

    def parts(self, layout: Layout, mapping: Mapping, after: int) -> AsyncGenerator[ListPart, None]:
        """Its parts behind the row `after`. Raises ListError."""


class Reader(Protocol):
    """How lists are read."""

    def open(self, pieces: AsyncIterator[bytes], rules: DialRules) -> AbstractAsyncContextManager[OpenList]:
        """Take a file. Raises what `pieces` raises, ListError."""


class Here:
    """Reads in this process, and holds up everybody meanwhile."""

    @asynccontextmanager
    async def open(self, pieces: AsyncIterator[bytes], rules: DialRules) -> AsyncIterator[OpenList]:
        yield _InMemory(BytesIO(b"".join([piece async for piece in pieces])), rules)


class _InMemory:
    def __init__(self, file: BytesIO, rules: DialRules) -> None:
        self._file = file
        self._rules = rules

    async def examine(self, mapping: Mapping | None, *, count: bool) -> Preview:
        return preview(self._file, self._rules, mapping, count=count)

    async def parts(self, layout: Layout, mapping: Mapping, after: int) -> AsyncGenerator[ListPart, None]:
        for part in parts_of(self._file, layout, mapping, self._rules, after):
            await asyncio.sleep(0)
            yield part
