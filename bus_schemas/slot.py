"""Slots: numbered places for phones. What may be asked of one, and what happens to it."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.contract import READ_AGAIN, Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import HostName, Id, Region, SlotId, TrunkName, Username, Utc, shaped
from bus_schemas.kinds import Kind, Subscribable
from bus_schemas.permissions import Action
from bus_schemas.rights import needs
from bus_schemas.slot_health import (
    Condition,
    Quarantine,
    Rung,
    SlotConditionsChanged,
    SlotHealed,
    SlotQuarantined,
    SlotReleased,
    Symptom,
)

E = ErrorCode
A = Action

SLOT = Kind("slot", "slots", view=A.SLOT_VIEW, view_others=A.SLOT_VIEW_ANY)

CommandId = Annotated[Id, Meta(examples=["k_7f3a"])]
HubName = Annotated[
    str, shaped(r"^[A-Za-z0-9_.-]{1,64}$(?!\n)", "1 to 64 letters (A-Z, a-z), digits, `_`, `.` or `-`")
]
Lease = Annotated[
    str, shaped(r"^[A-Za-z0-9_-]{0,32}$(?!\n)", "at most 32 letters (A-Z, a-z), digits, `_` or `-`", examples=["night"])
]
OfShell = needs(A.SLOT_SHELL)  # what was run on a phone, and what came of it
Serial = Annotated[
    str,
    shaped(
        r"^(?!\(no serial number\)$)[A-Za-z0-9_.:()-](?:[A-Za-z0-9_.:() -]{0,62}[A-Za-z0-9_.:()-])?$(?!\n)",
        "1 to 64 letters (A-Z, a-z), digits, `_`, `.`, `:`, `-` or brackets, with blanks between them, and not adb's"
        " `(no serial number)`: name such a phone by hub and port",
        examples=["127.0.0.1:17044"],
    ),
]  # fmt: skip


Sim = Annotated[str, shaped(r"^[0-9A-Fa-f]{1,22}$(?!\n)", "1 to 22 digits, as printed on the SIM", examples=["2"])]


Iccid = Annotated[
    str,
    shaped(
        r"^89[0-9]{4,18}[0-9Ff]?$(?!\n)", "6 to 21 digits that begin with 89, as on the SIM, or their beginning",
        examples=["8938001234567890123"],
    ),
]  # ITU-T E.118
SimOperator = Annotated[
    str, shaped(r"^[0-9]{5,6}$(?!\n)", "5 or 6 digits: the country's and the network's code", examples=["25501"])
]  # ITU-T E.212: MCC and MNC


class SlotStatus(StrEnum):
    """How a slot's phone can be reached. UNKNOWN: not asked yet, or adb itself is away. A busy slot is ONLINE
    and names its `call_id`."""

    UNKNOWN = "UNKNOWN"
    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
    UNAUTHORIZED = "UNAUTHORIZED"
    RESTARTING = "RESTARTING"
    REBOOTING = "REBOOTING"


class SlotConfig(Struct, frozen=True, kw_only=True):
    """Where a slot's phone is and whom it serves. The phone is named by `serial`, or found at `hub` and `port`.

    `user` None: the shared pool. `region`: the SIM's country, ISO 3166. `sim`: of a phone with two, the one that calls
    go out by, as the phone names it: its ICCID up to Android 12, its subscription id (`1`, `2` ...) from 13 on; the
    phone is set so once when it comes. `expected_iccid`, `expected_operator`: which SIM is to be in the phone, by its
    number or by whose it is; with another one it is not dialled with. `host`: the machine its USB cable is in.
    """

    id: SlotId
    serial: Serial | None = None
    hub: HubName | None = None
    port: Annotated[int, Meta(ge=1, le=99)] | None = None
    user: Username | None = None
    trunk: TrunkName | None = None
    region: Region | None = None
    sim: Sim | None = None
    expected_iccid: Iccid | None = None
    expected_operator: SimOperator | None = None
    host: HostName = "local"

    @property
    def place(self) -> tuple[str | None, str | None, int | None, str | None]:
        """Where the phone is, and by which SIM it calls: what decides which one it is."""
        return self.serial, self.hub, self.port, self.sim


class Metrics(Struct, frozen=True, kw_only=True):
    """The last figures of a phone, null where it does not tell. Percent, degrees Celsius, milliseconds, megabytes.
    `battery_frozen`: what it says of its battery is not measured (`dumpsys battery set`). `storage`: used, of what apps
    and files share. `data_mb`: over the mobile network, since the phone has started."""

    battery: int | None = None
    temperature: float | None = None
    charging: bool | None = None
    battery_health: str | None = None
    battery_frozen: bool | None = None
    cpu: float | None = None
    ram: float | None = None
    storage: float | None = None
    storage_free_mb: int | None = None
    data_mb: float | None = None
    latency_ms: float | None = None
    signal_level: int | None = None
    uptime_s: float | None = None


class Network(Struct, frozen=True, kw_only=True):
    """The phone's voice network."""

    operator: str | None = None
    sim: str | None = None
    in_service: bool | None = None
    type: str | None = None
    signal_level: int | None = None
    roaming: bool | None = None


