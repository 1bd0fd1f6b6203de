"""Which lead is next. What is kept here follows from the campaign's record, and is made anew from it at each start.

Leads are looked at one after the other, callbacks whose time has come first, then by priority, then who has been ready
the longest. One that may not be called now is put away until it may: for each lead once, however long the rest waits.
So a claim costs the same with 100 leads and with 100,000.

Where all have to be looked at again (other rules, a beginning of numbers on a list), or many have waited for a moment,
each turn takes its piece of them. Until the last one nobody is taken by rules that are not in force any more, or before
somebody who goes first, and the campaign is not over.
"""

from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import lru_cache
from heapq import heappop, heappush
from itertools import islice
from math import ceil, inf

from msgspec import UNSET

from actors.campaign.places import at, each
from actors.campaign.record import CALLABLE, Campaign, Entry, all_numbers, milliseconds, stays, under_way
from actors.leads.lead import id_of
from actors.telephony.numbers import home_of
from bus_schemas.campaign import (
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignConfigured,
    CampaignEvent,
    CampaignLeadsAdded,
    CampaignResumed,
    CampaignStarted,
    Mode,
)
from bus_schemas.lead import (
    CampaignLeadChanged,
    CampaignLeadMarked,
    CampaignLeadMerged,
    CampaignLeadSkipped,
    CampaignLeadUnmerged,
    changes_in,
)

# What `_due` says of a lead beside seconds since 1970, and `inf`: time alone does not make it ready.
READY, OUT, TAKEN, PARKED = 0.0, -1.0, -2.0, -3.0
CALLBACKS = 1000  # above all priorities
SET_BACK = 60.0  # seconds by which a clock that runs back was set: what waits may not have to


PASS = 1000  # leads of one turn that are settled anew: half a millisecond
SEEK = 2000  # beginnings of numbers of one turn that are compared: the same
FEW = 16  # leads that wait for one moment, among whom one that waits for another is sought
OF_NO_CALL = frozenset({"name", "language", "custom", "assigned_seller"})  # of a lead
OF_NO_LEAD = frozenset({"mode", "ratio", "abandoned_share", "dispositions", "carriers", "weight", "priority"})


_key = lru_cache(maxsize=1024)(id_of)  # of entries of lists, of which each campaign asks that runs


