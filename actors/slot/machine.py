"""A slot as values: when it may be used, and what follows from its phone's reports.

Whether a slot is busy follows from the calls on record for it; how its phone can be reached is on record too, for those
who listen, but a new owner never believes it: a slot starts UNKNOWN and asks the phone. `SlotMemory` is what this
owner knows besides: the starts under way, and what the phone said; it is not on record and starts empty.
"""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.clock import Moment
from actors.runtime.commands import Order
from actors.runtime.decision import CancelTimer, Decision, Effect, SetTimer, Tell, TimerFired
from actors.slot.hindrance import busy, held_for_nobody, hindrance_of, in_trouble
from actors.slot.phone import HealthRead, Trouble, TroubleSeen
from actors.slot.record import FROM_FILE, RESERVED, Slot, SlotMemory, dialler, holder, holders_of, kept_by
from actors.telephony.line import (
    CALL,
    Adopt,
    Began,
    Holder,
    Over,
    adoptions,
    hold,
    nameless,
    release_hold,
)
from actors.telephony.orders import Dial, Drop, HangUp, LookAt, Named, Release, Settle
from actors.telephony.reports import (
    ORDER_LASTS,
    WORDS,
    CallPhase,
    CallSeen,
    DialFailed,
    HoldSeen,
    Link,
    LinkChanged,
    LiveCall,
    Look,
    Looked,
    Noted,
    PastCall,
    boot_of,
    may_follow,
    newer,
    oldest,
)
from bus_schemas.call import EndReason
from bus_schemas.errors import ErrorCode, Refusal, misfit
from bus_schemas.names import Share
from bus_schemas.slot import (
    AdbCommand,
    SlotCommandDone,
    SlotCommandStarted,
    SlotConfig,
    SlotConfigured,
    SlotDetails,
    SlotEvent,
    SlotLinked,
    SlotRemoved,
    SlotRestarting,
    SlotStatus,
)

LOOK_AGAIN, REBOOTED, RESTARTED = "look_again", "rebooted", "restarted"
LOOK_AGAIN_AFTER = 2.0
FOREIGN_AGAIN = 15.0  # seconds between looks while the phone is in a call that is not ours
HOLD, HOLD_EVERY = "hold", 1.0  # seconds between looks at a phone whose call goes on hold and back without end
MOST_UP = 32  # calls that a phone seems to be in: no phone is in more, but one may say so
RESTART_LIMIT = 30.0  # seconds until a slot that does not come back is called OFFLINE
REBOOT_LIMIT = 240.0
COMMANDS_AT_ONCE = 4

STATUS_OF_LINK: Mapping[Link, SlotStatus] = {
    Link.ONLINE: SlotStatus.ONLINE,
    Link.OFFLINE: SlotStatus.OFFLINE,
    Link.ABSENT: SlotStatus.OFFLINE,
    Link.UNAUTHORIZED: SlotStatus.UNAUTHORIZED,
    Link.UNKNOWN: SlotStatus.UNKNOWN,
}

# A shell command must not be a way around the dial rules. Whoever holds the shell can hide one from any pattern;
# this stops what is sent by habit and says where calls are placed.
_DIALS = re.compile(
    r"tel:|voicemail:|intent\.action\.(?:call|dial)|service\s+call\s+(?:phone|telecom|isms)|\bcmd\s+phone\b",
    re.IGNORECASE,
)
_KEYS = re.compile(r"keyevent(?=\s)", re.IGNORECASE)
_CALL_KEY = re.compile(r"\s(?:5|(?:keycode_)?call)\b", re.IGNORECASE)


# --- effects and orders -----------------------------------------------------------------------------------------


class UsePhone(Effect, frozen=True, kw_only=True):
    """Watch the phone of this configuration, and no other."""

    config: SlotConfig


class LookAtPhone(Effect, frozen=True, kw_only=True):
    """Ask the phone about its calls, for one of them or for the slot's own sake; `Looked` comes back."""

    why: str
    call_id: str | None = None


class EndCallOnPhone(Effect, frozen=True, kw_only=True):
    """End one call of the phone, never another."""

    call_id: str
    ref: str | None


class Reconnect(Effect, frozen=True, kw_only=True):
    """Open this host's connections to the phone afresh."""


class RebootPhone(Effect, frozen=True, kw_only=True):
    """Restart the phone itself."""


