from typing import Any

import pytest
from msgspec.structs import replace

from actors.runtime.clock import Moment
from actors.runtime.decision import Tell
from actors.telephony.line import Began, Holder, Over
from actors.telephony.orders import Dial, Drop, HangUp, LookAt, Release
from actors.telephony.reports import CallPhase, CallSeen, DialFailed, LinkChanged, LiveCall, OfLine
from actors.trunk import machine
from actors.trunk.failing import FAILED_DOWN
from actors.trunk.machine import EndedOnPbx, EndOnPbx, LookOnPbx, Strays, TakeChannel, Trunk, TrunkMemory, carried
from actors.trunk.pbx import Contact, ContactSeen, PbxLink, RegistrationSeen
from bus_schemas.call import CallDialing, EndReason
from bus_schemas.errors import Refusal
from bus_schemas.trunk import TrunkChanged, TrunkConfig, TrunkState

CONFIG = TrunkConfig(name="trunk-1", endpoint="trunk-1", channels=2, calls_per_second=2)
UP = TrunkMemory(up=True, detail="")


def at(seconds: float) -> Moment:
    return Moment(at=f"2026-01-01T00:00:{seconds:06.3f}Z", mono=seconds, boot="b")


class World:
    """One trunk, moved on by what is told to it."""

    def __init__(self, config: TrunkConfig = CONFIG, live: TrunkMemory = UP) -> None:
        self.trunk: Trunk | None = Trunk(config=config, state=TrunkState.OK)
        self.live = live
        self.now = 10.0

    def tell(self, report: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return self._take(machine.observe(self.trunk, self.live, report, at(self.now)))

    def book(self, call_id: str, user: str = "op", number: str | None = None) -> None:
        """Begin a call, each to a number of its own unless one is said."""
        assert self.trunk is not None
        dialled = attempt(call_id, user, number)
        order = TakeChannel(call_id=call_id, slot=12, user=user, number=dialled.number)
        self._take(machine.take(self.trunk, self.live, order, at(self.now)))
        holder = Holder(id=call_id, user=user, slot=12)
        self.record(Began(holder=holder, at=at(self.now), seq=int(self.now * 10)))
        self.tell(Dial(attempt=dialled))

    def fail(self, call_id: str, user: str = "op", number: str | None = None) -> None:
        """A call that the trunk does not carry."""
        self.book(call_id, user, number)
        self.tell(over(call_id, EndReason.NETWORK, OfLine.FAILED))
        self.ended(call_id)

    def refused(self, user: str, number: str | None = None) -> dict[str, Any]:
        """The details of the refusal that somebody's next call meets."""
        with pytest.raises(Refusal) as told:
            self.book("c_refused", user, number)
        return told.value.details or {}

    def record(self, event: Began | Over) -> None:
        """A call's event gets on record, and the trunk hears of it."""
        self.trunk = machine.evolve(self.trunk, event)
        self.tell(event)

    def ended(self, call_id: str) -> None:
        self.record(Over(id=call_id, at=at(self.now).at, seq=int(self.now * 10) + 1))

    def _take(self, decision: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        self.live = decision.memory or self.live
        for event in decision.events:
            self.trunk = machine.evolve(self.trunk, event)
        return decision.events, decision.effects

    @property
    def state(self) -> tuple[TrunkState, str | None]:
        assert self.trunk is not None
        return self.trunk.state, self.trunk.reason


def over(call_id: str, reason: EndReason, line: OfLine = OfLine.NONE, cause: str = "") -> CallSeen:
    return CallSeen(ref=call_id, phase=CallPhase.DISCONNECTED, reason=reason, line=line, cause=cause)


@pytest.mark.parametrize(
    ("report", "state", "reason"),
    [
        (PbxLink(up=False, detail="connection refused"), TrunkState.DOWN, "connection refused"),
        (ContactSeen(status=Contact.UNREACHABLE), TrunkState.DOWN, "the provider does not answer"),
        (ContactSeen(status=Contact.MISSING), TrunkState.DOWN, "the PBX has no address of the provider"),
        (ContactSeen(status=Contact.REACHABLE, rtt_ms=501.0), TrunkState.WARN, "the provider answers slowly"),
        (ContactSeen(status=Contact.REACHABLE, rtt_ms=499.0), TrunkState.OK, None),
        (ContactSeen(status=Contact.UNKNOWN), TrunkState.OK, None),
        (RegistrationSeen(status="Rejected"), TrunkState.DOWN, "registration: Rejected"),
        (RegistrationSeen(status="Registered"), TrunkState.OK, None),
    ],
)
def test_each_rule_of_the_state(report: Any, state: TrunkState, reason: str | None) -> None:
    world = World(replace(CONFIG, registration="trunk-1"))
    world.tell(report)
    assert world.state == (state, reason)


def test_failures_count_in_a_row_and_for_five_minutes() -> None:
    world = World(replace(CONFIG, channels=100))
    for number in range(1, 6):
        world.now += 5
        world.book(f"c_{number}")
        world.tell(over(f"c_{number}", EndReason.NETWORK, OfLine.FAILED))
        assert world.state[0] is (TrunkState.DOWN if number == 5 else TrunkState.WARN)
    with pytest.raises(Refusal) as refused:
        world.book("c_6")
    assert (refused.value.details or {})["rule"] == "trunk_down"
    world.now += 301
    world.tell(machine.TimerFired(name=machine.JUDGE))
    assert world.state == (TrunkState.OK, None)


def attempt(call_id: str, user: str = "op", number: str | None = None) -> CallDialing:
    return CallDialing(
        line="trunk-trunk-1", call_id=call_id, slot=12, user=user, number=number or f"to {call_id}", mono=0.0, boot="b",
        at="2026-01-01T00:00:00.000Z", command_id="k", ring_timeout=60, max_duration=60, trunk="trunk-1",
    )  # fmt: skip


def test_what_the_called_side_does_is_not_the_trunks_fault() -> None:
    world = World(replace(CONFIG, channels=100))
    world.book("c_1")
    world.tell(over("c_1", EndReason.NETWORK, OfLine.FAILED))
    assert world.state[0] is TrunkState.WARN
    world.now += 5
    world.book("c_2")
    world.tell(over("c_2", EndReason.BUSY, OfLine.CARRIED))  # it went through
    assert world.state == (TrunkState.OK, None)
    world.book("c_3")
    world.tell(CallSeen(ref="c_3", phase=CallPhase.ACTIVE))
    world.tell(over("c_3", EndReason.NETWORK))  # dropped while they talked
    assert world.state == (TrunkState.OK, None)


@pytest.mark.parametrize("reason", [EndReason.UNREACHABLE, EndReason.NETWORK, EndReason.EXTENSION_FAILED])
def test_an_end_that_says_nothing_of_the_trunk_changes_nothing(reason: EndReason) -> None:
    world = World(replace(CONFIG, channels=100))
    for number in range(FAILED_DOWN + 1):
        world.book(f"c_{number}")
        world.tell(over(f"c_{number}", reason))
    assert world.state == (TrunkState.OK, None)
    world.book("c_failed")
    world.tell(over("c_failed", EndReason.NETWORK, OfLine.FAILED))
    world.book("c_again")
    world.tell(over("c_again", reason))
    assert world.state == (TrunkState.WARN, "the last call failed")


def test_a_provider_that_refuses_us_is_told_in_its_words_and_stops_the_trunk() -> None:
    world = World(replace(CONFIG, channels=100))
    words = "SIP 403, Q.850 21 Call Rejected"
    for number in range(1, FAILED_DOWN + 1):
        world.book(f"c_{number}")
        world.tell(over(f"c_{number}", EndReason.TRUNK_REFUSED, OfLine.REFUSED, words))
        state = TrunkState.DOWN if number == FAILED_DOWN else TrunkState.WARN
        assert world.state == (state, f"the provider refuses us: {words}")
    world.now += 301
    world.tell(machine.TimerFired(name=machine.JUDGE))
    world.book("c_other")
    world.tell(over("c_other", EndReason.NETWORK, OfLine.FAILED))
    assert world.state == (TrunkState.WARN, "the last call failed")


def test_channels_are_kept() -> None:
    world = World(replace(CONFIG, channels=2))
    world.book("c_1")
    world.book("c_2")
    with pytest.raises(Refusal) as refused:
        world.book("c_3")
    assert (refused.value.details or {})["rule"] == "trunk_channels"
    world.ended("c_1")
    world.book("c_3")


def test_a_start_that_came_to_nothing_gives_its_channel_back() -> None:
    world = World(replace(CONFIG, channels=1))
    assert world.trunk is not None
    order = TakeChannel(call_id="c_1", slot=12, user="op", number="+380991234567")
    world._take(machine.take(world.trunk, world.live, order, at(world.now)))
    with pytest.raises(Refusal):
        world.book("c_2")
    world.tell(Drop(id="c_1"))
    world.book("c_2")


def test_only_a_held_call_is_placed_and_any_can_be_ended_and_looked_at() -> None:
    world = World()
    world.book("c_1")
    dial = Dial(attempt=attempt("c_1"))
    assert world.tell(dial)[1] == (dial,)
    assert world.tell(HangUp(call_id="c_1"))[1] == (EndOnPbx(call_id="c_1"),)
    assert world.tell(LookAt(call_id="c_1", why="gone"))[1] == (LookOnPbx(call_id="c_1", why="gone"),)
    (told,) = world.tell(Dial(attempt=attempt("c_9")))[1]
    assert isinstance(told, Tell) and isinstance(told.report, DialFailed)
    assert world.tell(HangUp(call_id="c_9"))[1] == (EndOnPbx(call_id="c_9"),)
    assert world.tell(LookAt(call_id="c_9", why="x"))[1] == (LookOnPbx(call_id="c_9", why="x"),)
    assert world.tell(Release(call_id="c_9")) == ((), ())


def test_an_end_that_we_asked_for_is_ours_unless_the_far_side_says_otherwise() -> None:
    for said, line, told in (
        (EndReason.HANGUP_REMOTE, OfLine.NONE, EndReason.HANGUP_LOCAL),
        (EndReason.NETWORK, OfLine.NONE, EndReason.HANGUP_LOCAL),  # normal clearing before anybody answered
        (EndReason.NETWORK, OfLine.FAILED, EndReason.NETWORK),
        (EndReason.BUSY, OfLine.CARRIED, EndReason.BUSY),
    ):
        world = World()
        world.book("c_1")
        world.tell(HangUp(call_id="c_1"))
        (tell,) = world.tell(over("c_1", said, line))[1]
        assert isinstance(tell, Tell) and tell.report.reason is told


def test_a_connection_that_comes_back_has_each_call_asked_for() -> None:
    world = World()
    world.book("c_1")
    world.book("c_2")
    gone = world.tell(PbxLink(up=False, detail="cut"))
    assert [type(tell.report) for tell in gone[1]] == [LinkChanged, LinkChanged]
    assert isinstance(gone[0][0], TrunkChanged) and world.state == (TrunkState.DOWN, "cut")
    live = LiveCall(ref="c_1", phase=CallPhase.ACTIVE, created_age=5.0, answered_age=3.0)
    _, effects = world.tell(PbxLink(up=True, live={"c_1": live, "c_9": live}))
    asked = [effect.call_id for effect in effects if isinstance(effect, LookOnPbx)]
    assert asked == ["c_1", "c_2"]  # what ended in the gap is only known when it is asked for
    assert Strays(call_ids=("c_9",)) in effects  # a call with a name of ours that nobody here knows


def test_a_call_ended_without_the_pbx_holds_its_channel_until_it_is_gone() -> None:
    world = World(replace(CONFIG, channels=1))
    world.book("c_1")
    world.tell(PbxLink(up=False, detail="cut"))
    world.ended("c_1")
    world.tell(Release(call_id="c_1", look=True))
    _, effects = world.tell(PbxLink(up=True))
    assert EndOnPbx(call_id="c_1") in effects
    with pytest.raises(Refusal):
        world.book("c_2")
    assert EndOnPbx(call_id="c_1") in world.tell(machine.TimerFired(name=machine.JUDGE))[1]  # asked until it is done
    world.tell(EndedOnPbx(call_id="c_1"))
    world.book("c_2")


def test_memory_does_not_grow_with_the_calls() -> None:
    world = World(replace(CONFIG, channels=10, calls_per_second=1000))
    for number in range(100):
        call_id = f"c_{number}"
        world.now += 0.1
        world.book(call_id)
        world.tell(CallSeen(ref=call_id, phase=CallPhase.ACTIVE))
        world.tell(HangUp(call_id=call_id))
        world.tell(over(call_id, EndReason.HANGUP_REMOTE))
        world.ended(call_id)
        world.tell(Release(call_id=call_id))
    for number in range(100):  # of another host on the same PBX
        world.tell(CallSeen(ref=f"c_other{number}", phase=CallPhase.ACTIVE))
        world.tell(HangUp(call_id=f"c_other{number}"))
    assert world.trunk is not None and not carried(world.trunk, world.live)
    assert not world.live.hung_up and not world.live.held
