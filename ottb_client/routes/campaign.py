"""Routes: campaign. Written by `make client` from the contract."""

from collections.abc import Mapping, Sequence

from msgspec import UNSET, UnsetType

from bus_schemas.campaign import (
    CampaignChanged,
    CampaignRun,
    CampaignSettings,
    CampaignStatus,
    CampaignStopping,
    CampaignView,
    Mode,
    Operators,
    StopMode,
)
from bus_schemas.campaign_outlook import CampaignExplained, CampaignForecast
from bus_schemas.carriers import Carriers
from bus_schemas.crm import LeadsAssigned, TimelineEntry
from bus_schemas.lead import (
    CrmLead,
    GivenLead,
    LeadFilter,
    LeadHistory,
    LeadMarked,
    LeadOrder,
    LeadStanding,
    LeadStatus,
    LeadView,
    Meaning,
)
from bus_schemas.preview import LeadPreview, LeadSkipped
from ottb_client.answers import Listing, Table
from ottb_client.http import Http


class CampaignRoutes(Http):
    """What is asked over HTTP."""

    async def run_campaign(
        self, *, campaign_id: str, leads: Sequence[GivenLead], goes_on: bool | UnsetType = UNSET,
        key: str | None = None,
    ) -> CampaignRun:  # fmt: skip
        """Run a campaign, with these leads: `POST /api/autodialer/run-campaign`. `key`: an Idempotency-Key; one is made
        up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/run-campaign", CampaignRun, {"campaign_id": campaign_id, "leads": leads,
            "goes_on": goes_on}, key,
        )  # fmt: skip

    async def stop_campaign(
        self, *, campaign_id: str, mode: StopMode | UnsetType = UNSET, key: str | None = None,
    ) -> CampaignStopping:  # fmt: skip
        """Stop a campaign: `POST /api/autodialer/stop-campaign`. `key`: an Idempotency-Key; one is made up where none
        is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/stop-campaign", CampaignStopping, {"campaign_id": campaign_id, "mode": mode}, key,
        )  # fmt: skip

    def list_campaigns(
        self, *, status: CampaignStatus | UnsetType | None = UNSET, limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
    ) -> Listing[CampaignView]:  # fmt: skip
        """All campaigns: `GET /api/autodialer/campaigns`. Raises ApiError."""
        return self._list(
            "/api/autodialer/campaigns", list[CampaignView], {"status": status, "limit": limit, "cursor": cursor},
        )  # fmt: skip

    async def create_campaign(
        self, *, campaign_id: str, settings: CampaignSettings | UnsetType = UNSET, like: str | UnsetType | None = UNSET,
        key: str | None = None,
    ) -> CampaignChanged:  # fmt: skip
        """Make a campaign: `POST /api/autodialer/campaigns`. `key`: an Idempotency-Key; one is made up where none is
        given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/campaigns", CampaignChanged, {"campaign_id": campaign_id, "settings": settings,
            "like": like}, key,
        )  # fmt: skip

    async def get_campaign(self, campaign_id: str) -> CampaignView:
        """One campaign, with its counts and rates: `GET /api/autodialer/campaigns/{campaign_id}`. Raises ApiError."""
        return await self._ask(
            "GET", "/api/autodialer/campaigns/{campaign_id}", CampaignView, {"campaign_id": campaign_id},
        )  # fmt: skip

    async def configure_campaign(
        self, campaign_id: str, *, mode: Mode | UnsetType = UNSET, operators: Operators | UnsetType = UNSET,
        ratio: float | UnsetType = UNSET, abandoned_share: float | UnsetType = UNSET,
        hours: str | Mapping[str, str] | UnsetType = UNSET, attempts_per_lead: int | UnsetType | None = UNSET,
        attempts_per_number: int | UnsetType | None = UNSET, attempts_per_day: int | UnsetType | None = UNSET,
        attempts_per_30_days: int | UnsetType | None = UNSET, pause_minutes: int | UnsetType = UNSET,
        retry_minutes: Mapping[str, int] | UnsetType = UNSET, quiet_hours: int | UnsetType = UNSET,
        final: Sequence[str] | UnsetType = UNSET, consent: bool | UnsetType = UNSET,
        dispositions: Mapping[str, Meaning] | UnsetType | None = UNSET, carriers: Carriers | UnsetType = UNSET,
        weight: int | UnsetType = UNSET, priority: int | UnsetType = UNSET,
    ) -> CampaignChanged:  # fmt: skip
        """Change the settings of a campaign: `PATCH /api/autodialer/campaigns/{campaign_id}`. Raises ApiError."""
        return await self._ask(
            "PATCH", "/api/autodialer/campaigns/{campaign_id}", CampaignChanged, {"campaign_id": campaign_id,
            "mode": mode, "operators": operators, "ratio": ratio, "abandoned_share": abandoned_share, "hours": hours,
            "attempts_per_lead": attempts_per_lead, "attempts_per_number": attempts_per_number,
            "attempts_per_day": attempts_per_day, "attempts_per_30_days": attempts_per_30_days,
            "pause_minutes": pause_minutes, "retry_minutes": retry_minutes, "quiet_hours": quiet_hours, "final": final,
            "consent": consent, "dispositions": dispositions, "carriers": carriers, "weight": weight,
            "priority": priority},
        )  # fmt: skip

    async def pause_campaign(self, campaign_id: str, *, key: str | None = None) -> CampaignChanged:
        """Pause a campaign: `POST /api/autodialer/campaigns/{campaign_id}/pause`. `key`: an Idempotency-Key; one is
        made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/campaigns/{campaign_id}/pause", CampaignChanged, {"campaign_id": campaign_id}, key,
        )  # fmt: skip

    async def resume_campaign(self, campaign_id: str, *, key: str | None = None) -> CampaignChanged:
        """Go on, or begin with the leads that there are: `POST /api/autodialer/campaigns/{campaign_id}/resume`. `key`:
        an Idempotency-Key; one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/campaigns/{campaign_id}/resume", CampaignChanged, {"campaign_id": campaign_id},
            key,
        )  # fmt: skip

    async def archive_campaign(self, campaign_id: str, *, key: str | None = None) -> CampaignChanged:
        """Keep a campaign for the records alone: `POST /api/autodialer/campaigns/{campaign_id}/archive`. `key`: an
        Idempotency-Key; one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/campaigns/{campaign_id}/archive", CampaignChanged, {"campaign_id": campaign_id},
            key,
        )  # fmt: skip

    async def explain_campaign(self, campaign_id: str) -> CampaignExplained:
        """Why a campaign does not dial: `GET /api/autodialer/campaigns/{campaign_id}/explain`. Raises ApiError."""
        return await self._ask(
            "GET", "/api/autodialer/campaigns/{campaign_id}/explain", CampaignExplained, {"campaign_id": campaign_id},
        )  # fmt: skip

    async def dry_run(
        self, campaign_id: str, *, minutes: float | UnsetType = UNSET, lines: int | UnsetType | None = UNSET,
        answered: float | UnsetType = UNSET, seconds: float | UnsetType = UNSET,
        wrap_up: float | UnsetType | None = UNSET,
    ) -> CampaignForecast:  # fmt: skip
        """What a campaign would do: `POST /api/autodialer/campaigns/{campaign_id}/dry-run`. Raises ApiError."""
        return await self._ask(
            "POST", "/api/autodialer/campaigns/{campaign_id}/dry-run", CampaignForecast, {"campaign_id": campaign_id,
            "minutes": minutes, "lines": lines, "answered": answered, "seconds": seconds, "wrap_up": wrap_up},
        )  # fmt: skip

    async def preview_lead(self, campaign_id: str, *, key: str | None = None) -> LeadPreview:
        """The next lead, to look at: `POST /api/autodialer/campaigns/{campaign_id}/preview`. `key`: an Idempotency-Key;
        one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/campaigns/{campaign_id}/preview", LeadPreview, {"campaign_id": campaign_id}, key,
        )  # fmt: skip

    async def begin_previewed(self, campaign_id: str, *, lead: str, key: str | None = None) -> LeadPreview:
        """Dial the lead that I look at: `POST /api/autodialer/campaigns/{campaign_id}/preview/begin`. `key`: an
        Idempotency-Key; one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/campaigns/{campaign_id}/preview/begin", LeadPreview, {"campaign_id": campaign_id,
            "lead": lead}, key,
        )  # fmt: skip

    async def skip_previewed(self, campaign_id: str, *, lead: str, key: str | None = None) -> LeadSkipped:
        """Do not dial the lead that I look at: `POST /api/autodialer/campaigns/{campaign_id}/preview/skip`. `key`: an
        Idempotency-Key; one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/campaigns/{campaign_id}/preview/skip", LeadSkipped, {"campaign_id": campaign_id,
            "lead": lead}, key,
        )  # fmt: skip

    def report_campaign(self, campaign_id: str, *, day: str) -> Table[dict[str, str | int]]:
        """One day of a campaign, by hour: `GET /api/autodialer/campaigns/{campaign_id}/report`. Raises ApiError."""
        return self._table(
            "/api/autodialer/campaigns/{campaign_id}/report", list[dict[str, str | int]], {"campaign_id": campaign_id,
            "day": day},
        )  # fmt: skip

    def list_leads(
        self, campaign_id: str, *, status: LeadStatus | UnsetType | None = UNSET,
        number: str | UnsetType | None = UNSET, source: str | UnsetType | None = UNSET,
        outcome: str | UnsetType | None = UNSET, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Table[LeadView]:  # fmt: skip
        """Leads of a campaign: `GET /api/autodialer/campaigns/{campaign_id}/leads`. Raises ApiError."""
        return self._table(
            "/api/autodialer/campaigns/{campaign_id}/leads", list[LeadView], {"campaign_id": campaign_id,
            "status": status, "number": number, "source": source, "outcome": outcome, "limit": limit, "cursor": cursor},
        )  # fmt: skip

    def export_leads(
        self, campaign_id: str, *, status: LeadStatus | UnsetType | None = UNSET,
        number: str | UnsetType | None = UNSET, source: str | UnsetType | None = UNSET,
        outcome: str | UnsetType | None = UNSET, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Table[dict[str, str | int]]:  # fmt: skip
        """Leads of a campaign as a table: `GET /api/autodialer/campaigns/{campaign_id}/export`. Raises ApiError."""
        return self._table(
            "/api/autodialer/campaigns/{campaign_id}/export", list[dict[str, str | int]], {"campaign_id": campaign_id,
            "status": status, "number": number, "source": source, "outcome": outcome, "limit": limit, "cursor": cursor},
        )  # fmt: skip

    async def get_lead(self, campaign_id: str, lead: str) -> LeadHistory:
        """One lead, with its attempts: `GET /api/autodialer/campaigns/{campaign_id}/leads/{lead}`. Raises ApiError."""
        return await self._ask(
            "GET", "/api/autodialer/campaigns/{campaign_id}/leads/{lead}", LeadHistory, {"campaign_id": campaign_id,
            "lead": lead},
        )  # fmt: skip

    async def explain_lead(self, campaign_id: str, lead: str) -> LeadStanding:
        """Why a lead is not called: `GET /api/autodialer/campaigns/{campaign_id}/leads/{lead}/explain`. Raises
        ApiError."""
        return await self._ask(
            "GET", "/api/autodialer/campaigns/{campaign_id}/leads/{lead}/explain", LeadStanding,
            {"campaign_id": campaign_id, "lead": lead},
        )  # fmt: skip

    async def mark_lead(
        self, campaign_id: str, lead: str, *, status: LeadStatus, callback: str | UnsetType | None = UNSET,
        operator: str | UnsetType | None = UNSET, disposition: str | UnsetType | None = UNSET, key: str | None = None,
    ) -> LeadMarked:  # fmt: skip
        """Say what becomes of a lead: `POST /api/autodialer/campaigns/{campaign_id}/leads/{lead}/mark`. `key`: an
        Idempotency-Key; one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/autodialer/campaigns/{campaign_id}/leads/{lead}/mark", LeadMarked,
            {"campaign_id": campaign_id, "lead": lead, "status": status, "callback": callback, "operator": operator,
            "disposition": disposition}, key,
        )  # fmt: skip

    def list_all_leads(
        self, *, status: LeadStatus | UnsetType | None = UNSET, assigned_seller: str | UnsetType | None = UNSET,
        campaign_id: str | UnsetType | None = UNSET, number: str | UnsetType | None = UNSET,
        text: str | UnsetType | None = UNSET, outcome: str | UnsetType | None = UNSET,
        disposition: str | UnsetType | None = UNSET, contacted_since: str | UnsetType | None = UNSET,
        contacted_until: str | UnsetType | None = UNSET, callback_until: str | UnsetType | None = UNSET,
        order: LeadOrder | UnsetType = UNSET, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Listing[CrmLead]:  # fmt: skip
        """Leads of all campaigns: `GET /api/crm/leads`. Raises ApiError."""
        return self._list(
            "/api/crm/leads", list[CrmLead], {"status": status, "assigned_seller": assigned_seller,
            "campaign_id": campaign_id, "number": number, "text": text, "outcome": outcome, "disposition": disposition,
            "contacted_since": contacted_since, "contacted_until": contacted_until, "callback_until": callback_until,
            "order": order, "limit": limit, "cursor": cursor},
        )  # fmt: skip

    async def create_lead(
        self, *, number: str, campaign_id: str, number_2: str | UnsetType | None = UNSET,
        number_3: str | UnsetType | None = UNSET, number_4: str | UnsetType | None = UNSET,
        number_5: str | UnsetType | None = UNSET, lead_id: str | UnsetType | None = UNSET,
        name: str | UnsetType | None = UNSET, timezone: str | UnsetType | None = UNSET,
        priority: int | UnsetType | None = UNSET, language: str | UnsetType | None = UNSET,
        source: str | UnsetType | None = UNSET, consent: bool | UnsetType | None = UNSET,
        custom: Mapping[str, str] | UnsetType = UNSET, key: str | None = None,
    ) -> CrmLead:  # fmt: skip
        """Add one lead to a campaign: `POST /api/crm/leads`. `key`: an Idempotency-Key; one is made up where none is
        given. Raises ApiError."""
        return await self._do(
            "POST", "/api/crm/leads", CrmLead, {"number": number, "campaign_id": campaign_id, "number_2": number_2,
            "number_3": number_3, "number_4": number_4, "number_5": number_5, "lead_id": lead_id, "name": name,
            "timezone": timezone, "priority": priority, "language": language, "source": source, "consent": consent,
            "custom": custom}, key,
        )  # fmt: skip

    async def assign_leads(
        self, *, filter: LeadFilter, assigned_seller: str | None, limit: int | UnsetType = UNSET,
    ) -> LeadsAssigned:  # fmt: skip
        """Assign the leads that a filter finds: `POST /api/crm/leads/assign`. Raises ApiError."""
        return await self._ask(
            "POST", "/api/crm/leads/assign", LeadsAssigned, {"filter": filter, "assigned_seller": assigned_seller,
            "limit": limit},
        )  # fmt: skip

    async def get_crm_lead(self, campaign_id: str, lead: str) -> CrmLead:
        """One lead: `GET /api/crm/leads/{campaign_id}/{lead}`. Raises ApiError."""
        return await self._ask(
            "GET", "/api/crm/leads/{campaign_id}/{lead}", CrmLead, {"campaign_id": campaign_id, "lead": lead},
        )  # fmt: skip

    async def edit_lead(
        self, campaign_id: str, lead: str, *, numbers: Sequence[str] | UnsetType = UNSET, name: str | UnsetType = UNSET,
        timezone: str | UnsetType | None = UNSET, priority: int | UnsetType = UNSET,
        language: str | UnsetType | None = UNSET, source: str | UnsetType = UNSET,
        consent: bool | UnsetType | None = UNSET, custom: Mapping[str, str | None] | UnsetType = UNSET,
        status: LeadStatus | UnsetType = UNSET, assigned_seller: str | UnsetType | None = UNSET,
    ) -> CrmLead:  # fmt: skip
        """Change a lead: `PATCH /api/crm/leads/{campaign_id}/{lead}`. Raises ApiError."""
        return await self._ask(
            "PATCH", "/api/crm/leads/{campaign_id}/{lead}", CrmLead, {"campaign_id": campaign_id, "lead": lead,
            "numbers": numbers, "name": name, "timezone": timezone, "priority": priority, "language": language,
            "source": source, "consent": consent, "custom": custom, "status": status,
            "assigned_seller": assigned_seller},
        )  # fmt: skip

    async def merge_lead(self, campaign_id: str, lead: str, *, duplicate: str) -> CrmLead:
        """Two leads are one person: `POST /api/crm/leads/{campaign_id}/{lead}/merge`. Raises ApiError."""
        return await self._ask(
            "POST", "/api/crm/leads/{campaign_id}/{lead}/merge", CrmLead, {"campaign_id": campaign_id, "lead": lead,
            "duplicate": duplicate},
        )  # fmt: skip

    async def unmerge_lead(self, campaign_id: str, lead: str) -> CrmLead:
        """Two leads are two persons after all: `POST /api/crm/leads/{campaign_id}/{lead}/unmerge`. Raises ApiError."""
        return await self._ask(
            "POST", "/api/crm/leads/{campaign_id}/{lead}/unmerge", CrmLead, {"campaign_id": campaign_id, "lead": lead},
        )  # fmt: skip

    def lead_timeline(
        self, campaign_id: str, lead: str, *, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Listing[TimelineEntry]:  # fmt: skip
        """What has happened to a lead: `GET /api/crm/leads/{campaign_id}/{lead}/timeline`. Raises ApiError."""
        return self._list(
            "/api/crm/leads/{campaign_id}/{lead}/timeline", list[TimelineEntry], {"campaign_id": campaign_id,
            "lead": lead, "limit": limit, "cursor": cursor},
        )  # fmt: skip
