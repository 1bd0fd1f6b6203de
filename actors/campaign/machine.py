"""A campaign's machine: what is asked of it and what happens decides what goes on record. Pure.

A lead's attempt is claimed on record first, with the command that asks for its call; the call is asked for afterwards,
once. Whoever finds an attempt in progress that it has not begun itself asks what became of that command, and never
dials anew. Only a running campaign claims, so from the record that it was stopped on no attempt begins.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Never

from msgspec import Struct

from actors.campaign.claims import (
    BeginCall,
    CallOver,
    Claim,
    EndCall,
    FindCall,
    Joined,
    NotBegun,
    claims_of,
    command_of,
)
from actors.campaign.intake import added, new_leads
from actors.campaign.lines import Held, Lines, must_be_carriers
from actors.campaign.places import at
from actors.campaign.record import (
    CALLABLE,
    NOT_DIALED,
    OVER,
    Campaign,
    Entry,
    Seat,
    anybody_left,
    size,
    tried,
    tries_of,
    under_way,
)
from actors.campaign.rulebook import RuleBook, must_be_rules
from actors.campaign.seats import Seats
from actors.campaign.selection import Selection
from actors.campaign.standing import Stand, Standing, standing
from actors.leads.rows import Outcome
from actors.runtime.clock import Moment, parse_utc
from actors.runtime.decision import NOTHING, Decision, SetTimer
from actors.runtime.moments import must_come
from bus_schemas.call import EndReason
from bus_schemas.campaign import (
    ABANDONED,
    ANSWERED,
    CAMPAIGN_IS_ARCHIVED,
    MOST_LEADS,
    OUTCOMES,
    CampaignArchived,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignAttemptJoined,
    CampaignConfigured,
    CampaignCreated,
    CampaignDraining,
    CampaignEvent,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CampaignRun,
    CampaignSettings,
    CampaignStarted,
    CampaignStatus,
    CampaignStopped,
    CampaignStopping,
    StopMode,
)
from bus_schemas.do_not_call import NO_CAMPAIGNS
from bus_schemas.errors import ErrorCode, RefusalTemplate, misfit
from bus_schemas.lead import CampaignLeadMarked, LeadStatus

LINE_COMES = 1.0  # seconds until a lead whose operator is ready, and has no line yet, is looked at again
LOOKS = 200  # leads that are looked at in one turn: some milliseconds
BETWEEN = 0.005  # seconds between turns that look through all leads
LOOKS_UP = 60.0  # seconds for which one that waits for a time does not look at the clock
LINE_PAUSE = 30.0  # seconds until a lead of several numbers is looked at again, none of which a line may call
NEXT = "next"  # the timer after which a campaign is to claim again

DRAINS = RefusalTemplate(ErrorCode.CONFLICT, "The campaign is being stopped, and calls of it are in progress.")
STOPPED_MEANWHILE = RefusalTemplate(
    ErrorCode.CONFLICT, "The campaign was stopped while its leads were being added. Those that are new were not."
)
NOT_ADDED = RefusalTemplate(
    ErrorCode.CONFLICT, "The campaign is over, or being stopped. To have it run again with the new leads, say `run`."
)
RUN_IS_OVER = RefusalTemplate(ErrorCode.CONFLICT, "The run that the lead is of is over: it calls nobody any more.")
NOT_OVER = RefusalTemplate(ErrorCode.CONFLICT, "The campaign is not over. Stop it first.")
EXISTS = RefusalTemplate(ErrorCode.CONFLICT, "There is a campaign of this id, with other settings.")
NOT_RUNNING = RefusalTemplate(ErrorCode.CONFLICT, "The campaign does not run.")
NOBODY_LEFT = RefusalTemplate(ErrorCode.CONFLICT, "The campaign has no lead that is left to be called. Give it some.")

CampaignDecision = Decision[CampaignEvent, Never]
S = CampaignStatus


class Ran(Struct, frozen=True, kw_only=True):
    """What a run leads to, and its answer."""

    decision: CampaignDecision
    answer: CampaignRun


# --- what is asked ------------------------------------------------------------------------------------------------


def create(
    id: str, campaign: Campaign | None, settings: CampaignSettings | None, by: str, now: Moment
) -> CampaignDecision:
    """A new campaign; one that is as wanted stays so. `settings`: None: those it has, else the usual ones. Raises
    Refusal: INVALID_PARAMS for settings, or an id, that cannot be, CONFLICT where there is another one."""
    if campaign is not None and settings in (None, campaign.settings):
        return NOTHING
    wanted = settings or CampaignSettings()
    must_be_rules(wanted)
    must_be_carriers(wanted)
    if campaign is not None:
        raise EXISTS()
    if id in NO_CAMPAIGNS:
        raise misfit("campaign_id", "the do-not-call list of this name is for all calls, and not a campaign's.")
    return Decision(events=(CampaignCreated(campaign=id, at=now.at, by=by, settings=wanted),))


def run(
    id: str, campaign: Campaign | None, selection: Selection | None, given: Sequence[Outcome], by: str, now: Moment, *,
    goes_on: bool = False,
) -> Ran:  # fmt: skip
    """Have a campaign run, with these rows: one that is new or a draft, with those that it has; one that is paused,
    from where it was; one that is over, with the new leads alone, so without any it stays as it is. `goes_on`: they are
    more of a list whose first rows had it run, so what somebody has said since stays. Raises Refusal."""
    if not 0 < len(given) <= MOST_LEADS:
        raise misfit("leads", f"1 to {MOST_LEADS:,} leads at once, and not {len(given):,}")
    if campaign is not None and campaign.status is S.DRAINING:
        raise DRAINS()
    if campaign is not None and campaign.status is S.ARCHIVED:
        raise CAMPAIGN_IS_ARCHIVED()
    if campaign is not None and campaign.status is S.STOPPED and goes_on:
        raise STOPPED_MEANWHILE()
    found = new_leads(campaign, selection, given)
    made = () if campaign is not None else create(id, None, None, by, now).events
    first = size(campaign) if campaign is not None else 0
    status = campaign.status if campaign is not None else S.DRAFT
    stays = goes_on and status is S.PAUSED
    new = bool(found.leads)
    begun = () if stays else _begun(id, status, first, new=new, goes_on=goes_on, by=by, now=now)
    answer = CampaignRun(
        campaign_id=id, status=S.RUNNING if begun else status, accepted=len(found.leads), duplicates=found.duplicates,
        invalid=tuple(found.invalid),
    )  # fmt: skip
    # The run begins before its leads: where a crash cuts them off, those on record are of it, whoever repeats the rest.
    events = (*made, *begun, *added(id, first, found.leads, by, now))
    return Ran(decision=Decision(events=events, effects=_look_soon(events)), answer=answer)


def add(campaign: Campaign, selection: Selection | None, given: Sequence[Outcome], by: str, now: Moment) -> Ran:
    """Add these rows to a campaign that is not over, and leave it as it is otherwise. Raises Refusal(CONFLICT)."""
    if campaign.status is S.DRAINING or campaign.status in OVER:
        raise NOT_ADDED(status=campaign.status)
    found = new_leads(campaign, selection, given)
    answer = CampaignRun(
        campaign_id=campaign.campaign, status=campaign.status, accepted=len(found.leads),
        duplicates=found.duplicates, invalid=tuple(found.invalid),
    )  # fmt: skip
    events = tuple(added(campaign.campaign, size(campaign), found.leads, by, now))
    return Ran(decision=Decision(events=events, effects=_look_soon(events)), answer=answer)


def pause(campaign: Campaign, by: str, now: Moment) -> CampaignDecision:
    """Begin no attempt until it is resumed; calls go on. Raises Refusal(CONFLICT)."""
    if campaign.status is S.PAUSED:
        return NOTHING
    if campaign.status is not S.RUNNING:
        raise NOT_RUNNING(status=campaign.status)
    return Decision(events=(CampaignPaused(campaign=campaign.campaign, at=now.at, by=by),))


def resume(campaign: Campaign, by: str, now: Moment) -> CampaignDecision:
    """Go on after a pause, begin with the leads of a draft, or look again at those who are left of the last run of one
    that has finished: other settings may let it call them. Raises Refusal(CONFLICT), also where nobody is left."""
    status = campaign.status
    if status is S.RUNNING:
        return NOTHING
    if status not in (S.PAUSED, S.DRAFT, S.FINISHED):
        raise NOT_RUNNING(status=status)
    if status is not S.PAUSED and not anybody_left(campaign):
        raise NOBODY_LEFT(status=status)
    begins = CampaignStarted(campaign=campaign.campaign, at=now.at, by=by, earlier=0)
    goes_on = CampaignResumed(campaign=campaign.campaign, at=now.at, by=by)
    events = (begins if status is S.DRAFT else goes_on,)
    return Decision(events=events, effects=_look_soon(events))


def stop(campaign: Campaign, mode: StopMode, by: str, now: Moment) -> CampaignDecision:
    """Begin no attempt any more. Calls in progress go on to their end, or are hung up, also when they were let go on
    before. One that is over stays as it is. One that runs is paused first: a pause calls off what is not dialled yet.
    """
    id, status = campaign.campaign, campaign.status
    if status in OVER:
        return NOTHING
    if not campaign.open:
        return Decision(events=(CampaignStopped(campaign=id, at=now.at, by=by),))
    if status is S.DRAINING and mode in (campaign.mode, StopMode.DRAIN):
        return NOTHING
    halt = (CampaignPaused(campaign=id, at=now.at, by=by),) if status is S.RUNNING else ()
    event = CampaignDraining(campaign=id, at=now.at, by=by, mode=mode, in_progress=campaign.open)
    return Decision(events=(*halt, event), effects=_ends(campaign) if mode is StopMode.HANGUP else ())


def stopping(campaign: Campaign) -> CampaignStopping:
    """The answer to a stop, from the state after it. One whose last call has ended is stopped, also where just that is
    not on record yet."""
    status = S.STOPPED if campaign.status is S.DRAINING and not campaign.open else campaign.status
    return CampaignStopping(campaign_id=campaign.campaign, status=status, in_progress=campaign.open)


def archive(campaign: Campaign, by: str, now: Moment) -> CampaignDecision:
    """Keep it for the records alone. Raises Refusal(CONFLICT) for one that could still call somebody."""
    if campaign.status is S.ARCHIVED:
        return NOTHING
    if campaign.status not in OVER | {S.DRAFT}:
        raise NOT_OVER(status=campaign.status)
    return Decision(events=(CampaignArchived(campaign=campaign.campaign, at=now.at, by=by),))


def configure(campaign: Campaign, settings: CampaignSettings, by: str, now: Moment) -> CampaignDecision:
    """Change the settings, of whatever campaign that may run again. Raises Refusal: INVALID_PARAMS, which names the
    field; CONFLICT for one that is archived."""
    if campaign.status is S.ARCHIVED:
        raise CAMPAIGN_IS_ARCHIVED()
    must_be_rules(settings, within="")
    must_be_carriers(settings, within="")
    if settings == campaign.settings:
        return NOTHING
    events = (CampaignConfigured(campaign=campaign.campaign, at=now.at, by=by, settings=settings),)
    return Decision(events=events, effects=_look_soon(events))


def mark(
    campaign: Campaign, place: int, status: LeadStatus, by: str, now: Moment, *,
    callback: str | None = None, operator: str | None = None, disposition: str | None = None,
) -> CampaignDecision:  # fmt: skip
    """Say what becomes of a lead: an operator's disposition, or a wish of the lead's. `callback`: UTC, with the status
    of that name. Raises Refusal: INVALID_PARAMS; CONFLICT where it is to be called and never would be."""
    if (status is LeadStatus.CALLBACK) != (callback is not None):
        raise misfit("callback", "a time belongs to the status `callback`, and to no other")
    if callback is not None:
        must_come(callback, "callback", now.at)
    if status in CALLABLE and (campaign.status in OVER or place < campaign.earlier):
        raise RUN_IS_OVER()
    event = CampaignLeadMarked(
        campaign=campaign.campaign, at=now.at, by=by, lead=at(campaign.leads, place).id, place=place, status=status,
        callback=callback, operator=operator, disposition=disposition,
    )  # fmt: skip
    return Decision(events=(event,), effects=_look_soon((event,)))


# --- what happens -------------------------------------------------------------------------------------------------


def claim(
    campaign: Campaign, selection: Selection, book: RuleBook, dials: int, now: Moment, *,
    ready: Collection[str] | None = None, lines: Lines | None = None, hopeless: bool = False,
    seats: Seats | None = None,
) -> CampaignDecision:  # fmt: skip
    """Begin up to so many attempts, with the leads that are next; and finish, where nothing can be called any more. It
    looks at LOOKS leads at most, and then asks for its next turn (NEXT), as it does for when the next one waits for.
    `ready`: the operators who are; None: lines have no others than who sits at them. `lines`: None: they are not looked
    at. `hopeless`: for those whom none could call there is none at all. `seats`: calls wait for operators, on lines
    that are nobody's."""
    selection.give_back(campaign)
    if campaign.status is not S.RUNNING:
        return NOTHING
    if lines is not None and dials > 0:
        selection.unpark(campaign, lines.reaching)
    moment, events, begins = parse_utc(now.at), list[CampaignAttemptClaimed](), list[BeginCall]()
    passed = dials <= 0 and not campaign.open and not _anybody(campaign, selection, book, moment)
    for _ in range(LOOKS):
        place = selection.take(campaign, moment.timestamp()) if len(events) < dials else None
        if place is None:
            break
        found = standing(campaign, place, book, moment, ready, reach=lines.reach if lines is not None else None)
        line = _line(campaign, selection, place, found, lines, now, team=ready is not None, seats=seats)
        if found.number is not None and (line is not None or lines is None):
            operator = line.line.user if line is not None and ready is not None else None
            if seats is not None:
                operator = seats.take(at(campaign.leads, place).operator)
            events.append(_claimed(campaign, place, found.number, now, operator, joins=seats is not None))
            begins.append(_begin(campaign, events[-1], line))
    if not events and not campaign.open and selection.left == (selection.lacking if hopeless else 0):
        return Decision(events=(CampaignFinished(campaign=campaign.campaign, at=now.at),))
    more = passed or dials > len(events)
    return Decision(events=tuple(events), effects=(*begins, *_next_turn(selection, more, moment)))