class SlotSummary(Struct, frozen=True, kw_only=True):
    """A row of the slot list. `user` null: shared pool. `call_id`: the call it is in. `reserved_by`: who keeps it for
    work by hand, until `reserved_until`. `quarantine`: why it is left alone; `conditions`: how its phone is."""

    id: SlotId
    status: SlotStatus
    device: str | None
    user: str | None
    trunk: str | None
    last_activity: Utc | None
    metrics: Metrics
    call_id: str | None = None
    external_call: bool = False
    reserved_by: str | None = None
    reserved_until: Utc | None = None
    quarantine: Quarantine | None = None
    conditions: tuple[Condition, ...] = ()


class SlotDetails(Struct, frozen=True, kw_only=True):
    """One slot. `temperature` and `battery` carry their unit, as documented; null where the phone is silent.
    `script_id`: the run that it is in."""

    id: SlotId
    status: SlotStatus
    device: str | None
    user: str | None
    trunk: str | None
    temperature: str | None
    battery: str | None
    last_event: str | None
    config: SlotConfig
    network: Network
    last_activity: Utc | None = None
    metrics: Metrics = Metrics()
    call_id: str | None = None
    external_call: bool = False
    status_detail: str = ""
    android: str | None = None
    reserved_by: str | None = None
    reserved_until: Utc | None = None
    quarantine: Quarantine | None = None
    conditions: tuple[Condition, ...] = ()
    script_id: str | None = None


# --- commands and queries -------------------------------------------------------------------------------------


