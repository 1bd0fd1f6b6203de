"""Fifty phones at once, each with a call in an app, while pop-ups come and dumps fail: each says what its phone's log
does."""

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as with_fields

from bus_schemas.script import RunState
from bus_schemas.slot import SlotConfig
from simulators.phone.handset import Handset
from simulators.phone.screens.screens import Screens
from simulators.time.loop import SimLoop, run
from simulators.world.world import World
from tests.run.site import RunSite
from tests.script.on_phone import PROFILES, TROUBLES
from tests.support.depth import seeds

PHONES = 50
NUMBERS = ("+380631110006", "+380501110001", "+380501110002", "+380671110003")  # talks, busy, nobody, declines


def _world(loop: SimLoop, folder: str, seed: int) -> tuple[World, Mapping[int, Screens]]:
    """Host a has all the phones."""
    world = World(loop, Path(folder), user_calls=200, slow=0.0, deaf=0.0)
    [machine] = [one for one in world.machines if one.id == "a"]
    slots = tuple(SlotConfig(id=slot, serial=f"phone{slot}", region="UA", host="a") for slot in range(1, PHONES + 1))
    limits = with_fields(machine.settings.dial, user_calls_per_minute=1000)
    machine.settings = with_fields(machine.settings, slots=slots, dial=limits)
    given: dict[int, Screens] = {}
    for slot in range(1, PHONES + 1):
        handset = Handset(f"slot-{slot}", book=world.book, impairments=world.impairments)
        world.handsets[f"phone{slot}"] = handset
        given[slot] = handset.give_screens(PROFILES[slot % len(PROFILES)], seed=slot + PHONES * seed)
        given[slot].troubles = replace(given[slot].troubles, **TROUBLES)
    world.keep(machine)
    return world, given


def _log(screens: Screens, what: str) -> int:
    return sum(line.what == what for line in screens.log)


@pytest.mark.parametrize("seed", seeds(3))
def test_fifty_phones_at_once_say_what_their_logs_do(seed: int) -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        world, given = _world(loop, folder, seed)
        await asyncio.sleep(6.0)
        site = RunSite(world, given[1])
        await site.know_users()
        ids = {
            slot: await site.begin("telegram_call", f"run-{slot}", slot=slot, number=NUMBERS[slot % 4])
            for slot in given
        }
        seen = {slot: await site.over(id, 400.0) for slot, id in ids.items()}
        calls = site.calls()
        assert all(len(ends) == 1 for ends in calls.values())
        sure = 0
        for slot, one in seen.items():
            placed, answered = _log(given[slot], "app_call"), _log(given[slot], "app_call_connected")
            assert placed == _log(given[slot], "app_call_ended") <= 1 and not world.phone(slot).dials
            if one.state is RunState.SUCCEEDED:
                sure += 1
                assert placed == 1 and one.call_id is not None
                assert one.values == {"call": "answered" if answered else "unanswered"}
                assert (calls[one.call_id][0].answer_time is not None) == bool(answered), one
            else:
                assert one.uncertain or not placed, one
        assert sure >= PHONES - 1, [one.reason for one in seen.values() if one.reason]
        await world.stop()

    with tempfile.TemporaryDirectory() as folder:
        run(main, 3 + seed)
