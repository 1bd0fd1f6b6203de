"""Actor hosts: how each is, and what only one of them can be asked."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.call import START_REFUSALS, CallStarted, StartCall
from bus_schemas.carriers import Priority, SlotCarrier, TrunkCarrier, Weight
from bus_schemas.contract import Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import CallId, HostName, Id, Region, SlotId, TrunkName, Username, Utc
from bus_schemas.slot import ConfigureSlot, ListUnassigned, RemoveSlot, SlotDetails, SlotRemovedReply, UnassignedPhone
from bus_schemas.trunk import DialPbx, PbxCallStarted, TrunkState

E = ErrorCode


class Quarantined(Struct, frozen=True, kw_only=True):
    """One thing that is not used, since it fails again and again or could not be read; the rest of its host serves.
    `kind` and `id`: an actor's, or what else it is. `reason`: in words."""

    kind: str
    id: str
    reason: str


class StreamUse(Struct, frozen=True, kw_only=True):
    """How many bytes a stream of the bus holds, of how many; `limit` 0: it has none of its own."""

    stream: str
    bytes: int
    limit: int


class BusAudience(Struct, frozen=True, kw_only=True):
    """Who has connections to the bus or is just being let in, as one POINT says it. `users` null: more than it names.
    `number`: of the word, by its sender."""

    sender: Id
    number: int
    users: tuple[str, ...] | None


