"""How the states of an entry of a do-not-call list are walked through, for docs/states.md."""

from copy import deepcopy
from datetime import timedelta
from math import inf
from typing import Any

from actors.do_not_call import machine
from actors.do_not_call.lists import NumberList
from actors.runtime.clock import Moment, utc
from actors.runtime.decision import Decision
from bus_schemas.do_not_call import ChangeDoNotCall, Listed
from tests.support.states import STARTED, Input, Stand, Walk, verb

NUMBER = "+380991230006"
DAY = utc(STARTED + timedelta(days=180))


def _change(list_: NumberList, now: Moment, **what: Any) -> Decision[Any, Any]:
    wanted = ChangeDoNotCall(shard=1, list="global", source="api", **what)
    return machine.change(list_, wanted, by="op", at=now.at, now=STARTED.timestamp() + now.mono)[0]


def _put(expires: str | None) -> Input:
    return lambda stand, now: _change(stand[0], now, add=(Listed(entry=NUMBER, expires=expires),))


def _after(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    entries = deepcopy(stand[0]) if stand[0] is not None else NumberList()
    for event in decision.events:
        entries.take(event, entries.seq + 1)
    return entries, None


def _name(stand: Stand) -> str:
    if not stand[0].has(NUMBER):
        return "off_the_list"
    return "for_good" if stand[0].held_until(NUMBER) == inf else "until_a_day"


WALK = Walk(
    title="An entry of a do-not-call list",
    text="To add an entry again never makes it hold for a shorter time. That its day is over is no event: it is seen.",
    start=lambda now: _put(DAY)((NumberList(), None), now),
    inputs=(
        _put(DAY),
        _put(None),
        lambda stand, now: _change(stand[0], now, remove=(NUMBER,)),
    ),
    after=_after,
    name=_name,
    key=_name,
    why=lambda event: verb(event).removeprefix("not call "),
)
