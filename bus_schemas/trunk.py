"""SIP trunks: what may be asked of them, and what happens to them."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from bus_schemas.call import INSIDE_START, START_REFUSALS, USES, CallState
from bus_schemas.contract import Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import CallId, HostName, Region, SlotId, TrunkName, Utc, shaped
from bus_schemas.kinds import Kind, Subscribable
from bus_schemas.permissions import Action
from bus_schemas.slot import SLOT_ABSENT

E = ErrorCode
A = Action

TRUNK = Kind("trunk", "trunks", view=A.TRUNK_VIEW)  # they belong to nobody

PbxName = Annotated[
    str, shaped(r"^[a-z0-9_-]{1,32}$(?!\n)", "1 to 32 letters (a-z), digits, `_` or `-`", examples=["main"])
]


WantedTrunk = Annotated[  # none that could be meant as AUTO
    str,
    shaped(
        r"^(?!(?!AUTO)[Aa][Uu][Tt][Oo]$)[A-Za-z0-9_-]{1,58}$(?!\n)", "1 to 58 letters (A-Z, a-z), digits, `_` or `-`"
    ),
]


class TrunkState(StrEnum):
    """The documented `state`. The rules are in `actors/trunk/machine.py`; `reason` says which one it was."""

    OK = "OK"
    WARN = "WARN"  # calls go out, and somebody should look
    DOWN = "DOWN"  # no call is placed


class TrunkConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trunk. `pbx`: the name of its PBX in the settings (`[ami.<name>]`). `endpoint`: its PJSIP endpoint there.
    `registration`: the name of its outbound registration there, if the provider wants one. `channels`: calls at once.
    `countries` empty: those of the site. `plus`: whether numbers are sent with their `+`. `record`: every call."""

    name: TrunkName
    endpoint: TrunkName
    pbx: PbxName = "main"
    caller_id: Annotated[str, shaped(r"^(\+?[0-9]{2,15})?$(?!\n)", "2 to 15 digits, with or without `+`")] = ""
    channels: Annotated[int, Meta(ge=1, le=10_000)] = 30
    calls_per_second: Annotated[float, Meta(gt=0, le=1000)] = 5.0
    countries: tuple[Region, ...] = ()
    registration: TrunkName | None = None
    plus: bool = True
    record: bool = False
    host: HostName = "local"


# --- commands and queries -------------------------------------------------------------------------------------


