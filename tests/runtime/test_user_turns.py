"""Lists of several users: each has their turn, however many another one has sent."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from actors.runtime.user_turns import UserTurns

LISTS = [("ann", f"ann{number}") for number in range(5)] + [("bob", "bob0"), ("bob", "bob1"), ("cid", "cid0")]


class Readers:
    """Lists that are read one after the other, as the test says."""

    def __init__(self, at_once: int) -> None:
        self.turns = UserTurns(at_once)
        self.read = list[str]()
        self._over = dict[str, asyncio.Event]()
        self.tasks = dict[str, asyncio.Task[None]]()

    async def send(self, user: str, id: str) -> None:
        self._over[id] = asyncio.Event()
        self.tasks[id] = asyncio.ensure_future(self._take(user, id))
        await asyncio.sleep(0)

    async def _take(self, user: str, id: str) -> None:
        async with self.turns.turn(id, user):
            self.read.append(id)
            await self._over[id].wait()

    async def end(self, id: str) -> None:
        self._over[id].set()
        for _ in range(3):
            await asyncio.sleep(0)

    async def end_all(self) -> None:
        for id in self.read:  # which grows meanwhile
            await self.end(id)


async def test_whoever_sends_many_lists_keeps_nobody_waiting_for_all_of_them() -> None:
    readers = Readers(1)
    for user, id in LISTS:
        await readers.send(user, id)
    ahead = {id: readers.turns.ahead(id, user) for user, id in LISTS}
    await readers.end_all()
    assert readers.read == ["ann0", "ann1", "bob0", "cid0", "ann2", "bob1", "ann3", "ann4"]
    assert ahead["ann0"] is None
    assert [id for id in sorted(ahead, key=lambda id: ahead[id] or -1) if ahead[id] is not None] == readers.read[1:]
    assert sorted(count for count in ahead.values() if count is not None) == [*range(7)]


@pytest.mark.parametrize("at_once", [1, 3])
async def test_who_leaves_the_line_takes_nobodys_turn(at_once: int) -> None:
    readers = Readers(at_once)
    for user, id in LISTS:
        await readers.send(user, id)
    assert len(readers.read) == at_once
    readers.tasks["ann4"].cancel()  # it waits
    readers.tasks["ann0"].cancel()  # it reads
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(readers.read) == at_once + 1
    await readers.end_all()
    assert sorted(readers.read) == sorted(id for _, id in LISTS if id != "ann4")
    async with AsyncExitStack() as stack, asyncio.timeout(1.0):
        for number in range(at_once):  # none was lost
            await stack.enter_async_context(readers.turns.turn(f"more{number}", "dan"))


async def test_a_turn_that_comes_as_one_leaves_goes_to_the_next() -> None:
    readers = Readers(1)
    for user, id in LISTS[:3]:
        await readers.send(user, id)
    readers._over["ann0"].set()
    await asyncio.sleep(0)  # it passes its turn on to ann1, which does not have it yet
    readers.tasks["ann1"].cancel()
    for _ in range(4):
        await asyncio.sleep(0)
    assert readers.read == ["ann0", "ann2"]


@pytest.mark.parametrize("more", [3, 2])
async def test_a_turn_is_not_lost_to_one_that_leaves_in_the_same_moment(more: int) -> None:
    """It was, for good: whoever cancels lists without end had a host read none any more."""
    readers = Readers(1)
    for user, id in LISTS[:more]:
        await readers.send(user, id)
    readers._over["ann0"].set()
    readers.tasks["ann1"].cancel()  # it has not left the line yet when the turn is passed on
    for _ in range(4):
        await asyncio.sleep(0)
    readers.tasks["ann0"].result()
    await readers.end_all()
    assert readers.read == ["ann0", "ann2"][: more - 1]
    async with asyncio.timeout(1.0), readers.turns.turn("bob0", "bob"):
        assert readers.turns.ahead("bob0", "bob") is None


async def test_who_has_least_is_next() -> None:
    """Of two whose work takes long, each with more of it than there is room for, and one whose does not."""
    readers = Readers(4)
    for number in range(6):
        for user in ("ann", "bob"):
            await readers.send(user, f"{user}{number}")
    for number in range(2):
        await readers.send("cid", f"cid{number}")
    assert readers.read == ["ann0", "bob0", "ann1", "bob1"]
    for over in ("ann0", "bob0", "cid0"):
        await readers.end(over)
    assert readers.read[4:] == ["cid0", "ann2", "cid1"]
    for task in readers.tasks.values():
        task.cancel()
    await asyncio.gather(*readers.tasks.values(), return_exceptions=True)
