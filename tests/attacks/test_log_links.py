"""A look at a pipeline has a signed link for each of its runs: who looks again and again has POINT sign them once."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from bus_schemas.link import MAKE_LINK, MakeLink, SignedLink, url_of
from bus_schemas.permissions import BUILT_IN_ROLES, resolve
from bus_schemas.pipeline import (
    PIPELINE_STATUS,
    GetPipeline,
    PipelineRunView,
    PipelineStatusView,
    RunnerView,
    RunStatus,
)
from bus_schemas.pipeline_events import RUNNER_BEAT, RunnerBeat
from gateway import log_links
from gateway.connections import Connections
from gateway.proxies import TrustedProxies
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import gateway_on, serving
from tests.support.whole import whole_site

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


async def test_no_link_is_opened_in_the_clear_where_a_proxy_ends_tls() -> None:
    """What is in it is a secret for an hour. Others than the site's proxies say nothing of it."""
    signer, broker, found = Signer(), MemoryBroker(clock=SystemClock()), dict[tuple[bool, str], set[str]]()
    lines = {MAKE_LINK: signer.make_link, PIPELINE_STATUS: signer.status}
    async with serving(broker, lines, USERS):
        for named in (True, False):
            connections = Connections(proxies=TrustedProxies(["127.0.0.1"] if named else []))
            async with gateway_on(MemoryBus(broker), connections) as gateway:
                for said in ("https", "http", "javascript", ""):
                    _, body = await gateway.ask("GET", PATH, **{"X-Forwarded-Proto": said})
                    found[named, said] = {run["log_url"].partition("://")[0] for run in body["runs"]}
    print(f"{len(found)} requests, {found}")
    assert found.pop((True, "https")) == {"https"} and all(schemes == {"http"} for schemes in found.values())


async def test_what_a_link_has_opened_has_no_further_links_in_it(tmp_path: Path) -> None:
    """It is for one thing, for an hour at most: whoever was shown a list could read all logs of it, an hour longer."""
    async with whole_site(tmp_path / "site") as site:
        await site.login()
        view = RunnerView(
            runner="r", labels=(), running=(), at_once=1, version="1", user="u", isolation=(), git=None, disk_free=0,
            load=0.0,
        )  # fmt: skip
        beat = RunnerBeat(runner="r", view=view)
        await MemoryBus(site.broker).publish(RUNNER_BEAT.subject_for(beat), msgspec.json.encode(beat), {})
        text = 'id = 1\nname = "p"\n[[steps]]\nname = "a"\ndo = "run"\ncommands = ["true"]\n'
        assert (await site.ask("POST", "/api/dci/pipelines", {"text": text}))[0] == 201
        status, begun = await site.ask("POST", "/api/dci/pipeline/1/run", {})
        assert status == 201, begun
        found = dict[str, tuple[str, str]]()
        for path in ("/api/dci/pipelines", "/api/dci/pipeline/1/status", "/api/dci/pipeline/1/runs"):
            _, made = await site.ask("POST", "/api/auth/links", {"path": path})
            answers = [(await site.ask("GET", path))[1]]
            token, site.gateway.token = site.gateway.token, ""
            answers.append((await site.ask("GET", made["url"]))[1])
            site.gateway.token = token
            runs = [(one if isinstance(one, list) else one["runs"])[0] for one in answers]
            found[path] = runs[0]["log_url"], runs[1]["log_url"]
    print(f"{len(found)} answers, {sum('link=' in opened for _, opened in found.values())} with further links")
    assert all("link=" in asked and opened == "/api/dci/pipeline/1/runs/1/log" for asked, opened in found.values())
