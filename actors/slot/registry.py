"""Which slots this host owns: those of its settings file and those made over the API, each with one actor. A slot
belongs to the host that its configuration names; what concerns another host's slot is asked there.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping

import msgspec
import structlog
from msgspec import Struct

from actors.runtime.activation import activate_all
from actors.runtime.actor import NotOurs
from actors.runtime.bus import BusError, Fenced, Recorded, Unsubscribe
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.journalled import Unreadable, unreadable
from actors.runtime.peers import Peers
from actors.runtime.wire import Page, ask, forward
from actors.slot.actor import SlotActor
from actors.slot.claims import Claims
from actors.slot.machine import Configure, Remove
from actors.slot.pool import Pool
from actors.slot.record import FROM_FILE, Slot
from actors.slot.settings import Hub, Misplaced
from actors.telephony.numbers import not_a_country
from bus_schemas.contract import ROOT, UNDECODABLE, id_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.host import (
    CONFIGURE_ON_HOST,
    REMOVE_ON_HOST,
    UNASSIGNED_ON_HOST,
    ConfigureOnHost,
    RemoveOnHost,
    UnassignedOnHost,
)
from bus_schemas.slot import (
    SLOT_CONFIGURED,
    SLOT_REMOVED,
    ConfigureSlot,
    ListUnassigned,
    RemoveSlot,
    SlotConfig,
    SlotConfigured,
    SlotDetails,
    SlotRemovedReply,
    UnassignedPhone,
)

log = structlog.get_logger()

NO_SLOT = RefusalTemplate(ErrorCode.NOT_FOUND, "No such slot.")
NOT_SEEN = RefusalTemplate(ErrorCode.NOT_FOUND, "The phone is not seen at this host.")
NOT_REACHED = RefusalTemplate(ErrorCode.UNAVAILABLE, "The journal cannot be reached now. Try again.")
TAKEN_OVER = RefusalTemplate(ErrorCode.UNAVAILABLE, "The slot is being made at another host. Try again.")


_OVER_NETWORK = re.compile(r"[0-9A-Za-z.-]+:[0-9]{1,5}\Z|.*\._tcp\Z")  # serials of phones that hang on no USB


class Device(Struct, frozen=True, kw_only=True):
    """A phone that adb lists, by the `name` that no other one has. `serial` may be shared, or empty; `usb` is its place
    in the USB tree, for example `1-2.3`."""

    name: str
    serial: str
    state: str
    model: str | None = None
    usb: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which adb finds it, and nothing else: its serial if that is its own, and its place."""
        return (self.name, f"usb:{self.usb}") if self.usb else (self.name,)


def adb_name(config: SlotConfig, hubs: Mapping[str, Hub]) -> str:
    """The name by which adb finds a slot's phone. Raises Refusal(INVALID_PARAMS) when the place says nothing."""
    if config.serial is not None:
        return config.serial
    if config.hub is None or config.port is None:
        field = "hub" if config.port is not None else "port" if config.hub is not None else "serial"
        raise misfit(field, "name the phone by its `serial`, or its place by `hub` and `port`.")
    if config.hub not in hubs:
        raise misfit("hub", "the settings have no such hub.", hub=config.hub, known=sorted(hubs))
    try:
        return f"usb:{hubs[config.hub].place(config.hub, config.port)}"
    except Misplaced as error:
        raise misfit("port", f"it cannot be found: {error}.", hub=config.hub) from None


def adb_place(config: SlotConfig, hubs: Mapping[str, Hub]) -> str | None:
    """Of a slot that names its phone by serial, where that has to hang (`usb:1-2.3`), since others may have the same
    one; None: nobody can tell, or it comes over the network."""
    if config.serial is None or config.hub is None or config.port is None or config.hub not in hubs:
        return None
    if _OVER_NETWORK.match(config.serial):
        return None
    try:
        return f"usb:{hubs[config.hub].place(config.hub, config.port)}"
    except Misplaced:
        return None


