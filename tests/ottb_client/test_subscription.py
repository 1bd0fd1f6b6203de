"""What waits for who listens."""

import asyncio
from typing import Any

import pytest
from msgspec import Struct

from ottb_client import ApiError, Heard, SnapshotNeeded
from ottb_client.subscription import Subscription


class Update(Struct):
    n: int


def told(seq: int) -> dict[str, Any]:
    return {"event": "x.update", "data": {"n": seq}, "seq": seq}


@pytest.fixture
def room() -> Subscription[Update]:
    return Subscription("x", "x.update", Update, {})


async def test_what_comes_right_behind_the_answer_is_not_asked_for_again(room: Subscription[Update]) -> None:
    room.take(told(44))
    room.acknowledged(43, behind=False)
    assert room.told == 44
    assert await anext(room) == Heard("x.update", Update(44), 44) and room.seq == 44


async def test_who_hears_nothing_goes_on_from_the_answer(room: Subscription[Update]) -> None:
    room.acknowledged(43, behind=False)
    assert (room.told, room.seq) == (43, 43)


async def test_what_is_left_out_is_said_once_and_it_goes_on(room: Subscription[Update]) -> None:
    room.acknowledged(43, behind=True)
    room.take(told(44))
    with pytest.raises(SnapshotNeeded):
        await anext(room)
    assert (await anext(room)).seq == 44


async def test_an_event_of_another_version_is_told(room: Subscription[Update]) -> None:
    room.take({"event": "x.update", "data": {"m": 1}, "seq": 1})
    with pytest.raises(ApiError, match="not what this version of the client knows"):
        await anext(room)


async def test_who_waits_hears_the_end(room: Subscription[Update]) -> None:
    waiting = asyncio.create_task(room.__anext__())
    await asyncio.sleep(0)
    room.end(ApiError("AUTH_FAIL", "The session was ended."))
    for heard in (waiting, anext(room)):
        with pytest.raises(ApiError, match="ended"):
            await heard
