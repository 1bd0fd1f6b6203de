"""The loop of simulated time: seeded, and with processes that can be frozen and killed between any two steps."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from simulators.time.loop import SimLoop, run
from simulators.time.process import Process, here


def _loop() -> SimLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    return loop


async def _tick(said: list[float]) -> None:
    while True:
        await asyncio.sleep(1.0)
        said.append(_loop().time())


def test_time_jumps_and_a_seed_orders_the_steps() -> None:
    async def main() -> list[str]:
        order: list[str] = []

        async def say(name: str) -> None:
            await asyncio.sleep(3600.0)
            order.append(name)

        await asyncio.gather(*(say(name) for name in "abcdef"))
        return order

    assert run(main, 1) == run(main, 1)
    assert len({tuple(run(main, seed)) for seed in range(20)}) > 5


def test_a_frozen_process_goes_on_where_it_stood() -> None:
    async def main() -> list[float]:
        process, said = _loop().process("p"), []
        process.run(_tick(said))
        await asyncio.sleep(2.5)
        process.freeze()
        await asyncio.sleep(10.0)
        assert said == [1.0, 2.0]
        process.thaw()
        await asyncio.sleep(1.1)
        return said

    assert run(main, 0) == [1.0, 2.0, 12.5, 13.5]


def test_a_killed_process_never_takes_a_step_again() -> None:
    async def main() -> list[float]:
        process, said = _loop().process("p"), []
        process.run(_tick(said))
        await asyncio.sleep(2.5)
        process.kill()
        process.thaw()
        await asyncio.sleep(10.0)
        return said

    assert run(main, 0) == [1.0, 2.0]


def test_what_a_process_begins_is_of_that_process() -> None:
    async def main() -> list[Any]:
        process, seen = _loop().process("p"), []

        async def child() -> None:
            seen.append(here())
            asyncio.get_running_loop().call_later(5.0, lambda: seen.append(here()))

        async def parent() -> None:
            await asyncio.create_task(child())

        assert here() is None
        await process.run(parent())
        assert [timer.when() for timer in _loop().timers_of(process)] == [5.0]
        await asyncio.sleep(6.0)
        process.call(seen.append, "called")
        await asyncio.sleep(0.0)
        assert not _loop().timers_of(process) and not _loop().tasks_of(process)
        return seen

    first, second, third = run(main, 0)
    assert isinstance(first, Process) and first is second and third == "called"


@pytest.mark.filterwarnings("error")
def test_what_nobody_reads_on_is_closed() -> None:
    """By the loop, when the last reference to an asynchronous generator goes."""

    async def main() -> list[str]:
        closed: list[str] = []

        async def numbers() -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                closed.append("closed")

        async for _ in numbers():
            break
        await asyncio.sleep(0.1)
        return closed

    assert run(main, 0) == ["closed"]
