"""What is heard of each kind. Written by `make client` from the contract."""

from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from bus_schemas.call import CallState, CallStatus, EndReason, Phase
from bus_schemas.campaign import CampaignSettings, CampaignStatus, Mode, StopMode
from bus_schemas.dashboard import Dashboard
from bus_schemas.imports import Columns, FileLayout, ImportCounts, ImportStatus
from bus_schemas.lead import LeadStatus, Meaning
from bus_schemas.log import LogRecord
from bus_schemas.operator import Down, OperatorStatus, Spent
from bus_schemas.slot import Metrics, Network, SlotConfig, SlotStatus
from bus_schemas.trunk import TrunkState
from bus_schemas.webhook import DisabledReason, WebhookFilter
from ottb_client.live import Connection
from ottb_client.subscription import Subscription


class CallUpdate(Struct, frozen=True, kw_only=True):
    """A call has moved on. `change` says how, and with it which other fields are there; `phase`, `state` and `status`
    are those after it. Seconds for `ring_timeout`, `ring_at_least` and `max_duration`; whole seconds for `duration` and
    `ring_seconds`. `ending`: a hang-up was asked for, by `by`. `joined`: who waited is the `operator`'s now, at
    `extension`, for `by`; with `dialing`, `operator`: for whom a campaign dials it on a line of theirs. `slot` null: of
    none, whoever answers waits for that."""

    line: str
    call_id: str
    slot: int | None
    user: str
    at: str
    change: Literal["dialing", "alerting", "connected", "joined", "ending", "ended"]
    phase: Phase | UnsetType = UNSET
    state: CallState | UnsetType = UNSET
    status: CallStatus | UnsetType = UNSET
    ending: bool | UnsetType = UNSET
    by: str | UnsetType = UNSET
    number: str | UnsetType = UNSET
    command_id: str | UnsetType = UNSET
    ring_timeout: float | UnsetType = UNSET
    ring_at_least: float | UnsetType = UNSET
    max_duration: float | UnsetType = UNSET
    reason: EndReason | UnsetType = UNSET
    cause: str | UnsetType = UNSET
    duration: int | UnsetType = UNSET
    ring_seconds: int | UnsetType = UNSET
    start_time: str | UnsetType = UNSET
    ring_time: str | UnsetType | None = UNSET
    answer_time: str | UnsetType | None = UNSET
    ended_by: str | UnsetType | None = UNSET
    clock_suspect: bool | UnsetType = UNSET
    trace_id: str | UnsetType | None = UNSET
    trunk: str | UnsetType | None = UNSET
    recording: str | UnsetType | None = UNSET
    campaign: str | UnsetType | None = UNSET
    operator: str | UnsetType | None = UNSET
    extension: str | UnsetType = UNSET


class SlotUpdate(Struct, frozen=True, kw_only=True):
    """A slot has changed. `change` says how, and with it which other fields are there. `call_id`: the call that its
    phone is in from now on, null for none. `id`: the slot's number again, under the name that lists use."""

    slot: int
    at: str
    change: Literal[
        "configured", "removed", "linked", "restarting", "booked", "released", "command_started", "command_done",
        "telemetry",
    ]  # fmt: skip
    id: int | UnsetType = UNSET
    call_id: str | UnsetType | None = UNSET
    user: str | UnsetType = UNSET
    status: SlotStatus | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    config: SlotConfig | UnsetType = UNSET
    by: str | UnsetType = UNSET
    command_id: str | UnsetType = UNSET
    command: str | UnsetType = UNSET
    exit_code: int | UnsetType | None = UNSET
    output: str | UnsetType = UNSET
    truncated: bool | UnsetType = UNSET
    error: str | UnsetType | None = UNSET
    device: str | UnsetType | None = UNSET
    android: str | UnsetType | None = UNSET
    metrics: Metrics | UnsetType = UNSET
    network: Network | UnsetType = UNSET
    external_call: bool | UnsetType = UNSET


class TrunkUpdate(Struct, frozen=True, kw_only=True):
    """A trunk has another state, reason or count of failures."""

    trunk: str
    at: str
    state: TrunkState
    reason: str | None
    failed: int
    change: Literal["changed"] = "changed"


