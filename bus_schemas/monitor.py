"""Monitoring: how phones, hosts and the network between them are, now and over the last 30 days.

Figures are no facts that anything is made of: they are not in the journal. A host writes what it has measured into a
stream of its own, which forgets, one entry a minute and one a quarter of an hour. Each figure has a name in `METRICS`,
under which its history is asked for, and by which a rule about it can say which one it means.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from bus_schemas.contract import READ_AGAIN, ROOT, Rpc, token
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import GivenTime, HostName, Id, SlotId, Utc
from bus_schemas.permissions import Action
from bus_schemas.slot import SEES, SLOT_ABSENT, HubName
from bus_schemas.usb import GivenHub

E = ErrorCode
A = Action

# --- what is measured ------------------------------------------------------------------------------------------------


class Metric(Struct, frozen=True):
    """A figure of each thing of a kind. `low`, `high`: no value is outside; None: it has no bound there."""

    kind: str
    name: str
    unit: str
    low: float | None = 0.0
    high: float | None = None
    says: str = ""


# fmt: off
_METRICS = (
    Metric("slot", "online",           "0/1",  high=1,   says="the phone can be reached"),
    Metric("slot", "battery",          "%",    high=100, says="charge of its battery"),
    Metric("slot", "charging",         "0/1",  high=1,   says="it is being charged"),
    Metric("slot", "temperature",      "C",    low=-40, high=120, says="of its battery"),
    Metric("slot", "cpu",              "%",    high=100, says="load of its processor"),
    Metric("slot", "ram",              "%",    high=100, says="memory in use"),
    Metric("slot", "storage",          "%",    high=100, says="storage in use"),
    Metric("slot", "storage_free_mb",  "MB",             says="storage that apps may still take"),
    Metric("slot", "latency_ms",       "ms",             says="round trip from the host to the phone, over adb"),
    Metric("slot", "signal_level",     "bars", high=4,   says="strength of its mobile network"),
    Metric("slot", "in_service",       "0/1",  high=1,   says="the voice network accepts calls"),
    Metric("slot", "usable_sim",       "0/1",  high=1,   says="one of its SIMs can be used"),
    Metric("slot", "right_sim",        "0/1",  high=1,   says="the SIM that its slot expects is in it"),
    Metric("slot", "roaming",          "0/1",  high=1,   says="it is in a network that is not its own"),
    Metric("slot", "data_mb",          "MB",             says="over the mobile network, since the phone has started"),
    Metric("slot", "uptime_s",         "s",              says="since the phone has started"),
    Metric("host", "cpu",              "%",    high=100, says="load of all its processors"),
    Metric("host", "ram",              "%",    high=100, says="memory in use"),
    Metric("host", "load",             "",               says="processes that run or wait, over a minute"),
    Metric("host", "temperature",      "C",    low=-40, high=150, says="the highest of its sensors"),
    Metric("host", "disk",             "%",    high=100, says="of the disk with the state folder, in use"),
    Metric("host", "disk_free_mb",     "MB",             says="of that disk, free"),
    Metric("host", "uptime_s",         "s",              says="since the machine has started"),
    Metric("host", "latency_ms",       "ms",             says="the longest of the ways to the hosts that are probed"),
    Metric("host", "unreachable",      "",               says="hosts that are probed and do not answer"),
    Metric("host", "measured_mbps",    "Mbit/s",         says="how fast a file came, at the last half hour"),
    Metric("host", "bus_ms",           "ms",             says="a question to the bus and its answer"),
    Metric("host", "clock_offset_ms",  "ms",   low=None, says="that its clock is behind that of the bus"),
    Metric("host", "ledger_behind",    "",               says="entries of the journal that its records lack"),
    Metric("host", "rss_mb",           "MB",             says="memory of the processes of the platform"),
    Metric("host", "fds",              "",               says="files and sockets that they have open"),
    Metric("host", "slots",            "",               says="slots that it owns"),
    Metric("host", "slots_online",     "",               says="of those, with a phone that can be reached"),
    Metric("hub",  "plugged",          "0/1",  high=1,   says="it is in the USB tree of its host"),
    Metric("hub",  "ports",            "",               says="its ports for phones"),
    Metric("hub",  "online",           "",               says="of those, with a phone that adb lists as `device`"),
    Metric("hub",  "unauthorized",     "",               says="with one that has not accepted this host's key"),
    Metric("hub",  "offline",          "",               says="with one that adb lists in another state"),
    Metric("hub",  "occupied",         "",               says="with something that adb does not list"),
)
# fmt: on
METRICS: Mapping[tuple[str, str], Metric] = {(one.kind, one.name): one for one in _METRICS}


def names_of(kind: str) -> list[str]:
    """The metrics of a kind, by name."""
    return [name for each, name in METRICS if each == kind]


# --- what is kept ----------------------------------------------------------------------------------------------------

FIGURES_SCOPE = f"{ROOT}.fig.>"
MINUTE, QUARTER = 60, 15 * 60  # seconds of a step
MINUTES_KEPT, QUARTERS_KEPT = 25 * 3600, 30 * 24 * 3600  # seconds; the last day by minutes is whole at any time
STREAM_BYTES = 512 * 2**20
THINGS_IN_ONE = 400  # in one entry of the stream: with all their figures 400 kB


class Figures(Struct, frozen=True):
    """One thing in one step: of each metric the least, the mean and the greatest value."""

    kind: str
    id: str
    values: dict[str, tuple[float, float, float]]


class FiguresTaken(Struct, frozen=True, kw_only=True):
    """What a host has measured from `at` on, for `step` seconds."""

    host: HostName
    at: Utc
    step: int
    things: list[Figures]


def figures_subject(host: str, step: int) -> str:
    """Where an entry is in the stream. Raises Refusal(INVALID_PARAMS) for a host that is no token."""
    return f"{ROOT}.fig.{token(host)}.{step}"


read_figures = msgspec.json.Decoder(FiguresTaken).decode


# --- what may be asked -----------------------------------------------------------------------------------------------


class GetSystem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How busy the hosts are, or one of them."""

    host: HostName | None = None