def _anybody(campaign: Campaign, selection: Selection, book: RuleBook, now: datetime) -> bool:
    """Whether somebody was found who may be called. Who comes before and may not is put away, also while there is
    nothing to call with: else a campaign of which all is said would run until there is."""
    found = _first(campaign, selection, book, now, None)
    selection.put_back(campaign)
    return found is not None


def preview(
    campaign: Campaign, selection: Selection, book: RuleBook, user: str, now: Moment, *, seconds: float,
    shown: Mapping[int, float],
) -> tuple[int, str] | None:  # fmt: skip
    """The place and the number of the lead that is next for an operator to look at; for so many seconds nobody else
    gets it. `shown`: the places of those that others look at, until when (seconds since 1970), also where all leads
    were looked at again meanwhile. None: nobody may be called now."""
    selection.give_back(campaign)
    moment = parse_utc(now.at)
    found = _first(campaign, selection, book, moment, user, shown)
    if found is not None:
        selection.put(found[0], moment.timestamp() + seconds)
    return found


def look_through(campaign: Campaign, selection: Selection, book: RuleBook, now: Moment) -> CampaignDecision:
    """Put away who may not be called before the first who may, and finish where nobody is left: in preview mode, in
    which operators alone begin attempts."""
    selection.give_back(campaign)
    first = _first(campaign, selection, book, parse_utc(now.at), None)
    if first is None and not campaign.open and not selection.left:
        return Decision(events=(CampaignFinished(campaign=campaign.campaign, at=now.at),))
    return Decision(effects=_next_turn(selection, first is None, parse_utc(now.at)))


