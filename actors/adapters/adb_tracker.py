"""The phones of one adb server: how each hangs on it, and who may use it.

One phone is used under one name. Where several names lead to it (its serial and its place on a hub, the same serial
twice, USB and TCP at once), whoever had it first keeps it, and the others hear which name has it. Between processes
that share the server a lock decides (`phone_locks.py`).
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.adapters.adb import AdbClient, Seen, place_in
from actors.adapters.phone_locks import PhoneLocks
from actors.slot.phone import PhoneUnreachable
from actors.slot.registry import Device
from actors.slot.settings import ADDRESS

log = structlog.get_logger()

ABSENT = "not plugged in, or adb does not see it"
RETRY_FIRST, RETRY_LAST, SERVER_RETRY_LAST = 0.25, 10.0, 2.0
CONNECTS_AT_ONCE = 8
NAME_ITS_PLACE = "name the slot by hub and port, and its hub in [hubs]"


def find(devices: Mapping[str, Seen], name: str) -> Seen | None:
    """The phone of a name: its serial, or its place (`usb:1-2.3`), both of which adb takes as a target."""
    if not name.startswith("usb:"):
        return devices.get(name)
    return next((seen for seen in devices.values() if place_in(seen) == name), None)


def label(name: str, place: str | None) -> str:
    """What a phone is called by which nobody else's is meant: two may have one serial."""
    return f"{name} at {place}" if place else name


def _key(devices: Mapping[str, Seen], wanted: Seen) -> str:
    """Under which name a phone stands in the list: its serial, unless another one has the same."""
    return next(key for key, seen in devices.items() if seen is wanted)


def _why_none(devices: Mapping[str, Seen], name: str, place: str | None) -> str:
    """Why a name leads to no phone of the list, for people; empty: it is not there."""
    elsewhere = [place_in(seen) for seen in devices.values() if seen.serial == name]
    if elsewhere and place is not None:
        return f"a phone with this serial is at {', '.join(elsewhere)}, not at {place}, the place of the slot"
    unread = [f"{key}: {seen.state}" for key, seen in devices.items() if not seen.serial and seen.state != "device"]
    if unread and not name.startswith("usb:") and not ADDRESS.match(name):
        return f"{ABSENT}; it lists what has no serial: {', '.join(unread)}"
    return ""


def _doubt(places: Collection[str], shared: Collection[str]) -> str:
    """Of phones with one serial, where they are now and were when there were several: why none of them is certain."""
    if len(places) > 1:
        return f"{len(places)} phones have this serial ({', '.join(places)}): {NAME_ITS_PLACE}"
    before = f"several phones have had this serial ({', '.join(shared)})"
    return f"{before}, and the one at {', '.join(places)} is not known to be this slot's: {NAME_ITS_PLACE}"


class Sight(Struct, frozen=True, kw_only=True):
    """How a phone hangs on the server now. `server`: whether that answers at all; `why`: for people, why this name
    leads to no phone that can be used, or who else has it. `doubt`: why the phone must not be dialled with by this name
    all the same; what it is in goes on."""

    seen: Seen | None
    server: bool = True
    why: str = ""
    doubt: str = ""


