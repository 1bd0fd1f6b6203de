"""A phone's log, as somebody follows it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from actors.by_hand.logcat import QUIET, Followed
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
