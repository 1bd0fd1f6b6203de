"""Leads one by one, as the workspace has them: what may be asked of a lead, wherever its campaign lives."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.campaign import ABSENT_CAMPAIGN
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import Id, Username
from bus_schemas.lead import DIALS, NUMBERS, CrmLead, GetLead, GivenLead, LeadStatus
from bus_schemas.permissions import Action

A = Action
E = ErrorCode


class CreateLead(GivenLead, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Add one lead to a campaign that is not over, by the rules by which lists are: numbers as people write them, each
    one lead's in a campaign. Without `lead_id` it gets one of its first number."""

    campaign_id: Id


class EditLead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Change what is named of a lead, and nothing else. `numbers`: all that it then has, as people write them, while no
    call to it is under way. `custom`: of the fields of its own those that are named; null: it has it no more.
    `status`: not `callback`, which needs a time (`mark`). `assigned_seller`: a user; null: nobody."""

    campaign_id: Id
    lead: Id
    numbers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=NUMBERS)] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    timezone: str | UnsetType | None = UNSET
    priority: int | UnsetType = UNSET
    language: str | UnsetType | None = UNSET
    source: str | UnsetType = UNSET
    consent: bool | UnsetType | None = UNSET
    custom: Annotated[Mapping[str, str | None], Meta(max_length=100)] | UnsetType = UNSET
    status: LeadStatus | UnsetType = UNSET
    assigned_seller: Username | UnsetType | None = UNSET


SEES = frozenset({A.LEAD_VIEW_ANY})  # whose leads

# fmt: off
#                    subject                                        request      reply    refused with
CREATE_LEAD    = Rpc("ottb.v1.cmd.campaign.{campaign_id}.create_lead", CreateLead, CrmLead,
                     frozenset({E.NOT_FOUND, E.CONFLICT, E.PERMISSION_DENIED}),
                     summary="Add one lead to a campaign", timeout=10.0, fallback=ABSENT_CAMPAIGN,
                     permission=A.LEAD_EDIT, asks=DIALS, audit_fields=("campaign_id", "lead.id"))
EDIT_LEAD      = Rpc("ottb.v1.cmd.campaign.{campaign_id}.edit_lead", EditLead,  CrmLead,
                     frozenset({E.NOT_FOUND, E.CONFLICT}),
                     summary="Change a lead", timeout=10.0, fallback=ABSENT_CAMPAIGN,
                     permission=A.LEAD_EDIT, asks=SEES, audit_fields=("campaign_id", "lead.id"), audit_changes=True)
GET_CRM_LEAD   = Rpc("ottb.v1.qry.lead.one",                        GetLead,    CrmLead, frozenset({E.NOT_FOUND}),
                     summary="One lead", permission=A.LEAD_VIEW, asks=SEES)
# fmt: on
