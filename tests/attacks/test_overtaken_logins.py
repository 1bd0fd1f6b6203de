"""Whoever has an old password, and is in the middle of a login while it is taken from them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.point.point import Point
from actors.point.settings import Auth
from actors.runtime.context import Context
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.user import (
    ChangePassword,
    ChangeUser,
    CreateUser,
    DeleteUser,
    EndSessions,
    Login,
    UserStatus,
)
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.whole import Quick

KEYS = {"0001": b"k" * 48}
OLD, NEW = "violet-Harbour-93", "entirely-New-77-word"
WRONG = "Wrong user name or password."


class Held(Quick):
    """Holds whoever comes to one place, until they are let go on."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.came, self.go = asyncio.Event(), asyncio.Event()

    async def check(self, stored: str | None, password: str) -> bool:
        right = await super().check(stored, password)
        await self.step("check")
        return right

    async def step(self, name: str) -> None:
        if name.startswith(self.place):
            self.came.set()
            await self.go.wait()


@asynccontextmanager
async def host(broker: MemoryBroker, held: Held | None = None) -> AsyncIterator[Point]:
    """POINT on one host of the site."""
    bus = MemoryBus(broker, step=held.step) if held else MemoryBus(broker)
    auth = Auth(change_at_first_login=False)
    point = Point(
        bus=bus, clock=SystemClock(), ids=RandomIds(), passwords=held or Quick(), keys=KEYS, auth=auth,
    )  # fmt: skip
    await point.start()
    yield point
    await point.stop()


@asynccontextmanager
async def two_hosts() -> AsyncIterator[tuple[MemoryBroker, Point, Point, Held]]:
    """The second one holds whoever comes to a place."""
    broker, held = MemoryBroker(clock=SystemClock()), Held("nowhere")
    async with host(broker) as first:
        await first.seed("root", NEW, "admin")
        await first.seed("victim", OLD, "operator")
        async with host(broker, held) as second:
            yield broker, first, second, held


async def hold(held: Held, place: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Begin what is held at a place, and wait until it is there."""
    held.place = place
    task = asyncio.create_task(work)
    await asyncio.wait_for(held.came.wait(), 5)
    return task


async def as_user(point: Point, name: str, password: str) -> Context:
    """Log in; what the user then asks with."""
    await point.sessions.login(Login(username=name, password=password), _stranger())
    session = next(reversed(point.journal.directory.sessions))
    return Context(command_id="c", user=name, credential=f"session:{session}", address="127.0.0.1")


def _stranger() -> Context:
    return Context(command_id="c", address="127.0.0.1")


async def reset(point: Point, admin: Context) -> None:
    await point.administration.change_user(ChangeUser(user="victim", password=NEW, end_tokens=True), admin)


async def own(point: Point, admin: Context) -> None:
    victim = await as_user(point, "victim", OLD)
    await point.sessions.change_password(ChangePassword(password=OLD, new_password=NEW), victim)
    assert len(point.journal.directory.sessions) == 2  # the victim's own goes on
    await point.sessions._close(victim.session or "", "victim", reason="logout")


async def delete(point: Point, admin: Context) -> None:
    await point.administration.delete_user(DeleteUser(user="victim"), admin)


async def replace(point: Point, admin: Context) -> None:
    await delete(point, admin)
    await point.administration.create_user(CreateUser(username="victim", password=NEW, role="operator"), admin)


async def disable(point: Point, admin: Context) -> None:
    await point.administration.change_user(ChangeUser(user="victim", status=UserStatus.DISABLED), admin)


@pytest.mark.parametrize("deed", [reset, own, delete, replace, disable])
@pytest.mark.parametrize("place", ["check", "before append ottb.v1.evt.point."])
async def test_a_login_is_not_let_in_by_what_was_taken_from_it_meanwhile(
    place: str, deed: Callable[[Point, Context], Awaitable[None]]
) -> None:
    async with two_hosts() as (broker, first, second, held):
        admin = await as_user(first, "root", NEW)
        login = await hold(held, place, second.sessions.login(Login(username="victim", password=OLD), _stranger()))
        await deed(first, admin)
        held.go.set()
        with pytest.raises(Refusal) as refused:
            await login
        assert (refused.value.code, refused.value.message) == (ErrorCode.AUTH_FAIL, WRONG)
        async with host(broker) as third:
            for point in (first, second, third):
                open = [one.user for one in point.journal.directory.sessions.values()]
                assert open == ["root"], open
    print(f"1 login held at {place!r} over {deed.__name__}: 0 sessions of the old password")


async def test_an_ended_session_sets_no_password() -> None:
    """Its own password waits to be checked while somebody ends all sessions of the user."""
    async with two_hosts() as (_, first, second, held):
        admin, victim = await as_user(first, "root", NEW), await as_user(second, "victim", OLD)
        asked = ChangePassword(password=OLD, new_password=NEW)
        change = await hold(held, "check", second.sessions.change_password(asked, victim))
        await first.sessions.end_sessions(EndSessions(user="victim"), admin)
        held.go.set()
        with pytest.raises(Refusal) as refused:
            await change
        assert refused.value.code is ErrorCode.AUTH_FAIL
        assert await as_user(first, "victim", OLD)
    print("1 change of a password held over the end of its session: not made")


async def test_a_connection_to_the_bus_is_not_let_in_so_either() -> None:
    async with two_hosts() as (_, first, second, held):
        admin = await as_user(first, "root", NEW)
        login = await hold(held, "check", second.sessions.admit_on_bus("victim", OLD, "127.0.0.1"))
        await reset(first, admin)
        held.go.set()
        with pytest.raises(Refusal, match=WRONG):
            await login
    print("1 login on the bus held over a reset: not let in")
