"""How long a refused login takes for names that exist and names that do not: nobody shall learn which is which."""

import random
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

from actors.adapters.passwords import Passwords
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.point.keys import ensure_keys
from actors.point.point import Point
from actors.point.settings import Auth
from actors.runtime.context import Context
from bench.table import Row
from bus_schemas.errors import Refusal
from bus_schemas.user import Login
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus

LOGINS = 500  # of each kind
USERS = 20  # so that no account is slowed down for its failures


async def measure(folder: Path) -> list[Row]:
    passwords = Passwords()
    point = Point(
        bus=MemoryBus(MemoryBroker(clock=SystemClock())),
        clock=SystemClock(),
        ids=RandomIds(),
        passwords=passwords,
        keys=ensure_keys(folder / "logins"),
        auth=Auth(),
    )
    await point.start()
    for number in range(USERS):
        await point.seed(f"known{number}", "right-password", "operator")
    kinds = ["known", "ghost"] * LOGINS
    random.shuffle(kinds)
    spent: dict[str, list[float]] = {"known": [], "ghost": []}
    for number, kind in enumerate(kinds):
        spent[kind].append(await _refused(point, f"{kind}{number % USERS}", f"10.0.{number // 256}.{number % 256}"))
    await point.stop()
    passwords.close()
    known, ghost = (1000 * median(spent[kind]) for kind in ("known", "ghost"))
    ratio = max(known / ghost, ghost / known)
    return [Row(f"refused login, {LOGINS} each", f"{known:.2f} ms", f"unknown name {ghost:.2f} ms", ratio, "<= 1.05")]


async def _refused(point: Point, name: str, address: str) -> float:
    began = time.perf_counter()
    with suppress(Refusal):
        await point.sessions.login(Login(username=name, password="wrong"), Context(command_id="b", address=address))
    return time.perf_counter() - began