class Sighting:
    """The phones that adb lists at one moment, by the names of slots. Each name is looked up once: whether each of many
    slots is another one's is asked for each of them."""

    def __init__(self, devices: Iterable[Device], hubs: Mapping[str, Hub]) -> None:
        self._hubs = hubs
        self._devices: dict[str, Device] = {}
        for device in devices:
            for name in device.names:
                self._devices.setdefault(name, device)
        self._names: dict[SlotConfig, frozenset[str]] = {}

    def may_be_same(self, one: SlotConfig, other: SlotConfig) -> bool:
        """Whether two slots' names can lead to one phone. Those of one serial are told apart by their places."""
        if one.serial is not None and one.serial == other.serial:
            places = adb_place(one, self._hubs), adb_place(other, self._hubs)
            return None in places or places[0] == places[1]
        return not self.names(one).isdisjoint(self.names(other))

    def names(self, config: SlotConfig) -> frozenset[str]:
        """Every name by which adb knows the slot's phone, as far as it sees it."""
        found = self._names.get(config)
        if found is None:
            found = self._names[config] = self._looked_up(config)
        return found

    def device(self, config: SlotConfig) -> Device | None:
        """The slot's phone, if it is seen."""
        try:
            name, place = adb_name(config, self._hubs), adb_place(config, self._hubs)
        except Refusal:
            return None
        found = self._devices.get(place or name)
        return found if found is not None and (place is None or found.serial == name) else None

    def _looked_up(self, config: SlotConfig) -> frozenset[str]:
        try:
            name = adb_place(config, self._hubs) or adb_name(config, self._hubs)
        except Refusal:
            return frozenset()
        device = self.device(config)
        return frozenset({name, *(device.names if device is not None else ())})


