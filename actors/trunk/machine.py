"""A trunk as values: which calls it carries, and whether it is well.

A trunk is DOWN when its PBX is not connected, its registration is refused or lost, no address of the provider's
answers, or it could not carry, or its provider refused, calls to five numbers in a row in the last five minutes, which
were not one user's alone if others call too (failing.py). It is WARN when that was so of one, when the provider takes
longer than half a second to answer, or when all its channels are in use. Else it is OK. A DOWN trunk places no call,
except for trials where failing calls stopped it. An end that is the called side's or the slot's says nothing about it.

Which calls it carries follows from the calls on record for it; everything else is asked of the PBX. A call of ours that
is up there and not on record as live is ended, or adopted where it is (`Strays`).
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.clock import Moment
from actors.runtime.commands import Order
from actors.runtime.decision import Decision, Effect, SetTimer, Tell, TimerFired
from actors.telephony.line import Adopt, Began, Held, Holder, LineState, Over, adoptions, hold, holders, release_hold
from actors.telephony.orders import Dial, Drop, HangUp, LookAt, Named, Redirect, Release, Settle
from actors.telephony.reports import (
    WORDS,
    CallPhase,
    CallSeen,
    CdrSeen,
    DialFailed,
    JoinFailed,
    Link,
    LinkChanged,
    OfLine,
)
from actors.trunk.failing import Failing, PlacedCall
from actors.trunk.pbx import Contact, ContactSeen, PbxLink, PbxReport, RegistrationSeen
from bus_schemas.call import EndReason
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, retry_after
from bus_schemas.trunk import (
    TrunkActivated,
    TrunkChanged,
    TrunkConfig,
    TrunkConfigured,
    TrunkEvent,
    TrunkRemoved,
    TrunkState,
    TrunkView,
)

SLOW_MS = 500.0
REGISTERED = "Registered"
OUT_OF_REACH = {
    Contact.UNREACHABLE: "the provider does not answer",
    Contact.MISSING: "the PBX has no address of the provider",
}
JUDGE, JUDGE_PAUSE = "judge", 5.0  # time alone mends a trunk too
MOST_NEWS = 20  # changes of a trunk in so long that go on record; what is so then does later
# Why a call seems to have ended that we asked the PBX to end.
OUR_DOING = frozenset({EndReason.HANGUP_REMOTE, EndReason.UNKNOWN, EndReason.NO_ANSWER, EndReason.EXTENSION_FAILED})


class Trunk(LineState, frozen=True, kw_only=True):
    """One trunk as its events, and those of its calls, tell it."""

    config: TrunkConfig
    state: TrunkState = TrunkState.DOWN
    reason: str | None = None
    failed: int = 0
    removed: bool = False


class TrunkMemory(Struct, frozen=True, kw_only=True):
    """What is known now and on no record. `held`: starts under way. `over`: calls that are over on record, while the
    PBX may still be in them and could not be asked. `news`: since when (monotonic) so many of its changes went on
    record."""

    up: bool = False
    detail: str = "the PBX was not asked yet"
    contact: ContactSeen | None = None
    registration: str | None = None
    last_check: str | None = None
    held: Held = {}
    failing: Failing = Failing()
    hung_up: frozenset[str] = frozenset()  # calls that we asked the PBX to end
    over: frozenset[str] = frozenset()
    news: tuple[float, int] = 0.0, 0


TrunkDecision = Decision[TrunkEvent, TrunkMemory]


class ChannelTaken(Struct, frozen=True, kw_only=True):
    """It is held. `fence`: see `Dial`."""

    fence: tuple[str, int]


class TakeChannel(Order[ChannelTaken], frozen=True, kw_only=True):
    """Hold a channel for a call, if the trunk may carry one now."""

    call_id: str
    slot: int | None
    user: str
    number: str


class ConfigureTrunk(Order[None], frozen=True, kw_only=True):
    config: TrunkConfig


class RemoveTrunk(Order[None], frozen=True, kw_only=True):
    """The trunk is no longer in the settings."""


class UsePbx(Effect, frozen=True, kw_only=True):
    """Have the PBX report about the trunk."""


class EndOnPbx(Effect, frozen=True, kw_only=True):
    """End a call on the PBX, if it is there."""

    call_id: str


class LookOnPbx(Effect, frozen=True, kw_only=True):
    """Ask the PBX about a call; `Looked` goes to the call."""

    call_id: str
    why: str


class Strays(Effect, frozen=True, kw_only=True):
    """Find out about calls of ours that are up on the PBX and not known here: whether they are on record as over."""

    call_ids: tuple[str, ...]


class EndedOnPbx(Struct, frozen=True, kw_only=True):
    """The PBX is not, or no longer, in a call."""

    call_id: str


class NotPlaced(Struct, frozen=True, kw_only=True):
    """The PBX did not take a call."""

    call_id: str


LineOrder = Dial | HangUp | Redirect | LookAt | Named | Release | Settle | Drop
TrunkReport = PbxReport | TimerFired | NotPlaced | EndedOnPbx | Began | Over | LineOrder


# --- health -----------------------------------------------------------------------------------------------------


def carried(trunk: Trunk, live: TrunkMemory) -> Mapping[str, Holder]:
    """The calls that hold a channel, those included that only the PBX may still be in."""
    return holders(trunk.calls, live.held)


def _channels(trunk: Trunk, live: TrunkMemory) -> int:
    return len(carried(trunk, live).keys() | live.over)


def judge(trunk: Trunk, live: TrunkMemory, now: float) -> tuple[TrunkState, str | None]:
    """The state by the rules above, and which rule."""
    if (broken := _broken(trunk, live)) is not None:
        return TrunkState.DOWN, broken
    failed = len(live.failing.now(now))
    if failed:
        state = TrunkState.DOWN if live.failing.stops(now) else TrunkState.WARN
        return state, _failing(failed, live.failing.refusal)
    if live.contact is not None and (live.contact.rtt_ms or 0.0) > SLOW_MS:
        return TrunkState.WARN, "the provider answers slowly"
    if _channels(trunk, live) >= trunk.config.channels:
        return TrunkState.WARN, "all channels are in use"
    return TrunkState.OK, None


def _broken(trunk: Trunk, live: TrunkMemory) -> str | None:
    """Why it is DOWN by what the PBX says, whoever calls."""
    if not live.up:
        return live.detail
    if trunk.config.registration is not None and live.registration not in (None, REGISTERED):
        return f"registration: {live.registration}"
    return OUT_OF_REACH.get(live.contact.status) if live.contact is not None else None


def wait(trunk: Trunk, live: TrunkMemory, user: str, number: str | None, now: float) -> float:
    """Seconds until failing calls no longer keep somebody's next one back; 0: they do not. `number` None: any."""
    holding = any(holder.user == user for holder in live.held.values())
    return live.failing.wait(user, number, now, holding=holding)