class DialPbx(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Call `to` through a trunk and join it with the extension of the slot `from` (`slot_12`). `trunk` AUTO: the
    least loaded healthy one that may call there."""

    from_: Annotated[
        str, shaped(r"^slot_[1-9][0-9]{0,4}$(?!\n)", "a slot like `slot_12`", examples=["slot_12"])
    ] = field(name="from")
    to: Annotated[str, Meta(min_length=1, max_length=64, examples=["+380991234567"])]
    trunk: WantedTrunk | Literal["AUTO"] = "AUTO"

    @property
    def slot(self) -> int:
        return int(self.from_.removeprefix("slot_"))


class PbxCallStarted(Struct, frozen=True, kw_only=True):
    """The attempt is on record and goes out to the PBX."""

    call_id: CallId
    state: CallState
    slot: SlotId
    trunk: TrunkName


class HoldExtension(Struct, frozen=True, kw_only=True):
    """Keep the extension of a slot for a call through a trunk, which the process `by` starts; `release`: no longer.
    `instead`: of another one, for which it was kept until now. `limited`: by the user's share of the pool."""

    slot: SlotId
    call_id: CallId
    by: str
    release: bool = False
    instead: CallId | None = None
    limited: bool = False


class ExtensionHeld(Struct, frozen=True, kw_only=True):
    """It is kept by `host`, as long as `seq` is the last event of the subject `fence`."""

    slot: SlotId
    host: str
    fence: str
    seq: int


class GetPbxStatus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All trunks."""


class TrunkView(Struct, frozen=True, kw_only=True):
    """One trunk. `failed`: calls that it failed in the last five minutes, since one went through. `last_check`: when
    the PBX was last heard of it. `rtt_ms`: round trip to the provider, milliseconds. `calls` of `channels` are up."""

    name: TrunkName
    state: TrunkState
    failed: int
    last_check: Utc | None
    reason: str | None = None
    calls: int = 0
    channels: int = 0
    registration: str | None = None
    contact: str | None = None
    rtt_ms: float | None = None
    pbx: str = ""
    host: str = ""


class PbxStatus(Struct, frozen=True, kw_only=True):
    """All trunks, by name."""

    trunks: list[TrunkView]


# fmt: off
#                     subject                              request       reply           may be refused with
DIAL_ABSENT   = Rpc("ottb.v1.qry.trunk.dial_absent",      DialPbx,      PbxCallStarted, START_REFUSALS,
                    summary="Why nobody owns the trunk that a call was wanted through")
DIAL_PBX      = Rpc("ottb.v1.cmd.pbx.dial",               DialPbx,      PbxCallStarted, START_REFUSALS,
                    summary="Start a call through a SIP trunk", timeout=10.0,
                    permission=A.CALL_START, asks=USES, audit_fields=("call_id", "slot", "trunk"))
DIAL_ON_TRUNK = Rpc("ottb.v1.cmd.trunk.{trunk}.dial",     DialPbx,      PbxCallStarted, START_REFUSALS,
                    summary="Start a call through one trunk, wherever its host is",
                    timeout=INSIDE_START, fallback=DIAL_ABSENT)
HOLD_EXTENSION = Rpc("ottb.v1.cmd.slot.{slot}.hold_extension", HoldExtension, ExtensionHeld, START_REFUSALS,
                     summary="Keep a slot's extension for a call through a trunk", fallback=SLOT_ABSENT)
PBX_STATUS    = Rpc("ottb.v1.qry.trunk.status",           GetPbxStatus, PbxStatus,      frozenset(),
                    summary="The state of all trunks", permission=A.TRUNK_VIEW)
# fmt: on


# --- events ---------------------------------------------------------------------------------------------------


class TrunkConfigured(Struct, frozen=True, kw_only=True):
    """A trunk was made or changed."""

    trunk: TrunkName
    at: Utc
    config: TrunkConfig


class TrunkRemoved(Struct, frozen=True, kw_only=True):
    """A trunk is no longer in the settings."""

    trunk: TrunkName
    at: Utc


class TrunkActivated(Struct, frozen=True, kw_only=True):
    """A host owns the trunk; older owners can no longer write."""

    trunk: TrunkName
    at: Utc
    host: str
    epoch: int


class TrunkChanged(Struct, frozen=True, kw_only=True):
    """The trunk's state, its reason or its count of failures is another one."""

    trunk: TrunkName
    at: Utc
    state: TrunkState
    reason: str | None
    failed: int


class TrunkTelemetry(Struct, frozen=True, kw_only=True):
    """Everything about a trunk now."""

    trunk: TrunkName
    at: Utc
    view: TrunkView


TrunkEvent = TrunkConfigured | TrunkRemoved | TrunkActivated | TrunkChanged

# fmt: off
TRUNK_CONFIGURED = Topic("ottb.v1.evt.trunk.{trunk}.configured", TrunkConfigured, "A trunk was made or changed")
TRUNK_REMOVED    = Topic("ottb.v1.evt.trunk.{trunk}.removed",    TrunkRemoved,    "A trunk is gone")
TRUNK_ACTIVATED  = Topic("ottb.v1.evt.trunk.{trunk}.activated",  TrunkActivated,  "A trunk has a new owner")
TRUNK_CHANGED    = Topic("ottb.v1.evt.trunk.{trunk}.changed",    TrunkChanged,    "A trunk's state has changed")
TRUNK_TELEMETRY  = Topic("ottb.v1.tel.trunk.{trunk}",            TrunkTelemetry,  "A trunk's figures", kept=False)
# fmt: on

TRUNK_NEWS = Subscribable(TRUNK, (TRUNK_CHANGED,), ("trunk",))

# --- what live clients are told ------------------------------------------------------------------------------


class TrunkUpdate(Struct, frozen=True, kw_only=True):
    """A trunk has another state, reason or count of failures."""

    trunk: TrunkName
    at: Utc
    state: TrunkState
    reason: str | None
    failed: int
    change: Literal["changed"] = "changed"
