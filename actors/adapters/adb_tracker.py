"""The phones of the adb servers of a host: how each hangs on them, and who may use it.

One phone is used under one name. Where several names lead to it (its serial and its place on a hub, the same serial
twice, USB and TCP at once), whoever had it first keeps it, and the others hear which name has it. Between processes
that share the servers a lock decides (`phone_locks.py`).
"""

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.adapters.adb import AdbClient, AdbServerGone
from actors.adapters.adb_listing import Listing, Seen, place_in
from actors.adapters.phone_locks import PhoneLocks
from actors.slot.adb_servers import PHONES_LIMIT
from actors.slot.phone import PhoneUnreachable
from actors.slot.registry import Device
from actors.slot.settings import ADDRESS

log = structlog.get_logger()

ABSENT = "not plugged in, or adb does not see it"
RETRY_FIRST, RETRY_LAST, SERVER_RETRY_LAST = 0.25, 10.0, 2.0
CONNECTS_AT_ONCE = 8
NAME_ITS_PLACE = "name the slot by hub and port, and its hub in [hubs]"


def label(name: str, place: str | None) -> str:
    """What a phone is called by which nobody else's is meant: two may have one serial."""
    return f"{name} at {place}" if place else name


def _why_none(listing: Listing, name: str, place: str | None) -> str:
    """Why a name leads to no phone of the list, for people; empty: it is not there."""
    elsewhere = [place_in(seen) for seen in listing.of_serial(name)]
    if elsewhere and place is not None:
        return f"a phone with this serial is at {', '.join(elsewhere)}, not at {place}, the place of the slot"
    unread = [f"{place_in(seen)}: {seen.state}" for seen in listing.of_serial("") if seen.state != "device"]
    if unread and not ADDRESS.match(name):
        return f"{ABSENT}; it lists what has no serial: {', '.join(unread)}"
    return ""


def _doubt(places: Collection[str], shared: Collection[str]) -> str:
    """Of phones with one serial, where they are now and were when there were several: why none of them is certain."""
    if len(places) > 1:
        return f"{len(places)} phones have this serial ({', '.join(places)}): {NAME_ITS_PLACE}"
    before = f"several phones have had this serial ({', '.join(shared)})"
    return f"{before}, and the one at {', '.join(places)} is not known to be this slot's: {NAME_ITS_PLACE}"


class Sight(Struct, frozen=True, kw_only=True):
    """How a phone hangs on its server now. `server`: whether that answers at all; `why`: for people, why this name
    leads to no phone that can be used, or who else has it. `doubt`: why the phone must not be dialled with by this name
    all the same; what it is in goes on."""

    seen: Seen | None
    server: bool = True
    why: str = ""
    doubt: str = ""


_numbers = itertools.count()


class Watch:
    """One name that somebody watches: a serial, or a place. `place`: of a serial, where its phone has to hang, as far
    as the list tells places; without one, a serial that several phones have had names only the one that it named
    before. `told`: what was last said of it."""

    def __init__(self, name: str, tell: Callable[[Sight], None], place: str | None = None) -> None:
        self.name = name
        self.place = place
        self.number = next(_numbers)  # who came first has the smaller one
        self.told: Sight | None = None
        self._its: Seen | None = None  # the phone that it led to last
        self._shared: tuple[str, ...] = ()  # where the phones of its serial were when it had several
        self._tell = tell

    def __str__(self) -> str:
        return label(self.name, self.place)

    def find(self, listing: Listing) -> Sight:
        """The phone that it leads to, or why to none."""
        if self.name.startswith("usb:"):
            return Sight(seen=listing.at(self.name))
        those = [*listing.of_serial(self.name)][: 1 if ADDRESS.match(self.name) else None]  # an address is one phone's
        if self.place is not None:
            here = [seen for seen in those if place_in(seen) == self.place]
            those = here or [seen for seen in those if seen.usb is None]
        if len(those) > 1:
            self._shared = tuple(map(place_in, those))
        seen = next((one for one in those if not self._shared or self._is_its(one)), None)
        if seen is None and not those:
            return Sight(seen=None, why=_why_none(listing, self.name, self.place))
        doubt = _doubt([place_in(one) for one in those], self._shared) if seen is None or len(those) > 1 else ""
        return Sight(seen=seen, doubt=doubt) if seen is not None else Sight(seen=None, why=doubt)

    def given(self, seen: Seen) -> None:
        """This phone is its own."""
        self._its = seen

    def server_gone(self, server: int) -> None:
        """Another one in its place counts its connections anew."""
        if self._its is not None and self._its.server == server:
            self._its = replace(self._its, transport_id="")

    def has(self, seen: Seen) -> bool:
        """Whether it leads to this connection already."""
        return self.told is not None and self.told.seen is not None and self.told.seen.connection == seen.connection

    def _is_its(self, seen: Seen) -> bool:
        """Whether it is the phone that it led to: by the same connection, or at the same place."""
        its = self._its
        return its is not None and (seen.connection == its.connection or place_in(seen) == place_in(its))

    def tell(self, sight: Sight) -> None:
        if sight != self.told:
            self.told = sight
            try:
                self._tell(sight)
            except Exception:  # the news of one phone must not cost another one its own
                log.exception("news of a phone were not taken", name=str(self))


