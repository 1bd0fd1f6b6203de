"""What a running campaign tells of itself, and is not kept."""

from collections.abc import Mapping

from msgspec import Struct

from bus_schemas.campaign import CampaignId, CampaignStatus, Mode
from bus_schemas.contract import Topic
from bus_schemas.fields import Utc
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