def takes(trunk: Trunk, live: TrunkMemory, user: str, now: float) -> bool:
    """Whether somebody's next call would not be refused as that of a trunk that is down."""
    return _broken(trunk, live) is None and wait(trunk, live, user, None, now) == 0


def _failing(failed: int, refusal: str | None) -> str:
    if refusal is not None:
        return f"the provider refuses us: {refusal}"
    return "the last call failed" if failed == 1 else f"calls to {failed} numbers in a row failed"


def view(trunk: Trunk, live: TrunkMemory, now: float) -> TrunkView:
    """The trunk in the documented shape."""
    state, reason = judge(trunk, live, now)
    return TrunkView(
        name=trunk.config.name,
        state=state,
        failed=len(live.failing.now(now)),
        last_check=live.last_check,
        reason=reason,
        calls=_channels(trunk, live),
        channels=trunk.config.channels,
        registration=live.registration if trunk.config.registration is not None else None,
        contact=live.contact.status if live.contact is not None else None,
        rtt_ms=live.contact.rtt_ms if live.contact is not None else None,
        pbx=trunk.config.pbx,
        host=trunk.config.host,
    )


def _judged(trunk: Trunk, live: TrunkMemory, now: Moment) -> tuple[TrunkChanged, ...]:
    """The event that says how the trunk is now, if that is news."""
    state, reason = judge(trunk, live, now.mono)
    failed = len(live.failing.now(now.mono))
    if (state, reason, failed) == (trunk.state, trunk.reason, trunk.failed) or live.news[1] >= MOST_NEWS:
        return ()
    return (TrunkChanged(trunk=trunk.config.name, at=now.at, state=state, reason=reason, failed=failed),)


# --- decide -----------------------------------------------------------------------------------------------------


def configure(trunk: Trunk | None, live: TrunkMemory, config: TrunkConfig, now: Moment) -> TrunkDecision:
    """Make or change a trunk. A trunk that is as wanted stays so; its PBX and endpoint stay while it carries calls."""
    if trunk is not None and not trunk.removed:
        if trunk.config == config:
            return Decision()
        if (trunk.config.pbx, trunk.config.endpoint) != (config.pbx, config.endpoint):
            _must_be_free(trunk, live)
    judging = SetTimer(name=JUDGE, seconds=JUDGE_PAUSE, keep=True)  # one that is new has not begun it
    event = TrunkConfigured(trunk=config.name, at=now.at, config=config)
    return Decision(events=(event,), effects=(UsePbx(), judging))