class RunCommand(Effect, frozen=True, kw_only=True):
    """Run a shell command; `CommandDone` comes back."""

    command_id: str
    command: str
    timeout: float
    share: Share


class Taken(Struct, frozen=True, kw_only=True):
    """It is held. `after_ref`: the newest call the phone knew before. `fence`: see `Dial`."""

    slot: int
    region: str | None
    after_ref: str | None
    fence: tuple[str, int]


class Take(Order[Taken], frozen=True, kw_only=True):
    """Hold this slot for one call, or what else works with its phone, by its id. `any_slot`: the caller may use slots
    of others. `kind`, `inside`: see `Holder`."""

    id: str
    user: str
    any_slot: bool
    kind: str = CALL
    inside: str | None = None


class Configure(Order[SlotDetails], frozen=True, kw_only=True):
    config: SlotConfig


class Remove(Order[None], frozen=True, kw_only=True):
    """Remove the slot."""


class CommandDone(Struct, frozen=True, kw_only=True):
    """How a shell command went."""

    command_id: str
    exit_code: int | None
    output: str
    truncated: bool
    error: str | None = None


LineOrder = Dial | HangUp | LookAt | Named | Release | Settle | Drop
PhoneReport = LinkChanged | CallSeen | HoldSeen | HealthRead | TroubleSeen | Looked
SlotReport = PhoneReport | TimerFired | CommandDone | Began | Over | LineOrder


SlotDecision = Decision[SlotEvent, SlotMemory]


# --- decide -----------------------------------------------------------------------------------------------------


def take(slot: Slot, live: SlotMemory, order: Take) -> SlotDecision:
    """Hold the slot, or say why not. Nothing is written: a call's attempt is the record of it, and so is the first
    event of whatever else holds slots."""
    owner = slot.config.user
    if owner is not None and owner != order.user and not order.any_slot:
        raise Refusal(ErrorCode.PERMISSION_DENIED, "The slot belongs to somebody else.", slot=slot.config.id)
    wanted = Holder(id=order.id, user=order.user, slot=slot.config.id, kind=order.kind, inside=order.inside)
    if (hindrance := hindrance_of(slot, live, wanted)) is not None:
        raise hindrance
    held = hold(live.held, wanted)
    if not wanted.dials:
        return Decision(memory=replace(live, held=held))
    return Decision(memory=replace(live, held=held, ours=None), effects=(CancelTimer(name=LOOK_AGAIN),))


def restart(slot: Slot, live: SlotMemory, by: str, now: Moment) -> SlotDecision:
    """Begin afresh with the same phone."""
    _must_be_free(slot, live, by)
    event = SlotRestarting(slot=slot.config.id, at=now.at, status=SlotStatus.RESTARTING, by=by)
    return Decision(events=(event,), effects=(Reconnect(), SetTimer(name=RESTARTED, seconds=RESTART_LIMIT)))


def reboot(slot: Slot, live: SlotMemory, by: str, now: Moment) -> SlotDecision:
    """Restart the phone itself."""
    _must_be_free(slot, live, by)
    must_be_online(slot)
    event = SlotRestarting(slot=slot.config.id, at=now.at, status=SlotStatus.REBOOTING, by=by)
    return Decision(events=(event,), effects=(RebootPhone(), SetTimer(name=REBOOTED, seconds=REBOOT_LIMIT)))


def run_command(
    slot: Slot, command: AdbCommand, command_id: str, by: str, share: Share, now: Moment
) -> SlotDecision:
    """Run a shell command on the phone, also during a call. `share`: for whom it counts."""
    if "\0" in command.command:
        raise misfit("command", "a command cannot hold a NUL character.")
    if _dials(command.command):
        raise misfit("command", "calls are placed with POST /api/call/start, where the dial rules are checked.")
    must_be_online(slot)
    if (kept := kept_by(slot)) is not None and kept.user != by:
        raise busy(slot, kept)
    if len(slot.commands) >= COMMANDS_AT_ONCE:
        raise Refusal(ErrorCode.RATE_LIMITED, "Too many commands run on this phone at once.", limit=COMMANDS_AT_ONCE)
    event = SlotCommandStarted(slot=slot.config.id, at=now.at, command_id=command_id, command=command.command, by=by)
    run = RunCommand(command_id=command_id, command=command.command, timeout=command.timeout, share=share)
    return Decision(events=(event,), effects=(run,))


