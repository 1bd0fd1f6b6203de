"""All settings: one frozen struct, read in the order defaults < TOML file < environment < arguments.

An environment variable `OTTB_<SECTION>__<NAME>` sets one value (`OTTB_HTTP__OTTB_PORT=9083`); with the ending
`__FILE` it names a file that holds the value, for secrets. Nothing else reads the environment.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from bus_schemas.host import HostName
from bus_schemas.slot import Region, SlotConfig
from bus_schemas.trunk import TrunkConfig

PREFIX = "OTTB_"
LOCAL = "local"  # the name of a host that nobody has named

POSTGRES_URL = r"^$(?!\n)|^postgres(ql)?://([^@/\s]*@)?([A-Za-z0-9._-]*|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/\S*$(?!\n)"

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]


class SettingsError(Exception):
    """A setting is wrong. The message names it and says what was expected."""


class Nats(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url` set: an existing server is used, with `user` and `password`. Else one is started on `host` and `port`."""

    url: str | None = None
    host: str = "127.0.0.1"
    port: Port = 14222
    websocket_port: Port = 14280
    user: str | None = None
    password: str | None = None


class Adb(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Our own adb server: never the one on 5037, which any tool may kill."""

    host: str = "127.0.0.1"
    port: Port = 15037


class Http(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the gateway listens."""

    host: str = "127.0.0.1"
    point_port: Port = 8081
    dci_port: Port = 8082
    ottb_port: Port = 8083
    workspace_port: Port = 3000
    cors_origins: tuple[str, ...] = ()


class Dial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of the dial gate. `countries` empty: only the SIM's own. `hours`: "08:00-21:00" in `timezone`, or
    empty for always. Caps: calls started per minute and calls at once by one user, calls per hour on one slot, trunk
    calls at once with one slot's extension."""

    site_region: Region = "UA"
    countries: tuple[Region, ...] = ()
    do_not_call: tuple[str, ...] = ()
    do_not_call_file: str | None = None
    hours: str = ""
    timezone: str = "UTC"
    user_calls_per_minute: Annotated[int, Meta(ge=1)] = 600
    user_concurrent_calls: Annotated[int, Meta(ge=1)] = 200
    slot_calls_per_hour: Annotated[int, Meta(ge=1)] = 240
    extension_calls: Annotated[int, Meta(ge=1)] = 1


class Calls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The patience of calls, in seconds. `created`: the phone must show the call, and no order to dial is under way
    longer; `lost`: an unreachable phone."""

    ring_timeout: Seconds = 60.0
    max_duration: Seconds = 4 * 3600.0
    created_timeout: Annotated[float, Meta(ge=13)] = 15.0
    hangup_timeout: Seconds = 5.0
    lost_timeout: Seconds = 30.0


class Ami(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Asterisk and how it is spoken to. A slot's extension is `<slot>@<context>` there, or, where `context` is
    empty, the PJSIP endpoint `endpoint` (`{slot}` is the number). `recordings`: the folder with the recordings of this
    PBX, as this machine sees it; empty: none are made."""

    host: str = "127.0.0.1"
    port: Port = 5038
    user: Annotated[str, Meta(pattern=r"^[!-~]{1,64}$(?!\n)")] = "ottb"
    secret: Annotated[str, Meta(pattern=r"^[!-~]{1,128}$(?!\n)")] | None = None
    context: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,64}$(?!\n)")] = "ottb-slots"
    endpoint: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,32}(\{slot\})?[A-Za-z0-9_-]{0,32}$(?!\n)")] = "slot{slot}"
    recordings: str = ""


