"""USB hubs: which phone is on which port of which hub, whether its power can be switched, and what comes and goes.

A hub is a box with printed ports, however many chips are chained in it and on however many buses it shows up. A host
keeps one record of all its hubs, so events are about a host and name the hub.
"""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.contract import READ_AGAIN, Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import HostName, Utc
from bus_schemas.kinds import Kind, Subscribable
from bus_schemas.permissions import Action
from bus_schemas.slot import HubName

E = ErrorCode
A = Action

HUB = Kind("hub", "hubs", view=A.MONITOR_VIEW)

GivenHub = Annotated[HubName, Meta(examples=["HUB2"])]
Port = Annotated[int, Meta(ge=1, le=99, examples=[14])]


class PortState(StrEnum):
    """What is on a port. OCCUPIED: something that adb does not list. ONLINE: a phone that adb lists as `device`;
    UNAUTHORIZED: one that waits for somebody to allow this host; OFFLINE: one that adb lists in any other state."""

    EMPTY = "empty"
    OCCUPIED = "occupied"
    UNAUTHORIZED = "unauthorized"
    OFFLINE = "offline"
    ONLINE = "online"


class Switching(StrEnum):
    """What switching a port off cuts, as the settings say of a hub: the power of that port alone, that of all ports of
    its chip, or nothing that anybody has tried."""

    NONE = "none"
    PORTS = "ports"
    GANGED = "ganged"


PowerAction = Literal["cycle", "off", "on"]


class HubSummary(Struct, frozen=True, kw_only=True):
    """A hub. `online`: phones on its ports that adb lists as `device` now. `total`: its ports for phones."""

    hub: str
    online: int
    total: int


class PortDetails(Struct, frozen=True, kw_only=True):
    """A port. `port`: as printed; null: nobody has said which it is (`ottb hub learn`). `way`: to it through the hub's
    chips, `4.2`. `place`: where its phone is in the USB tree now, on whichever bus. `speed`: of the link, in Mbit/s;
    `power`: what the phone may draw, in mA. `adb`: whether it offers that at all, null where that cannot be told.
    `switchable`: its power can be switched, and `off`: it is. `serial`, `product`, `slot`: null also for who does not
    see that slot."""

    port: Port | None
    way: str
    state: PortState
    place: str | None = None
    serial: str | None = None
    product: str | None = None
    slot: int | None = None
    speed: float | None = None
    power: int | None = None
    adb: bool | None = None
    switchable: bool = False
    off: bool = False


class HubDetails(Struct, frozen=True, kw_only=True):
    """A hub with its ports. `plugged`: whether it is in the host's USB tree; null: there is none to look at, and its
    ports are what the slots say. `paths`: where, on each bus; its ways begin at the first. `chips`: how many hub chips
    it is made of. `mapped`: the settings say where its printed ports are."""

    hub: str
    host: HostName
    online: int
    total: int
    plugged: bool | None
    paths: tuple[str, ...]
    chips: int
    mapped: bool
    switching: Switching
    ports: tuple[PortDetails, ...]


class PhoneOnPort(Struct, frozen=True, kw_only=True):
    """What loses its power or its connection with a port."""

    port: Port | None
    way: str
    state: PortState
    serial: str | None = None
    slot: int | None = None


# --- commands -------------------------------------------------------------------------------------------------


class ListHubs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hubs of all hosts, or of one."""

    host: HostName | None = None


class GetHub(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One hub. `host`: where hosts have hubs of one name."""

    hub: GivenHub
    host: HostName | None = None


