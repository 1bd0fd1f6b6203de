"""Whether the campaigns of a simulated world kept their promises: what is on record of them against what phones had,
what was answered to whoever stopped them, and how they say in the end that they are."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from actors.dialing.attempts import call_id_of
from actors.runtime.context import Context
from bus_schemas.call import CallEnded, EndReason
from bus_schemas.campaign import (
    ABANDONED,
    ANSWERED,
    RUN_CAMPAIGN,
    STOP_CAMPAIGN,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignAttemptJoined,
    CampaignAttemptOffered,
    CampaignConfigured,
    CampaignCreated,
    CampaignDraining,
    CampaignEvent,
    CampaignFinished,
    CampaignLeadsAdded,
    CampaignPaused,
    CampaignResumed,
    CampaignSettings,
    CampaignStarted,
    CampaignStatus,
    CampaignStopped,
    CampaignView,
)
from bus_schemas.campaign_outlook import CampaignExplained
from bus_schemas.errors import Refusal
from bus_schemas.lead import CampaignLeadChanged, CampaignLeadMarked, Lead, LeadStatus
from simulators.device.chronicle import DeviceCall
from simulators.world.judge import Judge, Violation
from simulators.world.records import CallOnRecord, Stored
from simulators.world.truth import Case
from simulators.world.world import LISTED

S = CampaignStatus
BECOMES: Mapping[type, CampaignStatus] = {
    CampaignStarted: S.RUNNING, CampaignPaused: S.PAUSED, CampaignResumed: S.RUNNING, CampaignDraining: S.DRAINING,
    CampaignStopped: S.STOPPED, CampaignFinished: S.FINISHED,
}  # fmt: skip
NOT_DIALED = str(EndReason.NOT_DIALED)
UNASKED = ("pause", "crash", "outage")  # whose host cannot say whether an order to dial is still under way


@dataclass
class Attempt:
    """One attempt of a campaign, as it is on record."""

    call_id: str
    claim: Stored
    most: int | None  # attempts of the lead, by the settings of then
    before: int  # attempts of the lead in this campaign that counted by then
    ended: Stored | None = None
    offered: str | None = None  # the operator who was asked last to take the call
    joined: Stored | None = None  # an operator took the call

    @property
    def outcome(self) -> str | None:
        return self.ended.event.outcome if self.ended is not None else None

    @property
    def counts(self) -> bool:
        return self.outcome != NOT_DIALED

    def open(self, seq: int) -> bool:
        """Whether it was in progress by then."""
        return self.claim.seq < seq and (self.ended is None or self.ended.seq > seq)


@dataclass
class RecordedCampaign:
    """One campaign as its record tells it. `wrong`: what may not be in a record."""

    id: str
    by: str = ""
    status: CampaignStatus = S.DRAFT
    settings: CampaignSettings = field(default_factory=CampaignSettings)
    leads: list[Lead] = field(default_factory=list)
    statuses: dict[int, LeadStatus] = field(default_factory=dict)
    attempts: dict[int, list[Attempt]] = field(default_factory=dict)
    begins: list[float] = field(default_factory=list)  # when it was run or resumed
    wrong: list[Violation] = field(default_factory=list)

    @property
    def all(self) -> list[Attempt]:
        return [attempt for attempts in self.attempts.values() for attempt in attempts]

    def take(self, one: Stored) -> None:
        event: CampaignEvent = one.event
        self.status = BECOMES.get(type(event), self.status)
        match event:
            case CampaignCreated(by=by, settings=settings):
                self.by, self.settings = by, settings
            case CampaignConfigured(settings=settings):
                self.settings = settings
            case CampaignLeadsAdded(leads=leads, first=first):
                if first != len(self.leads):
                    self._wrong("leads lost", f"from {first} on, and there are {len(self.leads)}")
                self.leads += leads
            case CampaignStarted() | CampaignResumed():
                self.begins.append(one.at)
            case CampaignAttemptClaimed():
                self._claimed(one, event)
            case CampaignAttemptOffered():
                self._offered(event)
            case CampaignAttemptJoined():
                self._joined(one, event)
            case CampaignAttemptEnded():
                self._ended(one, event)
            case CampaignLeadMarked(place=place, status=status):
                self.statuses[place] = status
            case CampaignLeadChanged(place=place, status=status) if status is not UNSET:
                self.statuses[place] = status

    def _claimed(self, one: Stored, event: CampaignAttemptClaimed) -> None:
        made = self.attempts.setdefault(event.place, [])
        if self.status is not S.RUNNING:
            self._wrong("claimed while it does not run", f"{event.number} at {one.at:.3f}: {self.status}")
        if made and made[-1].ended is None:
            self._wrong("claimed twice", f"{event.number} at {one.at:.3f}, attempt {event.attempt}")
        if event.attempt != len(made) + 1:
            self._wrong("claimed twice", f"attempt {event.attempt} of {event.number} after {len(made)}")
        if event.number in LISTED:
            self._wrong("claimed off the list", event.number)
        most, counted = self.settings.attempts_per_lead, sum(each.counts for each in made)
        if most is not None and counted >= most:
            self._wrong("over an attempt cap", f"{event.number}: {counted} attempts, {most} allowed")
        context = Context(command_id=event.command_id, user=self.by)
        made.append(Attempt(call_id_of(context), one, most, counted, offered=event.operator))
        self.statuses[event.place] = LeadStatus.IN_PROGRESS

    def _offered(self, event: CampaignAttemptOffered) -> None:
        made = self.attempts.get(event.place, [])
        last = made[-1] if made and event.attempt == len(made) else None
        if last is None or last.ended is not None or last.joined is not None or not last.claim.event.joins:
            self._wrong("offered to nobody's use", f"attempt {event.attempt} of place {event.place}: {event.operator}")
        else:
            last.offered = event.operator

    def _joined(self, one: Stored, event: CampaignAttemptJoined) -> None:
        made = self.attempts.get(event.place, [])
        last = made[-1] if made and event.attempt == len(made) else None
        if last is None or last.ended is not None or last.joined is not None:
            self._wrong("joined twice", f"attempt {event.attempt} of place {event.place}")
        elif last.offered != event.operator:
            self._wrong("joined to somebody else", f"attempt {event.attempt} of place {event.place}: {event.operator}")
        else:
            last.joined = one

    def _ended(self, one: Stored, event: CampaignAttemptEnded) -> None:
        made = self.attempts.get(event.place, [])
        if not made or made[-1].ended is not None or event.attempt != len(made):
            self._wrong("an attempt ended twice", f"attempt {event.attempt} of place {event.place}")
            return
        made[-1].ended = one
        self.statuses[event.place] = event.status

    def _wrong(self, kind: str, text: str) -> None:
        self.wrong.append(Violation(kind, self.id, text))


NONE = RecordedCampaign("")


def recorded_campaigns(stored: list[Stored]) -> dict[str, RecordedCampaign]:
    """The campaigns on record."""
    found: dict[str, RecordedCampaign] = {}
    for one in stored:
        if one.subject.startswith("ottb.v1.evt.campaign."):
            found.setdefault(one.event.campaign, RecordedCampaign(one.event.campaign)).take(one)
    return {id: campaign for id, campaign in found.items() if campaign.by}  # else nothing but an owner is on record


class CampaignJudge:
    """The rules over the campaigns of one world. `said`: in the end, its view from the records and why it does not
    dial, by campaign."""

    def __init__(self, judge: Judge, said: Mapping[str, tuple[Any, Any]]) -> None:
        self.judge = judge
        self.said = said
        self.campaigns = recorded_campaigns(judge.stored)

    def violations(self) -> list[Violation]:
        """Everything that was broken."""
        found = [wrong for campaign in self.campaigns.values() for wrong in campaign.wrong]
        rules = (self._claims, self._stops, self._at_once, self._outcomes, self._leads, self._ends, self._views)
        return found + [violation for rule in rules for violation in rule()]

    def _device(self, attempt: Attempt) -> DeviceCall | None:
        return self.judge.device_of(self.judge.calls.get(attempt.call_id))

    def _claims(self) -> Iterator[Violation]:
        """Each call of a campaign is that of a claim, which was on record before."""
        claims = {attempt.call_id: attempt for campaign in self.campaigns.values() for attempt in campaign.all}
        users = {campaign.by for campaign in self.campaigns.values()}
        for call in self.judge.calls.values():
            if call.dialing is None or call.dialing.event.user not in users:
                continue
            attempt = claims.get(call.call_id)
            if attempt is None or attempt.claim.seq > call.dialing.seq:
                yield Violation("dialled without a claim", call.call_id, call.dialing.event.number)
            elif attempt.claim.event.number != call.dialing.event.number:
                yield Violation("dialled without a claim", call.call_id, f"of {attempt.claim.event.number}")
            elif attempt.ended is not None and attempt.ended.seq < call.dialing.seq:
                yield Violation("dialled after its end", call.call_id, f"ended at {attempt.ended.at:.3f}")

    def _stops(self) -> Iterator[Violation]:
        """After a stop was acknowledged no phone begins a call of it, until it is run again. A stop that is repeated is
        the first one: it undoes no run that came between."""
        for command in self.judge.commands:
            if command.rpc is not STOP_CAMPAIGN:
                continue
            campaign = self.campaigns.get(command.request.campaign_id, NONE)
            first = min((answer.asked for answer in command.answers), default=0.0)
            again = min((at for at in campaign.begins if at > first), default=float("inf"))
            for answer in command.answers:
                if answer.refusal is not None or answer.reply is None:
                    continue
                for attempt in campaign.all:
                    device = self._device(attempt)
                    if device is not None and answer.at < device.created < again and attempt.claim.at < again:
                        yield from self._late(attempt, device, answer.at)

    def _late(self, attempt: Attempt, device: DeviceCall, said_yes: float) -> Iterator[Violation]:
        case = Case(self._call(attempt), device, self.judge.book, self.judge.host_of(self._call(attempt)))
        if attempt.claim.at > said_yes or not case.faults(case.attempt.at - 1.0, device.created, *UNASKED):
            claimed, dialled = attempt.claim.at, device.created
            text = f"stop acknowledged at {said_yes:.3f}, claimed at {claimed:.3f}, dialled at {dialled:.3f}"
            yield Violation("dialled after its stop", attempt.call_id, text)

    def _call(self, attempt: Attempt) -> CallOnRecord:
        return self.judge.calls[attempt.call_id]

    def _at_once(self) -> Iterator[Violation]:
        """No number is called by two campaigns at once, nor more often than either of them allows."""
        for campaign in self.campaigns.values():
            others = [one for other in self.campaigns.values() if other is not campaign for one in other.all]
            for attempt in campaign.all:
                if self._device(attempt) is None:
                    continue
                number, seq = attempt.claim.event.number, attempt.claim.seq
                theirs = [one for one in others if one.claim.event.number == number and one.claim.seq < seq]
                if any(one.open(seq) for one in theirs):
                    yield Violation("called by two campaigns at once", attempt.call_id, number)
                made = attempt.before + sum(one.counts for one in theirs if not one.open(seq))
                if attempt.most is not None and made >= attempt.most:
                    text = f"{number}: {made} attempts of all campaigns, {attempt.most} allowed"
                    yield Violation("over an attempt cap", attempt.call_id, text)

    def _outcomes(self) -> Iterator[Violation]:
        """What is on record of each attempt is what became of its call."""
        for campaign in self.campaigns.values():
            for attempt in campaign.all:
                call = self.judge.calls.get(attempt.call_id)
                if attempt.ended is None:
                    yield Violation("a claim without an end", attempt.call_id, f"of {campaign.id}")
                elif call is None or call.dialing is None:
                    if attempt.outcome not in (NOT_DIALED, EndReason.INVALID_NUMBER):
                        yield Violation("untrue outcome", attempt.call_id, f"{attempt.outcome}, and there was no call")
                elif call.ended and attempt.outcome != (right := _outcome(call.ended[0].event, attempt)):
                    text = f"{attempt.outcome}, and the call: {right}"
                    yield Violation("untrue outcome", attempt.call_id, text)

    def _leads(self) -> Iterator[Violation]:
        """Each lead that was acknowledged is in the campaign, once."""
        for campaign in self.campaigns.values():
            times = Counter(number for lead in campaign.leads for number in lead.numbers)
            for command in self.judge.commands:
                if command.rpc is RUN_CAMPAIGN and command.request.campaign_id == campaign.id and command.first:
                    missing = {lead.number for lead in command.request.leads} - times.keys()
                    if missing:
                        yield Violation("a lead lost", campaign.id, f"{sorted(missing)} of {command.id}")
            for number, count in times.items():
                if count > 1:
                    yield Violation("a lead twice", campaign.id, f"{number}: {count} times")

    def _ends(self) -> Iterator[Violation]:
        for campaign in self.campaigns.values():
            if campaign.status not in (S.STOPPED, S.FINISHED):
                yield Violation("held", campaign.id, f"it is {campaign.status} long after its stop")

    def _views(self) -> Iterator[Violation]:
        """The read model says what the record says, and every lead has one reason."""
        for id, (view, explained) in self.said.items():
            campaign = self.campaigns.get(id)
            if campaign is None:
                continue
            if isinstance(view, Refusal) or isinstance(explained, Refusal):
                yield Violation("not answered", id, f"{view!r}, {explained!r}"[:300])
                continue
            for kind, found, right in (*_counts(campaign, view), *_reasons(campaign, explained)):
                if found != right:
                    yield Violation("counts differ", id, f"{kind}: {found}, and it is {right}")


def _outcome(ended: CallEnded, attempt: Attempt) -> str:
    claimed = attempt.claim.event
    if ended.answer_time is None:
        doubtful = claimed.joins and ended.reason is EndReason.UNKNOWN
        return ABANDONED if doubtful else str(ended.reason)
    untaken = (claimed.operator is not None or claimed.joins) and attempt.joined is None
    return ABANDONED if untaken or ended.reason is EndReason.EXTENSION_FAILED else ANSWERED


def _counts(campaign: RecordedCampaign, view: CampaignView) -> Iterator[tuple[str, object, object]]:
    statuses = Counter(campaign.statuses.get(place, LeadStatus.NEW) for place in range(len(campaign.leads)))
    yield "status", view.status, campaign.status
    yield "leads", view.leads, len(campaign.leads)
    yield "attempts", view.attempts, len(campaign.all)
    yield "in progress", view.in_progress, 0
    yield "answered", view.answered, sum(attempt.outcome in (ANSWERED, ABANDONED) for attempt in campaign.all)
    yield "by status", dict(view.by_status), dict(statuses)


def _reasons(campaign: RecordedCampaign, explained: CampaignExplained) -> Iterator[tuple[str, object, object]]:
    yield "leads explained", explained.leads, len(campaign.leads)
    yield "sum of reasons", sum(group.leads for group in explained.reasons), len(campaign.leads)
