"""The gate: what it says of a number, by what is on record and in the settings, and where that is not known."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Any

import msgspec

from actors.campaign.rulebook import RuleBook
from actors.dialing.gate import RULE, UNKNOWN, Gate
from actors.dialing.rules import DialRules, canonical
from actors.do_not_call.followed import Followed
from actors.runtime.bus import ID
from actors.runtime.host import Host
from actors.runtime.marks import Marks
from bench.bus import Owned
from bus_schemas.do_not_call import DO_NOT_CALL_ADDED, DoNotCallAdded, Listed
from bus_schemas.errors import Refusal
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run

OLENA, PETRO, IVAN = "+380501230001", "+380501230002", "+380501230003"
SETTINGS = DialRules(site_region="UA", do_not_call=frozenset({IVAN}))


class Site:
    """A journal, and the gate of a host that reads it."""

    def __init__(self, step_over: tuple[int, ...] = ()) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self.clock = SimClock(loop)
        self.bus = MemoryBus(MemoryBroker(clock=self.clock))
        self.host = Host(
            name="a", bus=self.bus, clock=self.clock, ids=CountedIds("t"), ownership=Owned(), step_over=step_over
        )
        self.lists = Followed(host=self.host, marks=Marks(b"key"))
        self.gate = Gate(rules=SETTINGS, lists=self.lists, clock=self.clock)
        self.seq: dict[str, int] = {}

    async def write(self, data: bytes, list: str = "global") -> None:
        subject = f"ottb.v1.evt.do_not_call.{list}.added"
        expect = self.seq.get(list, 0)
        self.seq[list] = await self.bus.append(subject, data, {ID: f"{list}{expect}"}, scope=subject, expect=expect)

    async def add(self, *entries: str, list: str = "global", expires: str | None = None) -> None:
        listed = tuple(Listed(entry=one, expires=expires) for one in entries)
        event = DoNotCallAdded(list=list, at="2026-01-01T00:00:00.000Z", by="op", source="api", entries=listed)
        assert DO_NOT_CALL_ADDED.subject_for(event) == f"ottb.v1.evt.do_not_call.{list}.added"
        await self.write(msgspec.json.encode(event), list)

    async def begin(self) -> None:
        await self.lists.follow()
        assert await self.lists.is_current(1.0)

    def rule(self, number: str, campaign: str | None = None) -> Any:
        """The rule by which a number may not be called; None: it may."""
        try:
            self.gate.check(canonical(number, SETTINGS, ()), frozenset({"UA"}), campaign)
        except Refusal as refusal:
            return (refusal.details or {})["rule"]
        return None


def simulated(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    return lambda: run(test, 1)


@simulated
async def test_a_number_is_refused_for_whom_its_list_holds() -> None:
    site = Site()
    await site.add(OLENA)
    await site.add(PETRO, list="spring")
    await site.begin()
    for campaign in (None, "spring", "autumn"):
        assert site.rule(OLENA, campaign) == site.rule(IVAN, campaign) == RULE
        assert site.rule(PETRO, campaign) == (RULE if campaign == "spring" else None)
        assert await site.gate.hindrance(OLENA, campaign) == (RULE, "the number is on a do-not-call list by now")
        assert (await site.gate.hindrance(PETRO, campaign) is None) is (campaign != "spring")


@simulated
async def test_nobody_is_called_before_the_lists_are_read() -> None:
    site = Site()
    assert site.rule(PETRO) == UNKNOWN
    await site.lists.follow()
    assert site.rule(PETRO) == UNKNOWN
    assert await site.lists.is_current(1.0) and site.rule(PETRO) is None


@simulated
async def test_an_entry_that_cannot_be_read_stops_the_calls_of_its_list() -> None:
    site = Site()
    await site.write(b"{nonsense", "spring")
    await site.begin()
    assert site.rule(PETRO) is None and site.rule(PETRO, "autumn") is None
    assert site.rule(PETRO, "spring") == UNKNOWN
    assert "entry 1 cannot be read" in site.host.quarantined["do_not_call", "spring"]
    await site.write(b'{"list": "global"}')
    assert await site.lists.is_current(1.0)
    for campaign in (None, "spring", "autumn"):
        hindrance = await site.gate.hindrance(PETRO, campaign)
        assert site.rule(PETRO, campaign) == UNKNOWN and hindrance is not None and hindrance[0] == UNKNOWN


def test_no_event_that_is_odd_is_passed_over() -> None:
    odd = (
        b'{"list": "global"}', b"[]", b"{}" + b" " * 9, b'{"entries": ' + b"[" * 2000,
        _event('{"entry": "Ann"}'), _event('{"entry": "+"}'), _event('{"entry": "+*"}'), _event('{"entry": ""}'),
        _event('{"entry": "+48*", "expires": "soon"}'), _event('{"entry": "+48*", "expires": "2026-13-01T00:00:00Z"}'),
    )  # fmt: skip

    async def read(data: bytes) -> None:
        site = Site()
        await site.write(data)
        await site.add("+33612345678")
        await site.begin()
        assert site.rule(PETRO) == UNKNOWN, data

    for data in odd:
        run(partial(read, data), 1)
    print(f"{len(odd)} odd events tried, calls that went on in spite of one: 0")


def _event(entry: str) -> bytes:
    head = '{"list": "global", "at": "2026-01-01T00:00:00.000Z", "by": "op", "source": "api", "entries": ['
    return f"{head}{entry}]}}".encode()


@simulated
async def test_an_entry_that_is_stepped_over_stops_nothing() -> None:
    site = Site(step_over=(1,))
    await site.write(b"{nonsense")
    await site.add(OLENA)
    await site.begin()
    assert site.rule(PETRO) is None and site.rule(OLENA) == RULE


@simulated
async def test_an_entry_that_expires_holds_until_then() -> None:
    site = Site()
    until = datetime.fromtimestamp(site.clock.now().timestamp() + 60, UTC).isoformat().replace("+00:00", "Z")
    await site.add(OLENA, expires=until)
    await site.begin()
    await asyncio.sleep(58.0)
    assert site.rule(OLENA) == RULE
    await asyncio.sleep(3.0)
    assert site.rule(OLENA) is None


@simulated
async def test_who_cannot_ask_where_the_lists_end_does_not_dial() -> None:
    site = Site()
    await site.begin()
    site.bus._broker.cut(site.bus, notice=0.0)
    await asyncio.sleep(1.0)
    hindrance = await site.gate.hindrance(PETRO, None)
    assert hindrance is not None and hindrance[0] == UNKNOWN


@simulated
async def test_a_campaigns_rule_book_asks_the_same_lists() -> None:
    site = Site()
    await site.add(OLENA)
    await site.add("+38050123000*", list="spring")
    await site.begin()
    for campaign, number, listed in (("spring", PETRO, True), ("autumn", PETRO, False), ("autumn", OLENA, True)):
        book = RuleBook(held_until=partial(site.gate.held_until, campaign=campaign))
        assert (book.held_until(number) == inf) is listed and book.held_until(IVAN) == inf


def test_a_number_that_was_erased_stays_on_its_list() -> None:
    async def main() -> None:
        site = Site()
        mark = Marks(b"key").of(OLENA)
        await site.add(mark, PETRO)
        await site.begin()
        assert site.gate.is_listed(OLENA, None) and site.gate.is_listed(OLENA, "c1")
        assert not site.gate.is_listed("+380501230009", None)
        assert site.lists.forms_on("global", OLENA) == (OLENA, mark)
        assert site.lists.forms_on("global", PETRO) == (PETRO,)

    run(main, seed=1)