class SlotRegistry:
    """The slots of one host. `devices` lists every phone that can be seen from here; `idle`: the slots that could take
    a call now."""

    def __init__(
        self,
        *,
        host: Host,
        from_file: Iterable[SlotConfig],
        devices: Callable[[], Iterable[Device]],
        hubs: Mapping[str, Hub],
        peers: Peers,
    ) -> None:
        self._host = host
        self._from_file = tuple(config for config in from_file if config.host == host.name)
        self._devices = devices
        self._hubs = hubs
        self._peers = peers
        self.idle = Pool()
        self._claims = Claims(bus=host.bus)
        self._stop: Unsubscribe | None = None
        self._regions: frozenset[str] = frozenset()
        self._configuring = asyncio.Lock()  # a phone or place is looked for and claimed in one step
        self._unset: dict[int, SlotConfig] = {}  # of the settings file, and not applied yet

    async def start(self) -> None:
        """Own every slot of this host, then bring those of the settings file up to date.

        An entry of the file counts when it has changed since it last did, so that what was changed over the API
        stays as it is over a restart. A slot in a call is changed when the call is over.
        """
        begun = await self._host.bus.last_seq()
        self._stop = await self._host.bus.follow(SLOT_CONFIGURED.pattern, self._release_if_moved, after=begun)
        ours = {str(config.id) for config in self._from_file}
        await activate_all(self._host, SlotActor, sorted(ours), SlotActor.move_here)
        await activate_all(self._host, SlotActor, sorted(await self._on_record() - ours))
        for config in self._from_file:
            actor = self._host.get(SlotActor, str(config.id))
            if actor is not None and (actor.state is None or actor.state.from_file != config):
                self._unset[config.id] = config
        await self.bring_up_to_date()

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()

    async def bring_up_to_date(self) -> None:
        """Apply what stands in the settings file and could not be applied yet."""
        sighting = self._sighting()
        for id, config in list(self._unset.items()):
            actor = self._host.get(SlotActor, str(id))
            if actor is None or actor.stands_in:
                continue
            try:
                async with self._configuring:
                    await self._check_claims(config, sighting)
                    await self._configure(config, Context(command_id=self._host.ids.new(), user=FROM_FILE))
            except Refusal as refusal:
                if refusal.code is ErrorCode.CONFLICT:
                    self._host.quarantine("slot", str(id), f"settings: {refusal.message} {refusal.details}")
                log.info("settings of a slot wait", slot=id, why=refusal.message)
                continue
            del self._unset[id]
            self._host.quarantined.pop(("slot", str(id)), None)
        self._note_regions()

    @property
    def regions(self) -> frozenset[str]:
        """The countries of the SIMs here, ISO 3166."""
        return self._regions

    # --- contract lines

    async def configure(self, request: ConfigureSlot, context: Context) -> Page:
        """Any host may be asked. A slot on record is its host's; a new one goes where its phone is seen."""
        owner = await self._host_on_record(request.slot)
        if owner is not None and owner != self._host.name:
            wanted = ConfigureOnHost(host=owner, configure=request)
            return await forward(self._host.bus, CONFIGURE_ON_HOST, wanted, context)
        if owner is None and not self._sees(request):
            for peer in self._peers.others():
                wanted = ConfigureOnHost(host=peer, configure=request, only_if_seen=True)
                try:
                    return await forward(self._host.bus, CONFIGURE_ON_HOST, wanted, context, retry=False)
                except Refusal as refusal:
                    if refusal.code not in (ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE):
                        raise
        return await self._configure_here(request, context)

    async def configure_on_host(self, request: ConfigureOnHost, context: Context) -> Page:
        """CONFIGURE_SLOT that another host has passed on."""
        if request.only_if_seen and not self._sees(request.configure):
            raise NOT_SEEN()
        return await self._configure_here(request.configure, context)

    async def _configure_here(self, request: ConfigureSlot, context: Context) -> Page:
        config = SlotConfig(
            id=request.slot,
            serial=request.serial,
            hub=request.hub,
            port=request.port,
            user=request.user,
            trunk=request.trunk,
            region=request.region,
            sim=request.sim,
            expected_iccid=request.expected_iccid,
            expected_operator=request.expected_operator,
            host=self._host.name,
        )
        adb_name(config, self._hubs)
        if request.region is not None and (wrong := not_a_country(request.region)) is not None:
            raise misfit("region", f"{wrong}.")
        async with self._configuring:
            await self._check_claims(config, self._sighting())
            try:
                await self._host.activate(SlotActor, str(config.id))
            except (NotOurs, Fenced):
                raise TAKEN_OVER() from None
            except Unreadable as error:
                raise Refusal(ErrorCode.UNAVAILABLE, f"The slot is quarantined: {error}") from None
            except BusError:
                raise NOT_REACHED() from None
            before = self._slot(config.id)
            details = await self._configure(config, context)
        self._note_regions()
        return Page(body=details, changed=before is None or before.config != config)

    async def remove(self, request: RemoveSlot, context: Context) -> SlotRemovedReply | Page:
        owner = await self._host_on_record(request.slot)
        if owner is None:
            raise NO_SLOT()
        if owner != self._host.name:
            wanted = RemoveOnHost(host=owner, remove=request)
            return await forward(self._host.bus, REMOVE_ON_HOST, wanted, context)
        return await self._remove_here(request, context)

    async def remove_on_host(self, request: RemoveOnHost, context: Context) -> SlotRemovedReply:
        """REMOVE_SLOT that another host has passed on."""
        return await self._remove_here(request.remove, context)

    async def _remove_here(self, request: RemoveSlot, context: Context) -> SlotRemovedReply:
        if self._slot(request.slot) is None:
            raise NO_SLOT()
        await self._host.order(SlotActor, str(request.slot), Remove(), context)
        await self._host.release("slot", str(request.slot))
        self._note_regions()
        return SlotRemovedReply(status="removed", slot=request.slot)

    async def unassigned(self, request: ListUnassigned, context: Context) -> list[UnassignedPhone]:
        """The phones of every host that no slot claims."""
        found = await self.unassigned_on_host(UnassignedOnHost(host=self._host.name), context)
        for peer in self._peers.others():
            try:
                there: list[UnassignedPhone] = await ask(
                    self._host.bus, UNASSIGNED_ON_HOST, UnassignedOnHost(host=peer), context
                )
                found += there
            except Refusal as refusal:  # it is going down: what hangs there cannot be told
                log.info("a host did not tell its phones", host=peer, why=refusal.message)
        return found

    async def unassigned_on_host(self, request: UnassignedOnHost, context: Context) -> list[UnassignedPhone]:
        """LIST_UNASSIGNED of this host."""
        sighting = self._sighting()
        claimed = frozenset[str]().union(*(sighting.names(slot.config) for slot in self._slots()))
        return [
            UnassignedPhone(
                serial=device.serial, state=device.state, model=device.model, usb=device.usb, host=self._host.name
            )
            for device in self._devices()
            if not claimed.intersection(device.names)
        ]

    # --- inside

    async def _release_if_moved(self, recorded: Recorded) -> None:
        """Begin a slot afresh whose record names another host by now: it then lets go, and its phone is free for that
        host. An idle slot would hear of it by nothing else."""
        slot = self._host.get(SlotActor, id_of(recorded.subject))
        if slot is None or recorded.seq < slot.fence[1]:
            return
        if msgspec.json.decode(recorded.data, type=SlotConfigured).config.host != self._host.name:
            try:
                await slot.verify()
            except BusError:
                self._host.verify()  # for as long as it takes

    async def _on_record(self) -> set[str]:
        """The slots that the record gives to this host. One whose record cannot be read is quarantined.
        Raises BusError: what cannot be asked now must not be left alone for good."""
        ids: set[str] = set()
        for subject in await self._host.bus.ids(SLOT_CONFIGURED.pattern):
            try:
                if await self._read_host(int(id_of(subject))) == self._host.name:
                    ids.add(id_of(subject))
            except (ValueError, Unreadable) as error:  # no number, or no record
                self._host.quarantine("slot", id_of(subject), str(error))
        return ids

    async def _host_on_record(self, slot: int) -> str | None:
        """The host of a slot; None: there is no such slot. Raises Refusal when that cannot be told now."""
        try:
            return await self._read_host(slot)
        except BusError:
            raise NOT_REACHED() from None
        except Unreadable as error:
            raise Refusal(ErrorCode.UNAVAILABLE, f"The slot is quarantined: {error}", slot=slot) from None

    async def _read_host(self, slot: int) -> str | None:
        newest = await self._host.newest(f"{ROOT}.evt.slot.{slot}.{SLOT_CONFIGURED.verb}")
        removed = await self._host.newest(f"{ROOT}.evt.slot.{slot}.{SLOT_REMOVED.verb}")
        if newest is None or (removed is not None and removed.seq > newest.seq):
            return None
        try:
            return msgspec.json.decode(newest.data, type=SlotConfigured).config.host
        except UNDECODABLE as error:
            raise Unreadable(unreadable(newest.seq, SLOT_CONFIGURED.verb, error)) from None

    def _sees(self, request: ConfigureSlot) -> bool:
        """Whether the phone of a new slot is seen at this host; a place that is not in its settings is not here."""
        config = SlotConfig(id=request.slot, serial=request.serial, hub=request.hub, port=request.port)
        return self._sighting().device(config) is not None

    async def _configure(self, config: SlotConfig, context: Context) -> SlotDetails:
        return await self._host.order(SlotActor, str(config.id), Configure(config=config), context)

    def _slots(self) -> list[Slot]:
        actors = self._host.all(SlotActor)
        return [actor.state for actor in actors if actor.state is not None and not actor.state.removed]

    def _slot(self, id: int) -> Slot | None:
        actor = self._host.get(SlotActor, str(id))
        state = actor.state if actor is not None else None
        return state if state is not None and not state.removed else None

    def _sighting(self) -> Sighting:
        return Sighting(self._devices(), self._hubs)

    async def _check_claims(self, config: SlotConfig, sighting: Sighting) -> None:
        """Raise Refusal(CONFLICT) when another slot has the phone, by whatever name, or the place; UNAVAILABLE when
        that cannot be told. The place of another host's slot is one of its own machine, its serial is not, unless both
        say at which place of theirs."""
        for slot in self._slots():
            other = slot.config
            same_place = config.hub is not None and (other.hub, other.port) == (config.hub, config.port)
            if other.id != config.id and (same_place or sighting.may_be_same(config, other)):
                raise Refusal(ErrorCode.CONFLICT, "Another slot has this phone or place.", slot=other.id)
        try:
            await self._claims.read()
        except BusError:
            raise NOT_REACHED() from None
        mine = {*sighting.names(config), config.serial}
        placed = adb_place(config, self._hubs) is not None
        for other in self._claims.of_others(self._host.name):
            apart = placed and other.port is not None
            if other.id != config.id and other.serial is not None and other.serial in mine and not apart:
                message = "A slot of another host has this phone."
                raise Refusal(ErrorCode.CONFLICT, message, slot=other.id, host=other.host)

    def _note_regions(self) -> None:
        self._regions = frozenset(slot.config.region for slot in self._slots() if slot.config.region)
