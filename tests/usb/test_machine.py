"""What comes and goes is told once, when it has settled, and a hub that goes takes its phones with it in one event."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.decision import SetTimer, TimerFired
from actors.usb.machine import (
    AT_ONCE,
    LONGEST,
    PATIENCE,
    QUIET,
    SETTLE,
    VANISHING,
    Hubs,
    HubsMemory,
    Seen,
    SeenHub,
    SwitchOn,
    changes,
    evolve,
    observe,
    resume,
)
from bus_schemas.usb import HubEvent, HubFound, HubLost, PortChanged, PortState, PortSwitched
from tests.support.states import at

P = PortState
FIRED = TimerFired(name=SETTLE)
NOW = at(0.0)


def look(ports: dict[str, PortState] | None, *, certain: bool = True) -> Seen:
    """Of one hub; None: it is not there."""
    if ports is None:
        return Seen(hubs={}, certain=certain)
    numbers = {str(number): number for number in range(1, 21)}
    return Seen(hubs={"HUB1": SeenHub(path="1-2", total=20, ports=dict(ports), numbers=numbers)}, certain=certain)


def folded(events: Iterable[HubEvent], state: Hubs | None = None) -> Hubs:
    for event in events:
        state = evolve(state, event)
    return state or Hubs(host="local")


def on_record(ports: dict[str, PortState]) -> Hubs:
    return folded(changes(Hubs(host="local"), look(ports), NOW))


class Run:
    """A machine on a clock of its own, whose timer fires when its time has come."""

    def __init__(self, state: Hubs | None = None) -> None:
        self.state, self.memory = state or Hubs(host="local"), HubsMemory()
        self.now, self.due = 0.0, None
        self.events: list[tuple[float, HubEvent]] = []

    def look(self, seconds: float, seen: Seen) -> None:
        self.wait(seconds)
        self._given(seen)

    def wait(self, seconds: float) -> None:
        until = round(self.now + seconds, 6)
        while self.due is not None and self.due <= until:
            self.now, self.due = self.due, None
            self._given(FIRED)
        self.now = until

    def _given(self, report: Seen | TimerFired) -> None:
        decision = observe(self.state, self.memory, report, at(self.now))
        self.memory = decision.memory or self.memory
        for event in decision.events:
            self.state = evolve(self.state, event)
            self.events.append((self.now, event))
        for effect in decision.effects:
            assert isinstance(effect, SetTimer)
            self.due = round(self.now + effect.seconds, 6)


@pytest.mark.parametrize("each", [0.001, 0.03, 0.14])
def test_a_hub_that_is_unplugged_is_one_event_however_its_phones_leave(each: float) -> None:
    ports = {str(way): P.ONLINE for way in range(1, 21)}
    run = Run(on_record(ports))
    while ports:
        ports.popitem()
        run.look(each, look(ports))
    run.look(each, look(None))
    run.wait(1.0)
    [(told, lost)] = run.events
    assert isinstance(lost, HubLost) and (lost.hub, lost.phones) == ("HUB1", 20)
    assert told - 21 * each < QUIET + 0.01


def test_phones_that_leave_one_after_the_other_are_told_of_in_the_end() -> None:
    ports = {str(way): P.ONLINE for way in range(1, 21)}
    run = Run(on_record(ports))
    for way in range(1, 16):
        del ports[str(way)]
        run.look(0.09, look({**ports, **({"20": P.OFFLINE} if way % 2 else {})}))
    run.wait(1.0)
    gone = [event.port for _, event in run.events if isinstance(event, PortChanged) and event.state is P.EMPTY]
    assert gone == [*range(1, 16)] and run.events[0][0] <= VANISHING


def test_a_phone_that_comes_is_told_when_it_has_settled_and_within_a_second() -> None:
    run = Run(on_record({}))
    for _ in range(10):  # a plug that is pushed in slowly
        run.look(0.04, look({"3": P.OCCUPIED}))
        run.look(0.04, look({}))
    run.look(0.04, look({"3": P.OCCUPIED}))
    run.wait(1.0)
    assert [event for _, event in run.events] == [
        PortChanged(host="local", at=event.at, hub="HUB1", way="3", port=3, state=P.OCCUPIED, before=P.EMPTY)
        for _, event in run.events[:1]
    ]


def test_a_phone_that_goes_and_comes_again_at_once_is_no_news() -> None:
    run = Run(on_record({"3": P.ONLINE}))
    run.look(0.0, look({}))
    run.look(QUIET / 2, look({"3": P.ONLINE}))
    run.wait(2.0)
    assert run.events == []


def test_what_never_is_quiet_is_told_in_the_end() -> None:
    run = Run(on_record({}))
    for step in range(40):
        run.look(0.05, look({"1": P.OCCUPIED, **({"2": P.OCCUPIED} if step % 2 else {})}))
    assert run.events and run.events[0][0] <= LONGEST + 0.06


def test_while_adb_is_away_phones_are_what_they_were_unless_they_leave() -> None:
    state = on_record({"1": P.ONLINE, "2": P.UNAUTHORIZED, "3": P.ONLINE})
    seen = look({"1": P.OCCUPIED, "2": P.OCCUPIED, "4": P.OCCUPIED}, certain=False)
    told = {event.port: event.state for event in changes(state, seen, NOW) if isinstance(event, PortChanged)}
    assert told == {3: P.EMPTY, 4: P.OCCUPIED}


def test_loose_cables_do_not_fill_the_journal() -> None:
    run = Run(on_record({}))
    for step in range(4_000):
        run.look(0.6, look({"1": P.OCCUPIED} if step % 2 else {}))
    assert AT_ONCE < len(run.events) <= AT_ONCE + 4_000 * 0.6 + PATIENCE
    run.look(0.2, look({"1": P.ONLINE}))
    run.wait(2 * PATIENCE + LONGEST)
    assert run.state.hubs["HUB1"].ports == {"1": P.ONLINE}  # nothing is lost by that


def test_what_was_switched_off_for_a_moment_is_switched_on_by_the_next_owner() -> None:
    def switched(action: str, *ways: str, cycle: bool = False) -> PortSwitched:
        return PortSwitched(
            host="local", at=NOW.at, hub="HUB1", port=1, action="off" if action == "off" else "on", ways=ways, by="op",
            cycle=cycle,
        )  # fmt: skip

    left = folded([switched("off", "1", "2", cycle=True)])
    assert resume(left).effects == (SwitchOn(hub="HUB1", port=1, ways=("1", "2")),)
    assert resume(folded([switched("on", "1", "2")], left)).effects == ()
    assert resume(folded([switched("off", "1")])).effects == ()  # somebody wants it off
    assert resume(folded([switched("off", "2")], left)).effects == ()


STATES = st.dictionaries(st.integers(1, 20).map(str), st.sampled_from([one for one in P if one is not P.EMPTY]))


@given(STATES, st.one_of(st.none(), STATES))
def test_after_what_is_told_the_record_is_what_was_seen(
    before: dict[str, PortState], after: dict[str, PortState] | None
) -> None:
    state = on_record(before)
    told = list(changes(state, look(after), NOW))
    state = folded(told, state)
    assert (dict(state.hubs["HUB1"].ports) if after is not None else None) == after
    assert list(changes(state, look(after), NOW)) == []
    assert len([event for event in told if isinstance(event, HubLost | HubFound)]) == (after is None)