def _first(
    campaign: Campaign, selection: Selection, book: RuleBook, now: datetime, user: str | None,
    shown: Mapping[int, float] = MappingProxyType({}),
) -> tuple[int, str] | None:  # fmt: skip
    """The first lead that may be called, and its number; those before it are put away. It stays taken. `user`: the
    operator who asks, whose own come before others: one of another operator is passed over, and kept for that one.
    None: nobody asks who talks to it."""
    for _ in range(LOOKS):
        place = selection.take_kept(campaign, user, now.timestamp()) if user is not None else None
        place = selection.take(campaign, now.timestamp()) if place is None else place
        if place is None:
            return None
        if place in shown:
            selection.put(place, shown[place])
            continue
        found = standing(campaign, place, book, now, None if user is None else (user,))
        if found.number is not None:
            return place, found.number
        _put_away(selection, place, found)
        if found.reason == Stand.OPERATOR and (whose := at(campaign.leads, place).operator) is not None:
            selection.keep(place, whose)
    return None


def _put_away(selection: Selection, place: int, found: Standing) -> None:
    """The lead may not be called for now."""
    selection.put(place, found.until.timestamp() if found.until is not None else None)
    if found.reason == Stand.OPERATOR:
        selection.await_operator(place)


def begin(
    campaign: Campaign, book: RuleBook, place: int, user: str, now: Moment, lines: Lines
) -> CampaignDecision:
    """Begin the attempt that an operator wants on their line, if the lead may be called still."""
    if campaign.status is not S.RUNNING:
        return NOTHING
    found = standing(campaign, place, book, parse_utc(now.at), (user,))
    if found.number is None:
        return NOTHING
    line = lines.take(found.number, campaign.settings.carriers, now.mono, user)
    if line is None:
        return NOTHING
    event = _claimed(campaign, place, found.number, now, user)
    return Decision(events=(event,), effects=(_begin(campaign, event, line),))


