"""Runs of scripts: each has the whole script on record, so whoever begins many, or has them wait and stops them, writes
much with few words. They count by their bytes, as other changes do."""

import asyncio
from pathlib import Path

import pytest

from actors.runtime import storage, written
from bus_schemas.errors import Refusal
from bus_schemas.script import STOP_RUN, RunScript, RunState, StopRun
from tests.run.site import LONG, RunSite, play
from tests.script.scripts import HEAD

AT_ONCE, STEPS = 300_000, 100
STEP = '[[steps]]\ndo = "key"\nname = "%s"\nkey = "home"\n' % ("x" * 100)


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(written, "AT_ONCE", AT_ONCE)
    (tmp_path / "long.toml").write_text(HEAD.replace('"a"', '"long"', 1) + STEPS * STEP)
    return tmp_path


async def _asked(site: RunSite, id: str, user: str = "greedy") -> str:
    """A run that waits. Raises Refusal."""
    return await site.begin("long", id, queue=True, user=user)


async def _stopped(site: RunSite, script_id: str, user: str = "greedy") -> None:
    await site.ask(STOP_RUN, StopRun(script_id=script_id), f"stop-{script_id}", user)


def test_runs_that_wait_count_by_what_they_write(scripts: Path) -> None:
    async def story(site: RunSite) -> None:
        await site.begin("telegram_call", "busy", number=LONG)
        begun, refused = 0, None
        while begun < 100 and refused is None:
            try:
                await _stopped(site, await _asked(site, f"run-{begun}"))
                begun += 1
                await asyncio.sleep(1.0)  # it is out of the line
            except Refusal as refusal:
                refused = refusal
        size = sum(len(data) for _, data in site.events("script"))
        print(f"{begun} runs were asked for, {size} bytes are on record of them")
        assert refused is not None and (refused.details or {})["rule"] == "journal_bytes", "nobody was held back"
        assert size < 2 * AT_ONCE
        await _asked(site, "theirs", "other")

    play(story, scripts=scripts)


def test_a_run_that_waits_begins_whatever_its_user_has_written_since(scripts: Path) -> None:
    async def story(site: RunSite) -> None:
        busy = await site.begin("telegram_call", "busy", number=LONG)
        waits = await _asked(site, "first")
        much = RunScript(slot_id=1, script="long", params={"text": 2 * AT_ONCE * "x"})
        for machine in site.world.machines:
            assert machine.life is not None and machine.life.host is not None
            machine.life.host.written.charge(("user", "greedy"), (much,))
        await _stopped(site, busy, "op")
        assert (await site.over(waits)).state is RunState.SUCCEEDED

    play(story, scripts=scripts)


def test_a_run_waits_while_the_journal_is_nearly_full(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(site: RunSite) -> None:
        busy = await site.begin("telegram_call", "busy", number=LONG)
        waits = await _asked(site, "first")
        monkeypatch.setattr(storage, "NO_NEW_WORK", -1)
        await asyncio.sleep(2 * storage.LOOK)
        await _stopped(site, busy, "op")
        await asyncio.sleep(20.0)
        assert (await site.view(waits)).state is RunState.QUEUED
        monkeypatch.setattr(storage, "NO_NEW_WORK", 101)
        assert (await site.over(waits)).state is RunState.SUCCEEDED

    play(story, scripts=scripts)
