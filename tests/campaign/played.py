"""A campaign that is driven as its actor drives it: what is decided goes on record, then the state follows."""

from collections.abc import Callable, Collection, Container, Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from actors.campaign import machine
from actors.campaign.claims import BeginCall, CallOver, Claim, NotBegun
from actors.campaign.desks import Desks
from actors.campaign.lines import Held, HeldLines
from actors.campaign.presets import presets_in
from actors.campaign.record import READ_BACK, Campaign, evolve, evolve_all, size
from actors.campaign.rulebook import RuleBook
from actors.campaign.seats import Seats
from actors.campaign.selection import Selection
from actors.campaign.standing import Standing, standing
from actors.dialing.rules import is_listed
from actors.leads.lead import Accepted, id_of
from actors.leads.rows import Outcome
from actors.runtime.clock import Moment, utc
from actors.runtime.decision import Decision, Effect
from bus_schemas.call import EndReason
from bus_schemas.campaign import CampaignEvent, CampaignRun, CampaignSettings, CampaignStatus
from bus_schemas.host import Line
from bus_schemas.lead import Lead

PRESETS = presets_in(Path(__file__).resolve().parents[2] / "config" / "rules")
NOON = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)  # a Wednesday; in Kyiv
ID, BY = "c1", "op12"


def number_at(place: int) -> str:
    return f"+38099{place:07}"


def lead_at(place: int, **more: Any) -> Lead:
    number = number_at(place)
    return Lead(id=id_of(number), numbers=(number,), **more)


def rows(*leads: Lead) -> list[Outcome]:
    return [Accepted(row=row, lead=lead) for row, lead in enumerate(leads, 1)]


def held_by(listed: Container[str]) -> Callable[[str], float]:
    """A do-not-call list of numbers and beginnings of numbers, for ever."""
    return lambda number: inf if listed and is_listed(number, listed) else 0.0


def lines_of(users: Sequence[str | None]) -> HeldLines:
    """A line of each of these, or of nobody, which may call the numbers here."""
    held = HeldLines()
    held.add(
        Held("h", Line(slot=place, countries=("UA",), user=user), inf) for place, user in enumerate(users, 1)
    )
    return held


class NoDesks(Desks):
    """Nobody's extension is known: operators are called on their own slots."""

    def __init__(self) -> None:
        self._known, self._resting = {}, {}


class Played:
    """`effects`: of the last decision. `book`: what its rules are made of, beside the settings."""

    def __init__(self, now: datetime = NOON, **book: Any) -> None:
        self.now = now
        self.events: list[CampaignEvent] = []
        self.claims: list[Claim] = []  # in progress
        self.effects: tuple[Effect, ...] = ()
        self.campaign: Campaign | None = None
        self.selection: Selection | None = None
        self.do_not_call = set[str]()
        self.book = RuleBook(**{"presets": PRESETS, "held_until": held_by(self.do_not_call), **book})

    @property
    def state(self) -> Campaign:
        assert self.campaign is not None
        return self.campaign

    @property
    def status(self) -> CampaignStatus:
        return self.state.status

    def moment(self) -> Moment:
        return Moment(at=utc(self.now), mono=0.0, boot="b")

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)

    def record(self, decision: Decision[CampaignEvent, Any]) -> Sequence[CampaignEvent]:
        for event in decision.events:
            read = msgspec.json.decode(msgspec.json.encode(event), type=type(event))
            self.campaign = evolve(self.campaign, read)
            self.events.append(event)
            if self.selection is None:
                self.selection = Selection(self.state)
            self.selection.follow(self.state, read)
        self.effects = decision.effects
        self.claims += [effect.claim for effect in decision.effects if isinstance(effect, BeginCall)]
        return decision.events

    def create(self, **settings: Any) -> None:
        self.record(machine.create(ID, None, CampaignSettings(**settings), BY, self.moment()))

    def run(self, *leads: Lead, given: Sequence[Outcome] | None = None, goes_on: bool = False) -> CampaignRun:
        rows_given = rows(*leads) if given is None else given
        ran = machine.run(ID, self.campaign, self.selection, rows_given, BY, self.moment(), goes_on=goes_on)
        self.record(ran.decision)
        return ran.answer

    def claim(
        self, dials: int = 1, ready: Collection[str] | None = None, lines: Sequence[str | None] | None = None,
        seats: Seats | None = None,
    ) -> list[Claim]:  # fmt: skip
        """Those that are begun now."""
        assert self.selection is not None
        before = len(self.claims)
        held = None if lines is None else lines_of(lines)
        self.record(
            machine.claim(
                self.state, self.selection, self.book, dials, self.moment(), ready=ready, lines=held, seats=seats
            )
        )
        return self.claims[before:]

    def over(
        self, claim: Claim, reason: EndReason = EndReason.NO_ANSWER, *, abandoned: bool = False, **more: Any
    ) -> Sequence[CampaignEvent]:
        """`abandoned`: by an extension that did not take it."""
        more = {"call_id": "c_1", "answered": False, **more}
        reason = EndReason.EXTENSION_FAILED if abandoned else reason
        report = CallOver(place=claim.place, attempt=claim.attempt, reason=reason, **more)
        return self.ended(claim, report)

    def not_begun(self, claim: Claim, *, never: bool = False) -> Sequence[CampaignEvent]:
        return self.ended(claim, NotBegun(place=claim.place, attempt=claim.attempt, never=never))

    def ended(self, claim: Claim, report: CallOver | NotBegun) -> Sequence[CampaignEvent]:
        events = self.record(machine.ended(self.state, report, self.book, self.moment()))
        self.claims = [each for each in self.claims if each != claim]
        return events

    def do(self, decide: Callable[..., Decision[CampaignEvent, Any]], *given: Any, **more: Any) -> None:
        self.record(decide(self.state, *given, BY, self.moment(), **more))

    def standings(self) -> list[Standing]:
        return [standing(self.state, place, self.book, self.now) for place in range(size(self.state))]

    def replayed(self, *, at_once: int = 100) -> Campaign | None:
        """The state that the record tells, which is read back so many events at once."""
        campaign: Campaign | None = None
        for first in range(0, len(self.events), at_once):
            campaign = evolve_all(campaign, map(read_back, self.events[first : first + at_once]))
        return campaign


def read_back(event: CampaignEvent) -> Any:  # any: of some events a part of them
    """An event as its campaign reads it in the journal."""
    return msgspec.json.decode(msgspec.json.encode(event), type=READ_BACK.get(type(event), type(event)))