class DeviceTracker:
    """One stream for all phones of each adb server. Phones on TCP are connected, and again when they were lost.
    `folder`: where processes with the same servers keep the locks of their phones. `also` as in Listing."""

    def __init__(self, *, client: AdbClient, folder: Path, also: Mapping[str, str] | None = None) -> None:
        self.client = client
        self._locks = PhoneLocks(folder, server=client.places[0].key)
        self._servers = range(len(client.places))
        self._listing = Listing(len(client.places), also)
        self._watches: dict[str, list[Watch]] = {}  # by name; in the order in which they came
        self._holders: dict[str, Watch] = {}  # by the phone's name in the list
        self._held: set[Watch] = set()  # whose phone is listed, and nobody else's
        self._boots: dict[str, Watch] = {}  # by the boot that the phone is in: the same over every link
        self._tasks: list[asyncio.Task[None]] = []
        self._connecting: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(CONNECTS_AT_ONCE)

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run(server)) for server in self._servers]

    async def stop(self) -> None:
        tasks = [*self._tasks, *self._connecting.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._locks.keep(())

    def devices(self) -> Sequence[Device]:
        """Every phone that adb lists."""
        return [
            Device(name=self._listing.key(seen), serial=seen.serial, state=seen.state, model=seen.model, usb=seen.usb)
            for seen in self._listing
        ]

    def listed(self) -> Sequence[Device] | None:
        """The same; None: a server is away that phones on USB may be on, and nobody knows."""
        return self.devices() if self._all_up(self.client.usb) else None

    def watch(self, name: str, tell: Callable[[Sight], None], place: str | None = None) -> Watch:
        """Hear of a phone, at once if anything is known of it. `place` as in Watch."""
        watch = Watch(name, tell, place)
        self._watches.setdefault(name, []).append(watch)
        self._tell([watch])
        self._connect_if_needed(name)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Hear no more. The phone is free for the next one who watches it."""
        watches = self._watches.get(watch.name, [])
        if watch not in watches:
            return
        watches.remove(watch)
        self._boots = {boot: holder for boot, holder in self._boots.items() if holder is not watch}
        self._holders = {key: holder for key, holder in self._holders.items() if holder is not watch}
        self._held.discard(watch)
        self._keep_locks()
        if not watches:
            del self._watches[watch.name]
            task = self._connecting.pop(watch.name, None)
            if task is not None:
                task.cancel()
        its = watch.told.seen if watch.told is not None else None
        self._tell(self._watches_of({watch.name} if its is None else {its.serial, place_in(its)}))

    def holds(self, watch: Watch) -> bool:
        """Whether the phone of this name is listed, and nobody else's."""
        return watch in self._held

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

    async def _run(self, server: int) -> None:
        pause = RETRY_FIRST
        while True:
            try:
                async for text in self.client.track(server):
                    self._hear(server, text)
                    pause = RETRY_FIRST
            except PhoneUnreachable as error:
                if self._listing.is_up(server):
                    log.warning("adb server lost", server=str(self.client.places[server]), error=str(error))
            except Exception:
                log.exception("following the adb server failed and is begun afresh")
            self._forget(server)
            await asyncio.sleep(pause)
            pause = min(2 * pause, SERVER_RETRY_LAST)

    def _hear(self, server: int, text: str) -> None:
        """A server's list. Only who watches what has changed is told of it. Raises AdbServerGone."""
        first = not self._listing.is_up(server)
        try:
            changed = self._listing.put(server, text)
        except ValueError as error:
            raise AdbServerGone(f"adb server: {error}") from None
        watches = self._all() if first or "" in changed else self._watches_of(changed)
        self._tell(watches)
        for watch in watches:
            self._connect_if_needed(watch.name)

    def _forget(self, server: int) -> None:
        """A server is away: that says nothing about any phone."""
        self._listing.gone(server)
        watches = self._all()
        for watch in watches:
            watch.server_gone(server)
        self._tell(watches)

    def _all(self) -> list[Watch]:
        return [watch for watches in self._watches.values() for watch in watches]

    def _watches_of(self, names: Collection[str]) -> list[Watch]:
        """Who watches these serials and places, or a phone that is called otherwise since one of its serial has
        changed."""
        twins = {place_in(seen) for name in names for seen in self._listing.of_serial(name)}
        return [watch for name in {*names, *twins} for watch in self._watches.get(name, ())]

    def _all_up(self, servers: Iterable[int]) -> bool:
        return all(map(self._listing.is_up, servers))

    def _is_known(self, watch: Watch) -> bool:
        """Whether every server that its phone may be on has said what it lists."""
        if ADDRESS.match(watch.name):
            return self._listing.is_up(self.client.server_for(watch.name))
        return self._all_up(self.client.usb)

    def _tell(self, watches: Sequence[Watch]) -> None:
        sights = {watch: watch.find(self._listing) for watch in watches}
        self._assign(sights)
        self._keep_locks()
        for watch, sight in sights.items():
            # A new connection: the phone was away, however short.
            holder = self._holder(sight.seen)
            if sight.seen is None and not self._is_known(watch):
                if watch.told is None:
                    continue
                sight = Sight(seen=None, server=False)
            elif sight.seen is None and ADDRESS.match(watch.name):
                sight = Sight(seen=None, why=sight.why or self._why_full(watch.name))
            elif sight.seen is not None and holder is not None and holder is not watch:
                phone = self._listing.key(sight.seen)
                sight = Sight(seen=None, why=f"the phone {phone} is in use as {holder} already")
            watch.tell(sight)

    def _holder(self, seen: Seen | None) -> Watch | None:
        return self._holders.get(self._listing.key(seen)) if seen is not None else None

    def _keep_locks(self) -> None:
        """Leave to other processes what is not held here: a phone that is gone may hang in another slot's place next.
        While a server is away nothing is known of its phones, and nothing left."""
        self._locks.keep(
            [boot for boot, watch in self._boots.items() if self.holds(watch) or not self._is_known(watch)]
        )

    def _assign(self, sights: Mapping[Watch, Sight]) -> None:
        """Give each phone to the first who watches it. Who has it keeps it, also while it is away for a while, and
        where it is listed by another name, since a second one with its serial has come."""
        found = [(watch, sight.seen) for watch, sight in sights.items() if sight.seen is not None]
        had = [(not watch.has(seen), self._holder(seen) is not watch, watch, seen) for watch, seen in found]
        for _, seen in found:
            holder = self._holder(seen)
            if holder in sights:
                del self._holders[self._listing.key(seen)]
        for _, _, watch, seen in sorted(had, key=lambda one: (one[0], one[1], one[2].number)):
            self._holders.setdefault(self._listing.key(seen), watch)
        self._held.difference_update(sights)
        for watch in sights:
            self.client.targets.pop(str(watch), None)
        for watch, seen in found:
            if self._holder(seen) is watch:
                watch.given(seen)
                self._held.add(watch)
                self.client.targets[str(watch)] = seen

    def _connect_if_needed(self, name: str) -> None:
        if name not in self._connecting and self._is_missing(name):
            task = asyncio.get_running_loop().create_task(self._connect(name))
            self._connecting[name] = task
            task.add_done_callback(lambda done: self._connected(name, done))

    def _is_missing(self, name: str) -> bool:
        """Whether a phone on the network is watched and not listed, though its server is there. adb itself goes on
        trying while it lists a phone."""
        if not ADDRESS.match(name) or name not in self._watches or self._listing.of_serial(name):
            return False
        return self._listing.is_up(self.client.server_for(name))

    def _connected(self, name: str, done: asyncio.Task[None]) -> None:
        if self._connecting.get(name) is done:  # a phone watched anew has a task of its own
            del self._connecting[name]

    async def _connect(self, name: str) -> None:
        pause = RETRY_FIRST
        while self._is_missing(name):
            try:
                async with self._turns:
                    if self._why_full(name):
                        self._tell(self._watches[name])
                    else:
                        await self.client.connect(name)
            except PhoneUnreachable as error:
                log.debug("phone not connected", name=name, error=str(error))
            except Exception:
                log.exception("connecting a phone failed and is tried again", name=name)
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_LAST)

    def _why_full(self, name: str) -> str:
        """Why the server of a phone on the network cannot take it, for people; empty: it can."""
        server = self.client.server_for(name)
        if self._listing.count(server) < PHONES_LIMIT:
            return ""
        return f"adb server {server + 1} has {PHONES_LIMIT} phones, and dies of more: raise [adb] servers"
