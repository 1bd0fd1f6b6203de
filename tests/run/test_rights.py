"""A run is carried out for whoever may still do it when it begins, and when it places its next call."""

import asyncio

import pytest

from bus_schemas.script import STOP_RUN, RunState, StopRun
from tests.run.site import ALL, LONG, SHORT, RunSite, play

SEVERAL = frozenset({"script.run", "call.start", "script.view", "slot.view"})


@pytest.mark.parametrize(
    ("rights", "reason"),
    [
        (None, "no account any more"), (SEVERAL - {"script.run"}, "may not run scripts any more"),
        (SEVERAL - {"call.start"}, "needs the permission call.start"),
    ],
)  # fmt: skip
def test_a_run_that_waited_for_one_who_may_not_any_more(rights: frozenset[str] | None, reason: str) -> None:
    async def story(site: RunSite) -> None:
        first = await site.begin("telegram_call", number=LONG)
        waits = await site.begin("telegram_call", "two", queue=True, user="gone", number=SHORT)
        site.rights["gone"] = rights
        await site.ask(STOP_RUN, StopRun(script_id=first), "stop")
        seen = await site.over(waits)
        assert (seen.state, seen.started) == (RunState.FAILED, None) and reason in (seen.reason or ""), seen
        assert "app_call" not in [line.what for line in site.screens.log if line.where == SHORT]
        await site.over(await site.begin("unlock_screen", "after"))  # nobody holds the slot

    play(story)


def test_a_run_that_waited_begins_once_its_user_can_be_asked() -> None:
    async def story(site: RunSite) -> None:
        first = await site.begin("telegram_call", number=LONG)
        waits = await site.begin("unlock_screen", "two", queue=True)
        answers, site.answers = site.answers, False
        await site.ask(STOP_RUN, StopRun(script_id=first), "stop")
        await asyncio.sleep(20.0)
        assert (await site.view(waits)).state is RunState.QUEUED
        site.answers = answers
        assert (await site.over(waits)).state is RunState.SUCCEEDED

    play(story)


@pytest.mark.parametrize("rights", [None, ALL - {"script.run"}, ALL - {"call.start"}])
def test_a_run_places_no_call_for_one_who_may_not_any_more(rights: frozenset[str] | None) -> None:
    async def story(site: RunSite) -> None:
        run = await site.begin("telegram_call", number=SHORT)
        site.rights["op"] = rights
        seen = await site.over(run)
        assert seen.state is RunState.FAILED and "any more" in (seen.reason or ""), seen
        assert not site.did("app_call") and not site.calls()

    play(story)
