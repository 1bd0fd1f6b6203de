"""A host with one slot, whose phone is a virtual one behind the real adb server; asked on the bus, as gateways ask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from msgspec import Struct

from actors.adapters.adb_phone import AdbPhone
from actors.adapters.adb_tracker import DeviceTracker
from actors.adapters.phone_files import AdbTools
from actors.adapters.pictures import as_jpeg, as_png
from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.assembly import running
from actors.by_hand.settings import ByHand
from actors.by_hand.start import Tools
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.contract import Rpc
from bus_schemas.errors import Refusal
from bus_schemas.permissions import Action
from bus_schemas.slot import GET_SLOT, GetSlot, SlotConfig
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.phone.android import Identity
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.conftest import kept_server, server, tracker
from tests.support.site import until

__all__ = ["kept_server", "server", "tracker"]

Request = TypeVar("Request", bound=Struct)
Reply = TypeVar("Reply")

EVERYTHING = frozenset(str(action) for action in Action)
SMALL = ByHand(folders=("/sdcard", "/data/local/tmp"), file_limit=1_000_000, app_limit=2_000_000)


class ByHandHost:
    """Whom lines are asked of. `phone`: of slot 44."""

    def __init__(self, bus: MemoryBus, phone: VirtualPhone) -> None:
        self.bus = bus
        self.phone = phone
        self._ids = RandomIds()

    async def ask(
        self, rpc: Rpc[Request, Reply], request: Request, user: str = "op12", actions: frozenset[str] = EVERYTHING
    ) -> Reply:
        context = Context(command_id=self._ids.new(), user=user, actions=actions, fresh=True)
        return await ask(self.bus, rpc, request, context, retry=False)


@pytest.fixture
async def handset() -> AsyncIterator[VirtualPhone]:
    async with VirtualPhone(identity=Identity(serial="T1"), scale=0.2, fork_delay=0) as phone:
        yield phone


@pytest.fixture
async def host(tracker: DeviceTracker, handset: VirtualPhone) -> AsyncIterator[ByHandHost]:
    await until(lambda: tracker.client.connect(handset.serial), lambda said: "connected" in said)
    slots = (SlotConfig(id=44, serial=handset.serial, region="UA"),)
    bus = MemoryBus(MemoryBroker(clock=SystemClock()))

    def make_phone(config: SlotConfig) -> AdbPhone:
        return AdbPhone(serial=config.serial or "", tracker=tracker)

    def make_tools(config: SlotConfig) -> AdbTools:
        return AdbTools(client=tracker.client, name=config.serial or "")

    given: dict[str, Any] = {"devices": lambda: (), "pbxs": {}, "lost": asyncio.Event()}
    async with running(
        Settings(slots=slots, by_hand=SMALL), bus=bus, clock=SystemClock(), ids=RandomIds(), make_phone=make_phone,
        tools=Tools(make_tools, as_jpeg, as_png), **given,
    ):  # fmt: skip
        asked = ByHandHost(bus, handset)

        async def status() -> str | None:
            with suppress(Refusal):  # it is busy, and not sure of its slots
                return (await asked.ask(GET_SLOT, GetSlot(slot=44))).status
            return None

        await until(status, lambda status: status == "ONLINE")
        yield asked
