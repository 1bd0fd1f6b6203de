"""What is told of a campaign and is not kept: what it says itself while it runs, and what live clients hear of it."""

from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from bus_schemas.campaign import CampaignId, CampaignSettings, CampaignStatus, Mode, StopMode
from bus_schemas.contract import Topic
from bus_schemas.fields import Id, Utc
from bus_schemas.lead import LeadStatus


class CampaignTelemetry(Struct, frozen=True, kw_only=True):
    """Its counts: said at most twice a second while they change, and every ten seconds while it runs. As in
    `CampaignView`; `by_status`: leads; `abandoned_share`: of answered calls of the last 30 days, of which
    `abandoned_cap` may be. `dials`: the mode in effect; `fallback`: why, if that is not the one of its settings.
    `operators`: that are there for it, by status."""

    campaign: CampaignId
    at: Utc
    status: CampaignStatus
    leads: int
    attempts: int
    in_progress: int
    answered: int
    abandoned: int
    abandoned_cap: float
    by_status: Mapping[LeadStatus, int] = {}
    abandoned_share: float = 0.0
    dials: Mode = Mode.PROGRESSIVE
    fallback: str | None = None
    operators: Mapping[str, int] = {}


CAMPAIGN_TELEMETRY = Topic("ottb.v1.tel.campaign.{campaign}", CampaignTelemetry, "How far a campaign is", kept=False)

# --- what live clients are told ------------------------------------------------------------------------------


CampaignChange = Literal[
    "created", "configured", "started", "paused", "resumed", "draining", "stopped", "finished", "archived", "counts",
    "lead_changed", "lead_merged", "lead_unmerged", "leads_assigned",
]  # fmt: skip


class CampaignUpdate(Struct, frozen=True, kw_only=True):
    """A campaign has changed. `change` says how, and with it which other fields are there; `status` is that after it.
    `counts`: at most twice a second, all fields from `leads` to `operators`. `lead_changed`: which `lead`, and which
    `fields` of it, without what they are now, but whose it is then (`assigned_seller`); `lead_merged`, `lead_unmerged`:
    and which `other`; `leads_assigned`: how many `leads` are now whose. Of leads, those to whom they are assigned hear
    too."""

    campaign: CampaignId
    at: Utc
    change: CampaignChange
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
    lead: Id | UnsetType = UNSET
    other: Id | UnsetType = UNSET
    fields: tuple[str, ...] | UnsetType = UNSET
    assigned_seller: str | UnsetType | None = UNSET