def ended(campaign: Campaign, report: CallOver | NotBegun, book: RuleBook, now: Moment) -> CampaignDecision:
    """An attempt is over. Of one that is over already, or that is not the lead's last, nothing follows."""
    entry = at(campaign.leads, report.place)
    if not under_way(entry) or tried(entry) != report.attempt:
        return NOTHING
    over = report if isinstance(report, CallOver) else None
    outcome = _outcome(report, campaign.crew.get(report.place))
    event = CampaignAttemptEnded(
        campaign=campaign.campaign, at=now.at, lead=entry.id, place=report.place, attempt=report.attempt,
        outcome=outcome, status=_becomes(entry, outcome, book, campaign.settings),
        call_id=over.call_id if over else None, talk_seconds=over.talk_seconds if over and outcome != ABANDONED else 0,
        why=_why(report, outcome),
    )  # fmt: skip
    if campaign.status is S.DRAINING and campaign.open == 1:
        return Decision(events=(event, CampaignStopped(campaign=campaign.campaign, at=now.at)))
    return Decision(events=(event,), effects=_look_soon((event,)))


def joined(campaign: Campaign, report: Joined, now: Moment) -> CampaignDecision:
    """An operator has taken a call. Of an attempt that is over, or whose call was taken before, nothing follows."""
    entry, seat = at(campaign.leads, report.place), campaign.crew.get(report.place)
    if not under_way(entry) or tried(entry) != report.attempt or seat is None or seat.joined:
        return NOTHING
    event = CampaignAttemptJoined(
        campaign=campaign.campaign, at=now.at, lead=entry.id, place=report.place, attempt=report.attempt,
        operator=report.user, call_id=report.call_id,
    )  # fmt: skip
    return Decision(events=(event,))


