"""Answers that are more than one thing: lists that come in pages, tables and files."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from bus_schemas.errors import ErrorCode
from ottb_client.errors import ApiError

Item = TypeVar("Item")
Reply = TypeVar("Reply")

Given = Mapping[str, Any]  # any: what a method was given, by the names of the API
Ask = Callable[[Given], Awaitable[tuple[bytes, Mapping[str, str]]]]  # the body and the headers of the answer
Pieces = Callable[[Given], AsyncIterator[bytes]]


def decoded(body: bytes, reply: type[Reply]) -> Reply:
    """An answer. Raises ApiError."""
    try:
        return msgspec.json.decode(body, type=reply)
    except msgspec.DecodeError as error:
        said = f"The answer is not what this version of the client knows: {error}"
        raise ApiError(ErrorCode.INTERNAL, said) from None


class Page(list[Item]):
    """Some of a list. `next_cursor`: where the next page begins; `total`: how many there are in all, or at least that
    many (`exact`), where the site counts them."""

    def __init__(self, items: list[Item], headers: Mapping[str, str]) -> None:
        super().__init__(items)
        total = headers.get("X-Total-Count")
        self.next_cursor: str | None = headers.get("X-Next-Cursor")
        self.total = int(total) if total is not None else None
        self.exact = headers.get("X-Total-Count-Exact") != "false"


class Download:
    """A file: piece by piece with `async for`, or all of it with `await`."""

    def __init__(self, pieces: Pieces, given: Given) -> None:
        self._pieces = pieces
        self._given = given

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces(self._given)

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._all().__await__()

    async def _all(self) -> bytes:
        return b"".join([piece async for piece in self])


class Listing(Generic[Item]):
    """A list: one page with `await`, all of it, page after page, with `async for`. `within`: the answer's field in
    which it is; empty: it is the answer."""

    def __init__(self, ask: Ask, pieces: Pieces, items: type[list[Item]], given: Given, within: str = "") -> None:
        self._ask = ask
        self._pieces = pieces
        self._items = items
        self._given = given
        self._within = within

    def __await__(self) -> Generator[Any, None, Page[Item]]:
        return self._page(self._given).__await__()

    async def __aiter__(self) -> AsyncIterator[Item]:
        given = self._given
        while True:
            page = await self._page(given)
            for item in page:
                yield item
            if page.next_cursor is None:
                return
            given = {**given, "cursor": page.next_cursor}

    async def _page(self, given: Given) -> Page[Item]:
        body, headers = await self._ask(given)
        if self._within:
            body = bytes(msgspec.json.decode(body, type=dict[str, msgspec.Raw])[self._within])
        return Page(decoded(body, self._items), headers)


class Table(Listing[Item]):
    """A list that is also to be had as a table."""

    def csv(self) -> Download:
        """As CSV, in UTF-8: what was asked for, of some lists all of it."""
        return Download(self._pieces, {**self._given, "format": "csv"})
