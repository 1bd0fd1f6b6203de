"""Leads one by one, as the workspace has them: what may be asked of a lead, wherever its campaign lives."""

from bus_schemas.campaign import ABSENT_CAMPAIGN
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import Id
from bus_schemas.lead import DIALS, CrmLead, GivenLead
from bus_schemas.permissions import Action

A = Action
E = ErrorCode


class CreateLead(GivenLead, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Add one lead to a campaign that is not over, by the rules by which lists are: numbers as people write them, each
    one lead's in a campaign. Without `lead_id` it gets one of its first number."""

    campaign_id: Id


# fmt: off
#                    subject                                        request      reply    refused with
CREATE_LEAD    = Rpc("ottb.v1.cmd.campaign.{campaign_id}.create_lead", CreateLead, CrmLead,
                     frozenset({E.NOT_FOUND, E.CONFLICT, E.PERMISSION_DENIED}),
                     summary="Add one lead to a campaign", timeout=10.0, fallback=ABSENT_CAMPAIGN,
                     permission=A.LEAD_EDIT, asks=DIALS, audit_fields=("campaign_id", "lead.id"))
# fmt: on
