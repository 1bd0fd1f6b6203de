"""What a campaign is told by its own host, which has read the request before."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from actors.campaign.machine import CampaignDecision
from actors.campaign.record import Campaign
from actors.campaign.selection import Selection
from actors.leads.rows import Outcome as Row
from actors.runtime.clock import Moment
from actors.runtime.commands import Order
from actors.runtime.wire import Page
from bus_schemas.campaign import CampaignSettings, ConfigureCampaign, StopMode
from bus_schemas.lead import MarkLead
from bus_schemas.preview import LeadPreview


class Run(Order[Page], frozen=True, kw_only=True):
    """Run it with these rows. `goes_on`: as `machine.run` has it, and so does it where it was stopped or paused behind
    `after` in the journal. `by_asker`: whoever asks must see the campaign, if there is one, and may have it dial."""

    given: tuple[Row, ...]
    goes_on: bool = False
    after: int | None = None
    by_asker: bool = False


class Add(Order[Page], frozen=True, kw_only=True):
    """Add these rows, and leave it as it is otherwise."""

    given: tuple[Row, ...]


class Stop(Order[bool], frozen=True, kw_only=True):
    """Begin no attempt any more. Says whether anything was changed for it."""

    mode: StopMode


class Pause(Order[bool], frozen=True, kw_only=True):
    """Begin no attempt until it is resumed. Says whether anything was changed for it."""


class Show(Order[LeadPreview], frozen=True, kw_only=True):
    """Show the asker the lead that is next for them to look at."""


class Begin(Order[LeadPreview], frozen=True, kw_only=True):
    """Have the lead dialled that the asker looks at. `looks`: only say how it is with it."""

    lead: str
    looks: bool = False


class Resume(Order[bool], frozen=True, kw_only=True):
    """Go on, or begin. Says whether anything was changed for it."""


class Archive(Order[bool], frozen=True, kw_only=True):
    """Be for the records alone. Says whether anything was changed for it."""


class Configure(Order[bool], frozen=True, kw_only=True):
    """Have other settings. Says whether anything was changed for it."""

    request: ConfigureCampaign


class Create(Order[bool], frozen=True, kw_only=True):
    """Be a campaign with these settings; None: with any. Says whether anything was changed for it."""

    settings: CampaignSettings | None


class Mark(Order[bool], frozen=True, kw_only=True):
    """Mark a lead; the operator of the callback, if any, is known to be one. Says whether anything was changed for it.
    """

    request: MarkLead


class Change(Order[bool | None], frozen=True, kw_only=True):
    """Change leads. `decide`: by what the records know of them up to `known_at` in the journal. Says whether anything
    was changed for it; None: a lead was since, and the records are to be asked again."""

    decide: Callable[[Campaign, Selection, Moment], CampaignDecision]
    known_at: int


class Assign(Order[int], frozen=True, kw_only=True):
    """Assign these leads to a user; None: to nobody. Says for how many that is another one."""

    leads: tuple[str, ...]
    seller: str | None


def named(request: ConfigureCampaign, known: CampaignSettings) -> dict[str, Any]:
    """The settings that a request names; of the waits that are `known` it changes those that it names."""
    given = {name: getattr(request, name) for name in CampaignSettings.__struct_fields__}
    if request.retry_minutes is not UNSET:
        given["retry_minutes"] = {**known.retry_minutes, **request.retry_minutes}
    return {name: value for name, value in given.items() if value is not UNSET}
