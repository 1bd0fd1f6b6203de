"""POINT in this process with a gateway before it, for those who attack it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from nacl.signing import VerifyKey

from actors.adapters.passwords import Passwords
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit.audit import Audit
from actors.point.point import Point
from actors.point.settings import Auth
from actors.point.tokens import public_key
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.permissions import Action
from bus_schemas.user import CREATE_TOKEN, LOGIN, CreateToken, Login
from gateway.connections import Connections
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import SHARES, gateway_on

KEYS = {"0001": b"k" * 48}
PASSWORD = "a long one, Zoé"
MAKER = "root"


class Attacked:
    """A POINT with an administrator, a gateway, and the journal of both."""

    def __init__(
        self,
        broker: MemoryBroker,
        bus: MemoryBus,
        url: str,
        http: aiohttp.ClientSession,
        point: Point,
        public: dict[str, VerifyKey],
    ) -> None:
        self.public = public  # the gateway's keys
        self.broker = broker
        self.bus = bus
        self.url = url
        self.http = http
        self.point = point
        self.context = Context(command_id="none")  # of whoever has logged in last

    async def login(self, name: str = MAKER, password: str = PASSWORD) -> str:
        context = Context(command_id=RandomIds().new(), address="127.0.0.1")
        token = (await ask(self.bus, LOGIN, Login(username=name, password=password), context)).token
        status, _ = await self.ask("GET", "/api/point/rolecheck?action=call.view", token)
        assert status == 200
        session = next(reversed(self.point.journal.directory.sessions))
        actions = self.point.journal.directory.actions_of(name)
        self.context = Context(
            command_id=RandomIds().new(), user=name, actions=actions, credential=f"session:{session}",
            address="127.0.0.1",
        )  # fmt: skip
        return token

    async def program(self, name: str, *actions: Action) -> tuple[str, str]:
        """Id and token of a new service token of the administrator's."""
        made = await ask(self.bus, CREATE_TOKEN, CreateToken(name=name, actions=list(actions)), self.context)
        return made.id, made.token

    async def ask(self, method: str, path: str, token: str | None, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.request(method, f"{self.url}{path}", json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    def decided(self) -> list[str]:
        """What has been put on record of users, roles, tokens and sessions."""
        return [entry.subject for entry in self.broker.journal if entry.subject.startswith("ottb.v1.evt.point.")]


@asynccontextmanager
async def attacked_point(
    passwords: Passwords | None = None, auth: Auth | None = None, connections: Connections | None = None,
    per_second: float = SHARES.changes_per_second,
) -> AsyncIterator[Attacked]:
    """With an administrator who has logged in."""
    broker = MemoryBroker(clock=SystemClock())
    public = {name: public_key(secret) for name, secret in KEYS.items()}
    bus, clock, ids = MemoryBus(broker), SystemClock(), RandomIds()
    passwords = passwords or Passwords()
    async with AsyncExitStack() as stack:
        stack.callback(passwords.close)
        point = Point(bus=bus, clock=clock, ids=ids, passwords=passwords, keys=KEYS, auth=auth or Auth())
        await point.start()
        stack.push_async_callback(point.stop)
        await point.seed(MAKER, PASSWORD, "admin")
        audit = Audit(bus=MemoryBus(broker), clock=clock, ids=ids)
        await audit.start()
        stack.push_async_callback(audit.stop)
        door = await stack.enter_async_context(gateway_on(MemoryBus(broker), connections, public, per_second))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        attacked = Attacked(broker, bus, f"http://127.0.0.1:{door.listener.port}", http, point, public)
        await attacked.login()
        yield attacked