class Sandbox(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Virtual phones and a virtual PBX instead of real ones. `asterisk`: a real Asterisk is used where `make asterisk`
    has put one. `time_scale` 0.1 makes the carrier ten times as fast."""

    enabled: bool = True
    control_port: Port = 17000
    base_port: Port = 17000
    phones: Annotated[int, Meta(ge=1, le=500)] = 40
    pbx_port: Port = 16038
    pbx_control_port: Port = 16039
    sip_port: Port = 16060
    asterisk: bool = True
    time_scale: Annotated[float, Meta(gt=0)] = 1.0


class Auth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tokens and sessions, in seconds. `key_seconds`: the age at which the key that signs is replaced.
    `change_at_first_login`: a password that somebody else has set must be changed before anything else."""

    token_seconds: Annotated[int, Meta(ge=1)] = 3600
    session_seconds: Annotated[int, Meta(ge=1)] = 7 * 24 * 3600
    key_seconds: Annotated[int, Meta(ge=60)] = 30 * 24 * 3600
    min_password: Annotated[int, Meta(ge=1)] = 8
    change_at_first_login: bool = True


class BusLogin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How other systems log in to the bus with their POINT identity. `user` answers the server's questions (auth
    callout), `sys_user` ends connections whose rights have changed, `issuer_seed` signs. Empty: nobody can."""

    user: str | None = None
    password: str | None = None
    sys_user: str | None = None
    sys_password: str | None = None
    issuer_seed: str | None = None


class LedgerStore(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the records are. `url` (`postgresql://user:password@host:5432/database`): in that database, in a schema for
    each host; empty: in a file of the state folder."""

    url: Annotated[str, Meta(pattern=POSTGRES_URL)] = ""


class Log(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: str = "info"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. `host`: the name under which this machine owns its slots and trunks. `hubs`: where
    each hub is in the USB tree, as adb and sysfs write it (`HUB1 = "1-2"`: its port 3 is `usb:1-2.3`). Slots and trunks
    of a file that names its host are that host's, unless they name another."""

    host: HostName = LOCAL
    state_dir: str = "var"
    nats: Nats = Nats()
    adb: Adb = Adb()
    http: Http = Http()
    dial: Dial = Dial()
    calls: Calls = Calls()
    sandbox: Sandbox = Sandbox()
    auth: Auth = Auth()
    bus_login: BusLogin = BusLogin()
    ledger: LedgerStore = LedgerStore()
    log: Log = Log()
    hubs: dict[str, str] = {}
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
    def ledger_file(self) -> Path:
        """The file of this host's records: hosts that share a state folder have one each."""
        return self.state / ("ledger.sqlite3" if self.host == LOCAL else f"ledger-{self.host}.sqlite3")


def load(
    *, config: Path | None, environment: Mapping[str, str], arguments: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of this run. `arguments` by dotted name (`"http.ottb_port": 9083`). Raises SettingsError."""
    values = _from_file(config) if config else {}
    for name, value in sorted(environment.items()):
        if name.startswith(PREFIX) and "__" in name:
            _set(values, _path_of(name), _read_if_file(name, value))
        elif name in ("OTTB_HOST", "OTTB_STATE_DIR"):
            _set(values, [name.removeprefix(PREFIX).lower()], value)
    for dotted, value in (arguments or {}).items():
        if value is not None:
            _set(values, dotted.split("."), value)
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"settings: {error}") from None


def _from_file(config: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(config.read_text())
    except OSError as error:
        raise SettingsError(f"{config} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config} is not TOML: {error}") from None
    if "host" in values:  # a file that hosts share names none: there the environment says which one reads it
        for entry in (*_tables(values, "slots"), *_tables(values, "trunks")):
            entry.setdefault("host", values["host"])
    return values


def _tables(values: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The tables of an array, as far as it is one: whether it is right is found out later, with everything else."""
    found = values.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _path_of(name: str) -> list[str]:
    return [part.lower() for part in name.removeprefix(PREFIX).split("__") if part and part != "FILE"]


def _read_if_file(name: str, value: str) -> str:
    if not name.endswith("__FILE"):
        return value
    try:
        return Path(value).read_text().strip()
    except OSError as error:
        raise SettingsError(f"{name}: {value} cannot be read: {error.strerror}") from None


def _set(values: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
    values[path[-1]] = value
