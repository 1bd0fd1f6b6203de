"""`Idempotency-Key`: one answer for each key, and one command id, whatever is lost or dies in between."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import BusUnavailable, RequestTimeout
from bus_schemas.errors import ErrorCode, Refusal
from gateway import idempotency
from gateway.idempotency import Idempotency, digest_of
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus

KEY = Idempotency.record_of("op12", "POST /api/call/start", "once")
BODY = b'{"number": "+380991234567"}'
BUSY = Refusal(ErrorCode.SLOT_BUSY, "Slot is currently used.", slot=44)


class Lossy(MemoryBus):
    """A bus whose writes of keys can be away, or lose their acknowledgement: then, as the real one does, they are
    sent again and meet themselves."""

    lose_acks = 0
    silent = 0  # writes that happen and are never acknowledged
    away = False

    async def put(self, bucket: str, key: str, data: bytes, *, expect: int | None, ttl: float | None = None) -> int:
        if self.away:
            raise BusUnavailable("away")
        revision = await super().put(bucket, key, data, expect=expect, ttl=ttl)
        if self.silent:
            self.silent -= 1
            raise RequestTimeout(key)
        if self.lose_acks:
            self.lose_acks -= 1
            return await super().put(bucket, key, data, expect=expect, ttl=ttl)  # the second try
        return revision


class Gateway:
    """One gateway's idempotency, and what its commands were answered. `done`: how often the command ran."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.bus = Lossy(broker)
        self.keys = Idempotency(bus=self.bus, ids=RandomIds(), now=lambda: self.at)
        self.at = 1000.0
        self.done = 0
        self.again = list[bool]()

    async def post(self, work: Callable[[], Awaitable[web.Response]] | None = None, body: bytes = BODY) -> web.Response:
        async def counted(again: bool) -> web.Response:
            self.done += 1
            self.again.append(again)
            return await (work or started)()

        return await self.keys.run(KEY, await digest_of(body), counted)

    async def refusal(self, work: Callable[[], Awaitable[web.Response]] | None = None, body: bytes = BODY) -> Refusal:
        with pytest.raises(Refusal) as refused:
            await self.post(work, body)
        return refused.value


async def started() -> web.Response:
    return web.Response(body=b'{"call_id": "c_1"}', status=201)


def refuse(refusal: Refusal) -> Callable[[], Awaitable[web.Response]]:
    async def work() -> web.Response:
        raise refusal

    return work


@pytest.fixture
async def broker() -> MemoryBroker:
    return MemoryBroker(clock=SystemClock())


@pytest.fixture
async def one(broker: MemoryBroker) -> Gateway:
    gateway = Gateway(broker)
    await gateway.keys.start()
    return gateway


@pytest.fixture
async def two(broker: MemoryBroker) -> Gateway:
    gateway = Gateway(broker)
    await gateway.keys.start()
    return gateway


async def test_a_repeat_gets_the_first_answer(one: Gateway, two: Gateway) -> None:
    first = await one.post()
    for gateway in (one, two):
        again = await gateway.post()
        assert (again.status, again.body) == (201, first.body)
        assert again.headers["Idempotent-Replayed"] == "true"
    assert (one.done, two.done) == (1, 0)
    assert (await two.refusal(body=b"{}")).code is ErrorCode.IDEMPOTENCY_MISMATCH


async def test_a_repeat_after_a_refusal_gets_that_refusal_at_once(one: Gateway, two: Gateway) -> None:
    await one.refusal(refuse(BUSY))
    for gateway in (one, two):
        again = await gateway.refusal()
        assert (again.code, again.message, again.details) == (BUSY.code, BUSY.message, BUSY.details)
    assert (one.done, two.done) == (1, 0)
    assert (await one.refusal(body=b"{}")).code is ErrorCode.IDEMPOTENCY_MISMATCH


@pytest.mark.parametrize("code", [ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.INTERNAL])
async def test_what_is_no_answer_frees_the_key_at_once(one: Gateway, two: Gateway, code: ErrorCode) -> None:
    await one.refusal(refuse(Refusal(code, "Nobody knows.")))
    await two.refusal(refuse(Refusal(code, "Nobody knows.")))
    # The command may have been done, so that another body must not come under its id.
    assert (await one.refusal(body=b"{}")).code is ErrorCode.IDEMPOTENCY_MISMATCH
    assert (await one.post()).status == 201
    assert (await two.post()).status == 201
    assert (one.done, two.done) == (2, 1)


async def test_who_is_told_to_wait_may_come_back_with_the_same_key(one: Gateway) -> None:
    wait = Refusal(ErrorCode.RATE_LIMITED, "Too many calls started.", retry_after=1)
    assert (await one.refusal(refuse(wait))).code is ErrorCode.RATE_LIMITED
    assert (await one.post()).status == 201


async def test_an_error_inside_frees_the_key(one: Gateway) -> None:
    async def broken() -> web.Response:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        await one.post(broken)
    assert (await one.post()).status == 201


