"""Why a campaign does not dial, and what it would do."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.campaign import ABSENT_CAMPAIGN, LOOK, CampaignId, CampaignStatus, Mode
from bus_schemas.contract import Rpc
from bus_schemas.fields import Username, Utc
from bus_schemas.lead import SEES, LeadStatus
from bus_schemas.permissions import Action

A = Action


class ExplainCampaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it does not dial, or not more."""

    campaign_id: CampaignId


class LeadsByReason(Struct, frozen=True, kw_only=True):
    """So many leads are not called, or are next, for one reason. `until`: the first moment at which that is over for
    one of them; null: time alone does not change it."""

    reason: str
    leads: int
    words: str
    until: Utc | None = None
    change: str = ""


class CampaignExplained(Struct, frozen=True, kw_only=True):
    """Why a campaign does not dial, or what keeps it from dialling more. The sum over `reasons` is `leads`. `mode`: the
    one in effect; `fallback`: why, if that is not the one of its settings. `no_extension`: operators to whom no call
    can be taken, in a campaign whose calls wait for whoever is ready."""

    campaign_id: CampaignId
    status: CampaignStatus
    at: Utc
    leads: int
    reasons: tuple[LeadsByReason, ...]
    mode: Mode = Mode.PROGRESSIVE
    fallback: str | None = None
    no_extension: tuple[str, ...] = ()


class DryRun(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a campaign, a draft if it were started, would do in the next `minutes` with `lines` calls at once (null: as
    it could have now; of one with operators: no more than these), if of all attempts the share `answered` is answered,
    and a call takes `seconds`, all of which somebody who answers talks. Operators who are there now stay; they wrap up
    for `wrap_up` seconds (null: as they have lately)."""

    campaign_id: CampaignId
    minutes: Annotated[float, Meta(gt=0, le=24 * 60)] = 60
    lines: Annotated[int, Meta(ge=1, le=1000)] | None = None
    answered: Annotated[float, Meta(ge=0, le=1)] = 0.3
    seconds: Annotated[float, Meta(ge=1, le=3600)] = 30
    wrap_up: Annotated[float, Meta(ge=0, le=3600)] | None = None


class CampaignForecast(Struct, frozen=True, kw_only=True):
    """What it would be by then. `attempts`: that would be begun; `by_status`: how many leads, then; `lines`: calls at
    once that were assumed; `idle_share`: of their time in which they would have nothing to do. Of a campaign with
    operators `operators` are there, whose time it is then; `mode` is in effect now, since `fallback` if that is not the
    one of its settings; `limit` keeps it from more dials now, as `explain` has it, and `needs` says what would change
    that. In preview, in which operators decide, `offered` are the leads that they would be shown next."""

    campaign_id: CampaignId
    status: CampaignStatus
    at: Utc
    until: Utc
    lines: int
    attempts: int
    answered: int
    idle_share: float
    by_status: Mapping[LeadStatus, int]
    abandoned: int = 0
    operators: int | None = None
    mode: Mode | None = None
    fallback: str | None = None
    limit: str | None = None
    needs: str = ""
    offered: Mapping[Username, str] = {}


# fmt: off
EXPLAIN_CAMPAIGN = Rpc("ottb.v1.cmd.campaign.{campaign_id}.explain",   ExplainCampaign, CampaignExplained,  LOOK,
                       summary="Why a campaign does not dial", timeout=20.0, again=12.0, fallback=ABSENT_CAMPAIGN,
                       permission=A.CAMPAIGN_VIEW, asks=SEES)
DRY_RUN          = Rpc("ottb.v1.cmd.campaign.{campaign_id}.dry_run",   DryRun,          CampaignForecast,   LOOK,
                       summary="What a campaign would do", timeout=30.0, again=12.0, fallback=ABSENT_CAMPAIGN,
                       permission=A.CAMPAIGN_VIEW, asks=SEES)
# fmt: on
