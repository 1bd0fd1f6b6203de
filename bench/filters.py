"""How long each filter of the lists of calls and of the audit takes in records of a million events."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import Any

from msgspec.structs import replace

from actors.adapters.system_clock import SystemClock
from actors.ledger.audit import READ_MODEL as AUDIT
from actors.ledger.call import READ_MODEL as CALL
from actors.ledger.ledger import Ledger
from actors.runtime.memory import RARELY, freeze
from bench.exports import EVERYBODY, fill_with, ledger_of
from bench.journal import SLOTS, TRUNKS, Event, events
from bench.table import Row
from bus_schemas.audit import LIST_AUDIT, AuditRecorded, ListAudit
from bus_schemas.call import LIST_CDRS, CallDialing, CallEnded, CallState, EndReason, ListCdrs
from bus_schemas.contract import Rpc
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus

EVENTS = 1_000_000
ASKED, ROUNDS = 300, 3  # times that a filter is asked for in one round
PROMISED = 20.0  # ms
Asked = Callable[[random.Random], Any]  # a request of its line


def _day(dice: random.Random) -> str:
    return f"2026-01-{dice.randint(1, 27):02}"


def _hour(dice: random.Random) -> dict[str, Any]:
    day, hour = _day(dice), dice.randrange(23)
    return {"since": f"{day}T{hour:02}:00:00Z", "until": f"{day}T{hour + 1:02}:00:00Z"}


def _user(dice: random.Random) -> str:
    return f"op{dice.randrange(50)}"


CALLS: Mapping[str, Asked] = {
    "all": lambda dice: ListCdrs(),
    "a number": lambda dice: ListCdrs(number=_number(dice.randrange(150_000))),
    "3 digits of a number": lambda dice: ListCdrs(number=f"{dice.randrange(1000):03}"),
    "5 digits of a number": lambda dice: ListCdrs(number=f"{dice.randrange(100_000):05}"),
    "a user": lambda dice: ListCdrs(user=_user(dice)),
    "nobody": lambda dice: ListCdrs(user="nobody"),
    "a slot": lambda dice: ListCdrs(slot=dice.randint(1, SLOTS)),
    "a trunk": lambda dice: ListCdrs(trunk=f"trunk-{dice.randrange(TRUNKS)}"),
    "a campaign": lambda dice: ListCdrs(campaign="c1"),
    "an outcome": lambda dice: ListCdrs(outcome=dice.choice((CallState.ENDED, CallState.FAILED))),
    "a reason": lambda dice: ListCdrs(reason=dice.choice(list(EndReason))),
    "an hour": lambda dice: ListCdrs(**_hour(dice)),
    "a day and a user": lambda dice: ListCdrs(user=_user(dice), since=_day(dice)),
    "a slot and a reason": lambda dice: ListCdrs(slot=dice.randint(1, SLOTS), reason=dice.choice(list(EndReason))),
    "a user and 4 digits": lambda dice: ListCdrs(user=_user(dice), number=f"{dice.randrange(10_000):04}"),
}
AUDITED: Mapping[str, Asked] = {
    "all": lambda dice: ListAudit(),
    "a user": lambda dice: ListAudit(user=_user(dice)),
    "an action": lambda dice: ListAudit(action=dice.choice(("POST /api/call", "DELETE", "POST /api/call/start"))),
    "a result": lambda dice: ListAudit(result=dice.choice(("OK", "SLOT_BUSY"))),
    "a request": lambda dice: ListAudit(request_id=f"r{dice.randrange(150_000):016x}"),
    "an hour": lambda dice: ListAudit(**_hour(dice)),
    "an hour and an action": lambda dice: ListAudit(action="POST /api/call", **_hour(dice)),
}


async def measure(folder: Path) -> list[Row]:
    path, models = folder / "filtered", (CALL, AUDIT)
    fill_with(path, islice(_events(), EVENTS), models)
    ledger = ledger_of(path, MemoryBus(MemoryBroker(clock=SystemClock())), models)
    await ledger.start()
    freeze(RARELY)
    rows = [await _slowest(ledger, "calls", LIST_CDRS, CALLS), await _slowest(ledger, "the audit", LIST_AUDIT, AUDITED)]
    await ledger.stop()
    return rows


async def _slowest(ledger: Ledger, what: str, rpc: Rpc[Any, Any], filters: Mapping[str, Asked]) -> Row:
    """The row of the filter that takes longest, of ROUNDS in which all of them take turns."""
    rounds = [{name: await _p99(ledger, rpc, asked, seed) for name, asked in filters.items()} for seed in range(ROUNDS)]
    took = {name: median(one[name] for one in rounds) for name in filters}
    name = max(took, key=lambda name: took[name])
    title = f"{what} by {name}, p99: the slowest of {len(filters)} filters on {EVENTS:,} events"
    return Row(title, f"{took[name]:.1f} ms", f"promised {PROMISED:g} ms", took[name] / PROMISED, "<= 1.0")


async def _p99(ledger: Ledger, rpc: Rpc[Any, Any], asked: Asked, seed: int) -> float:
    """Milliseconds."""
    times, dice = list[float](), random.Random(seed)
    for _ in range(ASKED):
        request = asked(dice)
        began = time.perf_counter()
        await ledger.answer(rpc, request, EVERYBODY)
        times.append(time.perf_counter() - began)
    return 1000 * sorted(times)[ASKED * 99 // 100]


def _events() -> Iterator[Event]:
    """Those of a busy site, each call to a number of its own."""
    numbers = dict[str, str]()
    fresh = map(_number, count())
    for event in events():
        if isinstance(event, CallDialing):
            numbers[event.call_id] = number = next(fresh)
            event = replace(event, number=number)
        elif isinstance(event, CallEnded):
            event = replace(event, number=numbers.pop(event.call_id))
        if isinstance(event, AuditRecorded) or hasattr(event, "call_id"):
            yield event


def _number(place: int) -> str:
    return f"+38050{place * 7919 % 10_000_000:07}"