class ListSlots(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All slots by number. `user` and `status` narrow the list; `cursor` continues where the last page ended."""

    status: SlotStatus | None = None
    user: Username | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 500
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class GetSlot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One slot."""

    slot: SlotId


class RestartSlot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Drop the host's connections to the phone and begin afresh. Refused with SLOT_BUSY during a call."""

    slot: SlotId


class SlotRestartingReply(Struct, frozen=True, kw_only=True):
    """It has begun; `slot.update` tells when the slot is ONLINE again."""

    status: str
    slot: SlotId


class RebootDevice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Restart the phone itself. Refused with SLOT_BUSY during a call."""

    slot: SlotId


class AdbCommand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Run one shell command on the phone. At most `timeout` seconds and 64 KiB of output. Not for dialling."""

    slot: SlotId
    command: Annotated[str, Meta(min_length=1, max_length=4096, examples=["input tap 200 400"])]
    timeout: Annotated[float, Meta(ge=0.1, le=300)] = 30.0


class AdbCommandStarted(Struct, frozen=True, kw_only=True):
    """It runs. Ask for `command_id` to read how it went."""

    status: str
    slot: SlotId
    command_id: CommandId


class GetAdbCommand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shell command, running or done."""

    slot: SlotId
    command_id: CommandId


class AdbCommandStatus(StrEnum):
    EXECUTING = "executing"
    DONE = "done"
    FAILED = "failed"  # it could not be run to its end; `error` says why


class AdbCommandResult(Struct, frozen=True, kw_only=True):
    """How a shell command went. `output` is stdout then stderr, at most 64 KiB."""

    command_id: CommandId
    slot: SlotId
    command: Annotated[str, OfShell]
    user: str
    status: AdbCommandStatus
    start_time: Utc
    end_time: Utc | None = None
    exit_code: Annotated[int | None, OfShell] = None
    output: Annotated[str | None, OfShell] = None
    truncated: Annotated[bool, OfShell] = False
    error: Annotated[str | None, OfShell] = None


class ReserveSlot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep a slot for oneself, for work by hand: others' calls, scripts, taps and shell commands are SLOT_BUSY as long
    as it lasts. It runs out by itself; asked again, it lasts `minutes` from then on. `lease`: for what, of several
    things that one user does there; the slot is kept until the last one is over. Steps of pipelines have one each."""

    slot: SlotId
    minutes: Annotated[int, Meta(ge=1, le=10_080)] = 30
    lease: Lease = ""


class EndReservation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Give it back: one lease of it, or all. Others' reservations are ended by who may (`slot.reserve_any`)."""

    slot: SlotId
    lease: Lease | None = None


class SlotReservation(Struct, frozen=True, kw_only=True):
    """Whose it is, and until when; `until` null: it is over."""

    status: str
    slot: SlotId
    user: str
    until: Utc | None = None


class ConfigureSlot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Create a slot or change its place and owner. Fields left out become null, or the default."""

    slot: SlotId
    serial: Serial | None = None
    hub: HubName | None = None
    port: Annotated[int, Meta(ge=1, le=99)] | None = None
    user: Username | None = None
    trunk: TrunkName | None = None
    region: Region | None = None
    sim: Sim | None = None
    expected_iccid: Iccid | None = None
    expected_operator: SimOperator | None = None


class RemoveSlot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Remove a slot. Refused with SLOT_BUSY during a call. Its history stays."""

    slot: SlotId


class SlotRemovedReply(Struct, frozen=True, kw_only=True):
    status: str
    slot: SlotId


class ListUnassigned(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Phones that adb sees and no slot claims."""


class AbsentSlot(Struct, frozen=True, kw_only=True):
    """A slot that nobody owns now: NOT_FOUND when there is none, UNAVAILABLE when its host is away."""

    slot: SlotId


class UnassignedPhone(Struct, frozen=True, kw_only=True):
    serial: str
    state: str
    model: str | None
    usb: str | None
    host: str


SEES = frozenset({A.SLOT_VIEW_ANY})

# fmt: off
#                   subject                                request        reply              may be refused with
SLOT_ABSENT  = Rpc("ottb.v1.qry.slot.absent",              AbsentSlot,    SlotDetails,       frozenset({E.NOT_FOUND}),
                   summary="Why nobody owns a slot")
RECORDED_SLOT = Rpc("ottb.v1.qry.slot.recorded",           GetSlot,       SlotSummary,       frozenset({E.NOT_FOUND}),
                    summary="A slot, whoever owns it now", asks=SEES)
LIST_SLOTS   = Rpc("ottb.v1.qry.slot.list",                ListSlots,     list[SlotSummary], frozenset(),
                   summary="All slots", permission=A.SLOT_VIEW, asks=SEES)
GET_SLOT     = Rpc("ottb.v1.cmd.slot.{slot}.get",          GetSlot,       SlotDetails,       frozenset({E.NOT_FOUND}),
                   summary="One slot", fallback=SLOT_ABSENT, permission=A.SLOT_VIEW, asks=SEES, again=READ_AGAIN)
RESTART_SLOT = Rpc("ottb.v1.cmd.slot.{slot}.restart",      RestartSlot,   SlotRestartingReply,
                   frozenset({E.NOT_FOUND, E.SLOT_BUSY}), summary="Restart a slot", fallback=SLOT_ABSENT,
                   permission=A.SLOT_RESTART, asks=SEES, audit_fields=("slot",))
REBOOT_DEVICE = Rpc("ottb.v1.cmd.slot.{slot}.reboot",      RebootDevice,  SlotRestartingReply,
                    frozenset({E.NOT_FOUND, E.SLOT_BUSY, E.SLOT_OFFLINE}), summary="Restart the phone",
                    fallback=SLOT_ABSENT, permission=A.SLOT_REBOOT, asks=SEES, audit_fields=("slot",))
ADB_COMMAND  = Rpc("ottb.v1.cmd.slot.{slot}.adb_command",  AdbCommand,    AdbCommandStarted,
                   frozenset({E.NOT_FOUND, E.SLOT_OFFLINE, E.SLOT_BUSY, E.RATE_LIMITED}),
                   summary="Run a shell command on the phone",
                   fallback=SLOT_ABSENT, permission=A.SLOT_SHELL, asks=SEES, audit_fields=("slot", "command_id"))
RESERVE_SLOT = Rpc("ottb.v1.cmd.slot.{slot}.reserve",      ReserveSlot,   SlotReservation,
                   frozenset({E.NOT_FOUND, E.SLOT_BUSY, E.RATE_LIMITED}), summary="Reserve a slot",
                   fallback=SLOT_ABSENT, permission=A.SLOT_RESERVE, asks=SEES | {A.SLOT_USE_ANY},
                   audit_fields=("slot",))
END_RESERVATION = Rpc("ottb.v1.cmd.slot.{slot}.end_reservation", EndReservation, SlotReservation,
                      frozenset({E.NOT_FOUND}), summary="End the reservation of a slot", fallback=SLOT_ABSENT,
                      permission=A.SLOT_RESERVE, asks=SEES | {A.SLOT_RESERVE_ANY}, audit_fields=("slot",),
                      when_full=True)
GET_ADB_COMMAND = Rpc("ottb.v1.qry.slot.adb_command",      GetAdbCommand, AdbCommandResult,  frozenset({E.NOT_FOUND}),
                      summary="How a shell command went", permission=A.SLOT_SHELL, asks=SEES)
CONFIGURE_SLOT = Rpc("ottb.v1.cmd.slots.configure",        ConfigureSlot, SlotDetails,
                     frozenset({E.SLOT_BUSY, E.CONFLICT}), summary="Create or change a slot",
                     permission=A.SLOT_CONFIGURE, audit_fields=("slot",))
REMOVE_SLOT  = Rpc("ottb.v1.cmd.slots.remove",             RemoveSlot,    SlotRemovedReply,
                   frozenset({E.NOT_FOUND, E.SLOT_BUSY}), summary="Remove a slot",
                   permission=A.SLOT_CONFIGURE, audit_fields=("slot",))
LIST_UNASSIGNED = Rpc("ottb.v1.cmd.slots.unassigned",      ListUnassigned, list[UnassignedPhone], frozenset(),
                      summary="Phones that no slot claims", permission=A.SLOT_CONFIGURE, again=READ_AGAIN)
# fmt: on


# --- events ---------------------------------------------------------------------------------------------------


class SlotConfigured(Struct, frozen=True, kw_only=True):
    slot: int
    at: Utc
    config: SlotConfig
    by: str


class SlotRemoved(Struct, frozen=True, kw_only=True):
    slot: int
    at: Utc
    by: str


class SlotActivated(Struct, frozen=True, kw_only=True):
    """A host took the slot; older owners can no longer write. The phone has not been asked yet."""

    slot: int
    at: Utc
    host: str
    epoch: int


class SlotLinked(Struct, frozen=True, kw_only=True):
    """The phone can be reached, or no longer, or nobody knows."""

    slot: int
    at: Utc
    status: SlotStatus
    detail: str = ""


class SlotRestarting(Struct, frozen=True, kw_only=True):
    """`status` RESTARTING: the connections; REBOOTING: the phone itself."""

    slot: int
    at: Utc
    status: SlotStatus
    by: str


class SlotCommandStarted(Struct, frozen=True, kw_only=True):
    """Who sees the slot hears that a command runs; which one only who may run some."""

    slot: int
    at: Utc
    command_id: str
    command: Annotated[str, OfShell]
    by: str


class SlotCommandDone(Struct, frozen=True, kw_only=True):
    """Who sees the slot hears that it is over; how it went only who may run some."""

    slot: int
    at: Utc
    command_id: str
    exit_code: Annotated[int | None, OfShell]
    output: Annotated[str, OfShell]
    truncated: Annotated[bool, OfShell]
    error: Annotated[str | None, OfShell] = None


class SlotReserved(Struct, frozen=True, kw_only=True):
    """Somebody keeps the slot for work by hand, or for longer, or for less. `leases`: for what, and each until when;
    empty: for work by hand alone."""

    slot: int
    at: Utc
    user: str
    until: Utc
    leases: dict[Lease, Utc] = {}


class SlotReservationEnded(Struct, frozen=True, kw_only=True):
    """It is over. `by` null: it ran out."""

    slot: int
    at: Utc
    user: str
    by: str | None = None


class SlotTelemetry(Struct, frozen=True, kw_only=True):
    """The last figures, not kept."""

    slot: int
    at: Utc
    device: str | None
    android: str | None
    metrics: Metrics
    network: Network
    external_call: bool = False


SlotEvent = (
    SlotConfigured
    | SlotRemoved
    | SlotActivated
    | SlotLinked
    | SlotRestarting
    | SlotCommandStarted
    | SlotCommandDone
    | SlotReserved
    | SlotReservationEnded
    | SlotHealed
    | SlotQuarantined
    | SlotReleased
    | SlotConditionsChanged
)

# fmt: off
SLOT_CONFIGURED = Topic("ottb.v1.evt.slot.{slot}.configured",      SlotConfigured,     "A slot was created or changed")
SLOT_REMOVED    = Topic("ottb.v1.evt.slot.{slot}.removed",         SlotRemoved,        "A slot was removed")
SLOT_ACTIVATED  = Topic("ottb.v1.evt.slot.{slot}.activated",       SlotActivated,      "A host took a slot")
SLOT_LINKED     = Topic("ottb.v1.evt.slot.{slot}.linked",          SlotLinked,         "A phone came or went")
SLOT_RESTARTING = Topic("ottb.v1.evt.slot.{slot}.restarting",      SlotRestarting,     "A slot or its phone restarts")
SLOT_COMMAND_STARTED = Topic("ottb.v1.evt.slot.{slot}.command_started", SlotCommandStarted, "A shell command began")
SLOT_COMMAND_DONE = Topic("ottb.v1.evt.slot.{slot}.command_done",  SlotCommandDone,    "A shell command ended")
SLOT_RESERVED   = Topic("ottb.v1.evt.slot.{slot}.reserved",        SlotReserved,       "A slot is kept for somebody")
SLOT_RESERVATION_ENDED = Topic("ottb.v1.evt.slot.{slot}.reservation_ended", SlotReservationEnded,
                               "A slot is kept for nobody any more")
SLOT_HEALED     = Topic("ottb.v1.evt.slot.{slot}.healed",          SlotHealed,         "A phone is being mended")
SLOT_QUARANTINED = Topic("ottb.v1.evt.slot.{slot}.quarantined",    SlotQuarantined,    "A phone is left alone")
SLOT_RELEASED   = Topic("ottb.v1.evt.slot.{slot}.released",        SlotReleased,       "A phone is used again")
SLOT_CONDITIONS_CHANGED = Topic("ottb.v1.evt.slot.{slot}.conditions_changed", SlotConditionsChanged,
                                "A phone is hot, or no longer")
SLOT_TELEMETRY  = Topic("ottb.v1.tel.slot.{slot}",                 SlotTelemetry,      "A phone's figures", kept=False)
# fmt: on

SLOT_NEWS = Subscribable(SLOT, (
    SLOT_CONFIGURED, SLOT_REMOVED, SLOT_LINKED, SLOT_RESTARTING, SLOT_COMMAND_STARTED, SLOT_COMMAND_DONE,
    SLOT_RESERVED, SLOT_RESERVATION_ENDED, SLOT_HEALED, SLOT_QUARANTINED, SLOT_RELEASED, SLOT_CONDITIONS_CHANGED,
), ("slot",))  # fmt: skip

# --- what live clients are told ------------------------------------------------------------------------------


SlotChange = Literal[
    "configured", "removed", "linked", "restarting", "booked", "released", "command_started", "command_done",
    "reserved", "reservation_ended", "telemetry", "healed", "quarantined", "usable_again", "conditions",
]  # fmt: skip


class SlotUpdate(Struct, frozen=True, kw_only=True):
    """A slot has changed. `change` says how, and with it which other fields are there. `call_id`: the call that its
    phone is in from now on, null for none. `id`: the slot's number again, under the name that lists use."""

    slot: int
    at: Utc
    change: SlotChange
    id: int | UnsetType = UNSET
    call_id: str | UnsetType | None = UNSET
    user: str | UnsetType = UNSET
    status: SlotStatus | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    config: SlotConfig | UnsetType = UNSET
    by: str | UnsetType | None = UNSET
    until: Utc | UnsetType = UNSET
    command_id: str | UnsetType = UNSET
    command: Annotated[str | UnsetType, OfShell] = UNSET
    exit_code: Annotated[int | UnsetType | None, OfShell] = UNSET
    output: Annotated[str | UnsetType, OfShell] = UNSET
    truncated: Annotated[bool | UnsetType, OfShell] = UNSET
    error: Annotated[str | UnsetType | None, OfShell] = UNSET
    device: str | UnsetType | None = UNSET
    android: str | UnsetType | None = UNSET
    metrics: Metrics | UnsetType = UNSET
    network: Network | UnsetType = UNSET
    external_call: bool | UnsetType = UNSET
    symptom: Symptom | UnsetType = UNSET
    rung: Rung | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    to_do: str | UnsetType = UNSET
    dry_run: bool | UnsetType = UNSET
    conditions: tuple[Condition, ...] | UnsetType = UNSET