class Watch:
    """One name that somebody watches: a serial, or a place. `place`: of a serial, where its phone has to hang, as far
    as the list tells places; without one, a serial that several phones have had names only the one that it named
    before. `told`: what was last said of it."""

    def __init__(self, name: str, tell: Callable[[Sight], None], place: str | None = None) -> None:
        self.name = name
        self.place = place
        self.told: Sight | None = None
        self._its: Seen | None = None  # the phone that it led to last
        self._shared: tuple[str, ...] = ()  # where the phones of its serial were when it had several
        self._tell = tell

    def __str__(self) -> str:
        return label(self.name, self.place)

    def find(self, devices: Mapping[str, Seen]) -> Sight:
        """The phone that it leads to, or why to none."""
        if self.name.startswith("usb:"):
            return Sight(seen=find(devices, self.name))
        those = [seen for seen in devices.values() if seen.serial == self.name]
        if self.place is not None:
            here = [seen for seen in those if place_in(seen) == self.place]
            those = here or [seen for seen in those if seen.usb is None]
        if len(those) > 1:
            self._shared = tuple(map(place_in, those))
        seen = next((one for one in those if not self._shared or self._is_its(one)), None)
        if seen is None and not those:
            return Sight(seen=None, why=_why_none(devices, self.name, self.place))
        doubt = _doubt([place_in(one) for one in those], self._shared) if seen is None or len(those) > 1 else ""
        return Sight(seen=seen, doubt=doubt) if seen is not None else Sight(seen=None, why=doubt)

    def given(self, seen: Seen) -> None:
        """This phone is its own."""
        self._its = seen

    def server_gone(self) -> None:
        """Another server counts its connections anew."""
        self._its = replace(self._its, transport_id="") if self._its is not None else None
        if self.told is not None:
            self.tell(Sight(seen=None, server=False))

    def has(self, seen: Seen) -> bool:
        """Whether it leads to this connection already."""
        return self.told is not None and self.told.seen is not None and self.told.seen.transport_id == seen.transport_id

    def _is_its(self, seen: Seen) -> bool:
        """Whether it is the phone that it led to: by the same connection, or at the same place."""
        its = self._its
        return its is not None and (seen.transport_id == its.transport_id or place_in(seen) == place_in(its))

    def tell(self, sight: Sight) -> None:
        if sight != self.told:
            self.told = sight
            try:
                self._tell(sight)
            except Exception:  # the news of one phone must not cost another one its own
                log.exception("news of a phone were not taken", name=str(self))