class PartVersions(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The versions of what a host works with, as far as it has seen them. `nats_server`: of the server that it is
    connected to; `adb`: of its servers; `asterisk`: by the PBX's name. What it has not is left out."""

    ottb: str
    python: str
    nats_server: str | None = None
    adb: str | None = None
    asterisk: dict[str, str] = {}
    bubblewrap: str | None = None
    git: str | None = None


class HostTelemetry(Struct, frozen=True, kw_only=True):
    """A host is alive. Said every two seconds and when its shards change, not kept. `trouble`: why the journal takes
    nothing from it, if so. `streams`: how full the bus's streams are, as it sees them. `shards`: those it serves now;
    null: nothing of it lives on shards. `operators`: how many of them are there by status. `versions`: of what it works
    with."""

    host: HostName
    at: Utc
    quarantined: list[Quarantined] = []
    trouble: str | None = None
    streams: list[StreamUse] = []
    shards: list[int] | None = None
    operators: Mapping[str, int] = {}
    versions: PartVersions | None = None


class ShardTaken(Struct, frozen=True, kw_only=True):
    """A host has taken a shard: what nobody has written of an actor before counts only from the newest of these."""

    shard: int
    at: Utc
    host: HostName
    epoch: int


class StartOnHost(Struct, frozen=True, kw_only=True):
    """START_CALL for the slots of one host."""

    host: HostName
    start: StartCall


class DialOnHost(Struct, frozen=True, kw_only=True):
    """DIAL_PBX for the trunks of one host."""

    host: HostName
    dial: DialPbx


class Line(Struct, frozen=True, kw_only=True):
    """What one call can go out on: a slot with its phone, or a channel of `trunk`, and then `slot` is the one whose
    extension whoever answers is joined with; null: they wait on the PBX to be joined to an operator. It may call
    `countries`. `region`: of its SIM; `caller_id`: E.164; null: nobody knows. `user`: whose the slot is; null: the
    pool's. `offer`: tells one of those without a slot from the others."""

    slot: SlotId | None
    trunk: TrunkName | None = None
    countries: tuple[str, ...] = ()
    region: Region | None = None
    caller_id: str | None = None
    user: Username | None = None
    offer: str | None = None


class OfferLines(Struct, frozen=True, kw_only=True):
    """Keep up to `most` lines of a host for `asker`, in whose name `user` calls: as soon as there is one, in turn with
    all who ask, by `priority` and `weight`. None: there was none for a while. `slots`: of which ones, where no `trunks`
    are wanted; `countries`: only lines that may call one of these. `operators`: only slots, or extensions, of these
    users, one of each; null: slots of `user` and of the pool. `joins`: channels alone, of trunks whose PBX joins calls
    to the extensions of operators."""

    host: HostName
    asker: str
    user: Username
    most: Annotated[int, Meta(ge=1, le=1000)]
    slots: SlotCarrier = SlotCarrier()
    trunks: TrunkCarrier | None = None
    countries: tuple[str, ...] | None = None
    weight: Weight = 1
    priority: Priority = 0
    operators: tuple[Username, ...] | None = None
    joins: bool = False


class ReturnLines(Struct, frozen=True, kw_only=True):
    """They are not needed after all."""

    host: HostName
    asker: str
    lines: tuple[Line, ...]


class OfferedLines(Struct, frozen=True, kw_only=True):
    """Lines that are kept for the asker for `seconds`."""

    lines: tuple[Line, ...]
    seconds: float


class SurveyLines(Struct, frozen=True, kw_only=True):
    """What lines a host has of these carriers for `user`, busy or not. `operators`: those of these users instead.
    `joins`: of trunks only those whose PBX joins calls to the extensions of operators."""

    host: HostName
    user: Username
    slots: SlotCarrier | None = None
    trunks: TrunkCarrier | None = None
    operators: tuple[Username, ...] | None = None
    joins: bool = False


class SlotsThere(Struct, frozen=True, kw_only=True):
    """So many slots whose SIMs are of one region, which may call `countries`; `online`: whose phones can be reached;
    `idle`: that could be offered now; `spent`: of those online, that have made their calls of this hour. `user`: whose
    they are, where operators' were asked for."""

    region: Region | None
    countries: tuple[str, ...]
    slots: int
    online: int
    idle: int = 0
    spent: int = 0
    user: Username | None = None


class TrunkThere(Struct, frozen=True, kw_only=True):
    """A trunk that may call `countries`. `full`: all its channels are in use; `free`: how many are not."""

    name: TrunkName
    countries: tuple[str, ...]
    state: TrunkState
    reason: str | None
    full: bool
    free: int = 0


class LinesThere(Struct, frozen=True, kw_only=True):
    """`busy`: the extensions for answered calls that cannot take one now, as far as this host knows; `resting`: those
    that have not taken a call lately; `owned`: those of operators, where these were asked for, and whose they are."""

    slots: tuple[SlotsThere, ...] = ()
    trunks: tuple[TrunkThere, ...] = ()
    busy: tuple[SlotId, ...] = ()
    resting: tuple[SlotId, ...] = ()
    owned: tuple[tuple[SlotId, Username], ...] = ()


class StartOffered(Struct, frozen=True, kw_only=True):
    """A call on a line that was offered to `asker`. It counts for its user, who may have had as many as they may: whose
    turn it is was decided by the offer. After `until` nothing is begun any more. `unless`: a subject of the journal and
    a sequence: an event of that subject after that one calls the call off, as long as it is not dialled.
    `ring_at_least`: seconds for which it rings before it is given up. `operator`: for whom it is, whose line it is."""

    host: HostName
    asker: str
    line: Line
    number: str
    until: Utc
    unless: tuple[str, int] | None = None
    ring_at_least: float = 0.0
    operator: Username | None = None


class OfferedStarted(Struct, frozen=True, kw_only=True):
    """The attempt is on record and goes out on the line."""

    call_id: CallId


class AwaitDials(Struct, frozen=True, kw_only=True):
    """Say once none of these calls is being dialled: it was, or is not going to be."""

    host: HostName
    calls: tuple[str, ...]


class DialsOver(Struct, frozen=True, kw_only=True):
    """None of them is, at this host."""


class ConfigureOnHost(Struct, frozen=True, kw_only=True):
    """CONFIGURE_SLOT for one host. `only_if_seen`: and only if the phone hangs there."""

    host: HostName
    configure: ConfigureSlot
    only_if_seen: bool = False


class RemoveOnHost(Struct, frozen=True, kw_only=True):
    """REMOVE_SLOT for one host."""

    host: HostName
    remove: RemoveSlot


class UnassignedOnHost(Struct, frozen=True, kw_only=True):
    """LIST_UNASSIGNED for one host."""

    host: HostName
    list: ListUnassigned = ListUnassigned()


CONFIGURE_REFUSALS = frozenset({E.SLOT_BUSY, E.CONFLICT, E.NOT_FOUND})

# fmt: off
START_ON_HOST = Rpc("ottb.v1.cmd.host.{host}.start_call", StartOnHost, CallStarted, START_REFUSALS,
                    summary="Start a call on any slot of one host", timeout=10.0)
DIAL_ON_HOST = Rpc("ottb.v1.cmd.host.{host}.dial", DialOnHost, PbxCallStarted, START_REFUSALS,
                   summary="Start a call through any trunk of one host", timeout=10.0)
OFFER_LINES = Rpc("ottb.v1.cmd.host.{host}.offer_lines", OfferLines, OfferedLines, frozenset(),
                  summary="Keep lines of one host for somebody", timeout=15.0)
RETURN_LINES = Rpc("ottb.v1.cmd.host.{host}.return_lines", ReturnLines, OfferedLines, frozenset(),
                   summary="Give lines back that were kept")
SURVEY_LINES = Rpc("ottb.v1.cmd.host.{host}.survey_lines", SurveyLines, LinesThere, frozenset(),
                   summary="What lines one host has, busy or not", timeout=2.0)
START_OFFERED = Rpc("ottb.v1.cmd.host.{host}.start_offered", StartOffered, OfferedStarted, START_REFUSALS,
                    summary="Start a call on a line that was kept for it", timeout=10.0)
AWAIT_DIALS = Rpc("ottb.v1.cmd.host.{host}.await_dials", AwaitDials, DialsOver, frozenset(),
                  summary="Wait until none of these calls is being dialled at one host", timeout=11.0)
CONFIGURE_ON_HOST = Rpc("ottb.v1.cmd.host.{host}.configure_slot", ConfigureOnHost, SlotDetails, CONFIGURE_REFUSALS,
                        summary="Create or change a slot of one host")
REMOVE_ON_HOST = Rpc("ottb.v1.cmd.host.{host}.remove_slot", RemoveOnHost, SlotRemovedReply,
                     frozenset({E.NOT_FOUND, E.SLOT_BUSY}), summary="Remove a slot of one host")
UNASSIGNED_ON_HOST = Rpc("ottb.v1.cmd.host.{host}.unassigned", UnassignedOnHost, list[UnassignedPhone], frozenset(),
                         summary="Phones at one host that no slot claims")

HOST_TELEMETRY = Topic("ottb.v1.tel.host.{host}", HostTelemetry, "A host is alive, and what it cannot use", kept=False)
BUS_AUDIENCE = Topic("ottb.v1.tel.audience.{sender}", BusAudience, "Who is on the bus", kept=False)
SHARD_TAKEN = Topic("ottb.v1.evt.shard.{shard}.taken", ShardTaken, "A host has taken a shard")
# fmt: on
