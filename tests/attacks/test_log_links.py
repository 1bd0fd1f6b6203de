"""A look at a pipeline has a signed link for each of its runs: who looks again and again has POINT sign them once."""

import asyncio
from collections import Counter
from typing import Any

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from bus_schemas.link import MAKE_LINK, MakeLink, SignedLink, url_of
from bus_schemas.permissions import BUILT_IN_ROLES, resolve
from bus_schemas.pipeline import PIPELINE_STATUS, GetPipeline, PipelineRunView, PipelineStatusView, RunStatus
from gateway import log_links
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import gateway_on, serving

RUNS, READERS, LOOKS = 100, 8, 5
AT = "2026-11-28T10:00:00.000Z"
PATH = "/api/dci/pipeline/7/status"
USERS = {name: resolve(BUILT_IN_ROLES["operator"]) for name in ("op12", "op13")}


def _run(number: int) -> PipelineRunView:
    return PipelineRunView(
        id=7, run=number, name="deploy", version=1, status=RunStatus.QUEUED, trigger="api", triggered_by="op12",
        branch=None, commit=None, parameters={}, queued=AT, start_time=None, end_time=None, runner=None, reason=None,
        stopping=False, stopped_by=None, waits_for=None, log_url=f"/api/dci/pipeline/7/runs/{number}/log", steps=[],
    )  # fmt: skip


class Signer:
    """A POINT that signs links. `signed`: how often it did, by whose credential."""

    def __init__(self) -> None:
        self.signed = Counter[str | None]()

    async def make_link(self, request: MakeLink, context: Context) -> SignedLink:
        self.signed[context.credential] += 1
        return SignedLink(url=url_of(request.path, f"of-{context.credential}"), expires_at=AT)

    async def status(self, request: GetPipeline, context: Context) -> PipelineStatusView:
        return PipelineStatusView(id=7, name="deploy", status="queued", runs=[_run(n) for n in range(1, RUNS + 1)])


async def test_who_looks_again_has_each_link_signed_once(monkeypatch: Any) -> None:
    now, signer, broker = 1000.0, Signer(), MemoryBroker(clock=SystemClock())
    monkeypatch.setattr(log_links, "monotonic", lambda: now)
    lines = {MAKE_LINK: signer.make_link, PIPELINE_STATUS: signer.status}
    async with serving(broker, lines, USERS), gateway_on(MemoryBus(broker)) as gateway:
        looks = [await asyncio.gather(*(gateway.get(PATH) for _ in range(READERS))) for _ in range(LOOKS)]
        answers = [answer for of_one in looks for answer in of_one]
        print(f"{len(answers)} looks at {RUNS} runs: {signer.signed.total()} links signed")
        urls = {run["log_url"] for _, body in answers for run in body["runs"]}
        assert {status for status, _ in answers} == {200} and len(urls) == RUNS
        assert all(url.endswith("link=of-token:op12") for url in urls)
        assert signer.signed == {"token:op12": RUNS}

        gateway.token = gateway.token.replace("op12", "op13")
        _, body = await gateway.get(PATH)
        assert all(run["log_url"].endswith("link=of-token:op13") for run in body["runs"])
        now += log_links.FRESH
        await gateway.get(PATH)
        assert signer.signed == {"token:op12": RUNS, "token:op13": 2 * RUNS}
