"""A phone's log, as somebody follows it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from actors.by_hand.logcat import PER_SECOND, QUIET, Followed
from actors.slot.phone import PhoneUnreachable
from bus_schemas.slot_files import FollowLogcat, LogcatLines


class Silent:
    """Tools of a phone whose log has no lines."""

    @contextlib.asynccontextmanager
    async def lines(self, words: Sequence[str]) -> AsyncIterator[AsyncIterator[str]]:
        async def none() -> AsyncIterator[str]:
            await asyncio.Event().wait()
            yield ""

        yield none()


async def test_who_follows_a_silent_log_hears_soon_that_it_is_followed() -> None:
    tools: Any = Silent()
    followed = Followed(tools, FollowLogcat(slot=1), asyncio.get_running_loop().time)
    following = asyncio.get_running_loop().create_task(followed.follow())
    async with asyncio.timeout(QUIET / 2):
        data, end = await followed.next()
    assert msgspec.json.decode(data, type=LogcatLines).lines == () and not end
    following.cancel()


class Flood:
    """Tools of a phone whose log has so many lines in each of two seconds, and then ends."""

    def __init__(self, each: int) -> None:
        self.now = 1.0
        self._each = each

    @contextlib.asynccontextmanager
    async def lines(self, words: Sequence[str]) -> AsyncIterator[AsyncIterator[str]]:
        async def told() -> AsyncIterator[str]:
            for _ in range(2):
                for number in range(self._each):
                    yield f"I App: {number}"
                self.now += 1.0

        yield told()


async def test_who_follows_a_flood_gets_so_much_a_second_and_the_count_of_the_rest() -> None:
    flood: Any = Flood(450)
    request = FollowLogcat(slot=1)
    followed = Followed(flood, request, lambda: flood.now)
    await followed.follow()
    heard = list[LogcatLines]()
    with pytest.raises(PhoneUnreachable):
        while True:
            heard.append(msgspec.json.decode((await followed.next())[0], type=LogcatLines))
    lines = [line for one in heard for line in one.lines]
    a_second = [f"I App: {number}" for number in range(PER_SECOND + request.lines)]
    assert lines == 2 * a_second and sum(one.left_out for one in heard) == 900 - len(lines)