class SystemFigures(Struct, frozen=True, kw_only=True):
    """Percent, of all hosts by their processors and their memory; `uptime`: of the machine that runs longest, as
    `14h32m` or `3d14h32m`. null: nobody knows."""

    cpu: Annotated[int | None, Meta(examples=[37])]
    ram: Annotated[int | None, Meta(examples=[61])]
    uptime: Annotated[str | None, Meta(examples=["14h32m"])]


class GetNetwork(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network of the hosts, or of one of them."""

    host: HostName | None = None


class NetworkFigures(Struct, frozen=True, kw_only=True):
    """`bandwidth_mbps`: as it was measured (`[monitor] download`), or else of the link by which a host reaches the
    others; of several hosts, the slowest. `latency_ms`: to the hosts that are probed (`[monitor] probes`), the longest.
    null: nobody knows, or nothing is probed."""

    bandwidth_mbps: Annotated[int | None, Meta(examples=[1000])]
    latency_ms: Annotated[int | None, Meta(examples=[12])]


class GetSlotFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a slot's phone is now. SLOT_OFFLINE when it cannot be reached: `details.last` are its last figures then."""

    slot: SlotId


class SlotFigures(Struct, frozen=True, kw_only=True):
    """A phone's figures, read `at`. Percent; `latency`: ms to the phone and back; null where it does not tell."""

    slot_id: SlotId
    cpu: Annotated[int | None, Meta(examples=[15])]
    ram: Annotated[int | None, Meta(examples=[45])]
    temperature: Annotated[str | None, Meta(examples=["38C"])]
    battery: Annotated[str | None, Meta(examples=["82%"])]
    latency: Annotated[int | None, Meta(examples=[12])]
    at: Utc | None = None
    storage: int | None = None
    storage_free_mb: int | None = None
    charging: bool | None = None
    battery_health: str | None = None
    battery_frozen: bool | None = None
    signal_level: int | None = None
    in_service: bool | None = None
    network_type: str | None = None
    operator: str | None = None
    roaming: bool | None = None
    data_mb: float | None = None
    uptime: str | None = None


class ListHosts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All hosts that are there now."""


class GetHost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One host."""

    host: HostName


class DiskFigures(Struct, frozen=True, kw_only=True):
    """A disk that the platform writes to, or the system. `total_mb`: of it, what this user may use. `full_in`: seconds
    until it is full, at the growth of the last day or of as much of it as the host has seen; null: it does not grow,
    or that is not known yet."""

    path: str
    total_mb: int
    free_mb: int
    used: float
    full_in: int | None = None


class ProcessFigures(Struct, frozen=True, kw_only=True):
    """A process of the platform. `cpu`: percent of one processor. `fds`: files and sockets that are open."""

    name: str
    pid: int
    cpu: float | None
    rss_mb: float
    fds: int | None
    threads: int
    uptime_s: int


class Probe(Struct, frozen=True, kw_only=True):
    """A host that is probed. `latency_ms` null: it does not answer."""

    address: str
    latency_ms: float | None


class Following(Struct, frozen=True, kw_only=True):
    """Records of a host. `behind`: entries of their stream that they do not have yet; `error`: why they do not get
    on."""

    name: str
    behind: int
    error: str | None = None


class HostFigures(Struct, frozen=True, kw_only=True):
    """A host, measured `at`; null where it does not tell. Percent, degrees Celsius, megabytes. `bandwidth_mbps`: of its
    link; `measured_mbps`: as a file came, within the last half hour. `clock_offset_ms`: its
    clock behind that of the bus, as the last minute's figures were stored."""

    host: HostName
    at: Utc | None = None
    cpu: float | None = None
    cores: int | None = None
    load: tuple[float, float, float] | None = None
    ram: float | None = None
    ram_total_mb: int | None = None
    ram_available_mb: int | None = None
    uptime_s: int | None = None
    temperature: float | None = None
    clock_offset_ms: float | None = None
    bus_ms: float | None = None
    bandwidth_mbps: int | None = None
    measured_mbps: float | None = None
    probes: tuple[Probe, ...] = ()
    disks: tuple[DiskFigures, ...] = ()
    processes: tuple[ProcessFigures, ...] = ()
    records: tuple[Following, ...] = ()
    slots: int = 0
    slots_online: int = 0


class FiguresOnHost(Struct, frozen=True, kw_only=True):
    """How one host is."""

    host: HostName


MetricName = Annotated[str, Meta(max_length=64, examples=["temperature"])]


AS_ASKED = {"since": "from", "until": "to"}


class SlotHistory(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=AS_ASKED):
    """A figure of a slot's phone, by minutes as far as 24 hours go back, else by quarters of an hour, 30 days."""

    slot: SlotId
    metric: MetricName
    since: GivenTime | None = None
    until: GivenTime | None = None


class HostHistory(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=AS_ASKED):
    """The same of a host."""

    host: HostName
    metric: MetricName
    since: GivenTime | None = None
    until: GivenTime | None = None


class HubHistory(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=AS_ASKED):
    """The same of a hub. `host`: where hosts have hubs of one name, or where it was."""

    hub: GivenHub
    metric: MetricName
    host: HostName | None = None
    since: GivenTime | None = None
    until: GivenTime | None = None


class HistoryOf(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A figure of a thing from `since` on, before `until`, in steps of so many seconds: 60 or 900. `host`: of a hub,
    whose name is no other's of that host."""

    kind: Id
    id: HubName
    host: HostName | None = None
    metric: MetricName
    since: Utc
    until: Utc
    step: int


class Point(Struct, frozen=True, kw_only=True):
    """A step, by its beginning."""

    at: Utc
    min: float
    mean: float
    max: float


class History(Struct, frozen=True, kw_only=True):
    """A figure over time. `step`: seconds. A step in which nothing was measured has no point."""

    kind: str
    id: str
    metric: str
    unit: str
    step: int
    points: list[Point]


# fmt: off
SLOT_FIGURES  = Rpc("ottb.v1.cmd.slot.{slot}.figures", GetSlotFigures, SlotFigures,
                    frozenset({E.NOT_FOUND, E.SLOT_OFFLINE}), summary="How a slot's phone is", fallback=SLOT_ABSENT,
                    permission=A.MONITOR_VIEW, asks=SEES, again=READ_AGAIN)
GET_SYSTEM    = Rpc("ottb.v1.cmd.monitor.system",  GetSystem,  SystemFigures,  frozenset({E.NOT_FOUND}),
                    summary="How busy the hosts are", permission=A.MONITOR_VIEW, again=READ_AGAIN)
GET_NETWORK   = Rpc("ottb.v1.cmd.monitor.network", GetNetwork, NetworkFigures, frozenset({E.NOT_FOUND}),
                    summary="The network of the hosts", permission=A.MONITOR_VIEW, again=READ_AGAIN)
LIST_HOSTS    = Rpc("ottb.v1.cmd.monitor.hosts",   ListHosts,  list[HostFigures], frozenset(),
                    summary="How the hosts are", permission=A.MONITOR_HOSTS, again=READ_AGAIN)
GET_HOST      = Rpc("ottb.v1.cmd.monitor.host",    GetHost,    HostFigures,    frozenset({E.NOT_FOUND}),
                    summary="How a host is", permission=A.MONITOR_HOSTS, again=READ_AGAIN)
ON_HOST       = Rpc("ottb.v1.cmd.host.{host}.figures", FiguresOnHost, HostFigures, frozenset(),
                    summary="How one host is, by its own word", timeout=2.0)
SLOT_HISTORY  = Rpc("ottb.v1.cmd.monitor.slot_history", SlotHistory, History,  frozenset({E.NOT_FOUND}),
                    summary="A figure of a slot over time", permission=A.MONITOR_VIEW, asks=SEES, again=READ_AGAIN)
HOST_HISTORY  = Rpc("ottb.v1.cmd.monitor.host_history", HostHistory, History,  frozenset({E.NOT_FOUND}),
                    summary="A figure of a host over time", permission=A.MONITOR_HOSTS, again=READ_AGAIN)
HUB_HISTORY   = Rpc("ottb.v1.cmd.monitor.hub_history", HubHistory, History,    frozenset({E.NOT_FOUND, E.CONFLICT}),
                    summary="A figure of a hub over time", permission=A.MONITOR_VIEW, again=READ_AGAIN)
HISTORY       = Rpc("ottb.v1.qry.figures.history", HistoryOf, History, frozenset(),
                    summary="A figure of anything over time")
# fmt: on


def as_uptime(seconds: float) -> str:
    """As people read it: `14h32m`, `3d14h32m`."""
    minutes = int(seconds) // 60
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    return f"{days}d{hours}h{minutes:02}m" if days else f"{hours}h{minutes:02}m"