def remove(trunk: Trunk, live: TrunkMemory, now: Moment) -> TrunkDecision:
    """Take a trunk out of service. Refused while it carries calls."""
    _must_be_free(trunk, live)
    return Decision(events=(TrunkRemoved(trunk=trunk.config.name, at=now.at),))


def _must_be_free(trunk: Trunk, live: TrunkMemory) -> None:
    if _channels(trunk, live):
        raise Refusal(ErrorCode.CONFLICT, "The trunk carries calls.", trunk=trunk.config.name)


COME_BACK = 2.0  # seconds, for who wants a channel when all are in use
FULL = RefusalTemplate(ErrorCode.RATE_LIMITED, "All channels of the trunk are in use.", rule="trunk_channels")


def take(trunk: Trunk, live: TrunkMemory, order: TakeChannel, now: Moment) -> TrunkDecision:
    """Hold a channel. Refuses where the trunk is down or full. Nothing is written: the attempt is the record of it."""
    config = trunk.config
    if (broken := _broken(trunk, live)) is not None:
        raise _is_down(config, broken)
    if (seconds := wait(trunk, live, order.user, order.number, now.mono)) > 0:
        reason = _failing(len(live.failing.now(now.mono)), live.failing.refusal)
        raise _is_down(config, reason, retry_after=retry_after(seconds))
    if _channels(trunk, live) >= config.channels:
        raise FULL(trunk=config.name, retry_after=COME_BACK)
    held = hold(live.held, Holder(id=order.call_id, user=order.user, slot=order.slot))
    return Decision(memory=replace(live, held=held))


def _is_down(config: TrunkConfig, reason: str, **details: object) -> Refusal:
    message = f"The trunk is down: {reason}."
    return Refusal(ErrorCode.CALL_FAILED, message, rule="trunk_down", trunk=config.name, reason=reason, **details)


def resume(trunk: Trunk | None) -> TrunkDecision:
    """A new owner's first steps: the calls that are on record, and the PBX."""
    if trunk is None or trunk.removed:
        return Decision()
    return Decision(effects=(*adoptions(trunk.calls), UsePbx(), SetTimer(name=JUDGE, seconds=JUDGE_PAUSE)))


# --- observe ----------------------------------------------------------------------------------------------------


def observe(trunk: Trunk | None, live: TrunkMemory, report: TrunkReport, now: Moment) -> TrunkDecision:
    """What follows from a report."""
    if trunk is None or trunk.removed:
        return Decision()
    live, events, effects = _observed(trunk, live, report, now)
    if now.mono >= live.news[0] + JUDGE_PAUSE:
        live = replace(live, news=(now.mono, 0))
    after = trunk
    for event in events:
        after = evolve(after, event) or after
    news = _judged(after, live, now)
    since, count = live.news
    return Decision(memory=replace(live, news=(since, count + len(news))), events=(*events, *news), effects=effects)


Observed = tuple[TrunkMemory, tuple[TrunkEvent, ...], tuple[Effect, ...]]


def _observed(trunk: Trunk, live: TrunkMemory, report: TrunkReport, now: Moment) -> Observed:
    match report:
        case PbxLink():
            return _link(trunk, live, report, now)
        case ContactSeen():
            return replace(live, contact=report, last_check=now.at), (), ()
        case RegistrationSeen():
            return replace(live, registration=report.status[:WORDS], last_check=now.at), (), ()
        case CallSeen():
            return _call_seen(trunk, live, report, now)
        case CdrSeen():
            return live, (), (_to_call(report.call_id, report),)
        case NotPlaced():
            return _failed(trunk, live, report.call_id, now), (), ()
        case Began():
            return replace(live, held=release_hold(live.held, report.holder.id)), (), ()
        case Over():
            id = report.id
            held, failing = release_hold(live.held, id), live.failing.settled(id)
            return replace(live, held=held, hung_up=live.hung_up - {id}, failing=failing), (), ()
        case EndedOnPbx():
            return replace(live, over=live.over - {report.call_id}), (), ()
        case TimerFired():
            again = SetTimer(name=JUDGE, seconds=JUDGE_PAUSE)
            ends = tuple(EndOnPbx(call_id=call_id) for call_id in live.over) if live.up else ()
            return replace(live, failing=live.failing.at(now.mono)), (), (again, *ends)
        case _:
            return _ordered(trunk, live, report, now)