class CampaignUpdate(Struct, frozen=True, kw_only=True):
    """A campaign has changed. `change` says how, and with it which other fields are there; `status` is that after it.
    `counts`: at most twice a second, all fields from `leads` to `operators`. `lead_changed`: which `lead`, and which
    `fields` of it, without what they are now; `lead_merged`, `lead_unmerged`: and which `other`; `leads_assigned`:
    some, which `fields` says alone."""

    campaign: str
    at: str
    change: Literal[
        "created", "configured", "started", "paused", "resumed", "draining", "stopped", "finished", "archived",
        "counts", "lead_changed", "lead_merged", "lead_unmerged", "leads_assigned",
    ]  # fmt: skip
    status: CampaignStatus | UnsetType = UNSET
    by: str | UnsetType | None = UNSET
    settings: CampaignSettings | UnsetType = UNSET
    earlier: int | UnsetType = UNSET
    mode: StopMode | UnsetType = UNSET
    in_progress: int | UnsetType = UNSET
    leads: int | UnsetType = UNSET
    attempts: int | UnsetType = UNSET
    answered: int | UnsetType = UNSET
    abandoned: int | UnsetType = UNSET
    abandoned_cap: float | UnsetType = UNSET
    by_status: Mapping[LeadStatus, int] | UnsetType = UNSET
    abandoned_share: float | UnsetType = UNSET
    dials: Mode | UnsetType = UNSET
    fallback: str | UnsetType | None = UNSET
    operators: Mapping[str, int] | UnsetType = UNSET
    lead: str | UnsetType = UNSET
    other: str | UnsetType = UNSET
    fields: tuple[str, ...] | UnsetType = UNSET


class DoNotCallUpdate(Struct, frozen=True, kw_only=True):
    """A list has changed. `entries`: how many of them; which ones the list says. `source` with `added`."""

    list: str
    at: str
    change: Literal["added", "removed"]
    by: str
    entries: int
    source: str | UnsetType = UNSET


class OperatorUpdate(Struct, frozen=True, kw_only=True):
    """An operator has changed. With `changed`, `connected` and `freed` it says the status whole: `before`, and the
    milliseconds spent in that by day, without the times in which the site was `down`; `next`: what comes after call and
    wrap-up. `until`: the end of wrap-up or reservation. `by`: a user, `wrap_up` or `presence`. The other fields are
    those of the disposition."""

    user: str
    at: str
    change: Literal["changed", "connected", "freed", "reserved", "released", "assigned", "disposed"]
    status: OperatorStatus | UnsetType = UNSET
    before: OperatorStatus | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    next: OperatorStatus | UnsetType = UNSET
    next_reason: str | UnsetType = UNSET
    until: str | UnsetType | None = UNSET
    spent: tuple[Spent, ...] | UnsetType = UNSET
    down: tuple[Down, ...] | UnsetType = UNSET
    by: str | UnsetType = UNSET
    call_id: str | UnsetType = UNSET
    campaign_id: str | UnsetType | None = UNSET
    lead: str | UnsetType | None = UNSET
    reservation: str | UnsetType = UNSET
    why: str | UnsetType = UNSET
    campaigns: tuple[str, ...] | UnsetType | None = UNSET
    disposition: str | UnsetType = UNSET
    meaning: Meaning | UnsetType = UNSET
    note: str | UnsetType = UNSET
    callback: str | UnsetType | None = UNSET
    operator: str | UnsetType | None = UNSET
    corrects: bool | UnsetType = UNSET
    day: str | UnsetType = UNSET


class ImportUpdate(Struct, frozen=True, kw_only=True):
    """An import has changed. `change` says how, and with it which other fields are there; `status` is that after it.
    `counts`: at most twice a second."""

    import_id: str
    at: str
    change: Literal["created", "mapped", "examined", "started", "cancelling", "ended", "counts"]
    status: ImportStatus | UnsetType = UNSET
    by: str | UnsetType | None = UNSET
    campaign_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    size: int | UnsetType = UNSET
    begin: bool | UnsetType = UNSET
    run: bool | UnsetType = UNSET
    layout: FileLayout | UnsetType = UNSET
    columns: Columns | UnsetType = UNSET
    expected: ImportCounts | UnsetType | None = UNSET
    rows: int | UnsetType | None = UNSET
    done: int | UnsetType = UNSET
    new: int | UnsetType = UNSET
    duplicates: int | UnsetType = UNSET
    invalid: Mapping[str, int] | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET


class NoteUpdate(Struct, frozen=True, kw_only=True):
    """A note was added, or has changed. `text` and `mentions` are not there with `deleted`. `owners`, with `added`: who
    sees the call or the lead as their own."""

    note: str
    at: str
    change: Literal["added", "edited", "deleted"]
    by: str
    call_id: str | None
    campaign_id: str | None
    lead: str | None
    version: int = 1
    text: str | UnsetType = UNSET
    mentions: tuple[str, ...] | UnsetType = UNSET
    owners: tuple[str, ...] | UnsetType = UNSET


