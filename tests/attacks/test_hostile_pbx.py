"""A PBX that lies, and says more than anybody asked for: its calls end, and the host goes on."""

import asyncio
import itertools
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from actors.adapters import ami, asterisk
from actors.adapters.ami import LIST_LIMIT, AmiDown
from actors.adapters.asterisk import Asterisk, contacts_seen
from actors.adapters.asterisk_ends import Ending, cause_of
from actors.dialing.limits import CallLimits
from actors.runtime.bus import Recorded
from actors.runtime.clock import Moment
from actors.runtime.decision import TimerFired
from actors.runtime.host import Host
from actors.telephony.reports import WORDS, CallPhase, CallSeen, CdrSeen, LiveCall, OfLine
from actors.trunk.actor import TrunkActor
from actors.trunk.machine import JUDGE, JUDGE_PAUSE, MOST_NEWS, Strays
from actors.trunk.pbx import Originate, PbxLink, PbxReport, RegistrationSeen
from actors.trunk.settings import Ami
from bus_schemas.call import EndReason
from bus_schemas.trunk import TrunkChanged, TrunkConfig
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from tests.dialing.test_offers import Always
from tests.support.site import until
from tests.trunk.test_machine import CONFIG, World

CALL, TRUNK = "c_1", TrunkConfig(name="t1", endpoint="t1", host="local")
NOW = Moment(at="2026-01-01T00:01:00.000Z", mono=61.0, boot="boot")
CHANNEL = "Channel: PJSIP/t1-01"
OF_CALL = f"Uniqueid: {CALL}\r\n{CHANNEL}\r\n"
RECORDS_HOLD = 2**63
LIMIT = 2**15  # bytes of a list, instead of as many as a large PBX needs
NO_NUMBERS = (
    "nan", "-nan", "inf", "-inf", "infinity", "1e999", "-1e308", "1e300", "9" * 400, "9" * 3000, "9" * 5000, "-1", "",
    " ", "\u00b2", "\u0661", "1_000", "0x10", "1.", ".5", "+5", "1,5",
)  # fmt: skip


class Liar:
    """A manager port. `figure`: what it says wherever a number is due; `rows`: what it adds to each list."""

    def __init__(self, figure: str = "1", rows: Callable[[], Iterator[str]] = lambda: iter(())) -> None:
        self.figure = figure
        self.rows = rows
        self.logins = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/9.0\r\n")
        try:
            while asked := (await reader.readuntil(b"\r\n\r\n")).decode():
                fields = dict(line.split(": ", 1) for line in asked.split("\r\n") if line)
                for message in self.answers(fields["Action"], fields.get("Variable", "")):
                    writer.write(f"ActionID: {fields['ActionID']}\r\n{message}\r\n\r\n".encode())
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    def answers(self, action: str, variable: str) -> Iterator[str]:
        yield f"Response: Success\r\nTimestamp: {self.figure}\r\nValue: {self.value(variable)}"
        match action:
            case "Login":
                self.logins += 1
                yield "Event: FullyBooted"
            case "CoreShowChannels" | "Status":
                yield (
                    f"Event: {action}\r\n{OF_CALL}ChannelState: 6\r\n"
                    f"Duration: {self.figure}:{self.figure}:{self.figure}\r\nSeconds: {self.figure}"
                )
                yield from self.rows()
                yield "Event: Complete\r\nEventList: Complete"
            case "Originate":
                yield f"Event: Cdr\r\nBillableSeconds: {self.figure}\r\nDisposition: ANSWERED\r\n{OF_CALL}"

    def value(self, variable: str) -> str:
        return "Reachable" if "status" in variable else self.figure


@asynccontextmanager
async def attached(liar: Liar) -> AsyncIterator[tuple[Asterisk, list[PbxReport]]]:
    """Its adapter, and what a trunk is told."""
    server = await asyncio.start_server(liar.take, "127.0.0.1", 0)
    port, told = server.sockets[0].getsockname()[1], list[PbxReport]()
    pbx = Asterisk("main", Ami(host="127.0.0.1", port=port, user="ottb", secret="x"), prefix="p")
    pbx.attach(TRUNK, told.append)
    pbx.start()
    try:
        yield pbx, told
    finally:
        await pbx.stop()
        server.close()


