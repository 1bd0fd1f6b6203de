"""100,000 leads in one campaign of a whole site: how long their import takes, and a start after everybody was called.

Seconds of the wall, so they count who else is at work; beside them those of the processor in the thread of the actors.
"""

import asyncio
import itertools
import json
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec
import nats
import psutil

from actors.adapters.nats_streams import to_be_stored
from actors.leads.lead import id_of
from actors.runtime.bus import ID
from actors.runtime.clock import utc
from bench.dialling import CAMPAIGN, LEADS, MAKER, Fleet, fleet, lead, made
from bench.dialling_host import Took
from bench.gateway import token_of
from bench.parts import cpu_seconds, free_port, process, python
from bench.table import Row
from bus_schemas.campaign import (
    CAMPAIGN_ATTEMPT_CLAIMED,
    CAMPAIGN_ATTEMPT_ENDED,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
)
from bus_schemas.kinds import owners_header
from bus_schemas.lead import LeadStatus

RUN = "/api/autodialer/run-campaign"
IMPORT, START = 10.0, 3.0  # seconds that are promised
ASLEEP = 1000.0  # the calls of the one phone are so much longer: nothing else happens
FLUSHED = 500  # events that are written at once


async def measure(folder: Path) -> list[Row]:
    seconds, worked = await _import(folder / "import")
    took = await _start(folder / "start")
    return [
        Row("100,000 leads over HTTP", f"{seconds:.1f} s ({worked:.1f} s CPU)", f"promised {IMPORT:.0f} s",
            seconds / IMPORT, "<= 1.0"),
        Row("start again after 200,000 events", f"{took.seconds:.1f} s ({took.worked:.1f} s CPU)",
            f"promised {START:.0f} s", took.seconds / START, "<= 1.0"),
    ]  # fmt: skip


async def _import(folder: Path) -> tuple[float, float]:
    """Seconds until the answer to one request with all leads, and those of the host's processor."""
    ports = {name: free_port() for name in ("POINT", "DCI", "OTTB", "WORKSPACE")}
    env = {f"OTTB_HTTP__{name}_PORT": str(port) for name, port in ports.items()}
    body = json.dumps({"campaign_id": CAMPAIGN, "leads": [msgspec.to_builtins(lead(at)) for at in range(LEADS)]})
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(fleet(made(folder), 1))
        await site.start(ASLEEP)
        gateway = python("-m", "gateway.main", "--config", str(site.config))
        await stack.enter_async_context(process(*gateway, **env))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await token_of(session, ports["POINT"])  # all is up
        session.headers["Authorization"] = f"Bearer {await _admin(session, ports['POINT'], folder)}"
        assert site.host is not None
        host = psutil.Process(site.host.pid)
        began, before = time.perf_counter(), cpu_seconds(host)
        url, timeout = f"http://127.0.0.1:{ports['OTTB']}{RUN}", aiohttp.ClientTimeout(120)
        headers = {"Content-Type": "application/json"}
        async with session.post(url, data=body, headers=headers, timeout=timeout) as answer:
            said = await answer.json()
        seconds, worked = time.perf_counter() - began, cpu_seconds(host) - before
        await site.stop()
    assert said["accepted"] == LEADS, said
    return seconds, worked


async def _admin(session: aiohttp.ClientSession, port: int, folder: Path) -> str:
    password = await asyncio.to_thread((folder / "state" / "admin-password").read_text)
    login = {"username": "admin", "password": password.strip()}
    async with session.post(f"http://127.0.0.1:{port}/api/auth/login", json=login) as answer:
        return str((await answer.json())["token"])


async def _start(folder: Path) -> Took:
    """How long it takes until a host has a campaign again of whose leads everybody was called once. Its ledger has read
    that before, and its owner kept a snapshot of it, as they have whenever a host starts again."""
    async with fleet(made(folder), 1, sync="1m") as site:
        await site.start(ASLEEP)
        await site.run([lead(place) for place in range(LEADS)])
        await site.stop()
        await _call_all(site)
        await site.start(ASLEEP)
        await site.until_owned()
        await site.until_read()
        await site.stop()
        await site.start(ASLEEP)
        await site.until_owned()
        return (await site.stop()).owned


async def _call_all(site: Fleet) -> None:
    """Put a call to each lead but the first on record, which the one phone has called."""
    client = await nats.connect(f"nats://127.0.0.1:{site.port}")
    at, before = utc(datetime.now(UTC)), await site.bus.last_seq()
    numbers, about = itertools.count(), owners_header({"campaign": (MAKER,)})
    for place in range(1, LEADS):
        number = lead(place).number or ""
        claimed = CampaignAttemptClaimed(
            campaign=CAMPAIGN, at=at, lead=id_of(number), place=place, attempt=1, number=number,
            command_id=f"dial_{place:016}",
        )  # fmt: skip
        ended = CampaignAttemptEnded(
            campaign=CAMPAIGN, at=at, lead=id_of(number), place=place, attempt=1, outcome="answered",
            status=LeadStatus.DONE, call_id=f"c_{place:016}", talk_seconds=3,
        )  # fmt: skip
        for subject, event in (
            (CAMPAIGN_ATTEMPT_CLAIMED.subject_for(claimed), claimed),
            (CAMPAIGN_ATTEMPT_ENDED.subject_for(ended), ended),
        ):
            headers = {ID: f"called-{next(numbers):020}", **about}  # as an actor writes
            await client.publish(to_be_stored(subject), msgspec.json.encode(event), headers=headers)
        if place % FLUSHED == 0:
            await client.flush()
    await client.close()
    while await site.bus.last_seq() < before + 2 * (LEADS - 1):
        await asyncio.sleep(0.1)
