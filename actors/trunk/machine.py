"""A trunk as values: which calls it carries, and whether it is well.

A trunk is DOWN when its PBX is not connected, its registration is refused or lost, the provider's address does not
answer, or five calls in a row could not be set up in the last five minutes. It is WARN when one could not, when the
provider takes longer than half a second to answer, or when all its channels are in use. Else it is OK. A DOWN trunk
places no call.

Bookings are on record, so that a new owner finds the calls again; everything else is asked of the PBX.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.call.line import AdoptCall, Dial, HangUp, LookAt, Looked, Release, Settle
from actors.call.machine import DialFailed
from actors.runtime.clock import Moment
from actors.runtime.decision import Decision, Effect, Elapsed, SetTimer, Tell
from actors.slot.phone import CallPhase, CallSeen, Link, LinkChanged, Look
from actors.trunk.pbx import CdrSeen, Contact, ContactSeen, PbxLink, PbxReport, RegistrationSeen
from bus_schemas.call import EndReason
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.trunk import (
    TrunkActivated,
    TrunkBooked,
    TrunkChanged,
    TrunkConfig,
    TrunkConfigured,
    TrunkEvent,
    TrunkReleased,
    TrunkRemoved,
    TrunkState,
    TrunkView,
)

FAILED_FOR, FAILED_DOWN = 300.0, 5  # seconds that a failure counts; failures that stop a trunk
SLOW_MS = 500.0
REGISTERED = "Registered"
JUDGE, JUDGE_PAUSE = "judge", 5.0  # time alone mends a trunk too
# What a carrier, and not the called side, has to answer for.
TRUNKS_FAULT = frozenset({EndReason.NETWORK})
# How the PBX shows the end of a call that it was asked to end.
OUR_DOING = frozenset({EndReason.HANGUP_REMOTE, EndReason.HANGUP_LOCAL, EndReason.NO_ANSWER, EndReason.UNKNOWN})


class Booking(Struct, frozen=True, kw_only=True):
    """One channel kept for a call. `over`: the call has ended, and the PBX could not be asked yet whether it knows."""

    slot: int
    user: str
    over: bool = False


class Trunk(Struct, frozen=True, kw_only=True):
    """One trunk as its events tell it."""

    config: TrunkConfig
    calls: Mapping[str, Booking] = {}
    state: TrunkState = TrunkState.DOWN
    reason: str | None = None
    failed: int = 0
    removed: bool = False


class Live(Struct, frozen=True, kw_only=True):
    """What is known now and on no record. `starts`, `failures`: seconds of the monotonic clock, oldest first."""

    up: bool = False
    detail: str = "the PBX was not asked yet"
    contact: ContactSeen | None = None
    registration: str | None = None
    last_check: str | None = None
    starts: tuple[float, ...] = ()
    failures: tuple[float, ...] = ()
    hung_up: frozenset[str] = frozenset()  # calls that we asked the PBX to end
    answered: frozenset[str] = frozenset()  # calls that were answered: whatever ends them, the trunk carried them


class BookTrunk(Struct, frozen=True, kw_only=True):
    """Keep a channel for a call, if the trunk may carry one now."""

    call_id: str
    slot: int
    user: str


class ConfigureTrunk(Struct, frozen=True, kw_only=True):
    config: TrunkConfig


class RemoveTrunk(Struct, frozen=True, kw_only=True):
    """The trunk is no longer in the settings."""


class UsePbx(Effect, frozen=True, kw_only=True):
    """Have the PBX report about the trunk."""


class PlaceOnPbx(Effect, frozen=True, kw_only=True):
    """Place a call. Asked of the PBX once."""

    call_id: str
    number: str
    slot: int
    trace_id: str | None


class EndOnPbx(Effect, frozen=True, kw_only=True):
    """End a call on the PBX, if it is there."""

    call_id: str


class LookOnPbx(Effect, frozen=True, kw_only=True):
    """Ask the PBX about a call; `Looked` goes to the call."""

    call_id: str
    why: str


class NotPlaced(Struct, frozen=True, kw_only=True):
    """The PBX did not take a call."""

    call_id: str


TrunkReport = PbxReport | Elapsed | Dial | HangUp | LookAt | Release | Settle | NotPlaced


# --- health -----------------------------------------------------------------------------------------------------


def failures_now(live: Live, now: float) -> tuple[float, ...]:
    return tuple(failure for failure in live.failures if failure > now - FAILED_FOR)


def judge(trunk: Trunk, live: Live, now: float) -> tuple[TrunkState, str | None]:
    """The state by the rules above, and which rule."""
    config, failed = trunk.config, len(failures_now(live, now))
    if not live.up:
        return TrunkState.DOWN, live.detail
    if config.registration is not None and live.registration not in (None, REGISTERED):
        return TrunkState.DOWN, f"registration: {live.registration}"
    if live.contact is not None and live.contact.status is Contact.UNREACHABLE:
        return TrunkState.DOWN, "the provider does not answer"
    if failed >= FAILED_DOWN:
        return TrunkState.DOWN, f"{failed} calls in a row failed"
    if failed:
        return TrunkState.WARN, "the last call failed" if failed == 1 else f"{failed} calls in a row failed"
    if live.contact is not None and (live.contact.rtt_ms or 0.0) > SLOW_MS:
        return TrunkState.WARN, "the provider answers slowly"
    if len(trunk.calls) >= config.channels:
        return TrunkState.WARN, "all channels are in use"
    return TrunkState.OK, None


def view(trunk: Trunk, live: Live, now: float) -> TrunkView:
    """The trunk in the documented shape."""
    state, reason = judge(trunk, live, now)
    return TrunkView(
        name=trunk.config.name,
        state=state,
        failed=len(failures_now(live, now)),
        last_check=live.last_check,
        reason=reason,
        calls=len(trunk.calls),
        channels=trunk.config.channels,
        registration=live.registration if trunk.config.registration is not None else None,
        contact=live.contact.status if live.contact is not None else None,
        rtt_ms=live.contact.rtt_ms if live.contact is not None else None,
        pbx=trunk.config.pbx,
        host=trunk.config.host,
    )


def _judged(trunk: Trunk, live: Live, now: Moment) -> tuple[TrunkChanged, ...]:
    """The event that says how the trunk is now, if that is news."""
    state, reason = judge(trunk, live, now.mono)
    failed = len(failures_now(live, now.mono))
    if (state, reason, failed) == (trunk.state, trunk.reason, trunk.failed):
        return ()
    return (TrunkChanged(trunk=trunk.config.name, at=now.at, state=state, reason=reason, failed=failed),)


# --- decide -----------------------------------------------------------------------------------------------------


def configure(trunk: Trunk | None, config: TrunkConfig, now: Moment) -> Decision[TrunkEvent]:
    """Make or change a trunk. A trunk that is as wanted stays so."""
    if trunk is not None and not trunk.removed and trunk.config == config:
        return Decision()
    return Decision(events=(TrunkConfigured(trunk=config.name, at=now.at, config=config),), effects=(UsePbx(),))


def remove(trunk: Trunk, now: Moment) -> Decision[TrunkEvent]:
    return Decision(events=(TrunkRemoved(trunk=trunk.config.name, at=now.at),))


def book(trunk: Trunk, live: Live, order: BookTrunk, now: Moment) -> Decision[TrunkEvent]:
    """Keep a channel. Refuses where the trunk is down, full, or would dial faster than allowed."""
    config = trunk.config
    if order.call_id in trunk.calls:
        return Decision()
    state, reason = judge(trunk, live, now.mono)
    if state is TrunkState.DOWN:
        raise Refusal(
            ErrorCode.CALL_FAILED, f"The trunk is down: {reason}.", rule="trunk_down", trunk=config.name, reason=reason
        )
    if len(trunk.calls) >= config.channels:
        raise Refusal(
            ErrorCode.RATE_LIMITED, "All channels of the trunk are in use.", rule="trunk_channels", trunk=config.name
        )
    window = max(1.0, 1.0 / config.calls_per_second)
    starts = tuple(start for start in live.starts if start > now.mono - window)
    if len(starts) >= max(1, int(config.calls_per_second * window)):
        raise Refusal(
            ErrorCode.RATE_LIMITED,
            "The trunk may not dial faster.",
            rule="trunk_calls_per_second",
            trunk=config.name,
            retry_after=round(starts[0] + window - now.mono, 3),
        )
    event = TrunkBooked(trunk=config.name, at=now.at, call_id=order.call_id, slot=order.slot, user=order.user)
    return Decision(state=replace(live, starts=(*starts, now.mono)), events=(event,))


def resume(trunk: Trunk | None) -> Decision[TrunkEvent]:
    """A new owner's first steps: the calls that are on record, and the PBX."""
    if trunk is None or trunk.removed:
        return Decision()
    adopt = tuple(AdoptCall(call_id=call_id) for call_id in trunk.calls)
    return Decision(effects=(*adopt, UsePbx(), SetTimer(name=JUDGE, seconds=JUDGE_PAUSE)))


