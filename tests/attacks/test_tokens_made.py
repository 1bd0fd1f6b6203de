"""Who makes and revokes service tokens, or users, on end changes nothing for others: POINT is not asked again about all
who are there."""

from typing import Any

from msgspec import Struct, json

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import ID
from actors.runtime.context import Context
from bus_schemas.contract import Topic
from bus_schemas.pipeline import DCI_STATUS, DciStatus, GetDciStatus
from bus_schemas.user import (
    ROLE_DELETED,
    TOKEN_CREATED,
    TOKEN_REVOKED,
    USER_CREATED,
    RoleDeleted,
    TokenCreated,
    TokenRevoked,
    UserCreated,
)
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import EVERYTHING, InProcess, gateway_on, serving, token_of

N, AT, PATH = 100, "2026-11-28T10:00:00.000Z", "/api/dci/status"
USERS = dict.fromkeys(("op12", "op13"), EVERYTHING)


async def _status(request: GetDciStatus, context: Context) -> DciStatus:
    return DciStatus(status="ok", version="1", runners=[], pipelines=0, queued=0, running=0, waiting=0)


class Records:
    """The journal, as POINT writes it."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._bus = MemoryBus(broker)
        self._last = 0

    async def write(self, topic: Topic[Any], event: Struct) -> None:
        subject = topic.subject_for(event)
        recorded = await self._bus.append(
            subject, json.encode(event), {ID: f"e{self._last}"}, scope="ottb.v1.evt.point.>", expect=self._last
        )
        self._last = recorded


async def _ask(gateway: InProcess, user: str) -> int:
    status, _ = await gateway.ask("GET", PATH, None, Authorization=f"Bearer {token_of(user)}")
    return status


async def test_tokens_and_users_that_come_and_go_have_nobody_asked_for() -> None:
    broker, users = MemoryBroker(clock=SystemClock()), dict(USERS)
    async with serving(broker, {DCI_STATUS: _status}, users) as point, gateway_on(MemoryBus(broker)) as gateway:
        records = Records(broker)
        for user in USERS:
            assert await _ask(gateway, user) == 200
        assert point.asked == len(USERS)
        for number in range(N):
            token, proof = f"t{number}", "0" * 64
            made = TokenCreated(
                token_id=token, at=AT, name="n", user="op12", actions=[], proof=proof, expires_at=AT
            )  # fmt: skip
            await records.write(TOKEN_CREATED, made)
            await records.write(
                USER_CREATED, UserCreated(user=f"u{number}", at=AT, role="r", email=None, password_hash="", by="op12")
            )
            await records.write(TOKEN_REVOKED, TokenRevoked(token_id=token, at=AT, by="op12"))
            for user in USERS:
                assert await _ask(gateway, user) == 200
        print(f"{3 * N} tokens and users that came and went, {point.asked - len(USERS)} questions about others")
        assert point.asked == len(USERS)

        await records.write(TOKEN_REVOKED, TokenRevoked(token_id="op12", at=AT, by="op12"))
        del users["op12"]
        assert [await _ask(gateway, user) for user in USERS] == [401, 200]
        assert point.asked == len(USERS) + 1
        await records.write(ROLE_DELETED, RoleDeleted(role="r", at=AT, by="op13"))
        assert await _ask(gateway, "op13") == 200 and point.asked == len(USERS) + 2
