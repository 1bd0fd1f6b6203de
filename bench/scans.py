"""What others feel who read the records, while four users have them looked through from one end to the other."""

import asyncio
import random
import time
from contextlib import suppress
from pathlib import Path

from actors.adapters.system_clock import SystemClock
from actors.ledger.ledger import Ledger
from actors.runtime.context import Context
from actors.runtime.memory import RARELY, freeze
from bench.exports import fill, ledger_of
from bench.table import Row, compared
from bus_schemas.call import LIST_CDRS, PAST_CALL, GetCall, ListCdrs
from bus_schemas.errors import Refusal
from bus_schemas.permissions import Action
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus

CALLS, SCANS, ROUNDS = 200_000, 4, 3
ASKED, PAUSE = 100, 0.005  # times, and seconds between two of them
UNTIL_KNOWN = 2.0  # seconds after which it is known whose lists are long
NOBODYS = "4711000"  # a part of no number


async def measure(folder: Path) -> list[Row]:
    fill(folder / "scanned", CALLS)
    ledger = ledger_of(folder / "scanned", MemoryBus(MemoryBroker(clock=SystemClock())))
    await ledger.start()
    freeze(RARELY)
    rows = [await _felt(ledger, what) for what in ("a call", "a list")]
    await ledger.stop()
    return rows


async def _felt(ledger: Ledger, what: str) -> Row:
    async def while_scanned() -> float:
        scans = [asyncio.create_task(_scanning(ledger, f"reader{number}")) for number in range(SCANS)]
        await asyncio.sleep(UNTIL_KNOWN)
        took = await _p95(ledger, what)
        for scan in scans:
            assert not scan.done(), "nobody looks through them"
            scan.cancel()
        await asyncio.gather(*scans, return_exceptions=True)
        return took

    under, quiet, ratio = await compared(while_scanned, lambda: _p95(ledger, what), rounds=ROUNDS)
    name = f"others' p95 of {what} while {SCANS} users look through {CALLS:,}"
    return Row(name, f"{under:.2f} ms", f"quiet {quiet:.2f} ms", ratio, "<= 3.0")


async def _scanning(ledger: Ledger, user: str) -> None:
    while True:
        with suppress(Refusal):  # when it is not their turn within seconds
            await ledger.answer(LIST_CDRS, ListCdrs(number=NOBODYS), _as(user))


async def _p95(ledger: Ledger, what: str) -> float:
    """Milliseconds."""
    times, dice = list[float](), random.Random(7)
    for _ in range(ASKED):
        began = time.perf_counter()
        if what == "a call":
            await ledger.answer(PAST_CALL, GetCall(call_id=f"c_{dice.randrange(CALLS):016x}"), _as("other"))
        else:
            await ledger.answer(LIST_CDRS, ListCdrs(slot=dice.randrange(1, 400), limit=20), _as("other"))
        times.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE)
    return 1000 * sorted(times)[ASKED * 95 // 100]


def _as(user: str) -> Context:
    return Context(command_id="x", user=user, actions=frozenset(Action))
