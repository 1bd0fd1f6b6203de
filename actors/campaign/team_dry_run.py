"""What a campaign with operators would do, by the machines that do it: who is there stays, and takes calls. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from heapq import heappop, heappush
from math import inf

from msgspec.structs import replace

from actors.campaign import machine
from actors.campaign.answered import Answered, GiveUp, TakeCall
from actors.campaign.carriage import There
from actors.campaign.claims import BeginCall, CallOver, Claim, Joined, claims_of
from actors.campaign.crew import Crew
from actors.campaign.dry_run import Assumed, Carrier, Counting, Forecast, TooManyLooks
from actors.campaign.lines import Held, HeldLines
from actors.campaign.places import at
from actors.campaign.played_team import PlayedTeam
from actors.campaign.previews import SHOWN_FOR
from actors.campaign.record import Campaign, evolve, moment_of, tries_of
from actors.campaign.rulebook import RuleBook
from actors.campaign.team_claims import PACE, claim_for_team
from actors.campaign.waiting import AskForLines, ReturnLines
from actors.runtime.clock import Moment, utc
from actors.runtime.decision import Effect, SetTimer
from bus_schemas.call import CallConnected
from bus_schemas.campaign import CampaignAttemptEnded, CampaignEvent, CampaignStatus, Mode
from bus_schemas.host import Line
from bus_schemas.operator import OperatorStatus
from bus_schemas.trunk import TrunkState

MOST_TURNS, MOST_LOOKS_AT_OPERATORS = 50_000, 10_000_000  # in all turns: some ten seconds
S = OperatorStatus


class PlayedLines:
    """The lines that hosts would offer. `most`: at once."""

    def __init__(self, there: There, most: int | None) -> None:
        self.most, self._most = most, most if most is not None else inf
        up = (trunk for each in there.lines for trunk in each.trunks if trunk.state is not TrunkState.DOWN)
        self._channels = {trunk.name: (trunk.free, trunk.countries) for trunk in up}
        self._of: dict[str, list[Line]] = {}
        for each in there.lines:
            for slots in each.slots:
                if slots.user is not None and slots.online > slots.spent:
                    line = Line(slot=1, countries=slots.countries, region=slots.region, user=slots.user)
                    self._of.setdefault(slots.user, []).append(line)
            for slot, user in each.owned:
                trunks = (trunk for trunk in each.trunks if trunk.name in self._channels)
                found = (Line(slot=slot, trunk=trunk.name, countries=trunk.countries, user=user) for trunk in trunks)
                self._of.setdefault(user, []).extend(found)
        self._used = 0

    def users(self) -> frozenset[str]:
        """Who has one."""
        return frozenset(self._of)

    def channels(self) -> int:
        """How many could carry calls that wait."""
        return int(min(sum(free for free, _ in self._channels.values()), self._most))

    def offer(self, ask: AskForLines, in_use: int) -> list[Line]:
        """What is there of what is wanted. `in_use`: lines that are held, or carry calls."""
        found = self._for_whoever(ask) if ask.operators is None else self._of_operators(ask, ask.operators)
        return found[: max(int(min(self._most - in_use, ask.most)), 0)]

    def _of_operators(self, ask: AskForLines, users: Iterable[str]) -> list[Line]:
        fit = ([line for line in self._of.get(user, ()) if _may(line.countries, ask)] for user in sorted(users))
        return [lines[0] for lines in fit if lines]

    def _for_whoever(self, ask: AskForLines) -> list[Line]:
        found = list[Line]()
        for name, (free, countries) in self._channels.items():
            for _ in range(free if _may(countries, ask) else 0):
                self._used += 1
                found.append(Line(slot=None, trunk=name, countries=countries, offer=str(self._used)))
        return found

    def use(self, line: Line, by: int) -> None:
        """So many more channels of a line's trunk are used, or fewer."""
        if line.trunk in self._channels:
            free, countries = self._channels[line.trunk]
            self._channels[line.trunk] = free - by, countries


def _may(countries: Iterable[str], ask: AskForLines) -> bool:
    return ask.countries is None or not ask.countries.isdisjoint(countries)


What = tuple[str, Claim | str, Assumed | None]  # "answer" or "over", of a call; "ready", of a user


