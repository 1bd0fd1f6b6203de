"""What a campaign has learnt of its lists and its operators, from every call, so that it can look ahead. Pure; small
and bounded (15 kB as JSON): it goes into the campaign's snapshots.

Each observation is a function from what was known to what is known. All of it forgets, and so follows what changes.
"""

from msgspec import Struct
from msgspec.structs import replace

from actors.campaign.durations import Durations, guessed, seen
from actors.campaign.tally import Tally, counted

HOURS = 24
MOST_LISTS = 16  # whose hours are kept; the one with the fewest dials lately is forgotten first
RATE_MEMORY = 400.0  # dials: what lies so far back counts 1/e
DURATION_MEMORY = 300.0  # talks, wrap-ups, rings: likewise
GUESS = 10.0  # observations that a guessed duration is worth
LEAST_RATE = 0.02  # with a lower one a campaign would dial all it can, and people may be at home again
SHRINKAGE = 50.0  # dials of an hour of a list that the rate of all is worth
UNKNOWN = "\n"  # stands for all lists of which nothing is known; none has such a name


class Rate(Struct, frozen=True, array_like=True):
    """How many dials, and how many of them a live person answered, newer ones counting more."""

    dials: float = 0.0
    answered: float = 0.0


class Learnt(Struct, frozen=True, kw_only=True):
    """`overall`: all dials of late. `lists`: by list, for each hour of the day. What it begins with are guesses."""

    overall: Rate = Rate(20.0, 6.0)
    lists: dict[str, tuple[Rate, ...]] = {}
    answered_ring: Durations = guessed(10.0, GUESS)
    unanswered_ring: Durations = guessed(20.0, GUESS)
    talk: Durations = guessed(120.0, GUESS)
    wrap: Durations = guessed(20.0, GUESS)
    tally: Tally = Tally()


def dial_answered(learnt: Learnt, *, of_list: str, hour: int, day: int, ring: float) -> Learnt:
    """A live person answered after `ring` seconds. `hour`: of the day, 0 to 23. `day`: a count of days."""
    rung = seen(learnt.answered_ring, ring, DURATION_MEMORY)
    return replace(_dialled(learnt, of_list, hour, 1), answered_ring=rung, tally=counted(learnt.tally, day, answered=1))


def dial_unanswered(learnt: Learnt, *, of_list: str, hour: int, ring: float) -> Learnt:
    """A dial ended otherwise, by itself, after `ring` seconds: busy, rung out, a machine. One that the campaign gave
    up says nothing."""
    return replace(
        _dialled(learnt, of_list, hour, 0), unanswered_ring=seen(learnt.unanswered_ring, ring, DURATION_MEMORY)
    )


def dial_counted(learnt: Learnt, *, of_list: str, hour: int, answered: bool) -> Learnt:
    """A dial of which only that is known."""
    return _dialled(learnt, of_list, hour, int(answered))


def call_abandoned(learnt: Learnt, *, day: int) -> Learnt:
    """No operator took an answered call in time."""
    return replace(learnt, tally=counted(learnt.tally, day, abandoned=1))


def talk_ended(learnt: Learnt, seconds: float) -> Learnt:
    """An operator has talked so long."""
    return replace(learnt, talk=seen(learnt.talk, seconds, DURATION_MEMORY))


def wrap_ended(learnt: Learnt, seconds: float) -> Learnt:
    """An operator was ready so long after the talk."""
    return replace(learnt, wrap=seen(learnt.wrap, seconds, DURATION_MEMORY))


def answer_rate(learnt: Learnt, of_list: str, hour: int) -> float:
    """The probability that a live person answers a dial: the mean of a Beta whose prior is the rate of all lately,
    worth SHRINKAGE dials, and whose observations are those of this list in this hour of the day."""
    hours = learnt.lists.get(of_list)
    here = hours[hour] if hours else Rate()
    prior = SHRINKAGE * learnt.overall.answered / learnt.overall.dials
    return max((here.answered + prior) / (here.dials + SHRINKAGE), LEAST_RATE)


def known_as(learnt: Learnt, of_list: str) -> str:
    """Itself, or UNKNOWN, whose rate it has: there may be as many lists as leads."""
    return of_list if of_list in learnt.lists else UNKNOWN


def _dialled(learnt: Learnt, of_list: str, hour: int, answered: int) -> Learnt:
    hours = learnt.lists.get(of_list) or (Rate(),) * HOURS
    hours = (*hours[:hour], _one_more(hours[hour], answered), *hours[hour + 1 :])
    lists = _without_the_least({**learnt.lists, of_list: hours}, of_list)
    return replace(learnt, overall=_one_more(learnt.overall, answered), lists=lists)


def _one_more(rate: Rate, answered: int) -> Rate:
    keep = 1 - 1 / RATE_MEMORY
    return Rate(keep * rate.dials + 1, keep * rate.answered + answered)


def _without_the_least(lists: dict[str, tuple[Rate, ...]], newest: str) -> dict[str, tuple[Rate, ...]]:
    if len(lists) > MOST_LISTS:
        others = (name for name in lists if name != newest)
        del lists[min(others, key=lambda name: sum(hour.dials for hour in lists[name]))]
    return lists
