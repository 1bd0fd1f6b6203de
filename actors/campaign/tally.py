"""What share of the answers nobody took, over a campaign's last 30 days, and what share the next ones may have. Pure.

It is counted as 16 CFR 310.4(b)(4) counts it: abandoned of all that a live person answered, per campaign and 30 days.
"""

from itertools import accumulate

from msgspec import Struct

DAYS = 30
AIM = 0.95  # of the cap: what is left is for chance
BUFFER = 5.0  # abandoned calls: so many fewer than aimed at double what may be expected, so many more end it
MOST = 2.0  # times what is aimed at: no stretch of calls is worse, whatever was saved before it
GUARD = 3.0  # abandoned calls: nearer to the cap than that (and one), less and less is expected

# `allowed_share` is filled up: dials are added whenever what is expected falls below it by good luck, and bad luck
# stays. So about twice as many are abandoned as were expected at the last dial (simulated: 2.0 times with 10 operators,
# 2.3 with 40). What this is wrong by, the surplus mends: it needs only be right enough for that to stay near 0.
FILLED = 0.5


class Day(Struct, frozen=True, array_like=True):
    """`day`: a count of days. `answered`: by a live person, the abandoned among them."""

    day: int
    answered: int = 0
    abandoned: int = 0


class Tally(Struct, frozen=True, array_like=True):
    """The days on which something was answered, of the last 30, the newest last."""

    days: tuple[Day, ...] = ()


def counted(tally: Tally, day: int, *, answered: int = 0, abandoned: int = 0) -> Tally:
    """So many more on this day. A day before the newest counts as the newest: clocks are set back."""
    *before, last = window(tally, day)
    today = Day(last.day, last.answered + answered, last.abandoned + abandoned)
    return Tally((*before, today))


def window(tally: Tally, day: int) -> tuple[Day, ...]:
    """The days of the 30 that end with this one; itself the last, with or without answers."""
    if not tally.days or tally.days[-1].day < day:
        return (*(each for each in tally.days if each.day > day - DAYS), Day(day))
    return tally.days


def totals(tally: Tally, day: int) -> tuple[int, int]:
    """Answered and abandoned in the 30 days that end with this one."""
    days = window(tally, day)
    return sum(each.answered for each in days), sum(each.abandoned for each in days)


def room(tally: Tally, day: int, cap: float) -> float:
    """How many more calls could be abandoned at once without the share being over the cap."""
    answered, abandoned = totals(tally, day)
    return cap * answered - abandoned


def surplus(tally: Tally, day: int, share: float) -> float:
    """How many more calls could have been abandoned at this share; negative: how many too many were.

    The least over the last 1, 2 ... 30 days: a window that begins later shall hold too, when the good days before it
    have dropped out.
    """
    days = window(tally, day)
    return min(accumulate(share * each.answered - each.abandoned for each in reversed(days)))


def allowed_share(tally: Tally, day: int, cap: float) -> float:
    """The share of the answers to calls in flight that may be expected to be abandoned, for the running share to keep
    to AIM of the cap: an integrating controller, as the surplus is the sum of what was aimed at less what happened."""
    aimed = AIM * cap
    steered = 1 + surplus(tally, day, aimed) / BUFFER
    guarded = (room(tally, day, cap) - 1) / GUARD
    return FILLED * aimed * min(max(steered, 0.0), MOST) * min(max(guarded, 0.0), 1.0)
