"""An attempt in progress of a campaign: what it is, what is to be done about it, and what can become of it."""

from msgspec import Struct
from msgspec.structs import replace

from actors.campaign.lines import Held
from actors.campaign.places import at
from actors.campaign.record import Campaign, open_places, tried, tries_of
from actors.runtime.decision import Effect
from actors.runtime.ids import derived
from bus_schemas.call import EndReason


class Claim(Struct, frozen=True, kw_only=True):
    """An attempt in progress. `command_id`: of the command that asks for its call; `user`: whose call it is.
    `lead`: its id; `operator`: on whose slot it is dialled, and who is to talk; None: whoever sits at the line, or, if
    its call `joins`, whoever is ready when somebody answers."""

    place: int
    attempt: int
    number: str
    command_id: str
    user: str
    lead: str = ""
    operator: str | None = None
    joins: bool = False

    def to(self, operator: str) -> "Claim":
        """The same, for an operator."""
        return replace(self, operator=operator)


class BeginCall(Effect, frozen=True, kw_only=True):
    """Ask for the call, on `line`. `of_list`: where the lead is from."""

    claim: Claim
    of_list: str
    line: Held | None = None


class FindCall(Effect, frozen=True, kw_only=True):
    """Find out what became of a call that somebody may have asked for. Here nothing is dialled: where the command came
    to no call, and cannot any more, `NotBegun` is what happened."""

    claim: Claim


class EndCall(Effect, frozen=True, kw_only=True):
    """Hang up, as soon as there is a call."""

    claim: Claim


class NotBegun(Struct, frozen=True, kw_only=True):
    """An attempt came to no call. `of_number`: for the sake of the number, not of the line; `never`: the dial rules let
    nobody call it. `why`: in words."""

    place: int
    attempt: int
    never: bool = False
    of_number: bool = False
    why: str = ""


class CallOver(Struct, frozen=True, kw_only=True):
    """The call of an attempt has ended. `why`: in the words of whoever says so."""

    place: int
    attempt: int
    call_id: str
    reason: EndReason
    answered: bool
    talk_seconds: int = 0
    why: str = ""


class Joined(Struct, frozen=True, kw_only=True):
    """An operator has taken the call of an attempt."""

    place: int
    attempt: int
    user: str
    call_id: str


def command_of(campaign: str, lead: str, attempt: int) -> str:
    """The id of the command that asks for the call of an attempt, always the same."""
    return derived("dial", campaign, lead, str(attempt))


def claim_at(campaign: Campaign, place: int) -> Claim:
    """The attempt in progress on a lead."""
    entry = at(campaign.leads, place)
    attempt, number = tried(entry), entry.numbers.split(" ")[tries_of(entry)[-1].number]
    command, seat = command_of(campaign.campaign, entry.id, attempt), campaign.crew.get(place)
    return Claim(
        place=place, attempt=attempt, number=number, command_id=command, user=campaign.by, lead=entry.id,
        operator=seat.user if seat is not None else None, joins=seat is not None and seat.joins,
    )  # fmt: skip


def claims_of(campaign: Campaign) -> list[Claim]:
    """The attempts in progress."""
    return [claim_at(campaign, place) for place in open_places(campaign)]


def claims_at(campaign: Campaign, user: str) -> list[Claim]:
    """Those of an operator."""
    return [claim_at(campaign, place) for place, seat in campaign.crew.items() if seat.user == user]
