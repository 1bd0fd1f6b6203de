"""The dashboard's counts are those of the records, on both databases: over midnight, when clocks change, and by
whomever they are asked."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from actors.adapters.system_clock import SystemClock
from actors.ledger.call import records
from actors.ledger.dashboard import (
    PROJECTION,
    QUARTER,
    Span,
    breakdown,
    day_of,
    edges,
    of_counts,
    quarter_of,
    series,
    total,
)
from actors.ledger.ledger import Ledger
from actors.ledger.store import JournalEntry
from actors.runtime.clock import parse_utc, utc
from actors.runtime.wire import ask
from bus_schemas.call import CallDialing, CallEnded, CallJoined, Cdr, EndReason, ListCdrs, Phase, state_of
from bus_schemas.dashboard import (
    FAILURES,
    GET_BREAKDOWN,
    GET_DASHBOARD,
    GET_SERIES,
    GetBreakdown,
    GetDashboard,
    GetSeries,
)
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.slot import SlotActivated, SlotConfig, SlotConfigured, SlotLinked, SlotStatus
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.ledger.journals import ASKER, write
from tests.ledger.places import Place
from tests.support.depth import plays

KYIV = ZoneInfo("Europe/Kyiv")
SPRING, AUTUMN = datetime(2026, 3, 29, tzinfo=KYIV), datetime(2026, 10, 25, tzinfo=KYIV)  # of 23 and of 25 hours
USERS, OPERATORS = ("ann", "bob"), (None, "ann", "cid")


def a_call(number: int, start: datetime, rng: random.Random) -> list[Any]:
    """A call from its dialing to its end, of whomever, however it went."""
    at = iter(start + timedelta(seconds=seconds) for seconds in (0, 1, 2, 3))
    trunk, operator = rng.choice((None, "t1", "t2")), rng.choice(OPERATORS)
    slot = rng.randrange(1, 4) if trunk is None or rng.random() < 0.5 else None
    whose: dict[str, Any] = {"line": f"slot-{slot}", "call_id": f"c_{number}", "slot": slot, "user": rng.choice(USERS)}
    more: dict[str, Any] = {"trunk": trunk, "campaign": rng.choice((None, "k1", "k2"))}
    began = utc(next(at))
    dialing = CallDialing(
        **whose, **more, number="+380991234567", at=began, mono=0.0, boot="b", command_id="k", ring_timeout=60,
        max_duration=60, operator=operator if slot is not None else None,
    )  # fmt: skip
    joined = [] if operator is None or slot is not None else [
        CallJoined(**whose, at=utc(next(at)), operator=operator, extension="601", by="x", command_id="j")
    ]  # fmt: skip
    answered, reason = rng.random() < 0.4, rng.choice([*EndReason])
    talked = rng.randrange(0, 7200) if answered else 0
    ended = CallEnded(
        **whose, **more, number="+380991234567", at=utc(start + timedelta(seconds=talked + 5)), reason=reason,
        state=state_of(Phase.ENDED, answered=answered, reason=reason), cause="X", duration=talked, operator=operator,
        ring_seconds=rng.randrange(30), start_time=began, ring_time=None, answer_time=began if answered else None,
    )  # fmt: skip
    return [dialing, *joined, ended]


def calls_of(seed: int, many: int = 60) -> list[Any]:
    """Calls of the days on which a clock changes and of those around, mixed up."""
    rng = random.Random(seed)
    day = rng.choice((SPRING, AUTUMN)) - timedelta(days=1)
    lives = [a_call(number, day + timedelta(minutes=rng.randrange(4 * 24 * 60)), rng) for number in range(many)]
    events = list[Any]()
    while lives:
        life = rng.choice(lives)
        events.append(life.pop(0))
        lives = [one for one in lives if one]
    return events


def counted(found: Sequence[Cdr]) -> dict[str, Any]:
    """The same from the records."""
    reasons = Counter(str(one.reason) for one in found if one.answer_time is None)
    return {
        "calls": len(found), "answered": sum(one.answer_time is not None for one in found),
        "failed": sum(one.reason in FAILURES for one in found),
        "talk_seconds": sum(one.talk_seconds for one in found), "ring_seconds": sum(one.ring_seconds for one in found),
        **{str(reason): reasons[str(reason)] for reason in EndReason},
    }  # fmt: skip


def is_of(cdr: Cdr, of: str, value: str) -> bool:
    match of:
        case "all":
            return True
        case "whose":
            return value in (cdr.user, cdr.operator)
    return str(getattr(cdr, of)) == value


@pytest.mark.parametrize("seed", range(plays(8)))
def test_ends_count_together_as_they_do_one_by_one(seed: int) -> None:
    ends = [event for event in calls_of(seed) if isinstance(event, CallEnded)]
    together, alone = ({part.key: PROJECTION.fold(None, part, 1) for part in of_counts(of)} for of in (ends, ends[:1]))
    for end in ends[1:]:
        for part in of_counts([end]):
            alone[part.key] = PROJECTION.fold(alone.get(part.key), part, 1)
    assert together == alone and len(list(of_counts(ends))) == len(together)


SCOPES = (("all", ""), ("whose", "ann"), ("whose", "cid"), ("operator", "cid"), ("campaign", "k1"), ("trunk", "t2"),
          ("slot", "3"), ("slot", "nobody"))  # fmt: skip
ZONES = ("Europe/Kyiv", "UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana")


@pytest.mark.parametrize("seed", range(plays(24)))
def test_counts_are_those_of_the_records(place: Place, seed: int) -> None:
    events, rng = calls_of(seed), random.Random(seed)
    entries = [JournalEntry(seq=seq, event=event) for seq, event in enumerate(events, 5)]
    with closing(place.store()) as store:
        for first in (*range(0, len(entries), 7), 0):  # some of them twice
            assert store.fold(entries[first : first + 7]) == []
        cdrs = [cdr for _, cdr in store.read(records(ListCdrs(limit=1000), before=None, user=None, parts=None))]
        assert len(cdrs) == 60
        first = quarter_of(min(cdr.start_time for cdr in cdrs)) + rng.randrange(50)
        for step, name in ((step, name) for step in ("quarter", "hour", "day") for name in ZONES):
            span = Span(first, first + rng.randrange(1, 400))
            starts = edges(span, step, ZoneInfo(name))
            for of, value in SCOPES:
                found = {at.of: at.counts for at in store.read(series(of, value, starts))}
                for at, (begin, end) in enumerate(pairwise(starts)):
                    here = [cdr for cdr in cdrs if is_of(cdr, of, value) and begin <= quarter_of(cdr.start_time) < end]
                    assert found.get(at, counted([])) == counted(here), (step, name, of, value, at)
                assert total([*found.values()])["calls"] <= 60
        span = Span(first, first + 300)
        for by in ("operator", "campaign", "trunk", "slot"):
            here = [cdr for cdr in cdrs if span.since <= quarter_of(cdr.start_time) < span.until]
            values = {str(getattr(cdr, by)) for cdr in here if getattr(cdr, by) is not None}
            shares = store.read(breakdown(by, span, 100))
            expected = {value: counted([cdr for cdr in here if is_of(cdr, by, value)]) for value in values}
            assert {one.of: one.counts for one in shares} == expected
            calls = [one.counts["calls"] for one in shares]
            assert calls == sorted(calls, reverse=True)
            assert store.read(breakdown(by, span, 1)) == shares[:1]


def test_steps_are_those_of_the_sites_clock() -> None:
    def lengths(day: datetime, step: Any) -> list[int]:
        begin = int(day.timestamp()) // QUARTER
        starts = edges(Span(begin - 96, begin + 2 * 96 + 4), step, KYIV)
        return [end - start for start, end in pairwise(starts)]

    assert lengths(SPRING, "day") == [96, 92, 96, 8]
    assert lengths(AUTUMN, "day") == [96, 100, 96]
    assert set(lengths(SPRING, "hour")) == {4} and set(lengths(AUTUMN, "quarter")) == {1}
    nepal = edges(Span(quarter_of("2026-01-01T00:00:00Z"), quarter_of("2026-01-01T03:00:00Z")), "hour",
                  ZoneInfo("Asia/Kathmandu"))  # fmt: skip
    assert [end - start for start, end in pairwise(nepal)] == [1, 4, 4, 3]
    for day, hours in ((SPRING, 23), (AUTUMN, 25)):
        begin = day_of(day.astimezone(UTC) + timedelta(hours=5), KYIV)
        assert begin == day and day_of(begin + timedelta(hours=hours), KYIV) == begin + timedelta(hours=hours)
        assert day_of(begin + timedelta(hours=hours, seconds=-1), KYIV) == begin


# --- what is answered ---------------------------------------------------------------------------------------------

NOW = datetime(2026, 3, 29, 8, 40, tzinfo=UTC)  # of the day that began at 22:00 UTC
OPERATOR = replace(ASKER, user="ann", actions=frozenset({Action.DASHBOARD_VIEW}))


@asynccontextmanager
async def ledger_on(place: Place) -> AsyncIterator[MemoryBus]:
    bus = MemoryBus(MemoryBroker(clock=SystemClock()))
    for event in told():
        await write(bus, event)
    ledger = Ledger(bus=bus, store=place.store(), zone=KYIV, wall=lambda: NOW)
    await ledger.start()
    try:
        yield bus
    finally:
        await ledger.stop()


def told() -> Iterator[Any]:
    """Calls before and after midnight, one that goes on since yesterday and one since today; four slots."""
    for slot, user in ((1, None), (2, "ann"), (3, "bob"), (4, "ann")):
        config = SlotConfig(id=slot, serial=f"p{slot}", user=user, host="h")
        yield SlotConfigured(slot=slot, at=utc(NOW), by="root", config=config)
    for slot in (1, 2, 3):
        yield SlotActivated(slot=slot, at=utc(NOW), host="h", epoch=1)
        status = SlotStatus.OFFLINE if slot == 2 else SlotStatus.ONLINE
        yield SlotLinked(slot=slot, at=utc(NOW), status=status, detail="")
    rng = random.Random(1)
    times = ("2026-03-28T21:59:59.999Z", "2026-03-28T22:00:00.000Z", "2026-03-29T08:39:00.000Z")
    for number, at in enumerate(times):
        for user, reason in (("ann", EndReason.NETWORK), ("bob", EndReason.BUSY)):
            dialing, *_, ended = a_call(10 * number + (user == "bob"), parse_utc(at), rng)
            same = {"user": user, "line": f"trunk-{number}", "slot": None, "trunk": "t1", "campaign": "k1"}
            yield replace(dialing, **same, operator=None)
            over = {"reason": reason, "answer_time": None, "duration": 0, "ring_seconds": 2, "operator": None}
            yield replace(ended, **same, **over)
    for number, at in ((50, "2026-03-28T21:00:00.000Z"), (51, "2026-03-29T07:00:00.000Z")):
        dialing = a_call(number, parse_utc(at), rng)[0]
        same = {"user": "bob", "line": f"slot-{number}", "slot": None, "trunk": "t1"}
        yield replace(dialing, **same, operator="ann" if number == 51 else None)


async def test_today_is_the_sites_day(place: Place) -> None:
    async with ledger_on(place) as bus:
        found = await ask(bus, GET_DASHBOARD, GetDashboard(), ASKER)
        assert (found.active_calls, found.today_calls, found.failed_calls) == (2, 5, 2)
        assert (found.active_slots, found.timestamp) == (2, utc(NOW))
        own = await ask(bus, GET_DASHBOARD, GetDashboard(), OPERATOR)
        assert (own.active_calls, own.today_calls, own.failed_calls) == (1, 3, 2)
        today = await ask(bus, GET_SERIES, GetSeries(), ASKER)
        assert (today.since, today.until, today.timezone) == (
            "2026-03-28T22:00:00.000Z", "2026-03-29T08:45:00.000Z", "Europe/Kyiv"
        )  # fmt: skip
        assert (today.calls, today.failed, today.outcomes) == (4, 2, {"network": 2, "busy": 2})
        assert (today.busiest, len(today.buckets), today.answer_rate) == ("2026-03-28T22:00:00.000Z", 11, 0.0)
        assert sum(bucket.calls for bucket in today.buckets) == 4 and today.mean_talk is None
        mine = await ask(bus, GET_SERIES, GetSeries(step="day", since="2026-03-28T00:00:00+02:00"), OPERATOR)
        assert (mine.calls, [bucket.calls for bucket in mine.buckets]) == (3, [1, 2])
        one = await ask(bus, GET_SERIES, GetSeries(by="campaign", value="k1"), ASKER)
        assert one.calls == 4 and (await ask(bus, GET_SERIES, GetSeries(by="slot", value="9"), ASKER)).calls == 0
        [share] = await ask(bus, GET_BREAKDOWN, GetBreakdown(by="trunk"), ASKER)
        assert (share.value, share.calls, share.outcomes) == ("t1", 4, {"network": 2, "busy": 2})


@pytest.mark.parametrize("wanted, field", [
    (GetSeries(by="slot"), "value"), (GetSeries(value="1"), "value"), (GetSeries(since="soon"), "since"),
    (GetSeries(since="2026-03-01"), "since"), (GetSeries(since="2027-01-01", until="2026-01-01"), "until"),
    (GetSeries(until="2026-03-28T22:00:00Z"), "until"), (GetSeries(since="2026-03-22", step="quarter"), "since"),
    (GetSeries(since="2024-01-01", step="day"), "since"), (GetSeries(by="slot", value="zz"), "value"),
    (GetSeries(by="slot", value="0"), "value"), (GetSeries(by="trunk", value="a b"), "value"),
    (GetSeries(by="campaign", value="k*"), "value"), (GetSeries(by="operator", value="a.b"), "value"),
])  # fmt: skip
async def test_what_makes_no_series_is_said(place: Place, wanted: GetSeries, field: str) -> None:
    if (wanted.since, wanted.step) == ("2026-03-01", "hour"):
        wanted = replace(wanted, since="2025-03-01")
    async with ledger_on(place) as bus:
        with pytest.raises(Refusal) as refused:
            await ask(bus, GET_SERIES, wanted, ASKER)
        assert (refused.value.code, refused.value.details["field"]) == (ErrorCode.INVALID_PARAMS, field)


async def test_who_sees_no_others_calls_gets_one_sum(place: Place) -> None:
    async with ledger_on(place) as bus:
        with pytest.raises(Refusal) as refused:
            await ask(bus, GET_SERIES, GetSeries(by="campaign", value="k1"), OPERATOR)
        assert refused.value.code is ErrorCode.PERMISSION_DENIED
        with pytest.raises(Refusal) as refused:
            await ask(bus, GET_BREAKDOWN, GetBreakdown(by="slot"), OPERATOR)
        assert refused.value.code is ErrorCode.PERMISSION_DENIED
