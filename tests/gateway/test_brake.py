"""A user's changes wait for their turn, and nobody else's do."""

import asyncio

import pytest

from actors.runtime import pace
from actors.settings import Http
from bus_schemas.errors import ErrorCode, Refusal
from gateway.brake import PATIENCE, WORTH, Brake
from simulators.time.clock import SimClock
from simulators.time.loop import SimLoop, run

PER_SECOND = Http().changes_per_second
AT_ONCE = int(WORTH * PER_SECOND)


async def _asked(brake: Brake, user: str, count: int) -> tuple[list[float], int]:
    """When each of so many requests, asked at once, had its turn; and how many were refused."""
    loop = asyncio.get_running_loop()
    turns: list[float] = []

    async def one() -> None:
        await brake.turn(("user", user))
        turns.append(loop.time())

    done = await asyncio.gather(*(one() for _ in range(count)), return_exceptions=True)
    refused = [each for each in done if each is not None]
    assert all(isinstance(each, Refusal) and each.code is ErrorCode.UNAVAILABLE for each in refused)
    return turns, len(refused)


def brake(per_second: float = PER_SECOND) -> Brake:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    return Brake(clock=SimClock(loop), per_second=per_second, lasting=1e6)


def test_more_than_a_share_waits_and_others_do_not() -> None:
    async def main() -> None:
        both = brake()
        began = asyncio.get_running_loop().time()
        busy = asyncio.create_task(_asked(both, "op12", AT_ONCE + 500))
        await asyncio.sleep(0)
        other, _ = await _asked(both, "op34", 100)
        assert {*other} == {began}
        turns, refused = await busy
        assert refused == 0 and sum(at == began for at in turns) == AT_ONCE + 1
        assert turns[-1] - began == pytest.approx(499 / PER_SECOND)
        await asyncio.sleep(60)
        assert len({*(await _asked(both, "op12", AT_ONCE))[0]}) == 1  # after a quiet time as before

    run(main, 1)


def test_no_more_wait_than_can_have_their_turn_soon() -> None:
    async def main() -> None:
        turns, refused = await _asked(brake(), "op12", 10_000)
        soon = AT_ONCE + PATIENCE * PER_SECOND
        assert abs(len(turns) - soon) <= 2 and refused == 10_000 - len(turns)

    run(main, 1)


@pytest.mark.parametrize("per_second", [0.5, 10.0, 500.0])
def test_the_pace_is_a_setting(per_second: float) -> None:
    async def main() -> None:
        began, count = asyncio.get_running_loop().time(), int(WORTH * per_second) + 3
        turns, refused = await _asked(brake(per_second), "op12", count)
        assert refused == 0 and turns[-1] - began == pytest.approx((count - 1 - WORTH * per_second) / per_second)

    run(main, 1)


def test_who_had_a_quiet_time_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "REMEMBERED", 10)

    async def main() -> None:
        one = brake()
        for number in range(100):
            await one.turn(("user", f"u{number}"))
            await asyncio.sleep(1)
        assert len(one._pace._next) <= 10

    run(main, 1)