def _dials(command: str) -> bool:
    keys = _KEYS.search(command)
    return bool(_DIALS.search(command) or (keys and _CALL_KEY.search(command, keys.end())))


def configure(slot: Slot | None, live: SlotMemory, config: SlotConfig, by: str, now: Moment) -> SlotDecision:
    """Create the slot, or change where its phone is and whom it serves."""
    if slot is not None and not slot.removed:
        if slot.config == config and (by != FROM_FILE or slot.from_file == config):
            return Decision()
        _must_be_free(slot, live, by)
    event = SlotConfigured(slot=config.id, at=now.at, config=config, by=by)
    if slot is not None and not slot.removed and slot.config.place == config.place:
        return Decision(events=(event,))
    begun = SlotMemory(told=now.mono)  # what is known of one phone says nothing of another
    return Decision(memory=begun, events=(event,), effects=(UsePhone(config=config),))


def remove(slot: Slot, live: SlotMemory, by: str, now: Moment) -> SlotDecision:
    """Take the slot out of service. Its history stays."""
    _must_be_free(slot, live, by)
    return Decision(events=(SlotRemoved(slot=slot.config.id, at=now.at, by=by),))


def resume(slot: Slot | None, now: Moment) -> SlotDecision:
    """A new owner's first steps: watch the phone, take over the call; what ran in a shell is lost."""
    if slot is None or slot.removed:
        return Decision()
    lost = tuple(
        SlotCommandDone(
            slot=slot.config.id, at=now.at, command_id=command_id, exit_code=None, output="", truncated=False,
            error="The host was restarted while the command ran; it may have been carried out.",
        )
        for command_id in slot.commands
    )  # fmt: skip
    return Decision(events=lost, effects=(*adoptions(slot.calls), UsePhone(config=slot.config)))


def _must_be_free(slot: Slot, live: SlotMemory, by: str) -> None:
    held = holder(slot, live)
    if held is not None and not (held.kind == RESERVED and held.user == by):
        raise busy(slot, held, call_id=held.id) if held.kind == CALL else busy(slot, held)


def must_be_online(slot: Slot, **details: Any) -> None:
    """Raise Refusal(SLOT_OFFLINE) where its phone cannot be reached. `details`: what it says besides."""
    if slot.status is not SlotStatus.ONLINE:
        message = "The slot's phone cannot be reached."
        raise Refusal(ErrorCode.SLOT_OFFLINE, message, slot=slot.config.id, status=slot.status, **details)


# --- observe ----------------------------------------------------------------------------------------------------


def observe(slot: Slot | None, live: SlotMemory, report: SlotReport, now: Moment) -> SlotDecision:
    """What follows from a report."""
    if slot is None or slot.removed:
        return Decision()
    match report:
        case HealthRead():
            return Decision(memory=replace(live, health=report.health, health_at=now.at))
        case TroubleSeen():
            return _trouble_seen(slot, live, report, now)
        case LinkChanged():
            return _link_changed(slot, live, report, now)
        case CallSeen():
            return _call_seen(slot, live, report, now)
        case HoldSeen():
            return _hold_seen(slot, live, now)
        case Looked():
            return _looked(slot, live, report, now)
        case TimerFired():
            return _timer_fired(slot, live, report, now)
        case CommandDone():
            return _command_done(slot, report, now)
        case Began() | Over():
            return _on_record(live, report)
        case _:
            return _ordered(slot, live, report, now)


def _on_record(live: SlotMemory, event: Began | Over) -> SlotDecision:
    """The record says now what this owner kept in mind."""
    id = event.holder.id if isinstance(event, Began) else event.id
    ours = live.ours if isinstance(event, Began) else None
    return Decision(memory=replace(live, held=release_hold(live.held, id), ours=ours))