def _link(trunk: Trunk, live: TrunkMemory, link: PbxLink, now: Moment) -> Observed:
    """After a gap nothing is known: every call is asked for by itself, and what is up there and over on record ends."""
    known = carried(trunk, live)
    if not link.up:
        gone = LinkChanged(link=Link.OFFLINE, detail=link.detail)
        down = replace(live, up=False, detail=link.detail[:WORDS], last_check=now.at)
        return down, (), tuple(_to_call(call_id, gone) for call_id in known)
    effects: list[Effect] = []
    for call_id in known:
        effects += [_to_call(call_id, LinkChanged(link=Link.ONLINE)), LookOnPbx(call_id=call_id, why="link")]
    effects += [EndOnPbx(call_id=call_id) for call_id in live.over]
    strays = tuple(sorted(link.live.keys() - known.keys() - live.over))
    if strays:
        effects.append(Strays(call_ids=strays))
    return replace(live, up=True, detail="", last_check=now.at), (), tuple(effects)


def _call_seen(trunk: Trunk, live: TrunkMemory, seen: CallSeen, now: Moment) -> Observed:
    if seen.ref not in carried(trunk, live):  # of another host on the same PBX, or over already
        return live, (), (_to_call(seen.ref, seen),)
    if seen.phase is CallPhase.DISCONNECTED and seen.ref in live.hung_up and _is_our_doing(seen):
        seen = replace(seen, reason=EndReason.HANGUP_LOCAL, line=OfLine.NONE)
    return _judging(trunk, live, seen, now), (), (_to_call(seen.ref, seen),)


def _is_our_doing(seen: CallSeen) -> bool:
    """Whether an end that we asked for seems to be one. Before the answer it is a `network` that says nothing."""
    return seen.reason in OUR_DOING or (seen.reason is EndReason.NETWORK and seen.line is OfLine.NONE)


def _judging(trunk: Trunk, live: TrunkMemory, seen: CallSeen, now: Moment) -> TrunkMemory:
    """What is held against the trunk after this. One call that goes through clears it."""
    if seen.line is OfLine.CARRIED or seen.phase in (CallPhase.ALERTING, CallPhase.ACTIVE):
        return replace(live, failing=live.failing.went_through(seen.ref))
    if seen.line is OfLine.NONE:
        return live
    refusal = seen.cause[:WORDS] if seen.line is OfLine.REFUSED else None
    return _failed(trunk, live, seen.ref, now, refusal=refusal)


def _failed(trunk: Trunk, live: TrunkMemory, call_id: str, now: Moment, *, refusal: str | None = None) -> TrunkMemory:
    holder = carried(trunk, live).get(call_id)
    user = holder.user if holder is not None else ""
    return replace(live, failing=live.failing.failed(call_id, user, now.mono, refusal))


def _ordered(trunk: Trunk, live: TrunkMemory, order: LineOrder, now: Moment) -> Observed:
    """What a call asks of its trunk. Asking and ending are for everybody; dialling for who holds a channel."""
    call_id = order.id if isinstance(order, Settle | Drop) else order.call_id
    holding = call_id in carried(trunk, live)
    match order:
        case Dial() if holding:
            call = PlacedCall(user=order.attempt.user, number=order.attempt.number)
            return replace(live, failing=live.failing.placed(call_id, call, now.mono)), (), (order,)
        case Dial():
            lost = DialFailed(cause="the line was begun afresh", reason=EndReason.NOT_DIALED)
            return live, (), (_to_call(call_id, lost),)
        case Redirect() if holding:
            return live, (), (order,)
        case Redirect():
            return live, (), (_to_call(call_id, JoinFailed(cause="the line was begun afresh")),)
        case HangUp():
            hung_up = live.hung_up | {call_id} if holding else live.hung_up
            return replace(live, hung_up=hung_up), (), (EndOnPbx(call_id=call_id),)
        case LookAt():
            return live, (), (LookOnPbx(call_id=call_id, why=order.why),)
        case Release(look=True):
            over = replace(live, over=live.over | {call_id})
            return over, (), (EndOnPbx(call_id=call_id),) if live.up else ()
        case Settle():
            return live, (), (Adopt(kind=order.kind, id=order.id),)
        case Drop():
            held, failing = release_hold(live.held, order.id), live.failing.settled(order.id)
            return replace(live, held=held, failing=failing), (), ()
    return live, (), ()


def _to_call(call_id: str, report: object) -> Tell:
    return Tell(kind="call", id=call_id, report=report)


# --- evolve -----------------------------------------------------------------------------------------------------


def evolve(trunk: Trunk | None, event: TrunkEvent | Began | Over) -> Trunk | None:
    """The trunk after an event of its own or of one of its calls."""
    if isinstance(event, TrunkConfigured):
        return Trunk(config=event.config) if trunk is None else replace(trunk, config=event.config, removed=False)
    if trunk is None or isinstance(event, TrunkActivated):
        return trunk
    match event:
        case Began() | Over():
            return replace(trunk, calls=trunk.calls.after(event))
        case TrunkChanged():
            return replace(trunk, state=event.state, reason=event.reason, failed=event.failed)
        case TrunkRemoved():
            return replace(trunk, removed=True)