# --- observe ----------------------------------------------------------------------------------------------------


def observe(trunk: Trunk | None, live: Live, report: TrunkReport, now: Moment) -> Decision[TrunkEvent]:
    """What follows from a report. `Decision.state` is the new `Live`."""
    if trunk is None or trunk.removed:
        return Decision()
    live, events, effects = _observed(trunk, live, report, now)
    after = trunk
    for event in events:
        after = evolve(after, event) or after
    return Decision(state=live, events=(*events, *_judged(after, live, now)), effects=effects)


Observed = tuple[Live, tuple[TrunkEvent, ...], tuple[Effect, ...]]


def _observed(trunk: Trunk, live: Live, report: TrunkReport, now: Moment) -> Observed:
    match report:
        case PbxLink():
            return _link(trunk, live, report, now)
        case ContactSeen():
            return replace(live, contact=report, last_check=now.at), (), ()
        case RegistrationSeen():
            return replace(live, registration=report.status, last_check=now.at), (), ()
        case CallSeen():
            return _call_seen(trunk, live, report, now)
        case CdrSeen():
            return live, (), (_to_call(report.call_id, report),)
        case NotPlaced():
            return _failed(live, now), (), ()
        case Elapsed():
            again = SetTimer(name=JUDGE, seconds=JUDGE_PAUSE)
            return replace(live, failures=failures_now(live, now.mono)), (), (again,)
        case _:
            return _ordered(trunk, live, report, now)


