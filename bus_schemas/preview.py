"""Leads that an operator looks at before they are dialled, in campaigns whose mode is preview."""

from msgspec import Struct

from bus_schemas.campaign import STATE, AskedCampaign, CampaignId, CampaignView
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import Id, Utc
from bus_schemas.permissions import Action

A = Action
# Seconds: most are answered by then, and a second one of the same command begins nothing more. The next host of a
# campaign knows of no lead that somebody looks at, and says so.
BEGIN_AGAIN = 2.0


class PreviewLead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next lead, to look at before it is dialled: for an operator who is ready, in a campaign in preview mode."""

    campaign_id: CampaignId


class LeadPreview(Struct, frozen=True, kw_only=True):
    """A lead that is yours alone `until` then. `number`: which would be dialled. `begun`: it is dialled now, or as soon
    as a line of yours takes the call; `waits`: why none does yet."""

    campaign_id: CampaignId
    lead: Id
    number: str
    until: Utc
    begun: bool = False
    waits: str | None = None


class BeginPreviewed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Dial the lead that you look at, on your slot. Refused, with the reason, where none of your lines can call it."""

    campaign_id: CampaignId
    lead: Id


class SkipPreviewed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Do not dial the lead that you look at; for a quarter of an hour nobody gets it."""

    campaign_id: CampaignId
    lead: Id


class LeadSkipped(Struct, frozen=True, kw_only=True):
    """It is not yours any more."""

    campaign_id: CampaignId
    lead: Id


# fmt: off
ABSENT_PREVIEW   = Rpc("ottb.v1.qry.campaign.absent_for_operator",     AskedCampaign,   CampaignView,       STATE,
                       summary="Why nobody owns a campaign that I take calls of")
PREVIEW_LEAD     = Rpc("ottb.v1.cmd.campaign.{campaign_id}.preview",   PreviewLead,     LeadPreview,        STATE,
                       summary="The next lead, to look at", timeout=15.0, again=BEGIN_AGAIN,
                       fallback=ABSENT_PREVIEW, permission=A.CALL_START)
BEGIN_PREVIEWED  = Rpc("ottb.v1.cmd.campaign.{campaign_id}.begin_previewed", BeginPreviewed, LeadPreview,  STATE,
                       summary="Dial the lead that I look at", timeout=15.0, again=BEGIN_AGAIN,
                       fallback=ABSENT_PREVIEW, permission=A.CALL_START,
                       audit_fields=("campaign_id", "lead"))
SKIP_PREVIEWED   = Rpc("ottb.v1.cmd.campaign.{campaign_id}.skip_previewed", SkipPreviewed, LeadSkipped,
                       STATE | {ErrorCode.RATE_LIMITED}, summary="Do not dial the lead that I look at",
                       timeout=15.0, again=BEGIN_AGAIN, fallback=ABSENT_PREVIEW, permission=A.CALL_START)
# fmt: on