def live_in(told: list[PbxReport]) -> list[LiveCall]:
    return [live for report in told if isinstance(report, PbxLink) for live in report.live.values()]


def can_be_told(live: LiveCall) -> None:
    """Whoever hears this of a call can say when it began, and was answered."""
    for age in (live.created_age, live.answered_age or 0.0):
        assert age >= 0.0 and NOW.earlier(age).at <= NOW.at


async def test_no_figure_of_a_pbx_costs_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asterisk, "HANGUP_GRACE", 0.01)
    ages, billed = list[float | None](), list[int]()
    liar = Liar()
    async with attached(liar) as (pbx, told):
        for figure in NO_NUMBERS:
            liar.figure = figure
            told.clear()
            pbx._endings.clear()
            await pbx._take_stock()

            async def seen(told: list[PbxReport] = told) -> list[LiveCall]:
                return live_in(told)

            found = [*await until(seen, bool), *(await pbx.look(CALL)).live]
            for live in found:
                can_be_told(live)
                ages += (live.created_age, live.answered_age)
            order = Originate(call_id=CALL, number="+380991230006", slot=None, ring_timeout=5.0, max_duration=5.0)
            await pbx.originate(TRUNK, order)

            async def counted(told: list[PbxReport] = told) -> list[int]:
                return [report.billable_seconds for report in told if isinstance(report, CdrSeen)]

            billed += await until(counted, bool)
    print(f"{len(NO_NUMBERS)} words for a number: {len(ages)} ages, {len(billed)} durations, 0 that no record holds")
    assert all(0 <= one < RECORDS_HOLD for one in billed)
    assert contacts_seen([("Reachable", "nan")]).rtt_ms == 0.0


def test_a_cause_without_end_is_a_word_of_a_number() -> None:
    for figure in NO_NUMBERS:
        ending = Ending(endpoint="t1")
        ending.hang_up({"Cause": figure, "TechCause": figure, "Cause-txt": "x"})
        ending.count({"BillableSeconds": figure, "Disposition": "ANSWERED"})
        assert max(ending.cause, ending.sip, ending.billed) < RECORDS_HOLD and len(cause_of(ending)) < 100
    print(f"{3 * len(NO_NUMBERS)} numbers in ends of calls: 0 too large")


@pytest.mark.parametrize("letters", [100, 100_000])
async def test_a_list_without_end_takes_little_memory(letters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ami, "LIST_LIMIT", LIMIT)
    row, sent = f"Event: Row\r\nX: {letters * 'x'}", 0

    def rows() -> Iterator[str]:
        nonlocal sent
        while liar.logins == 1 and sent < 400 * LIMIT:
            sent += len(row)
            yield row

    liar = Liar(rows=rows)

    async def logins() -> int:
        return liar.logins

    tracemalloc.start()
    try:
        async with attached(liar):
            await until(logins, lambda count: count >= 2)  # it is left, and another connection made
            most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    print(f"a list of rows of {letters} letters: {sent >> 10} kB sent, {most >> 10} kB at once")
    assert most < 64 * LIMIT