async def test_while_the_first_runs_a_repeat_is_told_so(one: Gateway, two: Gateway) -> None:
    go_on = asyncio.Event()

    async def slow() -> web.Response:
        await go_on.wait()
        return await started()

    first = asyncio.ensure_future(one.post(slow))
    await asyncio.sleep(0.01)
    for gateway in (one, two):
        running = await gateway.refusal()
        assert running.code is ErrorCode.CONFLICT and "still running" in running.message
        assert running.details == {"retry_after": 1}
        gateway.at += 3600  # however long it takes
    go_on.set()
    assert (await first).status == 201
    assert (await two.post()).status == 201
    assert (one.done, two.done) == (1, 0)


async def test_of_many_at_once_one_runs(one: Gateway, two: Gateway) -> None:
    found = await asyncio.gather(
        *(gateway.post() for gateway in (one, two) for _ in range(20)), return_exceptions=True
    )
    assert one.done + two.done == 1
    assert all(isinstance(answer, web.Response) or answer.code is ErrorCode.CONFLICT for answer in found)  # type: ignore[union-attr]


async def test_what_a_dead_gateway_left_is_taken_over_at_once(one: Gateway, two: Gateway) -> None:
    first = asyncio.ensure_future(one.post(asyncio.Event().wait))  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    assert (await two.refusal()).code is ErrorCode.CONFLICT
    one.bus.kill()
    assert (await two.post()).status == 201
    assert (await two.post()).headers["Idempotent-Replayed"] == "true"
    assert two.done == 1
    first.cancel()


async def test_who_takes_over_says_that_it_may_have_been_done_before(one: Gateway, two: Gateway) -> None:
    await one.refusal(refuse(Refusal(ErrorCode.TIMEOUT, "No answer in time.")))
    await two.post()
    assert (one.again, two.again) == ([False], [True])


async def test_a_request_that_was_cut_off_is_taken_over_by_its_own_gateway(one: Gateway) -> None:
    first = asyncio.ensure_future(one.post(asyncio.Event().wait))  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await one.post()).status == 201


async def test_a_gateway_that_does_not_answer_is_waited_for_and_then_taken_over(
    one: Gateway, two: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "ASK_TIMEOUT", 0.01)
    asked = asyncio.ensure_future(one.post(asyncio.Event().wait))  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    one.bus.alive = False  # paused: the server still has its subscriptions
    assert (await two.refusal()).code is ErrorCode.CONFLICT
    two.at += idempotency.STALE
    assert (await two.post()).status == 201
    asked.cancel()


@pytest.mark.parametrize("writes", [1, 2])
async def test_a_lost_acknowledgement_is_no_conflict(one: Gateway, two: Gateway, writes: int) -> None:
    one.bus.lose_acks = writes
    assert (await one.post()).status == 201
    assert (await two.post()).headers["Idempotent-Replayed"] == "true"
    two.bus.lose_acks = writes
    assert (one.done, two.done) == (1, 0)


@pytest.mark.parametrize("writes", [1, 2])
async def test_an_acknowledgement_that_never_came_is_looked_up(one: Gateway, two: Gateway, writes: int) -> None:
    one.bus.silent = writes
    await one.refusal(refuse(BUSY))
    assert (await two.refusal()).code is BUSY.code
    assert (one.done, two.done) == (1, 0)


async def test_a_taken_over_key_survives_a_lost_acknowledgement(one: Gateway, two: Gateway) -> None:
    await one.refusal(refuse(Refusal(ErrorCode.TIMEOUT, "No answer.")))
    two.bus.lose_acks = 2
    assert (await two.post()).status == 201
    assert (await one.post()).headers["Idempotent-Replayed"] == "true"


async def test_a_done_command_is_answered_although_the_answer_could_not_be_kept(one: Gateway, two: Gateway) -> None:
    async def outage() -> web.Response:
        one.bus.away = True
        return await started()

    assert (await one.post(outage)).status == 201
    one.bus.away = False
    assert (await two.post()).status == 201  # the same command again: the actors know it
    assert two.done == 1


async def test_a_refusal_that_could_not_be_kept_is_not_given(one: Gateway, two: Gateway) -> None:
    async def outage() -> web.Response:
        one.bus.away = True
        raise BUSY

    assert (await one.refusal(outage)).code is ErrorCode.UNAVAILABLE
    one.bus.away = False
    assert (await two.post()).status == 201


async def test_of_two_answers_the_kept_one_counts(one: Gateway, two: Gateway) -> None:
    """The first gateway is taken for dead while its command runs: what the second one kept is the answer."""

    async def overtaken() -> web.Response:
        one.keys._running.clear()
        assert (await two.post()).status == 201
        raise BUSY

    assert (await one.post(overtaken)).status == 201


async def test_a_bus_that_is_away_is_said(one: Gateway) -> None:
    one.bus.away = True
    assert (await one.refusal()).code is ErrorCode.UNAVAILABLE
    assert one.done == 0