def _ordered(slot: Slot, live: SlotMemory, order: LineOrder, now: Moment) -> SlotDecision:
    """What a call asks of its slot. Asking, ending and letting go are for everybody; dialling for who holds it."""
    holding = not isinstance(order, Settle | Drop) and order.call_id in holders_of(slot, live)
    match order:
        case Dial() if holding:
            return Decision(effects=(order,))
        case Dial():
            lost = DialFailed(cause="the line was begun afresh", reason=EndReason.NOT_DIALED)
            return Decision(effects=(Tell(kind="call", id=order.call_id, report=lost),))
        case HangUp():
            return Decision(effects=(EndCallOnPhone(call_id=order.call_id, ref=order.ref),))
        case LookAt():
            return Decision(effects=(LookAtPhone(why=order.why, call_id=order.call_id),))
        case Named() if holding:
            return Decision(memory=replace(live, ours=order.ref))
        case Release(look=True):
            return Decision(memory=replace(live, unsure=now.mono), effects=(LookAtPhone(why="release"),))
        case Settle():
            return Decision(effects=(Adopt(kind=order.kind, id=order.id),))
        case Drop():
            return Decision(memory=replace(live, held=release_hold(live.held, order.id)))
    return Decision()


def _link_changed(slot: Slot, live: SlotMemory, report: LinkChanged, now: Moment) -> SlotDecision:
    """Each connection begins without troubles: whoever watches the phone tells after this word what it is in."""
    live = replace(live, link=report.link, detail=report.detail, troubles={})
    to_call = _to_calls(slot, live, report)
    if report.link is Link.ONLINE:  # ONLINE for others only when the phone has been asked
        return Decision(memory=live, effects=(*to_call, LookAtPhone(why="link")))
    if slot.status in (SlotStatus.RESTARTING, SlotStatus.REBOOTING):
        return Decision(memory=live, effects=to_call)
    return Decision(
        memory=live,
        events=_linked(slot, STATUS_OF_LINK[report.link], report.detail or report.link, now),
        effects=(*to_call, CancelTimer(name=LOOK_AGAIN)),
    )


def _trouble_seen(slot: Slot, live: SlotMemory, seen: TroubleSeen, now: Moment) -> SlotDecision:
    live = in_trouble(live, seen.trouble, seen.words)
    return Decision(memory=live, events=_online(slot, live, now) if slot.status is SlotStatus.ONLINE else ())


def _online(slot: Slot, live: SlotMemory, now: Moment) -> tuple[SlotLinked, ...]:
    return _linked(slot, SlotStatus.ONLINE, live.trouble, now)


def _linked(slot: Slot, status: SlotStatus, detail: str, now: Moment) -> tuple[SlotLinked, ...]:
    detail = detail[:WORDS]
    if slot.status is status and slot.detail == detail:
        return ()
    return (SlotLinked(slot=slot.config.id, at=now.at, status=status, detail=detail),)


def _hold_seen(slot: Slot, live: SlotMemory, now: Moment) -> SlotDecision:
    """Somebody else's call on hold may block the slot for ever."""
    if dialler(slot, live) is not None:
        return Decision()
    if now.mono < live.hold_seen + HOLD_EVERY:
        return Decision(effects=(SetTimer(name=HOLD, seconds=HOLD_EVERY, keep=True),))
    return Decision(memory=replace(live, hold_seen=now.mono), effects=(LookAtPhone(why="link"),))


def _call_seen(slot: Slot, live: SlotMemory, seen: CallSeen, now: Moment) -> SlotDecision:
    known = live.ref if live.ref is not None and not newer(seen.ref, live.ref) else seen.ref
    up = {ref: incoming for ref, incoming in live.up.items() if ref != seen.ref}
    if seen.phase is not CallPhase.DISCONNECTED:
        up[seen.ref] = seen.incoming
    if len(up) > MOST_UP:
        up = dict(list(up.items())[-MOST_UP:])
    known_now = replace(live, ref=known, up=up, told=now.mono)
    if not up:
        known_now = in_trouble(known_now, Trouble.HELD, "")
    told = slot.status is SlotStatus.ONLINE and known_now.trouble != live.trouble
    again = (SetTimer(name=LOOK_AGAIN, seconds=FOREIGN_AGAIN, keep=True),) if up and dialler(slot, live) is None else ()
    return Decision(
        memory=known_now,
        events=_online(slot, known_now, now) if told else (),
        effects=(*_to_calls(slot, live, seen), *again),
    )