def _link(trunk: Trunk, live: Live, link: PbxLink, now: Moment) -> Observed:
    if not link.up:
        gone = LinkChanged(link=Link.OFFLINE, detail=link.detail)
        down = replace(live, up=False, detail=link.detail, last_check=now.at)
        return down, (), tuple(_to_call(call_id, gone) for call_id in trunk.calls)
    events: list[TrunkEvent] = []
    effects: list[Effect] = []
    for call_id, booking in trunk.calls.items():
        seen = link.live.get(call_id)
        if not booking.over:
            looked = Looked(look=Look(live=(seen,) if seen is not None else (), past=()), why="link")
            effects += [_to_call(call_id, LinkChanged(link=Link.ONLINE)), _to_call(call_id, looked)]
            continue
        events.append(_released(trunk, booking, call_id, now))
        if seen is not None:
            effects.append(EndOnPbx(call_id=call_id))
    return replace(live, up=True, detail="", last_check=now.at), tuple(events), tuple(effects)


def _call_seen(trunk: Trunk, live: Live, seen: CallSeen, now: Moment) -> Observed:
    if seen.ref not in trunk.calls:  # of another host on the same PBX, or over already
        return live, (), (_to_call(seen.ref, seen),)
    if seen.phase is CallPhase.DISCONNECTED:
        if seen.ref in live.hung_up and seen.reason in (
            EndReason.HANGUP_REMOTE,
            EndReason.UNKNOWN,
            EndReason.NO_ANSWER,
        ):
            seen = replace(seen, reason=EndReason.HANGUP_LOCAL)
        failed = seen.reason in TRUNKS_FAULT and seen.ref not in live.answered
        live = _failed(live, now) if failed else replace(live, failures=())
    elif seen.phase is CallPhase.ACTIVE:
        live = replace(live, failures=(), answered=live.answered | {seen.ref})
    elif seen.phase is CallPhase.ALERTING:
        live = replace(live, failures=())
    return live, (), (_to_call(seen.ref, seen),)