class TeamDryRun:
    """One dry run. `crew`: of `team`, of whom all stay; they wrap up for so many seconds after each call. `busy`: for
    how many who is in another call is so. `lines`: at once; None: as many as there are."""

    def __init__(
        self, campaign: Campaign, book: RuleBook, *, crew: Crew, team: PlayedTeam, there: There, carrier: Carrier,
        now: datetime, wrap_up: float, busy: float, lines: int | None = None,
    ) -> None:  # fmt: skip
        self._campaign, self._book, self._crew, self._team = campaign, book, crew, team
        self._selection = Counting(campaign)
        self.lines = PlayedLines(there, lines)
        self._held, self._answered = HeldLines(), Answered()
        self._carrier, self._wrap_up, self._now = carrier, wrap_up, now
        self._events: list[CampaignEvent] = []
        self._heap: list[tuple[datetime, int, What]] = []
        self._on: dict[int, Line] = {}  # the lines of calls, by place
        self._calls: dict[int, Assumed] = {}  # those that wait, by place
        self._turns = 0
        for claimed in claims_of(campaign):  # they go as others do
            self._begin(claimed, moment_of(tries_of(at(campaign.leads, claimed.place))[-1].began))
        in_calls = {seat.user for seat in campaign.crew.values() if seat.joined}
        for member in team.members.values():
            if member.status is not S.READY and member.user not in in_calls:
                seconds = wrap_up if member.status is S.WRAP_UP else busy
                self._push(moment_of(round((member.since + seconds) * 1000)), ("ready", member.user, None))

    def until(self, end: datetime) -> Forecast:
        """What would be until then. `idle`: seconds of operators. Raises TooManyLooks."""
        idle, moment = 0.0, self._turn()
        while moment is not None and moment < end:
            idle += (moment - self._now).total_seconds() * len(self._crew.free(self._campaign))
            self._now = moment
            while self._heap and self._heap[0][0] <= moment:
                self._happens(*heappop(self._heap)[2])
            moment = self._turn()
        idle += (end - self._now).total_seconds() * len(self._crew.free(self._campaign))
        return Forecast(campaign=self._campaign, events=tuple(self._events), idle=idle)

    def most(self) -> int:
        """How many calls there could be at once now: of operators who are there and have a line, by the mode."""
        settings, there = self._campaign.settings, self._team.working_for(self._campaign.campaign).there
        if settings.mode is Mode.PREVIEW or not self._crew.joins(self._campaign):
            have = sum(member.user in self.lines.users() for member in there)
            return have if self.lines.most is None else min(have, self.lines.most)
        channels = self.lines.channels() + self._campaign.open
        mode = self._crew.pace(self._campaign, self._now).mode
        if mode is Mode.PREDICTIVE:
            return channels
        return min(int((settings.ratio if mode is Mode.POWER else 1.0) * len(there)), channels)

    def offered(self, users: Iterable[str]) -> Mapping[str, str]:
        """The lead that each of these would be shown next, in preview."""
        found, now = dict[str, str](), self._moment()
        places = {**self._crew.previews.kept_from("", now.seconds, self._campaign.skipped)}
        for user in users:
            if (shown := self._crew.previews.of(user, now.seconds)) is not None:
                found[user], places[shown.place] = shown.lead, shown.until
        for user in users:
            if user in found:
                continue
            one = machine.preview(
                self._campaign, self._selection, self._book, user, now, seconds=SHOWN_FOR, shown=places
            )
            if one is not None:
                found[user], places[one[0]] = at(self._campaign.leads, one[0]).id, now.seconds + SHOWN_FOR
        return found

    # --- turns

    def _turn(self) -> datetime | None:
        """All that would be done now. When the next thing happens; None: nothing more does."""
        later = dict[str, float]()
        while self._campaign.status is CampaignStatus.RUNNING:
            self._turns += 1
            if self._turns > min(MOST_TURNS, MOST_LOOKS_AT_OPERATORS // max(len(self._team.members), 1)):
                raise TooManyLooks
            if self._seat(later):
                continue
            decision = claim_for_team(
                self._crew, self._campaign, self._selection, self._book, self._held, self._answered.places,
                self._moment(),
            )  # fmt: skip
            self._record(decision.events)
            begun = [self._do(effect, later) for effect in decision.effects]
            if not decision.events and not any(begun) and later.get(machine.NEXT) != 0.0:
                break
            later.pop(machine.NEXT, None)
        if self._campaign.settings.mode is not Mode.PREDICTIVE:
            later.pop(PACE, None)  # of the others nothing changes with time alone
        moments = [self._now + timedelta(seconds=seconds) for seconds in later.values()]
        return min([*moments, *([self._heap[0][0]] if self._heap else [])], default=None)

    def _do(self, effect: Effect, later: dict[str, float]) -> bool:
        """Whether something can follow at once."""
        match effect:
            case BeginCall(claim=claim, line=line) if line is not None:
                self._on[claim.place] = line.line
                self._begin(claim, self._now)
            case AskForLines():
                offered = self.lines.offer(effect, len(self._held) + self._campaign.open)
                self._hold(offered)
                return bool(offered)
            case ReturnLines(lines=lines):
                for held in self._held.drain() if lines is None else lines:
                    self.lines.use(held.line, -1)
            case SetTimer():
                later[effect.name] = effect.seconds
        return False

    def _hold(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self.lines.use(line, 1)
            self._held.add([Held("", line, inf)])

    def _seat(self, later: dict[str, float]) -> bool:
        """Whether somebody takes a call that waits, or it is given up."""
        if not self._answered:
            return False
        decision = self._answered.next(self._campaign, self._crew.free(self._campaign), self._moment())
        self._record(decision.events)
        for effect in decision.effects:
            match effect:
                case TakeCall(claim=claim):
                    self._join(claim, self._calls[claim.place])
                case GiveUp(claim=claim):
                    self._over(claim, replace(self._calls[claim.place], talked=0))
                case SetTimer():
                    later[effect.name] = effect.seconds
        return any(isinstance(effect, TakeCall | GiveUp) for effect in decision.effects)

    # --- calls

    def _begin(self, claimed: Claim, began: datetime) -> None:
        call = self._carrier(claimed)
        seat = self._campaign.crew.get(claimed.place)
        if not call.answered or (seat is not None and seat.joined):
            self._push(began + timedelta(seconds=call.seconds), ("over", claimed, call))
        else:
            self._push(began + timedelta(seconds=call.seconds - call.talked), ("answer", claimed, call))

    def _happens(self, what: str, whom: Claim | str, call: Assumed | None) -> None:
        if isinstance(whom, str):
            self._ready(whom)
        elif call is not None and what == "over":
            self._over(whom, call)
        elif call is not None and whom.joins:
            connected = CallConnected(
                line="", call_id=whom.command_id, slot=None, user=whom.user, at=utc(self._now), mono=0.0, boot="dry",
                ref="",
            )  # fmt: skip
            self._calls[whom.place] = call
            self._answered.add(whom, connected)
        elif call is not None:
            self._join(whom, call)

    def _join(self, claim: Claim, call: Assumed) -> None:
        assert claim.operator is not None
        joined = Joined(place=claim.place, attempt=claim.attempt, user=claim.operator, call_id=claim.command_id)
        self._record(machine.joined(self._campaign, joined, self._moment()).events)
        self._answered.drop(claim.place)
        self._team.become(claim.operator, S.ON_CALL, self._now)
        self._push(self._now + timedelta(seconds=call.talked), ("over", claim, call))

    def _over(self, claim: Claim, call: Assumed) -> None:
        seat = self._campaign.crew.get(claim.place)
        over = CallOver(
            place=claim.place, attempt=claim.attempt, call_id=claim.command_id, reason=call.reason,
            answered=call.answered, talk_seconds=call.talked,
        )  # fmt: skip
        self._record(machine.ended(self._campaign, over, self._book, self._moment()).events)
        self._answered.drop(claim.place)
        if (line := self._on.pop(claim.place, None)) is not None:
            self.lines.use(line, -1)
        if seat is not None and seat.joined and seat.user is not None and seat.user in self._team.members:
            self._team.become(seat.user, S.WRAP_UP, self._now)
            self._push(self._now + timedelta(seconds=self._wrap_up), ("ready", seat.user, None))

    def _ready(self, user: str) -> None:
        if self._team.members[user].status is S.WRAP_UP:
            self._crew.wrapped_up(self._wrap_up)
        self._team.become(user, S.READY, self._now)

    def _record(self, events: Iterable[CampaignEvent]) -> None:
        for event in events:
            campaign = evolve(self._campaign, event)
            assert campaign is not None  # it was there before
            self._campaign = campaign
            self._selection.follow(campaign, event)
            if isinstance(event, CampaignAttemptEnded):
                self._crew.follow(campaign, event)
            self._events.append(event)

    def _push(self, when: datetime, what: What) -> None:
        self._turns += 1
        heappush(self._heap, (max(when, self._now), self._turns, what))

    def _moment(self) -> Moment:
        return Moment(at=utc(self._now), mono=self._now.timestamp(), boot="dry")