def _looked(slot: Slot, live: SlotMemory, looked: Looked, now: Moment) -> SlotDecision:
    """A look answers its call whatever became of it; the slot itself believes it, unless the phone has told since. A
    call of ours that is over on record, since the phone was out of reach, and still up has nobody else to end it."""
    to_call = _to_calls(slot, live, looked) if looked.call_id is None else (
        Tell(kind="call", id=looked.call_id, report=looked),
    )  # fmt: skip
    again = (SetTimer(name=LOOK_AGAIN, seconds=LOOK_AGAIN_AFTER, keep=True),) if live.link is Link.ONLINE else ()
    if looked.look is None or looked.asked < live.told:
        wanted = looked.call_id is None or live.unsure is not None
        return Decision(effects=(*to_call, *again) if wanted else to_call)
    unsure = live.unsure if live.unsure is not None and looked.asked < live.unsure else None
    up = {seen.ref: seen.incoming for seen in looked.look.live}
    live = replace(live, ref=_newest(looked.look, live.ref), up=up, unsure=unsure)
    live = in_trouble(live, Trouble.HELD, held_for_nobody(slot, live, looked.look))
    online = _online(slot, live, now) if live.link is Link.ONLINE else ()
    timers: tuple[Effect, ...] = (CancelTimer(name=RESTARTED), CancelTimer(name=REBOOTED)) if online else ()
    forgotten = [ref for ref in _forgotten(slot, looked.look) if ref != live.ours]
    timers = (*timers, *(EndCallOnPhone(call_id="", ref=ref) for ref in forgotten))
    if up and dialler(slot, live) is None:  # its end may be missed as its beginning may have been
        timers = (*timers, SetTimer(name=LOOK_AGAIN, seconds=FOREIGN_AGAIN))
    return Decision(memory=live, events=online, effects=(*to_call, *timers))


def _forgotten(slot: Slot, look: Look) -> list[str]:
    """The calls that are up and ours, and over on record: by their name, or as the first that went out after what was
    known before our order. By its age alone none is: the phone's clock may have been set."""
    by_name = [one.ref for one in look.live if slot.calls.doubt(one.ref) is not None]
    order = look.order
    ours = slot.calls.doubt(nameless(order.call_id)) if order is not None else None
    if order is None or ours is None:
        return by_name
    seen: tuple[LiveCall | PastCall, ...] = (*look.live, *look.past)
    known = [one for one in seen if not one.incoming]
    if ours.after_ref is not None and boot_of(ours.after_ref) == look.boot:
        first = oldest(one for one in known if newer(one.ref, ours.after_ref))
    else:
        first = oldest(one for one in known if may_follow(order, one))
    return [*by_name, *(
        one.ref for one in look.live
        if one.ref not in by_name and _is_of(order, one) and (first is None or not newer(one.ref, first.ref))
    )]  # fmt: skip


def _is_of(order: Noted, seen: LiveCall) -> bool:
    """Whether a call may be of an order; else it is one by hand, as far as anybody can tell: let it be."""
    return not seen.incoming and order.age - seen.created_age <= ORDER_LASTS


def _newest(look: Look, known: str | None) -> str | None:
    refs = [live.ref for live in look.live[:1]]
    refs += [past.ref for past in look.past[:1]]
    if look.boot and not refs:  # no call since the phone started: the next one is its first
        refs = [f"{look.boot}/TC@0"]
    for ref in refs:
        if newer(ref, known):
            known = ref
    return known


def _timer_fired(slot: Slot, live: SlotMemory, timer: TimerFired, now: Moment) -> SlotDecision:
    if timer.name in (LOOK_AGAIN, HOLD) and live.link is Link.ONLINE:
        return Decision(effects=(LookAtPhone(why="link"),))
    if timer.name in (RESTARTED, REBOOTED) and slot.status in (SlotStatus.RESTARTING, SlotStatus.REBOOTING):
        if live.link is Link.ONLINE:
            return Decision(effects=(LookAtPhone(why="link"),))
        return Decision(events=_linked(slot, STATUS_OF_LINK[live.link], "did not come back", now))
    return Decision()


def _command_done(slot: Slot, done: CommandDone, now: Moment) -> SlotDecision:
    if done.command_id not in slot.commands:
        return Decision()
    event = SlotCommandDone(
        slot=slot.config.id,
        at=now.at,
        command_id=done.command_id,
        exit_code=done.exit_code,
        output=done.output,
        truncated=done.truncated,
        error=done.error,
    )
    return Decision(events=(event,))


def _to_calls(slot: Slot, live: SlotMemory, report: CallSeen | LinkChanged | Looked) -> tuple[Effect, ...]:
    return tuple(
        Tell(kind=CALL, id=held.id, report=report) for held in holders_of(slot, live).values() if held.dials
    )
