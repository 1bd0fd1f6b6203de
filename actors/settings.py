"""All settings: one frozen struct, read in the order defaults < TOML file < environment < arguments.

An environment variable `OTTB_<SECTION>__<NAME>` sets one value (`OTTB_HTTP__OTTB_PORT=9083`), lists as JSON; with the
ending `__FILE` it names a file that holds the value, for secrets (`environment.py`). Nothing else reads it. The
sections stand with what they set (`actors/<feature>/settings.py`); this file puts them together.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.alert.settings import Alerts
from actors.archive.settings import Archive
from actors.by_hand.settings import ByHand
from actors.call.settings import Calls
from actors.campaign.hours import read_hours
from actors.campaign.settings import Campaigns
from actors.dialing.settings import Dial, regions_at
from actors.entries import wrong_origins, wrong_slots, wrong_trunks
from actors.environment import set_at, set_by_variables
from actors.healing.settings import Healing
from actors.imports.settings import Imports
from actors.ledger.settings import LedgerStore
from actors.monitor.settings import Monitor
from actors.operator.settings import Operators
from actors.pipeline.settings import Pipelines
from actors.point.settings import Auth, BusLogin
from actors.run.settings import Scripts
from actors.runner.settings import Runner
from actors.runtime.settings import Journal, Log, Nats, Port, SettingsError, Traces
from actors.sandbox import with_phones
from actors.slot.adb_servers import AdbServer, servers_of, wrong_servers
from actors.slot.settings import Adb, Hub, UsbPath, misplaced, not_hubs, overlapping
from actors.slot.usb_tree import as_in_tree
from actors.telephony.numbers import NotANumber, caller_id, not_a_country
from actors.trunk.settings import Ami
from actors.webhook.settings import Webhooks
from bus_schemas.fields import HostName, plainly
from bus_schemas.slot import SlotConfig
from bus_schemas.trunk import TrunkConfig

LOCAL = "local"  # the name of a host that nobody has named
OF_HOSTS = ("slots", "trunks")
SANDBOX_REPOSITORIES = "repositories"  # in the state folder


class Http(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the gateway listens, and how many connections it takes: on all its ports, of one address on which nobody
    has logged in, and of one user (and as many of all their service tokens). The last `connections_reserved` are not
    for addresses that were never logged in from. `refusals_per_second`: requests of strangers of one address, and
    refused ones of one user, that are answered at once; beyond, a second later. `changes_per_second`: of one user, done
    or refused, that begin at once; beyond, in their turn; `lasting_changes_per_second`: those that were done, on the
    long run, and as many that end something, and logins. `looks_per_second`: requests for one thing, or 8 kB of
    one, likewise.
    `trusted_proxies`: addresses or networks (`10.0.0.0/8`) whose `X-Forwarded-For` is believed. With `certificate` and
    `key` (PEM files) it speaks TLS on all four ports."""

    host: str = "127.0.0.1"
    point_port: Port = 8081
    dci_port: Port = 8082
    ottb_port: Port = 8083
    workspace_port: Port = 3000
    cors_origins: tuple[str, ...] = ()
    connections: Annotated[int, Meta(ge=1)] = 4096
    connections_reserved: Annotated[int, Meta(ge=0)] = 1024
    connections_per_address: Annotated[int, Meta(ge=1)] = 256
    connections_per_user: Annotated[int, Meta(ge=1)] = 256
    refusals_per_second: Annotated[float, Meta(gt=0)] = 200
    changes_per_second: Annotated[float, Meta(gt=0)] = 200
    lasting_changes_per_second: Annotated[float, Meta(gt=0)] = 20
    looks_per_second: Annotated[float, Meta(gt=0)] = 500
    trusted_proxies: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""

    def url(self, port: int) -> str:
        """Of a port, from this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host  # RFC 3986: an IPv6 address
        return f"{'https' if self.certificate else 'http'}://{host}:{port}"


class Sandbox(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Virtual phones and a virtual PBX instead of real ones. `phones`: so many slots are made (`sandbox.py`), besides
    those that are given; the phone of slot 44 listens on `control_port` + 44. `asterisk`: a real Asterisk is used where
    `make asterisk` has put one. `time_scale` 0.1 makes the carrier ten times as fast. `control_secret`: what the
    control ports ask for. `adb_key`: a file with the public key of the one host that the phones take; empty: any."""

    enabled: bool = True
    control_secret: str | None = None
    adb_key: str = ""
    control_port: Annotated[int, Meta(ge=0, le=65000)] = 17000
    phones: Annotated[int, Meta(ge=0, le=1000)] = 0
    pbx_port: Port = 16038
    pbx_control_port: Port = 16039
    sip_port: Port = 16060
    asterisk: bool = True
    time_scale: Annotated[float, Meta(gt=0)] = 1.0


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. `host`: the name under which this machine owns its slots and trunks. `hubs`: where
    each hub is in the USB tree, as adb and sysfs write it (`HUB1 = "1-2"`: its port 3 is `usb:1-2.3`), or more of it
    (`Hub`). Slots and trunks
    of a file that names its host are that host's, unless they name another."""

    host: HostName = LOCAL
    state_dir: str = "var"
    nats: Nats = Nats()
    journal: Journal = Journal()
    archive: Archive = Archive()
    adb: Adb = Adb()
    http: Http = Http()
    dial: Dial = Dial()
    calls: Calls = Calls()
    campaigns: Campaigns = Campaigns()
    operators: Operators = Operators()
    imports: Imports = Imports()
    by_hand: ByHand = ByHand()
    healing: Healing = Healing()
    webhooks: Webhooks = Webhooks()
    scripts: Scripts = Scripts()
    monitor: Monitor = Monitor()
    alerts: Alerts = Alerts()
    pipelines: Pipelines = Pipelines()
    runner: Runner = Runner()
    sandbox: Sandbox = Sandbox()
    auth: Auth = Auth()
    bus_login: BusLogin = BusLogin()
    ledger: LedgerStore = LedgerStore()
    log: Log = Log()
    traces: Traces = Traces()
    hubs: dict[str, UsbPath | Hub] = {}
    slots: tuple[SlotConfig, ...] = ()
    ami: dict[str, Ami] = {}
    trunks: tuple[TrunkConfig, ...] = ()

    @property
    def state(self) -> Path:
        return Path(self.state_dir)

    def whose(self) -> dict[str, list[str]]:
        """The slots and trunks of each host, for people."""
        found: dict[str, list[str]] = {}
        for slot in self.slots:
            found.setdefault(slot.host, []).append(f"slot {slot.id}")
        for trunk in self.trunks:
            found.setdefault(trunk.host, []).append(f"trunk {trunk.name}")
        return found

    @property
    def hub_map(self) -> dict[str, Hub]:
        """The hubs, as this machine's USB tree shows them where the phones hang on it; a sandbox's hang nowhere."""
        hubs = {name: Hub(path=hub) if isinstance(hub, str) else hub for name, hub in self.hubs.items()}
        return {name: as_in_tree(hub) for name, hub in hubs.items()} if self.on_usb else hubs

    @property
    def adb_servers(self) -> tuple[AdbServer, ...]:
        """The adb servers of this host, in the order of their numbers."""
        return servers_of(self.adb, self.slots, self.host)

    @property
    def on_usb(self) -> bool:
        """Whether phones hang on this machine's own USB."""
        return not self.adb.host and not self.sandbox.enabled

    @property
    def repositories(self) -> tuple[str, ...]:
        """What pipelines may check out; in a sandbox also the repositories that it makes."""
        own = (str(self.state.resolve() / SANDBOX_REPOSITORIES),) if self.sandbox.enabled else ()
        return (*self.runner.repositories, *own)

    @property
    def archive_folder(self) -> Path:
        """Where the days of the journal are sealed."""
        return Path(self.archive.folder) if self.archive.folder else self.state / "archive"

    @property
    def ledger_file(self) -> Path:
        """The file of this host's records: hosts that share a state folder have one each."""
        return self.state / ("ledger.sqlite3" if self.host == LOCAL else f"ledger-{self.host}.sqlite3")

    @property
    def figures_file(self) -> Path:
        """The file of this host's records of figures."""
        return self.state / ("figures.sqlite3" if self.host == LOCAL else f"figures-{self.host}.sqlite3")

    @property
    def log_file(self) -> Path:
        """The file of this host's records of the platform's log."""
        return self.state / ("log.sqlite3" if self.host == LOCAL else f"log-{self.host}.sqlite3")


