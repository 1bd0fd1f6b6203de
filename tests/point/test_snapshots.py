"""A start reads the directory from its snapshot, which says the same as the journal does, and never instead of it."""

from functools import partial
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from actors.adapters.passwords import Passwords
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.point import snapshots
from actors.point.directory import Directory
from actors.point.point import Point
from actors.point.settings import Auth
from actors.point.snapshots import KEY, Snapshot
from actors.runtime.context import Context
from actors.runtime.journalled import SNAPSHOT_EVERY, SNAPSHOTS
from actors.runtime.wire import ask
from bus_schemas.permissions import Action
from bus_schemas.user import (
    CREATE_TOKEN,
    CREATE_USER,
    DELETE_USER,
    LOGIN,
    LOGOUT,
    SET_ROLE,
    CreateToken,
    CreateUser,
    DeleteUser,
    Login,
    Logout,
    RoleSet,
    SetRole,
)
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.counting import Counting

KEYS = {"0001": b"k" * 48}
DIRECTORY = "ottb.v1.evt.point.directory"
ROLE = RoleSet(role="", at="2026-11-28T10:00:00.000Z", permissions={"OTTB": ["read"]}, by="admin", built_in=False)


@pytest.fixture
async def bus() -> Counting:
    return Counting(MemoryBroker(clock=SystemClock()))


async def _started(bus: MemoryBus) -> Point:
    point = Point(bus=bus, clock=SystemClock(), ids=RandomIds(), passwords=Passwords(), keys=KEYS, auth=Auth())
    await point.start()
    return point


def _context(**more: Any) -> Context:
    return Context(command_id=RandomIds().new(), address="127.0.0.1", **more)


async def _lived(bus: MemoryBus) -> Point:
    """One with users, roles, tokens and sessions, of each some that are gone, and an entry that nobody can read."""
    point = await _started(bus)
    for name in ("admin", "op12", "op13"):
        await point.seed(name, "secret-of-all", "admin" if name == "admin" else "operator")
    admin, op12, op13 = [await _asker(point, bus, name) for name in ("admin", "op12", "op13")]
    await ask(bus, SET_ROLE, SetRole(role="looks", permissions={"OTTB": ["read"]}), admin)
    await ask(bus, CREATE_USER, CreateUser(username="gone", password="long enough!", role="looks"), admin)
    await ask(bus, DELETE_USER, DeleteUser(user="gone"), admin)
    await ask(bus, LOGOUT, Logout(), op13)
    await ask(bus, CREATE_TOKEN, CreateToken(name="t", actions=[Action.CALL_VIEW]), op12)
    await point.journal.until(await _put(bus, f"{DIRECTORY}.user_changed", b'{"user": "op13", "status": "FLYING"}'))
    return point


async def _asker(point: Point, bus: MemoryBus, name: str) -> Context:
    """Somebody who has just logged in."""
    before = set(point.journal.directory.sessions)
    await ask(bus, LOGIN, Login(username=name, password="secret-of-all"), _context())
    [session] = set(point.journal.directory.sessions) - before
    return _context(user=name, credential=f"session:{session}", actions=frozenset(Action))


async def _put(bus: MemoryBus, subject: str, data: bytes) -> int:
    seq = await bus.last_seq()
    return await bus.append(subject, data, {"Nats-Msg-Id": f"put{seq}"}, scope="ottb.v1.evt.>", expect=seq)


async def _read_whole(bus: Counting) -> tuple[Directory, Any]:
    """What the journal says, without a snapshot."""
    await bus.delete(SNAPSHOTS, KEY)
    point = await _started(bus)
    assert bus.replayed > 10
    found, problems = point.journal.directory, point.problems()
    await point.stop()
    return found, problems


async def test_a_start_with_a_snapshot_knows_what_the_journal_says(bus: Counting) -> None:
    point = await _lived(bus)
    before, problems = point.journal.directory, point.problems()
    assert before.users and before.sessions and before.tokens and before.predecessors and len(problems) == 1
    await point.stop()
    again = await _started(bus)
    assert bus.replayed == 0 and again.journal.directory == before and again.problems() == problems
    await ask(bus, DELETE_USER, DeleteUser(user="op13"), await _asker(again, bus, "admin"))  # no write is fenced
    after = again.journal.directory
    await again.stop()
    assert await _read_whole(bus) == (after, problems)


async def test_what_came_after_the_snapshot_is_read(bus: Counting) -> None:
    point = await _lived(bus)
    await point.stop()
    await _put(bus, f"{DIRECTORY}.user_deleted", b'{"user": "op12", "at": "2026-11-28T10:00:00.000Z", "by": "admin"}')
    bus.replayed = 0
    again = await _started(bus)
    assert "op12" not in again.journal.directory.users and 0 < bus.replayed <= 2
    after = again.journal.directory
    await again.stop()
    assert (await _read_whole(bus))[0] == after


async def _forget_a_piece(bus: MemoryBus) -> None:
    snapshot = await _snapshot(bus)
    await bus.delete(SNAPSHOTS, f"{KEY}.{snapshot.rest.place}.0")


async def _say_nonsense(bus: MemoryBus) -> None:
    await bus.put(SNAPSHOTS, KEY, b"\xff", expect=None)


async def _of_another_version(bus: MemoryBus) -> None:
    await _with(bus, form="another")


async def _of_another_entry(bus: MemoryBus) -> None:
    await _with(bus, entry="0" * 32)


async def _of_no_entry(bus: MemoryBus) -> None:
    await _with(bus, seq=(await _snapshot(bus)).seq + 1000)


async def _snapshot(bus: MemoryBus) -> Snapshot:
    found = await bus.get(SNAPSHOTS, KEY)
    assert found is not None and found.data is not None
    return msgspec.json.decode(found.data, type=Snapshot)


async def _with(bus: MemoryBus, **other: Any) -> None:
    changed = replace(await _snapshot(bus), **other)
    await bus.put(SNAPSHOTS, KEY, msgspec.json.encode(changed), expect=None)


@pytest.mark.parametrize(
    "spoil", [_forget_a_piece, _say_nonsense, _of_another_version, _of_another_entry, _of_no_entry]
)
async def test_what_cannot_be_used_is_not(bus: Counting, spoil: Any) -> None:
    point = await _lived(bus)
    await point.stop()
    before = point.journal.directory
    await spoil(bus)
    again = await _started(bus)
    assert bus.replayed > 10 and again.journal.directory == before
    await again.stop()
    bus.replayed = 0
    third = await _started(bus)  # a good one is there again
    assert bus.replayed == 0 and third.journal.directory == before
    await third.stop()


async def test_a_killed_host_reads_few_entries(bus: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PIECE", 300)  # so that there are several
    point = await _lived(bus)
    for number in range(SNAPSHOT_EVERY):
        await point.journal.change(partial(replace, ROLE, role=f"role{number}"))
    again = await _started(bus)  # the other one never stopped
    assert bus.replayed < SNAPSHOT_EVERY and again.journal.directory == point.journal.directory
    for one in (again, point):
        await one.stop()


async def test_roles_mean_what_this_version_means_by_them(bus: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    point = await _lived(bus)
    await point.stop()
    monkeypatch.setattr(snapshots, "resolve_known", lambda permissions: frozenset({Action.CALL_VIEW}))
    again = await _started(bus)
    assert again.journal.directory.roles["looks"].actions == {Action.CALL_VIEW}
    await again.stop()
