"""What is heard of each kind. Written by `make client` from the contract."""

from typing import Literal

from msgspec import UNSET, UnsetType

from bus_schemas.alert import AlertSeverity, AlertUpdate
from bus_schemas.call import CallUpdate, CallView
from bus_schemas.campaign import CampaignView
from bus_schemas.campaign_telemetry import CampaignUpdate
from bus_schemas.dashboard import Dashboard
from bus_schemas.do_not_call import DoNotCallUpdate
from bus_schemas.imports import ImportUpdate
from bus_schemas.log import LogRecord
from bus_schemas.note import NoteUpdate
from bus_schemas.operator import OperatorUpdate, OperatorView
from bus_schemas.pipeline_events import PipelineUpdate
from bus_schemas.script import ScriptUpdate
from bus_schemas.slot import SlotSummary, SlotUpdate
from bus_schemas.trunk import TrunkUpdate, TrunkView
from bus_schemas.usb import HubUpdate
from bus_schemas.webhook import WebhookUpdate
from ottb_client.live import Connection
from ottb_client.subscription import ShownSubscription, Subscription


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

    async def calls_shown(
        self, *, slot: int | UnsetType = UNSET, user: str | UnsetType = UNSET, call_id: str | UnsetType = UNSET,
    ) -> ShownSubscription[CallView, CallUpdate]:  # fmt: skip
        """How all calls are, or what these say alone, then what changes. Raises ApiError."""
        return await self._show(
            "calls", "call.update", CallView, CallUpdate, {"slot": slot, "user": user, "call_id": call_id},
        )  # fmt: skip

    async def slots(self, *, slot: int | UnsetType = UNSET, since: int | None = None) -> Subscription[SlotUpdate]:
        """Hear of slots: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("slots", "slot.update", SlotUpdate, {"slot": slot}, since)

    async def slots_shown(self, *, slot: int | UnsetType = UNSET) -> ShownSubscription[SlotSummary, SlotUpdate]:
        """How all slots are, or what these say alone, then what changes. Raises ApiError."""
        return await self._show("slots", "slot.update", SlotSummary, SlotUpdate, {"slot": slot})

    async def trunks(self, *, trunk: str | UnsetType = UNSET, since: int | None = None) -> Subscription[TrunkUpdate]:
        """Hear of trunks: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("trunks", "trunk.update", TrunkUpdate, {"trunk": trunk}, since)

    async def trunks_shown(self, *, trunk: str | UnsetType = UNSET) -> ShownSubscription[TrunkView, TrunkUpdate]:
        """How all trunks are, or what these say alone, then what changes. Raises ApiError."""
        return await self._show("trunks", "trunk.update", TrunkView, TrunkUpdate, {"trunk": trunk})

    async def campaigns(
        self, *, campaign: str | UnsetType = UNSET, since: int | None = None,
    ) -> Subscription[CampaignUpdate]:  # fmt: skip
        """Hear of campaigns: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("campaigns", "campaign.update", CampaignUpdate, {"campaign": campaign}, since)

    async def campaigns_shown(
        self, *, campaign: str | UnsetType = UNSET,
    ) -> ShownSubscription[CampaignView, CampaignUpdate]:  # fmt: skip
        """How all campaigns are, or what these say alone, then what changes. Raises ApiError."""
        return await self._show("campaigns", "campaign.update", CampaignView, CampaignUpdate, {"campaign": campaign})

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

    async def operators_shown(
        self, *, user: str | UnsetType = UNSET,
    ) -> ShownSubscription[OperatorView, OperatorUpdate]:  # fmt: skip
        """How all operators are, or what these say alone, then what changes. Raises ApiError."""
        return await self._show("operators", "operator.update", OperatorView, OperatorUpdate, {"user": user})

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

    async def scripts(
        self, *, slot: int | UnsetType = UNSET, script_id: str | UnsetType = UNSET, since: int | None = None,
    ) -> Subscription[ScriptUpdate]:  # fmt: skip
        """Hear of scripts: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe(
            "scripts", "script.update", ScriptUpdate, {"slot": slot, "script_id": script_id}, since,
        )  # fmt: skip

    async def hubs(self, *, hub: str | UnsetType = UNSET, since: int | None = None) -> Subscription[HubUpdate]:
        """Hear of hubs: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("hubs", "hub.update", HubUpdate, {"hub": hub}, since)

    async def alerts(
        self, *, severity: AlertSeverity | UnsetType = UNSET, rule: str | UnsetType = UNSET, since: int | None = None,
    ) -> Subscription[AlertUpdate]:  # fmt: skip
        """Hear of alerts: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("alerts", "alert.update", AlertUpdate, {"severity": severity, "rule": rule}, since)

    async def pipelines(
        self, *, pipeline: int | UnsetType = UNSET, since: int | None = None,
    ) -> Subscription[PipelineUpdate]:  # fmt: skip
        """Hear of pipelines: all or what these say alone. `since`: behind this `seq`. Raises ApiError."""
        return await self._subscribe("pipelines", "pipeline.update", PipelineUpdate, {"pipeline": pipeline}, since)

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