def test_many_lists_at_once_take_no_more_memory_than_a_few() -> None:
    """Each call that is up when a connection comes is asked for by itself: 100 of them were 800 MB."""
    client = Asterisk("main", Ami(host="127.0.0.1", port=1, user="ottb", secret="x"), prefix="p").client
    lists: dict[str, list[dict[str, str]]] = {f"p-{number}": [] for number in range(100)}
    client._lists = lists
    said = 0
    with pytest.raises(AmiDown, match="without end"):
        for action_id in itertools.cycle(lists):
            client._take({"Event": "Row", "ActionID": action_id}, LIST_LIMIT // 8)
            said += LIST_LIMIT // 8
    print(f"100 lists at once: {said >> 20} MB are taken")
    assert LIST_LIMIT < said < 3 * LIST_LIMIT


LONG = 100_000 * "x"


@pytest.mark.parametrize(
    "said",
    [
        f"Event: Hangup\r\nUniqueid: c_%d{LONG}\r\n{CHANNEL}",
        f"Event: Newstate\r\nUniqueid: c_%d\r\nChannel: PJSIP/{LONG}-1",
        f"Event: Hangup\r\nUniqueid: c_%d\r\nCause-txt: {LONG}",
        f"Event: DialEnd\r\nUniqueid: c_%d\r\nDialStatus: {LONG}",
        f"Event: OriginateResponse\r\nResponse: Failure\r\nUniqueid: c_%d\r\nReason: {LONG}",
    ],
    ids=["name", "endpoint", "cause", "dial", "originate"],
)
async def test_little_is_kept_of_a_call_that_a_pbx_names(said: str) -> None:
    """Of thousands of calls, with a quarter of a megabyte in each message, all was: 2 GB."""
    pbx = Asterisk("main", Ami(host="127.0.0.1", port=1, user="ottb", secret="x"), prefix="p")
    pbx.attach(TRUNK, lambda report: None)
    tracemalloc.start()
    for number in range(50):
        pbx._hear(ami.decode((said % number).encode()))
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(f"50 calls with 100 kB of words each: {kept >> 10} kB are kept")
    assert kept < len(LONG)


def changes_of(world: World, report: object) -> list[TrunkChanged]:
    return [event for event in world.tell(report)[0] if isinstance(event, TrunkChanged)]


@pytest.mark.parametrize(
    "report",
    [
        RegistrationSeen(status=100_000 * "x"),
        PbxLink(up=False, detail=100_000 * "x"),
        CallSeen(
            ref="c_1", phase=CallPhase.DISCONNECTED, reason=EndReason.NETWORK, line=OfLine.REFUSED, cause=100_000 * "x"
        ),
    ],
    ids=["registration", "connection", "refusal"],
)
def test_no_word_of_a_pbx_is_long_on_record(report: object) -> None:
    world = World(replace(CONFIG, registration="t1"))
    world.book("c_1")
    (changed,) = changes_of(world, report)
    assert changed.reason is not None and len(changed.reason) < WORDS + 100


def test_a_pbx_that_says_something_else_each_time_writes_little() -> None:
    """Each would be an entry of the journal, in nobody's share: thousands in a second."""
    world, said = World(replace(CONFIG, registration="t1")), 0
    for number in range(1_000):
        said += len(changes_of(world, RegistrationSeen(status=f"Rejected {number}")))
    print(f"1,000 words of a registration: {said} on record")
    assert said == MOST_NEWS
    world.now += JUDGE_PAUSE
    (changed,) = changes_of(world, TimerFired(name=JUDGE))
    assert changed.reason == "registration: Rejected 999"


async def test_a_pbx_is_in_no_more_calls_than_there_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each trunk looked through all that it named, and asked the journal for each, at each login: 8 MB took 1.4 s."""
    monkeypatch.setattr(asterisk, "TRACKED", 50)
    named = 49
    liar = Liar(rows=lambda: (f"Event: Row\r\nUniqueid: c_more{number}\r\n{CHANNEL}" for number in range(named)))

    async def links() -> list[PbxLink]:
        return [report for report in told if isinstance(report, PbxLink) and (report.up or told[0] is not report)]

    async with attached(liar) as (pbx, told):
        [link] = await until(links, bool)
        assert link.up and len(link.live) == named + 1
        named += 1
        await pbx._take_stock()
        assert told[-1] == PbxLink(up=False, detail=asterisk.TOO_MANY)


class Remote(MemoryBus):
    """One whose server is as far away as on a network."""

    async def last(self, scope: str, *, certain: bool = False) -> Recorded | None:
        await asyncio.sleep(0.001)
        return await super().last(scope, certain=certain)


def test_only_strays_of_the_last_connection_are_looked_for() -> None:
    """Each is asked of the journal, one after the other, and a PBX may come and go at will."""

    async def come_and_go() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        clock = SimClock(loop)
        bus = Remote(MemoryBroker(clock=clock))
        host = Host(name="a", bus=bus, clock=clock, ids=CountedIds("t"), ownership=Always())
        counts = CallLimits(per_minute=1, at_once=1)
        trunk = TrunkActor(id="t1", host=host, counts=counts, pbxs={}, over=lambda slot, over: None)
        before = asyncio.all_tasks()
        for _ in range(100):
            trunk.perform(Strays(call_ids=tuple(f"c_{number}" for number in range(1_000))))
            await asyncio.sleep(0.001)
        at_work = asyncio.all_tasks() - before
        print(f"100 connections of a PBX with strays: {len(at_work)} looks through the journal")
        assert len(at_work) == 1
        await trunk.terminate()

    run(come_and_go, seed=1)
