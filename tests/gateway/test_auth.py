"""What a gateway asks of a request's token each time, and what it knows already."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.point import keys
from actors.point.keys import PublicKeys, drop_others, ensure_keys, rotate
from actors.point.tokens import Claims, write_access
from actors.runtime.bus import ID
from actors.runtime.context import Context
from bus_schemas.errors import Refusal
from bus_schemas.permissions import Action
from bus_schemas.user import IDENTIFY, ROLE_SET, Identify, Identity
from gateway.auth import Authenticator
from gateway.metrics import Metrics
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import USER, serving


class Door:
    """An authenticator with keys in a folder, at a time of the test's own."""

    def __init__(self, folder: Path, broker: MemoryBroker) -> None:
        self.now = 0.0
        self.keys = PublicKeys(folder, lambda: self.now)
        self.authenticator = Authenticator(
            bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds(), keys=self.keys, metrics=Metrics(),
            token_seconds=3600,
        )  # fmt: skip
        issued = int(time.time())
        claims = Claims(
            user=USER, session=USER, role="r", token_id="t", issued=issued, expires=issued + 3600
        )
        self.token = write_access(claims, ensure_keys(folder))

    async def ask(self) -> None:
        """What is looked at for one request, at its beginning and after a wait."""
        await self.authenticator.again(await self.authenticator.authenticate(self.token))


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {}):
        yield Door(tmp_path, broker)


async def test_who_was_let_in_while_rights_changed_is_asked_for_again(tmp_path: Path) -> None:
    """POINT has answered by what was before; the gateway hears of the change before it has the answer."""
    broker, may = MemoryBroker(clock=SystemClock()), [frozenset({Action.USER_EDIT}), frozenset[Action]()]

    async def identify(request: Identify, context: Context) -> Identity:
        now = may.pop(0)
        if may:
            subject = ROLE_SET.subject
            await MemoryBus(broker).append(subject, b"{}", {ID: "m1"}, scope=subject, expect=0)
            await asyncio.sleep(0.01)  # it is heard
        return Identity(kind=request.kind, id=request.id, user=USER, role="r", actions=sorted(now), expires_at=None)

    async with serving(broker, {IDENTIFY: identify}):
        door = Door(tmp_path, broker)
        await door.authenticator.start()
        caller = await door.authenticator.authenticate(door.token)
        with pytest.raises(Refusal, match="permission"):
            await door.authenticator.again(caller, Action.USER_EDIT)
        await door.authenticator.stop()


async def test_requests_of_one_moment_look_at_the_keys_once(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    await door.ask()
    looks: list[object] = []
    monkeypatch.setattr(keys, "check_owner", lambda folder: looks.append(folder) or os.fstat(folder))
    for _ in range(100):
        await door.ask()
    assert len(looks) == 0
    door.now = 1.0
    await door.ask()
    assert len(looks) > 0


async def test_a_dropped_key_is_believed_for_no_longer(door: Door, tmp_path: Path) -> None:
    caller = await door.authenticator.authenticate(door.token)
    drop_others(tmp_path, rotate(tmp_path))
    door.now = keys.LOOK_AGAIN
    with pytest.raises(Refusal, match="not valid"):
        await door.authenticator.again(caller)
    with pytest.raises(Refusal, match="not valid"):
        await door.ask()


def test_keys_that_stay_are_the_same_ones_when_another_comes(door: Door, tmp_path: Path) -> None:
    """Comparing what was remembered with what is known costs nothing then."""
    known = door.keys["0001"]
    rotate(tmp_path)
    assert "0002" in door.keys
    assert door.keys["0001"] is known
