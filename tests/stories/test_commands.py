"""What `ottb` says at a prompt beside a running site, and in a timer's mail."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.stories.conftest import SLOTS
from tests.support.site import Client, Site, until

SECONDS = 120.0


def command(site: Site, words: Sequence[str]) -> list[str]:
    """`ottb` with these words, with the site's settings."""
    places = 2 if words[0] == "audit" else 1
    return [sys.executable, "-m", "cli.main", *words[:places], "--config", str(site.config), *words[places:]]


def ran(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    """It, and what came of it within some seconds."""
    return subprocess.run(
        command(site, words), env=os.environ | site.env, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.mark.parametrize("word", ["head", "verify"])
async def test_what_went_well_says_nothing_beside_its_result(admin: Client, site: Site, word: str) -> None:
    assert (await admin.post("/api/auth/logout", part="point"))[0] == 200  # so that there is something on it
    done = await asyncio.to_thread(ran, site, "audit", word)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout


@pytest.mark.parametrize("subject", ["ottb.v1.evt.>", "ottb.v1.evt.user.>", ">", "a..b", "a b c d", "", "a\r\nPING"])
async def test_events_ends_where_nothing_may_be_heard(site: Site, subject: str) -> None:
    done = await asyncio.to_thread(ran, site, "events", subject)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    assert "ottb.v1.evt.call.>" in done.stderr  # what works


@pytest.mark.parametrize("subject", [(), ("ottb.v1.evt.call.slot-44.>",)])
async def test_events_prints_what_happens(operator: Client, site: Site, subject: tuple[str, ...]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command(site, ("events", *subject)), env=os.environ | site.env, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    heard, made = set[str](), set[str]()

    async def hear() -> None:
        async for line in process.stdout or ():
            heard.add(str(json.loads(line)["event"].get("call_id")))

    async def call() -> bool:
        """Make one, and look whether it or an earlier one was heard: the first ones may come before it listens."""
        status, started = await operator.post("/api/call/start", {"slot": 44, "number": "+380991234567"})
        assert status == 201, started
        made.add(started["call_id"])
        await operator.post("/api/call/end", {"call_id": started["call_id"]})
        await operator.call_until(started["call_id"], lambda view: view["state"] == "ENDED")
        return bool(made & heard)

    hearing = asyncio.create_task(hear())
    try:
        await until(call, bool)
    finally:
        process.terminate()
        await process.wait()
        await hearing


async def test_adb_reaches_the_phones_of_the_site(operator: Client, site: Site) -> None:
    await until(lambda: operator.get("/api/slots/44"), lambda seen: seen[1]["status"] == "ONLINE")
    serials = [line.split('"')[1] for line in site.config.read_text().splitlines() if line.startswith("serial")]
    done = await asyncio.to_thread(ran, site, "adb", "devices")
    assert done.returncode == 0, done.stderr
    assert {line.split("\t")[0] for line in done.stdout.splitlines()[1:] if line} == {*serials}
    whose = serials[[*SLOTS].index(44)]
    shown = await asyncio.to_thread(ran, site, "adb", "-s", whose, "shell", "getprop ro.product.model")
    assert (shown.returncode, shown.stdout.strip()) == (0, "A52")
    assert (await asyncio.to_thread(ran, site, "adb", "nonsense")).returncode != 0