def _failed(live: Live, now: Moment) -> Live:
    return replace(live, failures=(*failures_now(live, now.mono), now.mono)[-2 * FAILED_DOWN :])


def _ordered(trunk: Trunk, live: Live, order: Dial | HangUp | LookAt | Release | Settle, now: Moment) -> Observed:
    """What a call asks of its trunk. Asking and ending need no booking: a call whose booking got lost must end too."""
    call_id = order.call_id
    booking = trunk.calls.get(call_id)
    match order:
        case Dial() if booking is None:
            return live, (), (_to_call(call_id, DialFailed(cause="no channel is booked", reason=EndReason.UNKNOWN)),)
        case Dial():
            assert booking is not None
            place = PlaceOnPbx(call_id=call_id, number=order.number, slot=booking.slot, trace_id=order.trace_id)
            return live, (), (place,)
        case HangUp():
            hung_up = live.hung_up | {call_id} if booking is not None else live.hung_up
            return replace(live, hung_up=hung_up), (), (EndOnPbx(call_id=call_id),)
        case LookAt():
            if not live.up:
                return live, (), (_to_call(call_id, Looked(look=None, why=order.why)),)
            return live, (), (LookOnPbx(call_id=call_id, why=order.why),)
        case Release():
            live = replace(live, hung_up=live.hung_up - {call_id}, answered=live.answered - {call_id})
            end = (EndOnPbx(call_id=call_id),) if order.look and live.up else ()
            if booking is None:
                return live, (), end
            return live, (_released(trunk, booking, call_id, now, over=order.look and not live.up),), end
        case Settle():
            return live, (), (AdoptCall(call_id=call_id),)


def _released(trunk: Trunk, booking: Booking, call_id: str, now: Moment, *, over: bool = False) -> TrunkEvent:
    """The channel is free; or, where the PBX cannot be asked (`over`), it stays booked until it can."""
    if over:
        return TrunkBooked(
            trunk=trunk.config.name, at=now.at, call_id=call_id, slot=booking.slot, user=booking.user, over=True
        )
    return TrunkReleased(trunk=trunk.config.name, at=now.at, call_id=call_id)


def _to_call(call_id: str, report: object) -> Tell:
    return Tell(kind="call", id=call_id, report=report)


# --- evolve -----------------------------------------------------------------------------------------------------


def evolve(trunk: Trunk | None, event: TrunkEvent) -> Trunk | None:
    """The trunk after an event."""
    if isinstance(event, TrunkConfigured):
        return Trunk(config=event.config) if trunk is None else replace(trunk, config=event.config, removed=False)
    if trunk is None or isinstance(event, TrunkActivated):
        return trunk
    match event:
        case TrunkBooked():
            booking = Booking(slot=event.slot, user=event.user, over=event.over)
            return replace(trunk, calls={**trunk.calls, event.call_id: booking})
        case TrunkReleased():
            return replace(trunk, calls={id: kept for id, kept in trunk.calls.items() if id != event.call_id})
        case TrunkChanged():
            return replace(trunk, state=event.state, reason=event.reason, failed=event.failed)
        case TrunkRemoved():
            return replace(trunk, removed=True)
