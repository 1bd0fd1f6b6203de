"""The phones of one adb server: how each hangs on it, and who may use it.

One phone is used under one name. Where several names lead to it (its serial and its place on a hub, the same serial
twice, USB and TCP at once), whoever had it first keeps it, and the others hear which name has it. Between processes
that share the server a lock decides (`phone_locks.py`).
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.adapters.adb import AdbClient, Seen
from actors.adapters.phone_locks import PhoneLocks
from actors.slot.phone import PhoneUnreachable
from actors.slot.registry import Device

log = structlog.get_logger()

ADDRESS = re.compile(r"[0-9A-Za-z.-]+:[0-9]{1,5}\Z")
ABSENT = "not plugged in, or adb does not see it"
RETRY_FIRST, RETRY_LAST, SERVER_RETRY_LAST = 0.25, 10.0, 2.0
CONNECTS_AT_ONCE = 8


def find(devices: Mapping[str, Seen], name: str) -> Seen | None:
    """The phone of a name: its serial, or its place (`usb:1-2.3`), both of which adb takes as a target."""
    if not name.startswith("usb:"):
        return devices.get(name)
    return next((seen for seen in devices.values() if f"usb:{seen.usb}" == name), None)


def _key(devices: Mapping[str, Seen], wanted: Seen) -> str:
    """Under which name a phone stands in the list: its serial, unless another one has the same."""
    return next(key for key, seen in devices.items() if seen is wanted)


def _why_none(devices: Mapping[str, Seen], name: str) -> str:
    """Why a name leads to no phone of the list, for people; empty: it is not there."""
    places = [key for key, seen in devices.items() if seen.serial == name]
    if places:
        return f"{len(places)} phones have this serial ({', '.join(places)}): name the slot by hub and port"
    unread = [f"{key}: {seen.state}" for key, seen in devices.items() if not seen.serial and seen.state != "device"]
    if unread and not name.startswith("usb:") and not ADDRESS.match(name):
        return f"{ABSENT}; it may not open what is at {', '.join(unread)}"
    return ""


class Sight(Struct, frozen=True, kw_only=True):
    """How a phone hangs on the server now. `server`: whether that answers at all; `why`: for people, why this name
    leads to no phone that can be used, or who else has it."""

    seen: Seen | None
    server: bool = True
    why: str = ""


class Watch:
    """One name that somebody watches. `told`: what was last said of it."""

    def __init__(self, name: str, tell: Callable[[Sight], None]) -> None:
        self.name = name
        self.told: Sight | None = None
        self._tell = tell

    def tell(self, sight: Sight) -> None:
        if sight != self.told:
            self.told = sight
            try:
                self._tell(sight)
            except Exception:  # the news of one phone must not cost another one its own
                log.exception("news of a phone were not taken", name=self.name)


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
        return [
            Device(name=key, serial=seen.serial, state=seen.state, model=seen.model, usb=seen.usb)
            for key, seen in (self._devices or {}).items()
        ]

    def watch(self, name: str, tell: Callable[[Sight], None]) -> Watch:
        """Hear of a phone, at once if anything is known of it."""
        watch = Watch(name, tell)
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
            return f"this phone is in use as {holder.name} already"
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
        self.client.targets = {}
        for key, seen in devices.items():
            place = self._named_place(seen.usb) if seen.usb else None
            if place != seen.usb:
                self.client.targets[f"usb:{place}"] = f"usb:{seen.usb}"
                key = f"usb:{place}" if key == f"usb:{seen.usb}" else key
                seen = replace(seen, usb=place)
            found[key] = seen
        return found

    def _named_place(self, usb: str) -> str:
        for other, path in self._also.items():
            if usb == other or usb.startswith(f"{other}."):
                return path + usb.removeprefix(other)
        return usb

    def _tell_all(self) -> None:
        if self._devices is None:
            for watch in list(self._watches):
                if watch.told is not None:
                    watch.tell(Sight(seen=None, server=False))
            return
        self._assign(self._devices)
        self._keep_locks()
        for watch in list(self._watches):
            # A new transport id is another connection: the phone was away, however short.
            seen = find(self._devices, watch.name)
            holder = self._holders.get(_key(self._devices, seen)) if seen is not None else None
            if seen is None:
                watch.tell(Sight(seen=None, why=_why_none(self._devices, watch.name)))
            elif holder is None or holder is watch:
                watch.tell(Sight(seen=seen))
            else:
                phone = _key(self._devices, seen)
                watch.tell(Sight(seen=None, why=f"the phone {phone} is in use as {holder.name} already"))

    def _keep_locks(self) -> None:
        """Leave to other processes what is not held here: a phone that is gone may hang in another slot's place next.
        While the server is away nothing is known, and nothing left."""
        if self._devices is not None:
            self._locks.keep([boot for boot, watch in self._boots.items() if self.holds(watch)])

    def _assign(self, devices: Mapping[str, Seen]) -> None:
        """Give each phone to the first who watches it. Who has it keeps it, also while it is away for a while."""
        holders = {key: holder for key, holder in self._holders.items() if key not in devices}
        for watch in self._watches:
            seen = find(devices, watch.name)
            key = _key(devices, seen) if seen is not None else ""
            if seen is not None and (self._holders.get(key) is watch or key not in holders):
                holders[key] = watch
        self._holders = {key: holder for key, holder in holders.items() if holder in self._watches}

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
