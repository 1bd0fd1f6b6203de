"""Journals of before are refused by name."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from actors.adapters.nats_bus import NatsBus
from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import ID
from actors.runtime.earlier import EarlierJournal, refuse_earlier
from bench.parts import nats_server
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.site import PATIENCE

OF_NOW = (
    "ottb.v1.evt.call.slot-44.c_1.dialing",
    "ottb.v1.evt.call.trunk-a.c_2.ended",
    "ottb.v1.evt.slot.44.activated",
    "ottb.v1.evt.slot.44.configured",
    "ottb.v1.evt.trunk.a.changed",
)
OF_BEFORE = ("ottb.v1.evt.call.c_1.dialing", "ottb.v1.evt.slot.44.booked", "ottb.v1.evt.trunk.a.booked")


async def _write(bus: MemoryBus | NatsBus, *subjects: str) -> None:
    for subject in subjects:
        scope = f"{subject.rsplit('.', 1)[0]}.*"
        last = await bus.last(scope)
        await bus.append(subject, b"{}", {ID: subject}, scope=scope, expect=last.seq if last else 0)


async def test_an_empty_journal_and_one_of_now_are_good() -> None:
    bus = MemoryBus(MemoryBroker(clock=SystemClock()))
    await refuse_earlier(bus)
    await _write(bus, *OF_NOW)
    await refuse_earlier(bus)


@pytest.mark.parametrize("subject", OF_BEFORE)
async def test_a_journal_of_before_is_refused_by_name(subject: str) -> None:
    bus = MemoryBus(MemoryBroker(clock=SystemClock()))
    await _write(bus, *OF_NOW, subject, "ottb.v1.evt.slot.45.configured")
    with pytest.raises(EarlierJournal, match=f"entry 6 is {subject}"):
        await refuse_earlier(bus)


async def test_the_host_says_what_to_do_and_ends(tmp_path: Path) -> None:
    async with nats_server(tmp_path) as port:
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="before")
        await bus.ensure_streams()
        await _write(bus, OF_BEFORE[0])
        env = os.environ | {"OTTB_NATS__PORT": str(port), "OTTB_STATE_DIR": str(tmp_path / "state")}
        host = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "actors.main", env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(PATIENCE):
            _, said = await host.communicate()
        entries = (await bus.size()).entries
        await bus.close()
    text = said.decode()
    assert host.returncode == 1 and text.splitlines()[-1].startswith("ottb: the journal is of an earlier version"), text
    assert "Traceback" not in text
    assert entries == 1  # nothing was added to it