class PowerPort(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Switch a port off and, after `seconds`, on again (`cycle`), or only one of both. Refused with SLOT_BUSY while a
    slot on it is in use. `dry`: only say which phones would go."""

    hub: GivenHub
    port: Port
    host: HostName | None = None
    action: PowerAction = "cycle"
    seconds: Annotated[float, Meta(ge=0.5, le=10)] = 3.0
    dry: bool = False


class PortPowered(Struct, frozen=True, kw_only=True):
    """It is done, or with `dry` would be. `ways`: of the hub's ports that are switched; `phones`: on them."""

    hub: str
    host: HostName
    port: Port
    action: PowerAction
    dry: bool
    ways: tuple[str, ...]
    phones: tuple[PhoneOnPort, ...]


class HubsOnHost(Struct, frozen=True, kw_only=True):
    """The hubs of one host."""

    host: HostName


class HubOnHost(Struct, frozen=True, kw_only=True):
    """A hub as its host tells of it. Not `here`: it stands in the host's settings alone, which hosts may share."""

    details: HubDetails
    here: bool


class PowerOnHost(Struct, frozen=True, kw_only=True):
    """POWER_PORT for one host."""

    host: HostName
    power: PowerPort


SEES = frozenset({A.SLOT_VIEW, A.SLOT_VIEW_ANY})
POWER_REFUSALS = frozenset({E.NOT_FOUND, E.CONFLICT, E.SLOT_BUSY})
LONGEST = 20.0  # seconds that switching a port may take, its pause among them

# fmt: off
#                subject                       request   reply             may be refused with
LIST_HUBS  = Rpc("ottb.v1.cmd.hubs.list",      ListHubs, list[HubSummary], frozenset({E.NOT_FOUND}),
                 summary="USB hubs, and how many of their phones are online", permission=A.MONITOR_VIEW,
                 again=READ_AGAIN)
GET_HUB    = Rpc("ottb.v1.cmd.hubs.get",       GetHub,   HubDetails,       frozenset({E.NOT_FOUND, E.CONFLICT}),
                 summary="One USB hub with its ports", permission=A.MONITOR_VIEW, asks=SEES, again=READ_AGAIN)
POWER_PORT = Rpc("ottb.v1.cmd.hubs.power",     PowerPort, PortPowered,     POWER_REFUSALS,
                 summary="Switch a port of a USB hub off and on", permission=A.HUB_POWER,
                 audit_fields=("hub", "port", "action"), timeout=LONGEST + 5)
HUBS_ON_HOST = Rpc("ottb.v1.cmd.host.{host}.hubs",  HubsOnHost, list[HubOnHost], frozenset(),
                   summary="The USB hubs of one host", timeout=2.0)
POWER_ON_HOST = Rpc("ottb.v1.cmd.host.{host}.power_port", PowerOnHost, PortPowered, POWER_REFUSALS,
                    summary="Switch a port of a USB hub of one host off and on", timeout=LONGEST)
# fmt: on


# --- events ---------------------------------------------------------------------------------------------------


class HubFound(Struct, frozen=True, kw_only=True):
    """A hub was plugged in, with what is on it: the state of each port that is not empty, by its way."""

    host: HostName
    at: Utc
    hub: str
    path: str
    total: int
    ports: dict[str, PortState]


class HubLost(Struct, frozen=True, kw_only=True):
    """A hub is gone, and with it what was on it, `phones` ports. Nothing else is said of those."""

    host: HostName
    at: Utc
    hub: str
    path: str
    phones: int


class PortChanged(Struct, frozen=True, kw_only=True):
    """Something came, went, or is another way in adb. `port`: as printed, null where nobody has said which it is."""

    host: HostName
    at: Utc
    hub: str
    way: str
    port: int | None
    state: PortState
    before: PortState


class PortSwitched(Struct, frozen=True, kw_only=True):
    """Ports were switched, for the sake of `port`: `off` is written before it is done, `on` after it. `cycle`: it is
    switched on again by itself, also by whoever looks after the hub next. `by`: who asked for it."""

    host: HostName
    at: Utc
    hub: str
    port: int
    action: Literal["off", "on"]
    ways: tuple[str, ...]
    by: str
    cycle: bool = False


class HubsActivated(Struct, frozen=True, kw_only=True):
    """The host looks after its hubs; who did before can no longer write."""

    host: HostName
    at: Utc
    epoch: int


HubEvent = HubFound | HubLost | PortChanged | PortSwitched | HubsActivated

# fmt: off
HUB_FOUND     = Topic("ottb.v1.evt.hub.{host}.found",        HubFound,      "A USB hub was plugged in")
HUB_LOST      = Topic("ottb.v1.evt.hub.{host}.lost",         HubLost,       "A USB hub is gone")
PORT_CHANGED  = Topic("ottb.v1.evt.hub.{host}.port_changed", PortChanged,   "A phone came to a port of a hub, or left")
PORT_SWITCHED = Topic("ottb.v1.evt.hub.{host}.switched",     PortSwitched,  "A port of a hub was switched off or on")
HUBS_ACTIVATED = Topic("ottb.v1.evt.hub.{host}.activated",   HubsActivated, "A host looks after its hubs")
# fmt: on

HUB_NEWS = Subscribable(HUB, (HUB_FOUND, HUB_LOST, PORT_CHANGED, PORT_SWITCHED), ("hub",))

# --- what live clients are told ------------------------------------------------------------------------------


class HubUpdate(Struct, frozen=True, kw_only=True):
    """A hub has changed. `port`, `way`, `state` and `before` with `port_changed`; `total` and `ports` with `found`;
    `phones` with `lost`; `action`, `ways`, `cycle` and `by` with `switched`."""

    hub: str
    host: str
    at: Utc
    change: Literal["found", "lost", "port_changed", "switched"]
    path: str | UnsetType = UNSET
    port: int | UnsetType | None = UNSET
    way: str | UnsetType = UNSET
    state: PortState | UnsetType = UNSET
    before: PortState | UnsetType = UNSET
    total: int | UnsetType = UNSET
    ports: dict[str, PortState] | UnsetType = UNSET
    phones: int | UnsetType = UNSET
    action: Literal["off", "on"] | UnsetType = UNSET
    ways: tuple[str, ...] | UnsetType = UNSET
    cycle: bool | UnsetType = UNSET
    by: str | UnsetType = UNSET
