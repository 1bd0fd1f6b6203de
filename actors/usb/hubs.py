"""The hubs of one host: how they are now, and that their actor hears of it."""

from collections.abc import Callable, Mapping, Sequence

import structlog

from actors.runtime.activation import activate_all
from actors.runtime.host import Host
from actors.slot.actor import SlotActor
from actors.slot.registry import Device
from actors.slot.settings import Hub
from actors.usb.actor import HubsActor
from actors.usb.machine import seen
from actors.usb.port import Usb
from actors.usb.port_map import HubNow, Sight, hubs_now
from bus_schemas.slot import SlotConfig

LOOK = 0.25  # seconds between two looks at what adb lists
PAUSE = 0.04  # and at least, where one piece of news follows the other: all hubs are looked at each time
AGAIN = 5.0  # seconds after which the actor is told again: it may have begun afresh

log = structlog.get_logger()

Listed = Callable[[], Sequence[Device] | None]


class Hubs:
    """What is seen of them. `usb` None: phones of this host hang on no USB of its own. `listed`: what adb lists now;
    None: it is away."""

    def __init__(self, *, host: Host, settings: Mapping[str, Hub], usb: Usb | None, listed: Listed) -> None:
        self._host = host
        self._settings = settings
        self.usb = usb
        self._listed = listed

    def now(self) -> list[HubNow]:
        """The hubs as they are."""
        tree = self.usb.tree if self.usb is not None else None
        return hubs_now(Sight(hubs=self._settings, tree=tree, listed=self._listed(), slots=self._slots()))

    def are_here(self, hub: HubNow) -> bool:
        """Whether it is this host's: plugged in here, or named by a slot of it. Hosts may share a settings file."""
        return bool(hub.plugged) or any(slot.hub == hub.name for slot in self._slots())

    async def start(self) -> None:
        """Own the record, where something can come and go."""
        if self.usb is not None and self.usb.tree is not None:
            await activate_all(self._host, HubsActor, [self._host.name])

    async def bring_up_to_date(self) -> None:
        """Nothing waits: the settings of hubs are read at the start."""

    async def watch(self) -> None:
        """Look for as long as the host is there, where there is a tree."""
        looked, at = None, -AGAIN
        while (usb := self.usb) is not None and (tree := usb.tree) is not None:
            now, sight = self._host.clock.monotonic(), (tree, self._adb())
            if sight != looked or now - at >= AGAIN:
                self._tell(certain=sight[1] is not None)
                looked, at = sight, now
            await usb.changed(LOOK)
            await self._host.pause(PAUSE)

    def _tell(self, *, certain: bool) -> None:
        try:
            self._host.tell(HubsActor, self._host.name, seen(self.now(), certain=certain))
        except Exception:  # a tree that nobody thought of; the next one may be another
            log.exception("the hubs were not looked at")

    def _slots(self) -> list[SlotConfig]:
        states = (actor.state for actor in self._host.all(SlotActor))
        return [slot.config for slot in states if slot is not None and not slot.removed]

    def _adb(self) -> tuple[tuple[str, str, str | None], ...] | None:
        """What matters of it."""
        listed = self._listed()
        return None if listed is None else tuple((one.name, one.state, one.usb) for one in listed)
