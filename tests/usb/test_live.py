"""Who may see the monitor hears live what comes and goes on hubs, or on one; the log says what is notable."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from actors.adapters.system_clock import SystemClock
from actors.log.notable import notes
from bus_schemas.contract import AnyTopic
from bus_schemas.permissions import Action
from bus_schemas.slot import SlotConfig
from bus_schemas.usb import (
    HUB_FOUND,
    HUB_LOST,
    PORT_CHANGED,
    PORT_SWITCHED,
    HubFound,
    HubLost,
    PortChanged,
    PortState,
    PortSwitched,
)
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.hub.simulated_usb import SimulatedUsb
from tests.support.door import gateway_on, serving
from tests.support.site import until
from tests.support.whole import SETTINGS, Whole
from tests.usb.trees import WAYS, chips, hub, phone, root

AT = "2026-01-01T00:00:00.000Z"
SAID: tuple[tuple[AnyTopic, Any], ...] = (
    (HUB_FOUND, HubFound(host="local", at=AT, hub="HUB1", path="1-2", total=20, ports={"6.4": PortState.ONLINE})),
    (PORT_CHANGED, PortChanged(host="local", at=AT, hub="HUB1", way="6.4", port=14, state=PortState.EMPTY,
                               before=PortState.ONLINE)),
    (PORT_CHANGED, PortChanged(host="local", at=AT, hub="HUB2", way="1", port=None, state=PortState.UNAUTHORIZED,
                               before=PortState.EMPTY)),
    (PORT_SWITCHED, PortSwitched(host="local", at=AT, hub="HUB1", port=14, action="off", ways=("6.4",), by="root")),
    (HUB_LOST, HubLost(host="local", at=AT, hub="HUB1", path="1-2", phones=19)),
)  # fmt: skip


async def test_hubs_are_heard_live_and_one_alone() -> None:
    broker = MemoryBroker(clock=SystemClock())
    bus = MemoryBus(broker)
    users = {"boss": frozenset({Action.MONITOR_VIEW}), "nobody": frozenset({Action.CALL_VIEW})}
    async with serving(broker, {}, users), gateway_on(MemoryBus(broker)) as gateway:
        async with gateway.live("boss", "hubs") as client:
            refused = await client.socket.call("subscribe:hubs", {"hub": 5})
            assert refused["error"] is True
            for number, (topic, event) in enumerate(SAID):
                subject, scope = topic.subject_for(event), "ottb.v1.evt.hub.local.*"
                await bus.append(
                    subject, msgspec.json.encode(event), {"Nats-Msg-Id": str(number)}, scope=scope, expect=number
                )

            async def heard() -> int:
                return len(client.heard)

            await until(heard, lambda count: count == len(SAID), 5)
            assert [said["event"] for said in client.heard] == ["hub.update"] * len(SAID)
            assert [said["data"]["change"] for said in client.heard] == [
                "found", "port_changed", "port_changed", "switched", "lost"
            ]  # fmt: skip
            assert client.heard[1]["data"] == {
                "hub": "HUB1", "host": "local", "at": AT, "change": "port_changed", "port": 14, "way": "6.4",
                "state": "empty", "before": "online",
            }  # fmt: skip
        async with gateway.live("nobody") as other:
            assert (await other.socket.call("subscribe:hubs", None))["error"] is True
        async with gateway.live("boss") as narrow:
            assert (await narrow.socket.call("subscribe:hubs", {"hub": "HUB2", "since": 1}))["error"] is False
            await asyncio.sleep(0.3)
            assert {said["data"]["hub"] for said in narrow.heard} == {"HUB2"}


def test_the_log_says_what_is_notable_of_hubs() -> None:
    said = [note for topic, event in SAID for note in notes(topic, event, {})]
    assert [(note.severity, note.message) for note in said] == [
        ("info", "HUB1 is plugged in at 1-2"),
        ("warning", "HUB1 port 14 (6.4) is empty now"),
        ("warning", "HUB2 port ? (1): waits to be allowed"),
        ("info", "HUB1 port 14 is switched off"),
        ("error", "HUB1 is gone, with 19 phones on it"),
    ]
    assert said[1].context == {"hub": "HUB1", "host": "local", "port": 14, "way": "6.4", "state": "empty"}


async def test_a_hub_that_goes_is_one_event_and_one_line_of_the_log(tmp_path: Path) -> None:
    phones = [phone(f"1-2.{way}", "same") for way in WAYS.values()]
    usb = SimulatedUsb([root(1), *chips("1-2"), *phones])
    slots = tuple(SlotConfig(id=number, hub="HUB1", port=number) for number in WAYS)
    site = Whole(tmp_path, msgspec.structs.replace(SETTINGS, hubs={"HUB1": hub("1-2")}, slots=slots), usb=usb)
    await site.start()
    try:

        def told() -> list[str]:
            subjects = [entry.subject for entry in site.broker.journal]
            return [one.rsplit(".", 1)[1] for one in subjects if ".evt.hub." in one and not one.endswith("activated")]

        async def look() -> list[str]:
            return told()

        await until(look, lambda events: events == ["found"], 5)
        for one in [*phones, *reversed(chips("1-2"))]:
            usb.unplug(one.path)
            await asyncio.sleep(0.005)
        await until(look, lambda events: events == ["found", "lost"], 1)
        await asyncio.sleep(1.0)
        assert told() == ["found", "lost"]
    finally:
        await site.stop()
