"""How the states of a port of a hub are walked through, for docs/states.md."""

from typing import Any

from actors.runtime.clock import Moment
from actors.runtime.decision import Decision, TimerFired
from actors.usb import machine
from actors.usb.machine import SETTLE, Hubs, HubsMemory, Seen, SeenHub
from bus_schemas.usb import HubFound, HubsActivated, PortChanged, PortState
from tests.support.states import Input, Stand, Walk

BEGUN = HubsActivated(host="local", at="", epoch=1)


def _look(state: PortState | None) -> Seen:
    """None: the hub is not there."""
    ports = {"1": state} if state is not None and state is not PortState.EMPTY else {}
    return Seen(hubs={"HUB1": SeenHub(path="1-2", total=4, ports=ports)} if state is not None else {})


def _seen(state: PortState | None) -> Input:
    def given(stand: Stand, now: Moment) -> Decision[Any, Any]:
        looked = machine.observe(stand[0], stand[1], _look(state), now)
        memory = looked.memory or stand[1]
        return machine.observe(stand[0], memory, TimerFired(name=SETTLE), now)

    return given


def _after(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    hubs, memory = stand
    for event in decision.events:
        hubs = machine.evolve(hubs, event)
    return hubs, decision.memory or memory or HubsMemory()


def _name(stand: Stand) -> str:
    hubs: Hubs = stand[0]
    if "HUB1" not in hubs.hubs:
        return "no_hub"
    return str(hubs.hubs["HUB1"].ports.get("1", PortState.EMPTY))


def _why(event: Any) -> str:
    match event:
        case PortChanged():
            return "port changed"
        case HubFound():
            return "found"
    return type(event).__name__.removeprefix("Hub").removeprefix("s").lower()


WALK = Walk(
    title="A port of a USB hub",
    text="A hub that is unplugged takes all its ports with it, which is one event.",
    start=lambda now: Decision(events=(BEGUN,)),
    inputs=tuple(_seen(state) for state in (*PortState, None)),
    after=_after,
    name=_name,
    key=_name,
    why=_why,
)
