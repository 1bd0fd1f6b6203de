"""Who may see a campaign asks for looks at all its leads, again and again: they take turns, and others have theirs."""

import asyncio
from collections.abc import Callable

import pytest

from actors.campaign.looks import ALL, EACH, Looks
from bus_schemas.errors import ErrorCode, Refusal


async def looking(looks: Looks, user: str, seen: Callable[[], None], end: asyncio.Event) -> None:
    async with looks.turn(user):
        seen()
        await end.wait()


async def test_looks_take_turns_and_nobody_has_more_than_their_share() -> None:
    looks, end, at_once, most = Looks(), asyncio.Event(), 0, 0

    def seen() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)

    tasks = [asyncio.create_task(looking(looks, f"u{number % 50}", seen, end)) for number in range(1_000)]
    await asyncio.sleep(0.05)
    refused = [task for task in tasks if task.done()]
    codes = {error.code for task in refused if isinstance(error := task.exception(), Refusal)}
    print(f"{len(tasks)} looks asked of 50 users: {len(refused)} refused at once, {most} under way")
    assert most == 1 and len(refused) == len(tasks) - ALL and codes == {ErrorCode.RATE_LIMITED}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with looks.turn("u1"):  # nothing is held by who has gone
        pass


async def test_a_user_waits_for_their_own() -> None:
    looks, end = Looks(), asyncio.Event()
    own = [asyncio.create_task(looking(looks, "op12", lambda: None, end)) for _ in range(EACH)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal):
        async with looks.turn("op12"):
            pass
    other = asyncio.create_task(looking(looks, "op13", lambda: None, end))
    await asyncio.sleep(0)
    print(f"{EACH + 1} looks of one user: 1 refused, and another user's waits for its turn")
    end.set()
    await asyncio.gather(*own, other)