def taken_over(campaign: Campaign, now: Moment) -> CampaignDecision:
    """A new owner finds out what became of the attempts in progress, and goes on, also where the one before was about
    to say that it was stopped."""
    if campaign.status is S.DRAINING and not campaign.open:
        return Decision(events=(CampaignStopped(campaign=campaign.campaign, at=now.at),))
    finds = (FindCall(claim=claim) for claim in claims_of(campaign))
    ends = _ends(campaign) if campaign.mode is StopMode.HANGUP else ()
    return Decision(effects=(*finds, *ends, SetTimer(name=NEXT, seconds=0.0)))


# --- attempts -----------------------------------------------------------------------------------------------------


def _begun(
    id: str, status: CampaignStatus, leads: int, *, new: bool, goes_on: bool, by: str, now: Moment
) -> tuple[CampaignStarted | CampaignResumed, ...]:
    """What makes a campaign run. `leads`: those that it had, which are of the same run where it `goes_on`."""
    if status is S.PAUSED or (status is S.FINISHED and new and goes_on):
        return (CampaignResumed(campaign=id, at=now.at, by=by),)
    if status is S.DRAFT or (status in OVER and new):
        return (CampaignStarted(campaign=id, at=now.at, by=by, earlier=leads if status in OVER else 0),)
    return ()


def _claimed(
    campaign: Campaign, place: int, number: str, now: Moment, operator: str | None = None, *, joins: bool = False
) -> CampaignAttemptClaimed:
    entry = at(campaign.leads, place)
    attempt = tried(entry) + 1
    return CampaignAttemptClaimed(
        campaign=campaign.campaign, at=now.at, lead=entry.id, place=place, attempt=attempt, number=number,
        command_id=command_of(campaign.campaign, entry.id, attempt), operator=operator, joins=joins,
    )  # fmt: skip


def _ends(campaign: Campaign) -> tuple[EndCall, ...]:
    return tuple(EndCall(claim=claim) for claim in claims_of(campaign))


