"""What waits for who listens."""

import asyncio
from typing import Any

import pytest
from msgspec import Struct

from ottb_client import ApiError, Heard, Shown, SnapshotNeeded, subscription
from ottb_client.subscription import ShownSubscription, Subscription


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


class Thing(Struct):
    id: int


class ShownRoom:
    """One that is shown, and how often it was asked for. `answers`: what is answered next; a refusal is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = [*answers]
        self.wanted: list[Any] = []
        self.room = ShownSubscription("x", "x.update", Thing, Update, {"id": 1}, self.ask)

    async def ask(self) -> None:
        self.wanted.append(self.room.wanted)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.room.answered(answer)


def shown(seq: int, *ids: int) -> dict[str, Any]:
    return {"error": False, "seq": seq, "snapshot": [{"id": id} for id in ids]}


async def test_how_all_is_comes_before_what_happened_behind_it() -> None:
    site = ShownRoom(shown(43, 1, 2))
    for seq in (42, 43, 44):  # of an earlier subscription, and one that was faster than the answer
        site.room.take(told(seq))
    await site.ask()
    assert site.wanted == [{"id": 1, "snapshot": True}]
    assert await anext(site.room) == Shown([Thing(1), Thing(2)], 43) and site.room.seq == 43
    assert await anext(site.room) == Heard("x.update", Update(44), 44)
    assert site.room.wanted == {"id": 1, "snapshot": True, "since": 44}
    site.room.answered({"error": False, "seq": 50})  # connected again, with nothing missed
    site.room.take(told(51))
    assert (await anext(site.room)).seq == 51


async def test_what_was_not_taken_is_shown_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "MOST", 3)
    site = ShownRoom(shown(1, 1), ApiError("UNAVAILABLE", "Try again.", status=503), shown(9, 1, 2))
    await site.ask()
    for seq in range(2, 9):
        site.room.take(told(seq))
    with pytest.raises(ApiError):
        await anext(site.room)
    site.room.take(told(10))
    assert await anext(site.room) == Shown([Thing(1), Thing(2)], 9)
    assert (await anext(site.room)).seq == 10
    assert site.wanted == [{"id": 1, "snapshot": True}] * 3


async def test_a_lost_connection_shows_it_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "MOST", 1)
    site = ShownRoom(shown(1), ApiError("UNAVAILABLE", "The connection was lost."), shown(9, 2))
    await site.ask()
    for seq in (2, 3):
        site.room.take(told(seq))
    waiting = asyncio.create_task(site.room.__anext__())
    while len(site.wanted) < 2:
        await asyncio.sleep(0)
    site.room.take(told(4))
    await asyncio.sleep(0)
    assert not waiting.done()  # nothing is told of what was left out before
    await site.ask()
    assert await waiting == Shown([Thing(2)], 9)


async def test_things_of_another_version_are_told() -> None:
    site = ShownRoom({"error": False, "seq": 1, "snapshot": [{"name": "x"}]})
    with pytest.raises(ApiError, match="x is not what this version of the client knows"):
        await site.ask()
