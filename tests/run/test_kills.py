"""The host is killed between any two steps of a run that places a call: the run ends once, the call once, and nothing
that must not be repeated is. The phone's log is the judge."""

import asyncio

import pytest

from bus_schemas.call import EndReason
from bus_schemas.errors import Refusal
from bus_schemas.script import RunState
from tests.run.site import SHORT, RunSite, play
from tests.support.depth import plays

STEPS = 130  # of a host in such a run, about


def _killed_at(step: int, seed: int) -> str:
    said: list[str] = []

    async def story(site: RunSite) -> None:
        site.kill_at = step
        try:
            run = await site.begin("telegram_call", number=SHORT)
        except Refusal:
            run = None
        await asyncio.sleep(90.0)
        again = await site.over(await site.begin("wifi_on", "afterwards"))
        assert again.state is RunState.SUCCEEDED, again
        ends = [one for one in site.ends() if one.script == "telegram_call"]
        begun = [verb for verb, _ in site.events("script") if verb == "started"]
        assert len(ends) == len(begun) - 1 <= 1, (ends, begun)
        if run is not None:
            assert [one.script_id for one in ends] == [run]
        placed, over = site.did("app_call"), site.did("app_call_ended")
        assert len(placed) == len(over) <= 1, placed
        calls = site.calls()
        assert len(placed) <= len(calls) <= 1 and all(len(each) == 1 for each in calls.values()), calls
        if site.did("app_call_connected"):
            assert all(end.reason is not EndReason.NO_ANSWER for [end] in calls.values()), calls
        assert not site.world.phone(1).dials
        said.append(f"{site.killed}: {ends[0].state if ends else 'nothing on record'}")

    play(story, seed=seed)
    return said[0]


@pytest.mark.parametrize("part", range(4))
def test_a_run_ends_once_wherever_its_host_is_killed(part: int) -> None:
    wanted = plays(24)
    steps = [1 + (part * wanted + number) * STEPS // (4 * wanted) for number in range(wanted)]
    ways = {_killed_at(step, seed=step) for step in dict.fromkeys(steps)}
    print("\n".join(sorted(ways)))
    assert ways
