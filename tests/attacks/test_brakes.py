"""Every route asked on end by one user, over HTTP and on the bus: each has a brake, or is of those that need none."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import Headers, Message
from bus_schemas.log import LIST_LOGS
from bus_schemas.permissions import Access
from bus_schemas.slot import GET_SLOT
from gateway.brake import FREE
from gateway.bus_api import LINES
from gateway.reads import AT_ONCE
from gateway.routes import Held, Part, Route
from gateway.surface import ROUTES
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import EVERYTHING, InProcess, bus_door_on, gateway_on, serving, token_of
from tests.support.site import PATIENCE

# What is looked up by its name or number, in memory or by a key of the records: as often as a page may want to.
LIGHT = {
    "/api/point/rolecheck", "/api/slots/{slot}", "/api/slots/{slot}/adb-command/{command_id}", "/api/call/{call_id}",
    "/api/call/{call_id}/cdr", "/api/pbx/status", "/api/pbx/cdr/{call_id}",
    "/api/autodialer/campaigns/{campaign_id}/leads/{lead}", "/api/do-not-call/check", "/api/operators/me",
    "/api/operators/{user}", "/api/autodialer/imports/{import_id}", "/api/crm/note/{note}",
    "/api/crm/leads/{campaign_id}/{lead}", "/api/webhooks/{webhook}", "/api/crm/erasures/{erasure}",
    "/api/gacs/status/{script_id}", "/api/gacs/scripts/{name}", "/api/monitor/slots/{slot}",
    "/api/monitor/alerts/{alert}",
    "/api/dci/status", "/api/dci/pipeline/{pipeline}", "/api/dci/pipeline/{pipeline}/status",
    "/api/dci/pipeline/{pipeline}/runs/{run}",
}  # fmt: skip
NAMES = {"slot": "44", "lead": "l_1", "pipeline": "1", "run": "1"}
QUERY = {
    "/api/dashboard/breakdown": "?by=slot", "/api/autodialer/campaigns/{campaign_id}/report": "?day=2026-01-01",
    "/api/monitor/slots/{slot}/history": "?metric=cpu", "/api/monitor/hosts/{host}/history": "?metric=cpu",
    "/api/monitor/usb/{hub}/history": "?metric=online",
}  # fmt: skip
SLOWEST = 0.01  # changes a second: the first has its turn, and who comes after it is told to ask for less
TRIES = 12


def of(*held: Held) -> list[tuple[int, Route]]:
    """The routes with such a brake that somebody known asks, each with a number of its own."""
    strangers = (Access.PUBLIC, Access.SIGNED)
    known = ((number, route) for number, route in enumerate(ROUTES) if route.permission not in strangers)
    return [(number, route) for number, route in known if route.brake in held]


class Crowd:
    """A gateway before actors that never answer, and a user for each route. `heard`: what was asked of the actors."""

    def __init__(self, gateway: InProcess, bus: MemoryBus) -> None:
        self.gateway = gateway
        self.bus = bus
        self.heard = Counter[str]()
        self._tasks: list[asyncio.Task[object]] = []

    async def hear(self, message: Message) -> None:
        self.heard[message.headers.get("Ottb-User", "")] += 1

    async def asked(self, number: int) -> int:
        """How often the actors were asked by a user, who asks more often than may be."""
        async with asyncio.timeout(PATIENCE):
            while self.heard[f"u{number}"] < AT_ONCE:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # what else would be let in is under way
        return self.heard[f"u{number}"]

    async def ask(self, number: int, route: Route) -> tuple[int, str]:
        path = re.sub(r"\{(\w+)\}", lambda found: NAMES.get(found[1], "absent"), route.path)
        body = None if route.method in ("GET", "DELETE") else b"{}"
        bearer = f"Bearer {token_of(f'u{number}')}"
        status, answer = await self.gateway.ask(
            route.method, path + QUERY.get(route.path, ""), body, Authorization=bearer
        )
        return status, str(answer)

    def begin(self, number: int, route: Route) -> None:
        """Ask, and wait for no answer."""
        self._tasks.append(asyncio.get_running_loop().create_task(self.ask(number, route)))

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()


@asynccontextmanager
async def crowd(per_second: float = SLOWEST, looks: float = FREE) -> AsyncIterator[Crowd]:
    broker = MemoryBroker(clock=SystemClock())
    users = {f"u{number}": EVERYTHING for number in range(len(ROUTES))}
    async with serving(broker, {}, users), gateway_on(
        MemoryBus(broker), per_second=per_second, looks=looks
    ) as gateway:  # fmt: skip
        bus = MemoryBus(broker)
        one = Crowd(gateway, bus)
        for scope in ("cmd", "qry"):
            await bus.subscribe(f"ottb.v1.{scope}.>", one.hear)
        yield one
        await one.end()


async def counted(what: "Counter[int]", most: int) -> None:
    """Wait until there are so many, and a moment longer, for one too many."""
    async with asyncio.timeout(PATIENCE):
        while what.total() < most:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


def test_every_route_has_a_brake_or_is_light() -> None:
    held = Counter(route.brake for route in ROUTES)
    print(f"{len(ROUTES)} routes: {dict(held)}")
    assert {route.path for route in ROUTES if route.brake is Held.LOOKS} == LIGHT
    [login] = [route.path for route in ROUTES if route.permission is Access.PUBLIC]
    assert login == "/api/auth/login"  # which has brakes of its own (test_logins.py)
    assert [route.path for route in ROUTES if route.brake is Held.FOLLOWERS] == ["/api/dci/logs/follow"]


@pytest.mark.parametrize(
    "route",
    [
        Route("GET", "/a", GET_SLOT, 200, Part.OTTB),  # says nothing
        Route("POST", "/b", GET_SLOT, 200, Part.OTTB, light=True),
        Route("GET", "/c", LIST_LOGS, 200, Part.OTTB, light=True),
    ],
)
def test_a_route_that_is_not_light_is_none(route: Route) -> None:
    with pytest.raises(TypeError):
        _ = route.brake


async def test_what_is_posted_waits_for_its_turn_whatever_it_is() -> None:
    async with crowd() as site:
        routes, refused = of(Held.CHANGES, Held.TURNS), Counter[int]()

        async def ask(number: int, route: Route) -> None:
            status, answer = await site.ask(number, route)
            refused[number] += status == 503 and "Too many changes of yours" in answer

        tasks = [asyncio.ensure_future(ask(*each)) for each in routes for _ in range(4)]
        await counted(refused, 3 * len(routes))
        for task in tasks:  # the others wait for actors that never answer
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        print(f"4 requests at once of each of {len(routes)} routes: {refused.total()} refused out of turn")
        assert {*refused.values()} == {3}


async def test_who_looks_without_end_waits_for_others() -> None:
    async with crowd(looks=SLOWEST) as site:
        for number, route in of(Held.LOOKS):
            refused = Counter[str]()

            async def ask(number: int = number, route: Route = route, refused: Counter[str] = refused) -> None:
                status, answer = await site.ask(number, route)
                refused[answer] += status == 429 and "looks_per_second" in answer

            tasks = [asyncio.ensure_future(ask()) for _ in range(TRIES)]
            async with asyncio.timeout(PATIENCE):
                while refused.total() < TRIES - 1:
                    await asyncio.sleep(0.01)
            for task in tasks:  # the first waits for actors that never answer
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert refused.total() == TRIES - 1, route.path
        print(f"{TRIES} requests at once of each of {len(of(Held.LOOKS))} light routes: one at once, at that rate")


async def test_what_is_read_much_is_read_a_few_at_a_time() -> None:
    async with crowd(1e6) as site:
        for number, route in of(Held.READS):
            for _ in range(TRIES):
                site.begin(number, route)
            assert await site.asked(number) == AT_ONCE, route.path
            await site.end()
        print(f"{TRIES} requests at once of each of {len(of(Held.READS))} routes: {AT_ONCE} asked at once")


async def test_who_looks_without_end_on_the_bus_waits_too() -> None:
    async with crowd() as site:
        door, said = bus_door_on(MemoryBus(site.bus._broker), looks=SLOWEST), Counter[str]()

        async def reply(data: bytes, headers: Headers) -> None:
            said[headers.get("Ottb-Error", "")] += b"looks_per_second" in data

        for _ in range(TRIES):
            subject = GET_SLOT.subject.replace("{slot}", "44").replace("ottb.v1.", "ottb.v1.own.u0.")
            await door._receive(
                Message(subject=subject, data=b"{}", reply=reply, reply_to="_INBOX.u.u0.1", headers={})
            )
        await counted(said, TRIES - 1)
        assert said == {"RATE_LIMITED": TRIES - 1}
        for task in door._tasks:  # the first waits for actors that never answer
            task.cancel()
        await door.stop()


async def test_the_same_brakes_hold_on_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.bus_api.AT_ONCE", 10 * len(ROUTES))  # that all of these wait at once
    async with crowd() as site:
        door, refused = bus_door_on(MemoryBus(site.bus._broker), per_second=SLOWEST), Counter[int]()

        async def ask(number: int, route: Route) -> None:
            async def reply(data: bytes, headers: Headers) -> None:
                refused[number] += headers.get("Ottb-Error") == "UNAVAILABLE"

            asked = re.sub(r"\{(\w+)\}", lambda found: NAMES.get(found[1], "absent"), route.rpc.subject)
            subject = asked.replace("ottb.v1.", f"ottb.v1.own.u{number}.")
            await door._receive(
                Message(subject=subject, data=b"{}", reply=reply, reply_to=f"_INBOX.u.u{number}.1", headers={})
            )

        def on_bus(*held: Held) -> Iterable[tuple[int, Route]]:
            return [(number, route) for number, route in of(*held) if route in [line for _, line in LINES]]

        for number, route in on_bus(Held.CHANGES, Held.TURNS):
            for _ in range(4):
                await ask(number, route)
        posted = len(list(on_bus(Held.CHANGES, Held.TURNS)))
        await counted(refused, 3 * posted)
        print(f"4 requests at once of each of {posted} lines on the bus: {refused.total()} refused out of turn")
        assert posted > 40 and {*refused.values()} == {3}
        site.heard.clear()
        for number, route in on_bus(Held.READS):
            for task in [*door._tasks]:  # else there are more at once than the door has places for
                task.cancel()
            if "{" not in route.path and route.path not in QUERY:
                for _ in range(TRIES):
                    await ask(number, route)
                assert await site.asked(number) == AT_ONCE, route.path
        for task in door._tasks:  # they wait for actors that never answer
            task.cancel()
