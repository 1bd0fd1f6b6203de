"""Phones whose screens raise what nobody foresaw: a run goes on or ends, and can be stopped."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from actors.adapters.phone_screen import PhoneScreen
from actors.script.effects import Back, Dump, TapAt
from actors.slot.screen import OnScreen
from bus_schemas.script import STOP_RUN, RunState, StopRun
from tests.adapters.conftest import logged
from tests.run.site import LONG, RunSite, play

__all__ = ["logged"]

def _break(monkeypatch: pytest.MonkeyPatch, *kinds: type[OnScreen], pictures: bool = False) -> None:
    """From now on what is of these kinds raises."""
    do = PhoneScreen.carry_out

    async def odd(self: PhoneScreen, effect: OnScreen) -> Back:
        if isinstance(effect, kinds):
            await asyncio.sleep(0.05)
            raise OverflowError("cannot fit 'int' into an index-sized integer")
        return await do(self, effect)

    async def no_picture(self: PhoneScreen) -> bytes:
        raise RecursionError("too deep")

    monkeypatch.setattr(PhoneScreen, "carry_out", odd)
    if pictures:
        monkeypatch.setattr(PhoneScreen, "picture", no_picture)


@pytest.mark.parametrize("kinds", [(object,), (Dump,), (TapAt,)], ids=["all", "looks", "taps"])
def test_a_run_on_an_odd_phone_ends_and_lets_its_slot_go(
    monkeypatch: pytest.MonkeyPatch, logged: list[MutableMapping[str, Any]], kinds: tuple[type[OnScreen], ...]
) -> None:
    async def story(site: RunSite) -> None:
        with monkeypatch.context() as broken:
            _break(broken, *kinds, pictures=True)
            seen = await site.over(await site.begin("telegram_call", number=LONG))
        assert seen.state is RunState.FAILED and not seen.screenshot
        by_run = [line for line in logged if "nobody foresaw" in line["event"] and "script_id" in line]
        assert len(by_run) == 1  # beside it, the look at the apps of before has one of its own
        assert all(len(ends) == 1 for ends in site.calls().values())
        assert (await site.over(await site.begin("wifi_on", "two"))).state is RunState.SUCCEEDED

    play(story)


@pytest.mark.parametrize("after", [0.05, 0.6, 2.0, 4.0])
def test_a_stop_ends_a_run_on_an_odd_phone(monkeypatch: pytest.MonkeyPatch, after: float) -> None:
    async def story(site: RunSite) -> None:
        run = await site.begin("telegram_call", number=LONG)
        await asyncio.sleep(after)
        with monkeypatch.context() as broken:
            _break(broken, object, pictures=True)
            await site.ask(STOP_RUN, StopRun(script_id=run), "stop")
            seen = await site.over(run, 30.0)
        assert seen.state is RunState.STOPPED

    play(story)
