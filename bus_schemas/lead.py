"""Leads: who is to be called, and what becomes of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.fields import CallId, Id, Utc

NUMBERS = 5  # of one lead


class Lead(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody to be called. `numbers`: E.164, in the order in which they are tried. `timezone`: None: not known, what
    the numbers say holds. `priority`: higher ones first. `consent`: to be called; None: nobody has said."""

    id: Id
    numbers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=NUMBERS)]
    name: str = ""
    timezone: str | None = None
    priority: int = 0
    language: str | None = None
    source: str = ""
    consent: bool | None = None
    custom: Mapping[str, str] = {}


class LeadStatus(StrEnum):
    """What has become of a lead. The first three may be called."""

    NEW = "new"
    IN_PROGRESS = "in_progress"  # was called, and may be again
    CALLBACK = "callback"  # wants to be called at a time
    DONE = "done"
    DO_NOT_CALL = "do_not_call"
    INVALID = "invalid"  # none of its numbers can be called


class LeadAttempt(Struct, frozen=True, kw_only=True):
    """One call to a lead, or the try of one. `outcome`: null while it is under way; `not_dialed` counts for no cap."""

    attempt: int
    number: str
    at: Utc
    ended: Utc | None = None
    outcome: str | None = None
    call_id: CallId | None = None
    talk_seconds: int = 0


class LeadStanding(Struct, frozen=True, kw_only=True):
    """How it is with a lead now. `reason`: why it is not called; `until`: the first moment at which that is over, if
    nothing else happens; null: time alone does not change it. `change`: what would. `number`: the one that is next."""

    lead: Id
    reason: str
    words: str
    number: str | None = None
    until: Utc | None = None
    change: str = ""
