"""Who may run one pipeline keeps nobody else's from being taken, however many of its runs wait."""

import asyncio
from pathlib import Path

from actors.runner.runner import MOST_WAITING, OF_ONE
from tests.runner.test_runners import HEAD, STEP, begin, define, runner_on, said
from tests.support.whole import whole_site

WAITING = 105  # more than a runner looks at


async def test_a_long_queue_of_one_pipeline_holds_up_no_other(tmp_path: Path) -> None:
    async with whole_site(tmp_path / "site") as site, runner_on(site, "r1", tmp_path, at_once=3):
        await site.login()
        await define(site, 'id = 1\nname = "p"\n[[steps]]\nname = "ask"\ndo = "approval"\n')
        await define(site, 'id = 2\nname = "q"\n' + STEP)
        for _ in range(WAITING):
            await begin(site)
        assert (await site.ask("POST", "/api/dci/pipeline/2/run", {}))[0] == 201
        async with asyncio.timeout(15):
            while not (over := [e for e in site.broker.journal if e.subject == "ottb.v1.evt.pipeline.2.ended"]):
                await asyncio.sleep(0.05)
        assert len(over) == 1 and [event["run"] for event in said(site, "started")] == [1]
        print(f"{WAITING} runs of one pipeline wait, and another one's has run")


async def test_what_waits_for_approvals_leaves_room_for_others(tmp_path: Path) -> None:
    async with whole_site(tmp_path / "site") as site, runner_on(site, "r1", tmp_path, at_once=1):
        await site.login()
        await define(site, HEAD + '[[steps]]\nname = "ask"\ndo = "approval"\n')
        await define(site, 'id = 2\nname = "q"\n' + STEP)
        for _ in range(MOST_WAITING + 1):
            await begin(site)
        async with asyncio.timeout(30):
            while sum(step["status"] == "waiting" for step in said(site, "step")) < OF_ONE:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        assert (await site.ask("POST", "/api/dci/pipeline/2/run", {}))[0] == 201
        async with asyncio.timeout(15):
            while not [e for e in site.broker.journal if e.subject == "ottb.v1.evt.pipeline.2.ended"]:
                await asyncio.sleep(0.05)
        assert len(said(site, "started")) in (OF_ONE, OF_ONE + 1)  # one may be claimed before the last one waits