def _line(
    campaign: Campaign, selection: Selection, place: int, found: Standing, lines: Lines | None, now: Moment, *,
    team: bool, seats: Seats | None = None,
) -> Held | None:  # fmt: skip
    """The line for a lead, which is put aside where it may not be called, or no line may call it; of a `team` that of
    the operator who is to call back, if calls do not wait for one of their `seats`."""
    if found.number is None:
        _put_away(selection, place, found)
        return None
    if lines is None:
        return None
    if seats is not None and not seats.bears(found.number):  # it stays the next one
        return None
    operator = at(campaign.leads, place).operator if team else None
    if seats is not None and not seats.may_have(operator):
        selection.put(place, now.seconds + LINE_COMES)
        return None
    whose = operator if seats is None else None
    line = lines.take(found.number, campaign.settings.carriers, now.mono, whose)
    if line is None and whose is not None:  # they are ready, and their line is on its way
        selection.put(place, now.seconds + LINE_COMES)
    elif line is None:
        selection.park(campaign, place, found.number, now.seconds + LINE_PAUSE)
    return line


def _begin(campaign: Campaign, event: CampaignAttemptClaimed, line: Held | None) -> BeginCall:
    claim = Claim(
        place=event.place, attempt=event.attempt, number=event.number, command_id=event.command_id, user=campaign.by,
        lead=event.lead, operator=event.operator, joins=event.joins,
    )  # fmt: skip
    return BeginCall(claim=claim, of_list=at(campaign.leads, event.place).source, line=line)


def _next_turn(selection: Selection, wants_more: bool, now: datetime) -> tuple[SetTimer, ...]:
    """When to claim again: at once where leads are ready that were not looked at, else when the next one is. Where all
    dials were used that is when there are more."""
    until = selection.next_time()
    if selection.unsettled or selection.waking:
        return (SetTimer(name=NEXT, seconds=BETWEEN),)
    if not wants_more or (until is None and not selection.any_ready()):
        return ()
    wait = 0.0 if selection.any_ready() or until is None else pause_until(until, now.timestamp())
    return (SetTimer(name=NEXT, seconds=wait),)


def pause_until(until: float, now: float) -> float:
    """Seconds to wait until a moment, but for a look now and then: somebody may set the clock on meanwhile."""
    return min(max(until - now, 0.0), LOOKS_UP)


def _look_soon(events: Sequence[CampaignEvent]) -> tuple[SetTimer, ...]:
    return (SetTimer(name=NEXT, seconds=0.0),) if events else ()


def _outcome(report: CallOver | NotBegun, seat: Seat | None) -> str:
    """`seat`: of the operator who was to take the call, if one was. One that waited for whoever is ready, of which
    nobody knows the end, may have been answered in vain, so it was: when in doubt the cap counts it, and the lead has
    its quiet."""
    if isinstance(report, NotBegun):
        return str(EndReason.INVALID_NUMBER if report.never else EndReason.NOT_DIALED)
    untaken = seat is not None and not seat.joined
    if report.answered:
        return ABANDONED if untaken or report.reason is EndReason.EXTENSION_FAILED else ANSWERED
    doubtful = report.reason is EndReason.UNKNOWN and seat is not None and seat.joins
    return ABANDONED if doubtful else str(report.reason)


def _why(report: CallOver | NotBegun, outcome: str) -> str:
    """Why an attempt came to nobody who talked, in words."""
    if outcome == ANSWERED:
        return ""
    if outcome != ABANDONED or isinstance(report, NotBegun):
        return report.why
    if not report.answered:
        return f"Whether it was answered is not known: {report.why}"
    if report.reason is EndReason.EXTENSION_FAILED:
        return f"The extension did not take it: {report.why}"
    return "No operator took it in time."


def _becomes(entry: Entry, outcome: str, book: RuleBook, settings: CampaignSettings) -> LeadStatus:
    """What an outcome makes of a lead, unless somebody has said that meanwhile."""
    if entry.said:
        return entry.status
    if outcome == ANSWERED:
        return LeadStatus.DONE
    if outcome == NOT_DIALED and entry.callback:
        return LeadStatus.CALLBACK
    now = tries_of(entry)[-1].number
    ends = {(each.number, OUTCOMES[each.outcome - 1]) for each in tries_of(entry)[:-1]} | {(now, outcome)}
    finals = (book.rules_for(number, settings).final for number in entry.numbers.split(" "))
    dead = all(any((place, end) in ends for end in final) for place, final in enumerate(finals))
    return LeadStatus.INVALID if dead else LeadStatus.IN_PROGRESS