class Selection:
    """The leads of one campaign that may be called, now or later. `lacking`: for how many of them there was no line."""

    def __init__(self, campaign: Campaign) -> None:
        self._left = 0
        self.lacking = 0
        self._rules = _rules(campaign)  # as of when the leads were last looked at
        self._settled = 0  # up to which place they are
        self._beginnings = set[str]()  # of numbers that are sought
        self._sought = self._to_seek = 0  # from which place on, in how many leads
        self._places: dict[str, int] = {}  # by ids: of leads, and of numbers
        self._given: dict[int, str] = {}  # the numbers of leads that have got others, by place
        self._due = array("d")  # by place
        self._ready: dict[int, deque[int]] = {}  # by rank; may hold places that are not ready any more
        self._waiting: dict[int, deque[int]] = {}  # by the second until which they wait; likewise
        self._times: list[int] = []  # a heap of those seconds
        self._taken: list[int] = []
        self._awaiting = dict[int, None]()  # whose operator was not ready when they were looked at last
        self._kept: dict[str, dict[int, None]] = {}  # for their operators, who look at leads; likewise
        self._parked: dict[tuple[str, str], dict[int, deque[int]]] = {}  # by home, then by rank; likewise
        self._homes = set[tuple[str, str]]()
        self._now = 0.0
        self._may_wake = PASS  # in this turn
        self._add(campaign)

    # --- whom there is

    def knows(self, campaign: Campaign, id: str) -> bool:
        """Whether it is the id of a lead, or of a number of one (`id_of`). A number that gave a lead its id, or that it
        was called on, stays that one's: so a list with it brings the lead in no second time, and no cap is got round
        by giving a number to another lead."""
        place = self._places.get(id)
        if place is None:
            return False
        entry = at(campaign.leads, place)  # which may have had it, and has it no more
        return id == entry.id or any(id == id_of(number) for number in all_numbers(entry))

    def place_of(self, campaign: Campaign, lead: str) -> int | None:
        """The place of a lead, by its id."""
        place = self._places.get(lead)
        return place if place is not None and at(campaign.leads, place).id == lead else None

    def whose(self, campaign: Campaign, number: str) -> int | None:
        """The place of the lead that has a number, E.164, or whose id is of it; where that was merged into another one,
        of that."""
        key = id_of(number)
        return stays(campaign, self._places[key]) if self.knows(campaign, key) else None

    def place_with(self, campaign: Campaign, number: str) -> int | None:
        """The place of the lead that has a number, E.164, or was called on it."""
        if (place := self._places.get(id_of(number))) is None:
            return None
        place = stays(campaign, place)
        return place if number in all_numbers(at(campaign.leads, place)) else None

    @property
    def left(self) -> int:
        """How many may be called by themselves, now or later; those that are to be looked at yet count."""
        return self._left + self.unsettled

    @property
    def unsettled(self) -> int:
        """How many leads are to be looked at yet, in the next turns."""
        return len(self._due) - self._settled + self._to_seek

    # --- who is next

    def take(self, campaign: Campaign, now: float) -> int | None:
        """The place of the lead that is to be looked at next; None: nobody is ready. `now`: seconds since 1970. What is
        neither claimed nor `put` away stays taken, until it is given back."""
        self._wake(campaign, now)
        while self._ready and self._settled == len(self._due) and self._may_wake:
            rank = max(self._ready)
            places = self._ready[rank]
            while places:
                place = places.popleft()
                if self._due[place] == READY and _rank(at(campaign.leads, place)) == rank:
                    self._become(place, TAKEN)
                    self._taken.append(place)
                    return place
            del self._ready[rank]
        return None

    def take_kept(self, campaign: Campaign, user: str, now: float) -> int | None:
        """The same of those that were kept for an operator, the first that was found. None: there is none."""
        self._wake(campaign, now)
        places = self._kept.get(user, {})
        while places:
            place = next(iter(places))
            del places[place]
            if READY <= self._due[place] < inf:
                self._become(place, TAKEN)
                self._taken.append(place)
                return place
        self._kept.pop(user, None)
        return None

    def keep(self, place: int, user: str) -> None:
        """The lead, which is put away for all others, is this operator's whenever they ask."""
        self._kept.setdefault(user, {})[place] = None

    def put(self, place: int, until: float | None) -> None:
        """The lead may not be called before then (seconds since 1970); None: time alone does not change that."""
        if until is None:
            self._become(place, inf)
        else:
            self._wait(place, until)

    def await_operator(self, place: int) -> None:
        """The lead is to be called by an operator who is not ready."""
        self._awaiting[place] = None

    def awaited(self, campaign: Campaign) -> list[tuple[str, str]]:
        """Take those that were found so since, PASS at most: their operators, and the leads. They are found again."""
        places = [*islice(self._awaiting, PASS)]
        for place in places:
            del self._awaiting[place]
        found = [at(campaign.leads, place) for place in places]
        return [(one.operator, one.id) for one in found if one.operator and not under_way(one)]

    def park(self, campaign: Campaign, place: int, e164: str, again: float) -> None:
        """The lead may be called, and no line may call this number. `again`: when one of several numbers is looked at
        once more (seconds since 1970), since by then another one of them may be callable."""
        entry = at(campaign.leads, place)
        numbers = entry.numbers.split(" ")
        self._become(place, PARKED)
        self._parked.setdefault(home_of(e164), {}).setdefault(_rank(entry), deque()).append(place)
        self._homes.update(map(home_of, numbers))
        if len(numbers) > 1:
            self._look_at(place, ceil(again))

    def unpark(self, campaign: Campaign, lines: Callable[[tuple[str, str]], int]) -> None:
        """As many are ready again as there are `lines` for numbers of their home, and those before all others that were
        there first."""
        for home, by_rank in list(self._parked.items()):
            found = [place for _ in range(lines(home)) if (place := self._unpark_one(by_rank)) is not None]
            for place in reversed(found):
                self._become(place, READY)
                self._ready.setdefault(_rank(at(campaign.leads, place)), deque()).appendleft(place)
            if not by_rank:
                del self._parked[home]

    def parked(self) -> frozenset[str]:
        """The countries, and parts of them, that lines would have to call for those who are parked."""
        return frozenset(part for home in self._parked for part in home) if self.lacking else frozenset()

    def homes(self) -> frozenset[tuple[str, str]]:
        """Those of all numbers of leads that are parked, or were."""
        return frozenset(self._homes)

    def put_back(self, campaign: Campaign) -> None:
        """Those that were taken and of which nothing came on record are ready again, before the others."""
        for place in reversed(self._taken):
            if self._due[place] == TAKEN:
                self._become(place, READY)
                self._ready.setdefault(_rank(at(campaign.leads, place)), deque()).appendleft(place)
        self._taken.clear()

    def give_back(self, campaign: Campaign) -> None:
        """A turn begins: those that were taken are put back, and a piece more is looked at of what has to be."""
        self.put_back(campaign)
        self._may_wake = PASS
        if self._settled < len(self._due):
            self._settle_some(campaign)
        elif self._to_seek:
            self._seek(campaign)

    @property
    def waking(self) -> bool:
        """Whether more of those who have waited wake in the next turns."""
        return not self._may_wake

    def any_ready(self) -> bool:
        """Whether it is worth a look."""
        return bool(self._ready) or self._settled < len(self._due)

    def any_due(self, now: float) -> bool:
        """The same, once those are awake whose time has come."""
        return self.any_ready() or (bool(self._times) and self._times[0] <= now)

    def next_time(self) -> int | None:
        """The second at which the next lead that waits is to be looked at."""
        return self._times[0] if self._times else None

    def waits_until(self, place: int) -> float | None:
        """The second at which a lead is looked at again. None: it waits for no time."""
        due = self._due[place]
        return due if 0 < due < inf else None

    # --- what has happened

    def follow(self, campaign: Campaign, event: CampaignEvent) -> None:
        """An event is on record, and the campaign is this now."""
        match event:
            case CampaignLeadsAdded():
                self._add(campaign)
            case CampaignAttemptClaimed():
                self._become(event.place, OUT)
            case CampaignAttemptEnded() | CampaignLeadMarked():
                self._settle(campaign, event.place, at(campaign.leads, event.place))
            case CampaignLeadSkipped():
                self.put(event.place, milliseconds(event.until) / 1000)
            case CampaignLeadChanged():
                self._change(campaign, event)
            case CampaignStarted() | CampaignResumed() | CampaignConfigured():
                if not isinstance(event, CampaignConfigured) or self._rules != _rules(campaign):
                    self.refresh(campaign)

    def _change(self, campaign: Campaign, event: CampaignLeadChanged) -> None:
        entry = at(campaign.leads, event.place)
        if event.numbers is not UNSET:
            self._know(campaign, event.place, entry)
            self._forget(event.place, entry)
        if isinstance(event, CampaignLeadMerged):
            self._settle(campaign, event.merged_place, at(campaign.leads, event.merged_place))
        elif isinstance(event, CampaignLeadUnmerged):
            self._settle(campaign, event.restored_place, at(campaign.leads, event.restored_place))
        if not changes_in(event).keys() <= OF_NO_CALL:
            self._settle(campaign, event.place, entry)

    def _know(self, campaign: Campaign, place: int, entry: Entry) -> None:
        """Its numbers lead to it, but for those of leads that were merged, whose they stay."""
        for number in all_numbers(entry):
            key = id_of(number)
            other = self._places.get(key, place)
            if key != entry.id and (other == place or other not in campaign.merged):
                self._places[key] = place

    def _forget(self, place: int, entry: Entry) -> None:
        """What it was given by the change before, was not called on and has no more leads nowhere. What it came with is
        left where it is (`knows`)."""
        kept = all_numbers(entry)
        for number in self._given.get(place, "").split():
            if number not in kept and (key := id_of(number)) != entry.id and self._places.get(key) == place:
                del self._places[key]
        self._given[place] = entry.numbers

    def refresh(self, campaign: Campaign) -> None:
        """The rules are others, or do-not-call lists were while it did not run: all have to be looked at again."""
        for kept in (self._ready, self._waiting, self._times, self._taken, self._kept, self._parked, self._homes):
            kept.clear()
        self._rules = _rules(campaign)
        self._due = array("d", [OUT]) * len(self._due)
        self._left = self.lacking = 0
        self._beginnings.clear()
        self._settled = self._to_seek = 0
        self._settle_some(campaign)

    def _settle_some(self, campaign: Campaign) -> None:
        first = self._settled
        self._settled = min(first + PASS, len(self._due))
        for place, entry in enumerate(islice(each(campaign.leads, first), PASS), first):
            if self._due[place] == OUT:  # else something has happened to it meanwhile
                self._settle(campaign, place, entry)

    def look_again(self, campaign: Campaign, entries: Collection[str]) -> None:
        """These numbers, and beginnings of numbers (`+44843*`), have come on a do-not-call list or off it: their leads
        have to be looked at again, also those that wait."""
        for entry in entries:
            if entry.endswith("*"):
                self._beginnings.add(entry[:-1])
            elif _key(entry) in self._places and (place := self.place_with(campaign, entry)) is not None:
                self._look_again_at(campaign, place, at(campaign.leads, place))
        if self._beginnings:
            self._to_seek = len(self._due)
            self._seek(campaign)

    def _seek(self, campaign: Campaign) -> None:
        """Round and round, until all leads were compared with the last beginning that has come."""
        lengths = {len(beginning) for beginning in self._beginnings}
        pieces = islice(each(campaign.leads, self._sought), min(max(SEEK // len(lengths), 1), self._to_seek))
        for place, entry in enumerate(pieces, self._sought):
            numbers = entry.numbers.split(" ")
            if any(number[:length] in self._beginnings for number in numbers for length in lengths):
                self._look_again_at(campaign, place, entry)
            self._sought, self._to_seek = place + 1, self._to_seek - 1
        if self._sought >= len(self._due):
            self._sought = 0
        if not self._to_seek:
            self._beginnings.clear()

    def _look_again_at(self, campaign: Campaign, place: int, entry: Entry) -> None:
        if self._due[place] not in (READY, OUT, TAKEN):
            self._settle(campaign, place, entry)

    def _add(self, campaign: Campaign) -> None:
        for _ in self.adding(campaign):
            pass

    def adding(self, campaign: Campaign) -> Iterator[None]:
        """Take in the leads that are not known yet, a piece at each step."""
        first = len(self._due)
        all_are = self._settled == first
        for place, entry in enumerate(each(campaign.leads, first), first):
            self._due.append(OUT)
            self._places[entry.id] = place
            self._know(campaign, place, entry)
            self._settle(campaign, place, entry)
            if place % PASS == PASS - 1:
                yield
        if all_are:
            self._settled = len(self._due)

    def _settle(self, campaign: Campaign, place: int, entry: Entry) -> None:
        """Where it belongs before the rules were asked."""
        if under_way(entry) or place < campaign.earlier or entry.status not in CALLABLE:
            self._become(place, OUT)
        elif entry.callback:
            self._wait(place, entry.callback / 1000)
        else:
            self._make_ready(place, entry)

    def _wake(self, campaign: Campaign, now: float) -> None:
        if now < self._now - SET_BACK:
            self.refresh(campaign)
        self._now = now
        while self._may_wake and self._times and (second := self._times[0]) <= now:
            waiting = self._waiting.get(second, deque())
            for place in [waiting.popleft() for _ in range(min(len(waiting), self._may_wake))]:
                self._may_wake -= 1
                if self._due[place] in (second, PARKED):
                    self._make_ready(place, at(campaign.leads, place))
            if not waiting:
                self._waiting.pop(heappop(self._times), None)

    def _make_ready(self, place: int, entry: Entry) -> None:
        self._become(place, READY)
        self._ready.setdefault(_rank(entry), deque()).append(place)

    def _wait(self, place: int, until: float) -> None:
        second = ceil(until)
        self._become(place, second)
        self._look_at(place, second)

    def _look_at(self, place: int, second: int) -> None:
        if second not in self._waiting:
            self._waiting[second] = deque()
            heappush(self._times, second)
        self._waiting[second].append(place)

    def _unpark_one(self, by_rank: dict[int, deque[int]]) -> int | None:
        while by_rank:
            rank = max(by_rank)
            places = by_rank[rank]
            while places:
                place = places.popleft()
                if self._due[place] == PARKED:
                    return place
            del by_rank[rank]
        return None

    def _leave(self, place: int, second: int) -> None:
        """It waits for that moment no more. Among many it is passed over when that comes; but a moment is kept as long
        as somebody waits, or who wants a callback ever anew fills the memory."""
        waiting = self._waiting.get(second)
        if waiting is not None and len(waiting) <= FEW:
            with suppress(ValueError):
                waiting.remove(place)
            if not waiting:
                del self._waiting[second]

    def _become(self, place: int, due: float) -> None:
        if READY < (before := self._due[place]) < inf:
            self._leave(place, int(before))
        self._left += (due not in (OUT, inf)) - (self._due[place] not in (OUT, inf))
        self.lacking += (due == PARKED) - (self._due[place] == PARKED)
        self._due[place] = due


def _rules(campaign: Campaign) -> tuple[object, ...]:
    """What of its settings decides whether and when a lead is called; what operators look at or have skipped waits in
    preview mode alone."""
    settings = campaign.settings
    others = (getattr(settings, name) for name in settings.__struct_fields__ if name not in OF_NO_LEAD)
    return (settings.mode is Mode.PREVIEW, *others)


def _rank(entry: Entry) -> int:
    return CALLBACKS if entry.callback else entry.priority