class WebhookUpdate(Struct, frozen=True, kw_only=True):
    """A webhook was made, or has changed. `reason`: why the platform has switched it off. What comes of its deliveries
    is in their list."""

    webhook: str
    at: str
    change: Literal["created", "changed", "enabled", "disabled", "deleted"]
    by: str | UnsetType | None = UNSET
    user: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    events: tuple[str, ...] | UnsetType = UNSET
    filter: WebhookFilter | UnsetType = UNSET
    description: str | UnsetType = UNSET
    reason: DisabledReason | UnsetType | None = UNSET


class Rooms(Connection):
    """A method for each room."""

    async def calls(
        self, *, slot: int | UnsetType = UNSET, user: str | UnsetType = UNSET, call_id: str | UnsetType = UNSET,
        since: int | None = None,
    ) -> Subscription[CallUpdate]:  # fmt: skip
        """Hear of calls: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe(
            "calls", "call.update", CallUpdate, {"slot": slot, "user": user, "call_id": call_id}, since,
        )  # fmt: skip

    async def slots(self, *, slot: int | UnsetType = UNSET, since: int | None = None) -> Subscription[SlotUpdate]:
        """Hear of slots: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("slots", "slot.update", SlotUpdate, {"slot": slot}, since)

    async def trunks(self, *, trunk: str | UnsetType = UNSET, since: int | None = None) -> Subscription[TrunkUpdate]:
        """Hear of trunks: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("trunks", "trunk.update", TrunkUpdate, {"trunk": trunk}, since)

    async def campaigns(
        self, *, campaign: str | UnsetType = UNSET, since: int | None = None,
    ) -> Subscription[CampaignUpdate]:  # fmt: skip
        """Hear of campaigns: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("campaigns", "campaign.update", CampaignUpdate, {"campaign": campaign}, since)

    async def do_not_call(
        self, *, list_: str | UnsetType = UNSET, since: int | None = None,
    ) -> Subscription[DoNotCallUpdate]:  # fmt: skip
        """Hear of do not call: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("do_not_call", "do_not_call.update", DoNotCallUpdate, {"list": list_}, since)

    async def operators(
        self, *, user: str | UnsetType = UNSET, since: int | None = None,
    ) -> Subscription[OperatorUpdate]:  # fmt: skip
        """Hear of operators: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("operators", "operator.update", OperatorUpdate, {"user": user}, since)

    async def imports(
        self, *, import_id: str | UnsetType = UNSET, since: int | None = None,
    ) -> Subscription[ImportUpdate]:  # fmt: skip
        """Hear of imports: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("imports", "import.update", ImportUpdate, {"import_id": import_id}, since)

    async def notes(
        self, *, call_id: str | UnsetType = UNSET, campaign_id: str | UnsetType = UNSET, lead: str | UnsetType = UNSET,
        since: int | None = None,
    ) -> Subscription[NoteUpdate]:  # fmt: skip
        """Hear of notes: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe(
            "notes", "note.update", NoteUpdate, {"call_id": call_id, "campaign_id": campaign_id, "lead": lead}, since,
        )  # fmt: skip

    async def webhooks(
        self, *, webhook: str | UnsetType = UNSET, since: int | None = None,
    ) -> Subscription[WebhookUpdate]:  # fmt: skip
        """Hear of webhooks: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("webhooks", "webhook.update", WebhookUpdate, {"webhook": webhook}, since)

    async def log(
        self, *, module: str | UnsetType = UNSET, severity: Literal["info", "warning", "error"] | UnsetType = UNSET,
        text: str | UnsetType = UNSET, slot: int | UnsetType = UNSET, call_id: str | UnsetType = UNSET,
        trace_id: str | UnsetType = UNSET, since: int | None = None,
    ) -> Subscription[LogRecord]:  # fmt: skip
        """Hear of log: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe(
            "log", "log.update", LogRecord, {"module": module, "severity": severity, "text": text, "slot": slot,
            "call_id": call_id, "trace_id": trace_id}, since,
        )  # fmt: skip

    async def dashboard(self, *, since: int | None = None) -> Subscription[Dashboard]:
        """Hear of dashboard: all. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("dashboard", "dashboard.update", Dashboard, {}, since)
