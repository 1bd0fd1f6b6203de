"""Runs that wait for slots: each user has a part of the lines."""

import asyncio

from bus_schemas.errors import ErrorCode, Refusal
from tests.run.site import LONG, RunSite, play


async def _asked(site: RunSite, id: str, user: str, slot: int) -> str:
    """`queued`, or the rule that refused it."""
    try:
        await site.begin("unlock_screen", id, queue=True, user=user, slot=slot)
    except Refusal as refusal:
        assert refusal.code is ErrorCode.RATE_LIMITED, refusal
        return str((refusal.details or {})["rule"])
    return "queued"


def test_one_user_does_not_fill_the_lines_of_all_slots() -> None:
    async def story(site: RunSite) -> None:
        for slot in (1, 2):
            await site.begin("telegram_call", f"busy-{slot}", slot=slot, number=LONG)
        said = await asyncio.gather(*(_asked(site, f"all-{n}", "greedy", 1 + n % 2) for n in range(20)))
        assert sorted(said) == ["queued"] * 5 + ["waiting_per_user"] * 15
        assert await _asked(site, "other-1", "other", 1) == await _asked(site, "other-2", "other", 2) == "queued"

    play(story)


def test_no_more_wait_for_a_slot_than_may_also_at_once() -> None:
    async def story(site: RunSite) -> None:
        await site.begin("telegram_call", "busy", number=LONG)
        said = await asyncio.gather(*(_asked(site, f"run-{n}", f"user-{n % 5}", 1) for n in range(20)))
        assert sorted(said) == ["queued"] * 10 + ["waiting"] * 10

    play(story)
