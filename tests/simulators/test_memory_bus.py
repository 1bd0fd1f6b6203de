"""What only a simulation can do to a bus: pauses at any step, replicas, answers out of order, a long while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors.runtime.bus import ID, STUCK, BusUnavailable, Fenced, Message, NoResponders, Recorded, RequestTimeout
from simulators.clock_loop import SimClock, SimLoop, run
from simulators.memory_broker import Ack
from simulators.memory_bus import MemoryBroker, MemoryBus

SCOPE = "ottb.v1.evt.call.*.c1.*"
SUBJECT = "ottb.v1.evt.call.slot-1.c1.dialing"
ASK = "ottb.v1.cmd.slot.1.look"


def simulated(test: Callable[[MemoryBroker], Awaitable[None]]) -> Callable[[], None]:
    """A test that is run in simulated time, with a broker."""

    def run_it() -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, SimLoop)
            await test(MemoryBroker(clock=SimClock(loop)))

        run(main, seed=1)

    return run_it


def now() -> float:
    return asyncio.get_running_loop().time()


async def _append(bus: MemoryBus, id: str, expect: int = 0) -> int:
    return await bus.append(SUBJECT, b"", {ID: id}, scope=SCOPE, expect=expect)


async def _ended(call: Awaitable[Any], within: float) -> Any:
    """What a call gave, or the name of its error, or "waits"."""
    done, _ = await asyncio.wait({task := asyncio.ensure_future(call)}, timeout=within)
    if not done:
        return "waits"
    return type(task.exception()).__name__ if task.exception() else task.result()


# --- the duplicate window


@simulated
async def test_an_id_is_known_for_two_minutes(broker: MemoryBroker) -> None:
    assert broker.write(SUBJECT, b"", {ID: "a"}, scope=SCOPE, expect=0) == Ack(seq=1)
    await asyncio.sleep(119)
    assert broker.write(SUBJECT, b"", {ID: "a"}, scope=SCOPE, expect=1) == Ack(seq=1, duplicate=True)
    await asyncio.sleep(2)
    assert broker.write(SUBJECT, b"", {ID: "a"}, scope=SCOPE, expect=1) == Ack(seq=2)


@simulated
async def test_replicas_look_at_the_id_first(broker: MemoryBroker) -> None:
    broker.replicated = True
    bus, other = MemoryBus(broker), MemoryBus(broker)
    broker.lose_ack = iter([True]).__next__
    with pytest.raises(RequestTimeout):
        await _append(bus, "a")
    broker.lose_ack = lambda: False
    assert broker.write(SUBJECT, b"", {ID: "a"}, scope=SCOPE, expect=7) == Ack(seq=1, duplicate=True)
    with pytest.raises(Fenced):
        await _append(other, "a")
    assert await _append(bus, "a") == 1
    with pytest.raises(Fenced):  # it has its answer: from now on this is somebody's use of an old id
        await _append(bus, "a")


@simulated
async def test_a_replica_may_lag_and_the_leader_does_not(broker: MemoryBroker) -> None:
    bus = MemoryBus(broker)
    broker.lag = lambda: 1
    await _append(bus, "a")
    assert await bus.last(SCOPE) is None
    last = await bus.last(SCOPE, certain=True)
    assert last is not None and last.seq == 1


@simulated
async def test_a_stuck_stream_answers_no_write_and_is_told(broker: MemoryBroker) -> None:
    bus = MemoryBus(broker)
    broker.stuck = True
    with pytest.raises(RequestTimeout):
        await _append(bus, "a")
    assert bus.healthy() == STUCK and not broker.journal
    broker.stuck = False
    assert await _append(bus, "a") == 1


# --- a stopped process


@pytest.mark.parametrize("at", ["before append", "after append"])
def test_a_paused_process_goes_on_late(at: str) -> None:
    @simulated
    async def story(broker: MemoryBroker) -> None:
        async def step(name: str) -> None:
            if name.startswith(at):
                bus.pause()

        bus = MemoryBus(broker, step=step)
        writing = asyncio.ensure_future(_append(bus, "a"))
        await asyncio.sleep(30)
        assert not writing.done() and bus.paused
        assert len(broker.journal) == (0 if at.startswith("before") else 1)
        bus.resume()
        assert await writing == 1

    story()


@simulated
async def test_a_paused_writer_is_fenced_by_what_was_written_meanwhile(broker: MemoryBroker) -> None:
    async def step(name: str) -> None:
        if name.startswith("before append"):
            bus.pause()

    bus, other = MemoryBus(broker, step=step), MemoryBus(broker)
    writing = asyncio.ensure_future(_append(bus, "a"))
    await asyncio.sleep(1)
    await _append(other, "b")
    bus.resume()
    with pytest.raises(Fenced):
        await writing


@simulated
async def test_a_paused_process_hears_late_and_after_a_while_not_at_all(broker: MemoryBroker) -> None:
    bus, other = MemoryBus(broker), MemoryBus(broker)
    heard: list[tuple[str, float]] = []

    async def hear(message: Message) -> None:
        heard.append((message.subject, now()))
        if message.reply is not None:
            await message.reply(b"yes", {})

    async def follow(entry: Recorded) -> None:
        heard.append((entry.subject, now()))

    await bus.subscribe(ASK, hear)
    await bus.follow(SCOPE, follow, after=0)
    bus.pause()
    asking = asyncio.ensure_future(_ended(other.request(ASK, b"", {}, timeout=2), 60))
    await _append(other, "a")
    await asyncio.sleep(3)
    assert heard == [] and await asking == "RequestTimeout"
    await asyncio.sleep(2)
    assert await _ended(other.request(ASK, b"", {}, timeout=2), 5) == "NoResponders"  # the server has closed it
    bus.resume()
    resumed = now()
    await asyncio.sleep(1)
    assert sorted(heard) == [(ASK, resumed), (SUBJECT, resumed)]
    assert (await other.request(ASK, b"", {}, timeout=2)).data == b"yes"


@simulated
async def test_a_paused_asker_gets_its_answer_late(broker: MemoryBroker) -> None:
    async def step(name: str) -> None:
        if name.startswith("after request"):
            bus.pause()

    async def answer(message: Message) -> None:
        assert message.reply is not None
        await message.reply(b"yes", {})

    bus, other = MemoryBus(broker, step=step), MemoryBus(broker)
    await other.subscribe(ASK, answer)
    asking = asyncio.ensure_future(bus.request(ASK, b"", {}, timeout=2))
    await asyncio.sleep(20)
    assert not asking.done()
    bus.resume()
    assert (await asking).data == b"yes"


@simulated
async def test_a_process_killed_while_it_is_paused_never_goes_on(broker: MemoryBroker) -> None:
    bus = MemoryBus(broker)
    bus.pause()
    writing = asyncio.ensure_future(_append(bus, "a"))
    await asyncio.sleep(1)
    bus.kill()
    bus.resume()
    await asyncio.sleep(60)
    assert not writing.done() and not broker.journal
    bus.bury()
    with pytest.raises(BusUnavailable):
        await writing


# --- connections and answers


@simulated
async def test_before_a_cut_is_noticed_everything_goes_into_the_void(broker: MemoryBroker) -> None:
    bus = MemoryBus(broker)
    broker.cut(bus, notice=3.0)
    began = now()
    assert await _ended(bus.last(SCOPE), 60) == "RequestTimeout" and now() == began + 3
    assert await _ended(_append(bus, "a"), 60) == "BusUnavailable"
    broker.mend(bus)
    broker.cut(bus, notice=3.0)
    asyncio.get_running_loop().call_later(1.0, broker.mend, bus)
    assert await _append(bus, "b") == 1


@simulated
async def test_who_is_cut_off_is_not_there_and_misses_what_is_said(broker: MemoryBroker) -> None:
    bus, other = MemoryBus(broker), MemoryBus(broker)
    heard: list[bytes] = []

    async def hear(message: Message) -> None:
        heard.append(message.data)

    await bus.subscribe(ASK, hear)
    broker.cut(bus)
    await other.publish(ASK, b"lost", {})
    with pytest.raises(NoResponders):
        await other.request(ASK, b"", {}, timeout=1)
    broker.mend(bus)
    await other.publish(ASK, b"heard", {})
    await asyncio.sleep(1)
    assert heard == [b"heard"]


@simulated
async def test_answers_come_late_twice_and_out_of_order(broker: MemoryBroker) -> None:
    bus, other = MemoryBus(broker), MemoryBus(broker)
    delays = iter([(2.0, 2.0), (0.0, 1.0), (9.0,), ()])
    broker.reply_delays = lambda: next(delays)

    async def answer(message: Message) -> None:
        assert message.reply is not None
        await message.reply(message.data, {})

    await other.subscribe(ASK, answer)
    order: list[bytes] = []

    async def ask(data: bytes) -> None:
        order.append((await bus.request(ASK, data, {}, timeout=5)).data)

    first = asyncio.ensure_future(ask(b"first"))
    await asyncio.sleep(0.1)
    await ask(b"second")
    await first
    assert order == [b"second", b"first"]
    for _ in range(2):  # too late, lost
        with pytest.raises(RequestTimeout):
            await bus.request(ASK, b"", {}, timeout=5)