def load(
    *, config: Path | None, environment: Mapping[str, str], arguments: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of this run. `arguments` by dotted name (`"http.ottb_port": 9083`). Raises SettingsError."""
    values = _from_file(config) if config else {}
    host = values.get("host", LOCAL)
    of_file = {name: values.get(name) for name in OF_HOSTS}
    set_by_variables(values, environment, Settings)
    _own(values, *(name for name in OF_HOSTS if values.get(name) is not of_file[name]))
    for dotted, value in (arguments or {}).items():
        if value is not None:
            set_at(values, dotted.split("."), value)
    _tidy_caller_ids(values)
    for mistake in not_hubs(hubs if isinstance(hubs := values.get("hubs"), dict) else {}):
        raise SettingsError(f"settings: {mistake}")
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=read_hours)
    except msgspec.ValidationError as error:
        raise SettingsError(f"settings: {plainly(error)}") from None
    slots, sandbox = settings.slots, settings.sandbox
    if sandbox.enabled:
        slots = with_phones(slots, sandbox.phones, control_port=sandbox.control_port, host=host)
    for mistake in _mistakes(settings, slots):
        raise SettingsError(f"settings: {mistake}")
    return replace(settings, slots=slots)


def _from_file(config: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(config.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{config} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config} is not TOML: {error}") from None
    _own(values, *OF_HOSTS)
    return values


def _own(values: dict[str, Any], *names: str) -> None:
    """Entries that name no host are the host's that is named beside them. A file that hosts share names none: there the
    environment says which one reads it."""
    if "host" in values:
        for entry in (entry for name in names for entry in _tables(values, name)):
            entry.setdefault("host", values["host"])


def _tables(values: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The tables of an array, as far as it is one: whether it is right is found out later, with everything else."""
    found = values.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _tidy_caller_ids(values: dict[str, Any]) -> None:
    """Callers' ids as they are sent. Raises SettingsError for what is none."""
    dial = values.get("dial")
    region = dial.get("site_region") if isinstance(dial, dict) else None
    for index, trunk in enumerate(_tables(values, "trunks")):
        if isinstance(raw := trunk.get("caller_id"), str) and raw:
            try:
                trunk["caller_id"] = caller_id(raw, region if isinstance(region, str) else Dial().site_region)
            except NotANumber as error:
                raise SettingsError(f"settings: trunks[{index}].caller_id: not a phone number: {error}") from None


def _mistakes(settings: Settings, slots: Iterable[SlotConfig]) -> Iterator[str]:
    """What is wrong with values that have the right form, each with its place. `slots`: with those of a sandbox."""
    yield from settings.archive.mistakes()
    yield from settings.dial.mistakes()
    yield from settings.webhooks.mistakes()
    yield from settings.alerts.mistakes()
    yield from settings.scripts.mistakes()
    hubs = settings.hub_map
    yield from overlapping(hubs)
    yield from wrong_servers(settings.adb, [*slots], hubs, settings.host)
    yield from misplaced(settings.slots, hubs, settings.host)
    yield from wrong_slots(settings.slots, slots, hubs)
    pbxs = {*settings.ami, "main"} if settings.sandbox.enabled else settings.ami  # a sandbox has one of its own
    yield from wrong_trunks(settings.trunks, pbxs, settings.host)
    yield from wrong_origins(settings.http.cors_origins)
    regions = [(f"slots[{at}].region", slot.region) for at, slot in enumerate(settings.slots) if slot.region]
    for at, trunk in enumerate(settings.trunks):
        regions += regions_at(f"trunks[{at}].countries", trunk.countries)
    for place, letters in regions:
        if (wrong := not_a_country(letters)) is not None:
            yield f"{place}: {wrong}"
    for at, network in enumerate(settings.http.trusted_proxies):
        try:
            ip_network(network)
        except ValueError as error:
            yield f"http.trusted_proxies[{at}]: {error}"