class DeviceTracker:
    """One stream for all phones of an adb server. Phones on TCP are connected, and again when they were lost.
    `folder`: where processes with the same server keep the locks of its phones. `also`: of hubs that are on more than
    one bus, each other path with the one by which the settings name it."""

    def __init__(self, *, client: AdbClient, folder: Path, also: Mapping[str, str] | None = None) -> None:
        self.client = client
        self._also = also or {}
        self._locks = PhoneLocks(folder, server=client.place.key)
        self._devices: dict[str, Seen] | None = None  # None: the server is away, nothing is known
        self._watches: list[Watch] = []
        self._holders: dict[str, Watch] = {}  # by the phone's name in the list
        self._boots: dict[str, Watch] = {}  # by the boot that the phone is in: the same over every link
        self._task: asyncio.Task[None] | None = None
        self._connecting: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(CONNECTS_AT_ONCE)

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        tasks = [task for task in (self._task, *self._connecting.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._locks.keep(())

    def devices(self) -> Iterable[Device]:
        """Every phone that adb lists."""
        return self.listed() or ()

    def listed(self) -> Sequence[Device] | None:
        """The same; None: the server is away, and nobody knows."""
        if self._devices is None:
            return None
        return [
            Device(name=key, serial=seen.serial, state=seen.state, model=seen.model, usb=seen.usb)
            for key, seen in self._devices.items()
        ]

    def watch(self, name: str, tell: Callable[[Sight], None], place: str | None = None) -> Watch:
        """Hear of a phone, at once if anything is known of it. `place` as in Watch."""
        watch = Watch(name, tell, place)
        self._watches.append(watch)
        self._tell_all()
        self._connect_if_needed(name)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Hear no more. The phone is free for the next one who watches it."""
        if watch not in self._watches:
            return
        self._watches.remove(watch)
        self._boots = {boot: holder for boot, holder in self._boots.items() if holder is not watch}
        self._keep_locks()
        if all(other.name != watch.name for other in self._watches):
            task = self._connecting.pop(watch.name, None)
            if task is not None:
                task.cancel()
        self._tell_all()

    def holds(self, watch: Watch) -> bool:
        """Whether the phone of this name is listed, and nobody else's."""
        return any(self._holders.get(key) is watch for key in self._devices or {})

    def claim(self, watch: Watch, boot: str) -> str:
        """Take the phone that is in this boot. Gives, for people, who has it already, or ``."""
        holder = self._boots.get(boot)
        if holder is not None and holder is not watch and self.holds(holder):
            return f"this phone is in use as {holder} already"
        if not self._locks.take(boot):
            return "this phone is in use by another process of this machine already"
        self._boots = {one: other for one, other in self._boots.items() if other is not watch}
        self._boots[boot] = watch
        self._keep_locks()
        return ""

    # --- inside

    async def _run(self) -> None:
        pause = RETRY_FIRST
        while True:
            try:
                async for devices in self.client.track():
                    pause = RETRY_FIRST
                    self._devices = self._by_named_places(devices)
                    self._tell_all()
                    for watch in list(self._watches):
                        self._connect_if_needed(watch.name)
            except PhoneUnreachable as error:
                if self._devices is not None:
                    log.warning("adb server lost", error=str(error))
            except Exception:
                log.exception("following the adb server failed and is begun afresh")
            self._devices = None  # the server is away: that says nothing about any phone
            self._tell_all()
            await asyncio.sleep(pause)
            pause = min(2 * pause, SERVER_RETRY_LAST)

    def _by_named_places(self, devices: Mapping[str, Seen]) -> dict[str, Seen]:
        """The list with each place as the settings name it. adb is asked by the one that it has."""
        found: dict[str, Seen] = {}
        for key, seen in devices.items():
            named = replace(seen, usb=self._named_place(seen.usb)) if seen.usb else seen
            found[place_in(named) if key == place_in(seen) else key] = named
        return found

    def _named_place(self, usb: str) -> str:
        for other, path in self._also.items():
            if usb == other or usb.startswith(f"{other}."):
                return path + usb.removeprefix(other)
        return usb

    def _tell_all(self) -> None:
        if self._devices is None:
            self.client.targets = {}
            for watch in list(self._watches):
                watch.server_gone()
            return
        sights = {watch: watch.find(self._devices) for watch in self._watches}
        self._assign(self._devices, sights)
        self._keep_locks()
        for watch, sight in sights.items():
            # A new transport id is another connection: the phone was away, however short.
            holder = self._holder(self._devices, sight.seen)
            if sight.seen is not None and holder is not None and holder is not watch:
                phone = _key(self._devices, sight.seen)
                sight = Sight(seen=None, why=f"the phone {phone} is in use as {holder} already")
            watch.tell(sight)

    def _holder(self, devices: Mapping[str, Seen], seen: Seen | None) -> Watch | None:
        return self._holders.get(_key(devices, seen)) if seen is not None else None

    def _keep_locks(self) -> None:
        """Leave to other processes what is not held here: a phone that is gone may hang in another slot's place next.
        While the server is away nothing is known, and nothing left."""
        if self._devices is not None:
            self._locks.keep([boot for boot, watch in self._boots.items() if self.holds(watch)])

    def _assign(self, devices: Mapping[str, Seen], sights: Mapping[Watch, Sight]) -> None:
        """Give each phone to the first who watches it. Who has it keeps it, also while it is away for a while, and
        where it is listed by another name, since a second one with its serial has come."""
        holders = {key: holder for key, holder in self._holders.items() if key not in devices}
        found = [(watch, sight.seen) for watch, sight in sights.items() if sight.seen is not None]
        had = [(not watch.has(seen), self._holder(devices, seen) is not watch, watch, seen) for watch, seen in found]
        for _, _, watch, seen in sorted(had, key=lambda one: one[:2]):
            holders.setdefault(_key(devices, seen), watch)
        self._holders = {key: holder for key, holder in holders.items() if holder in self._watches}
        held = [(watch, seen) for watch, seen in found if self._holder(devices, seen) is watch]
        for watch, seen in held:
            watch.given(seen)
        self.client.targets = {str(watch): seen for watch, seen in held}

    def _connect_if_needed(self, name: str) -> None:
        if self._devices is None or not ADDRESS.match(name) or name in self._connecting:
            return
        if name not in self._devices:
            task = asyncio.get_running_loop().create_task(self._connect(name))
            self._connecting[name] = task
            task.add_done_callback(lambda done: self._connected(name, done))

    def _connected(self, name: str, done: asyncio.Task[None]) -> None:
        if self._connecting.get(name) is done:  # a phone watched anew has a task of its own
            del self._connecting[name]

    async def _connect(self, name: str) -> None:
        pause = RETRY_FIRST
        while self._devices is not None and any(watch.name == name for watch in self._watches):
            if name in self._devices:  # adb itself goes on trying while it lists the phone
                return
            try:
                async with self._turns:
                    await self.client.connect(name)
            except PhoneUnreachable as error:
                log.debug("phone not connected", name=name, error=str(error))
            except Exception:
                log.exception("connecting a phone failed and is tried again", name=name)
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_LAST)
