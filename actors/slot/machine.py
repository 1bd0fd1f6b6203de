"""A slot as values: when it may be used, what follows from its phone's reports, how each event changes it.

Whether a slot is busy is on record (`booked`, `released`); how its phone can be reached is on record too, for
those who listen, but a new owner never believes it: a slot starts UNKNOWN and asks the phone. `Live` is what the
phone said to this owner; it is not on record and starts empty.
"""

import re
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.call.line import AdoptCall, Dial, HangUp, LookAt, Looked, Release, Settle
from actors.runtime.clock import Moment
from actors.runtime.decision import CancelTimer, Decision, Effect, Elapsed, SetTimer, Tell
from actors.slot.phone import (
    CallPhase,
    CallSeen,
    Health,
    HealthRead,
    Link,
    LinkChanged,
    Look,
    newer,
)
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import (
    AdbCommand,
    Metrics,
    Network,
    SlotActivated,
    SlotBooked,
    SlotCommandDone,
    SlotCommandStarted,
    SlotConfig,
    SlotConfigured,
    SlotDetails,
    SlotEvent,
    SlotLinked,
    SlotReleased,
    SlotRemoved,
    SlotRestarting,
    SlotStatus,
    SlotTelemetry,
)

LOOK_AGAIN, REBOOTED, RESTARTED = "look_again", "rebooted", "restarted"
LOOK_AGAIN_AFTER = 2.0
RESTART_LIMIT = 30.0  # seconds until a slot that does not come back is called OFFLINE
REBOOT_LIMIT = 240.0
HOUR = 3600.0
COMMANDS_AT_ONCE = 4

STATUS_OF_LINK: Mapping[Link, SlotStatus] = {
    Link.ONLINE: SlotStatus.ONLINE,
    Link.OFFLINE: SlotStatus.OFFLINE,
    Link.ABSENT: SlotStatus.OFFLINE,
    Link.UNAUTHORIZED: SlotStatus.UNAUTHORIZED,
    Link.UNKNOWN: SlotStatus.UNKNOWN,
}

EVENT_NAMES: Mapping[type, str] = {
    SlotBooked: "call.start",
    SlotReleased: "call.end",
    SlotConfigured: "slot.configured",
    SlotRestarting: "slot.restart",
    SlotCommandStarted: "adb.command",
    SlotCommandDone: "adb.done",
}

# A shell command must not be a way around the dial gate. Whoever holds the shell can hide one from any pattern;
# this stops what is sent by habit and says where calls are placed.
_DIALS = re.compile(
    r"tel:|voicemail:|intent\.action\.(?:call|dial)|service\s+call\s+(?:phone|telecom|isms)"
    r"|keyevent\s+(?:\S+\s+)*(?:5\b|(?:keycode_)?call\b)|\bcmd\s+phone\b",
    re.IGNORECASE,
)


# --- effects and orders -----------------------------------------------------------------------------------------


class UsePhone(Effect, frozen=True, kw_only=True):
    """Watch the phone of this configuration, and no other."""

    config: SlotConfig


class LookAtPhone(Effect, frozen=True, kw_only=True):
    """Ask the phone about its calls; `Looked` comes back."""

    why: str


class PlaceCall(Effect, frozen=True, kw_only=True):
    call_id: str
    number: str
    trace_id: str | None


class EndCallOnPhone(Effect, frozen=True, kw_only=True):
    call_id: str


class Reconnect(Effect, frozen=True, kw_only=True):
    """Open this host's connections to the phone afresh."""


class RebootPhone(Effect, frozen=True, kw_only=True):
    """Restart the phone itself."""


class RunCommand(Effect, frozen=True, kw_only=True):
    """Run a shell command; `CommandDone` comes back."""

    command_id: str
    command: str
    timeout: float


class Book(Struct, frozen=True, kw_only=True):
    """Keep this slot for one call. `any_slot`: the caller may use slots of others."""

    call_id: str
    user: str
    any_slot: bool
    per_hour: int


class Booked(Struct, frozen=True, kw_only=True):
    """It is kept. `after_ref`: the newest call the phone knew before."""

    slot: int
    region: str | None
    after_ref: str | None


class Configure(Struct, frozen=True, kw_only=True):
    config: SlotConfig


class Remove(Struct, frozen=True, kw_only=True):
    """Remove the slot."""


class CommandDone(Struct, frozen=True, kw_only=True):
    """How a shell command went."""

    command_id: str
    exit_code: int | None
    output: str
    truncated: bool
    error: str | None = None


SlotReport = (
    LinkChanged | CallSeen | HealthRead | Looked | Elapsed | CommandDone | Dial | HangUp | LookAt | Release | Settle
)


# --- state ------------------------------------------------------------------------------------------------------


class Slot(Struct, frozen=True, kw_only=True):
    """One slot as its events tell it. `starts`: when its calls of the last hour began (seconds of boot `boot`)."""

    config: SlotConfig
    from_file: SlotConfig | None = None
    removed: bool = False
    status: SlotStatus = SlotStatus.UNKNOWN
    detail: str = ""
    call_id: str | None = None
    last_event: str | None = None
    last_activity: str | None = None
    last_used: str = ""
    commands: tuple[str, ...] = ()


class Live(Struct, frozen=True, kw_only=True):
    """What the phone told this owner. `external`: a call on the phone that is not ours. `ref`: its newest call.
    `unsure`: our call is over on record, but the phone may still be in it; it is being asked."""

    link: Link = Link.UNKNOWN
    health: Health = Health()
    external: str | None = None
    unsure: bool = False
    ref: str | None = None
    starts: tuple[float, ...] = ()


# --- decide -----------------------------------------------------------------------------------------------------


def may_be_used(slot: Slot | None, live: Live) -> bool:
    """Whether a call could start here now."""
    return slot is not None and _hindrance(slot, live) is None


def _hindrance(slot: Slot, live: Live) -> Refusal | None:
    if slot.removed:
        return Refusal(ErrorCode.NOT_FOUND, "No such slot.")
    if slot.call_id is not None:
        return Refusal(ErrorCode.SLOT_BUSY, "Slot is currently used.", slot=slot.config.id)
    if slot.status is not SlotStatus.ONLINE:
        return Refusal(
            ErrorCode.SLOT_OFFLINE, "The slot's phone cannot be reached.", slot=slot.config.id, status=slot.status
        )
    if live.unsure:
        return Refusal(ErrorCode.SLOT_BUSY, "The phone is being asked about its last call.", slot=slot.config.id)
    if live.external is not None:
        return Refusal(ErrorCode.SLOT_BUSY, "The phone is in a call of its own.", slot=slot.config.id)
    if live.health.sim is not None and "READY" not in live.health.sim and "LOADED" not in live.health.sim:
        return Refusal(ErrorCode.CALL_FAILED, "The phone has no usable SIM.", slot=slot.config.id, sim=live.health.sim)
    if live.health.in_service is False:
        return Refusal(ErrorCode.CALL_FAILED, "The phone has no voice network.", slot=slot.config.id)
    return None


def book(slot: Slot, live: Live, order: Book, now: Moment) -> Decision[SlotEvent]:
    """Keep the slot for a call, or say why not."""
    if slot.call_id == order.call_id:
        return Decision()
    owner = slot.config.user
    if owner is not None and owner != order.user and not order.any_slot:
        raise Refusal(ErrorCode.PERMISSION_DENIED, "The slot belongs to somebody else.", slot=slot.config.id)
    if (hindrance := _hindrance(slot, live)) is not None:
        raise hindrance
    if len([start for start in live.starts if start > now.mono - HOUR]) >= order.per_hour:
        raise Refusal(ErrorCode.RATE_LIMITED, "The slot has made its calls for this hour.", rule="slot_calls_per_hour")
    return Decision(
        events=(SlotBooked(slot=slot.config.id, at=now.at, call_id=order.call_id, user=order.user),),
        effects=(CancelTimer(name=LOOK_AGAIN),),
    )


def restart(slot: Slot, by: str, now: Moment) -> Decision[SlotEvent]:
    """Begin afresh with the same phone."""
    _must_be_free(slot)
    event = SlotRestarting(slot=slot.config.id, at=now.at, status=SlotStatus.RESTARTING, by=by)
    return Decision(events=(event,), effects=(Reconnect(), SetTimer(name=RESTARTED, seconds=RESTART_LIMIT)))


def reboot(slot: Slot, by: str, now: Moment) -> Decision[SlotEvent]:
    """Restart the phone itself."""
    _must_be_free(slot)
    _must_be_online(slot)
    event = SlotRestarting(slot=slot.config.id, at=now.at, status=SlotStatus.REBOOTING, by=by)
    return Decision(events=(event,), effects=(RebootPhone(), SetTimer(name=REBOOTED, seconds=REBOOT_LIMIT)))


def run_command(slot: Slot, command: AdbCommand, command_id: str, by: str, now: Moment) -> Decision[SlotEvent]:
    """Run a shell command on the phone, also during a call."""
    if "\0" in command.command:
        raise Refusal(ErrorCode.INVALID_PARAMS, "A command cannot hold a NUL character.")
    if _DIALS.search(command.command):
        raise Refusal(
            ErrorCode.INVALID_PARAMS, "Calls are placed with POST /api/call/start, where the dial rules are checked."
        )
    _must_be_online(slot)
    if len(slot.commands) >= COMMANDS_AT_ONCE:
        raise Refusal(ErrorCode.RATE_LIMITED, "Too many commands run on this phone at once.", limit=COMMANDS_AT_ONCE)
    event = SlotCommandStarted(slot=slot.config.id, at=now.at, command_id=command_id, command=command.command, by=by)
    run = RunCommand(command_id=command_id, command=command.command, timeout=command.timeout)
    return Decision(events=(event,), effects=(run,))


def configure(slot: Slot | None, config: SlotConfig, by: str, now: Moment) -> Decision[SlotEvent]:
    """Create the slot, or change where its phone is and whom it serves."""
    if slot is not None and not slot.removed:
        _must_be_free(slot)
        if slot.config == config:
            return Decision()
    event = SlotConfigured(slot=config.id, at=now.at, config=config, by=by)
    if slot is not None and not slot.removed and _place(slot.config) == _place(config):
        return Decision(events=(event,))
    return Decision(events=(event,), effects=(UsePhone(config=config),))


def _place(config: SlotConfig) -> tuple[str | None, str | None, int | None]:
    """Where the phone is: what decides which one it is."""
    return config.serial, config.hub, config.port


def remove(slot: Slot, by: str, now: Moment) -> Decision[SlotEvent]:
    """Take the slot out of service. Its history stays."""
    _must_be_free(slot)
    return Decision(events=(SlotRemoved(slot=slot.config.id, at=now.at, by=by),))


def resume(slot: Slot | None, now: Moment) -> Decision[SlotEvent]:
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
    adopt = (AdoptCall(call_id=slot.call_id),) if slot.call_id is not None else ()
    return Decision(events=lost, effects=(*adopt, UsePhone(config=slot.config)))


def _must_be_free(slot: Slot) -> None:
    if slot.call_id is not None:
        raise Refusal(ErrorCode.SLOT_BUSY, "Slot is currently used.", slot=slot.config.id, call_id=slot.call_id)


def _must_be_online(slot: Slot) -> None:
    if slot.status is not SlotStatus.ONLINE:
        raise Refusal(
            ErrorCode.SLOT_OFFLINE, "The slot's phone cannot be reached.", slot=slot.config.id, status=slot.status
        )


# --- observe ----------------------------------------------------------------------------------------------------


def observe(slot: Slot | None, live: Live, report: SlotReport, now: Moment) -> Decision[SlotEvent]:
    """What follows from a report. `Decision.state` is the new `Live`, if it changed."""
    if slot is None or slot.removed:
        return Decision()
    match report:
        case HealthRead():
            return Decision(state=replace(live, health=report.health))
        case LinkChanged():
            return _link_changed(slot, live, report, now)
        case CallSeen():
            return _call_seen(slot, live, report)
        case Looked():
            return _looked(slot, live, report, now)
        case Elapsed():
            return _elapsed(slot, live, report, now)
        case CommandDone():
            return _command_done(slot, report, now)
        case _:
            return _ordered(slot, live, report, now) if slot.call_id == report.call_id else Decision()


def _ordered(
    slot: Slot, live: Live, order: Dial | HangUp | LookAt | Release | Settle, now: Moment
) -> Decision[SlotEvent]:
    """What the call that this slot is booked for asks of it."""
    match order:
        case Dial():
            started = tuple(start for start in live.starts if start > now.mono - HOUR)
            place = PlaceCall(call_id=order.call_id, number=order.number, trace_id=order.trace_id)
            return Decision(state=replace(live, starts=(*started, now.mono)), effects=(place,))
        case HangUp():
            return Decision(effects=(EndCallOnPhone(call_id=order.call_id),))
        case LookAt():
            return Decision(effects=(LookAtPhone(why=order.why),))
        case Release():
            event = SlotReleased(slot=slot.config.id, at=now.at, call_id=order.call_id)
            look = (LookAtPhone(why="release"),) if order.look else ()
            return Decision(state=replace(live, unsure=order.look), events=(event,), effects=look)
        case Settle():
            return Decision(effects=(AdoptCall(call_id=order.call_id),))


def _link_changed(slot: Slot, live: Live, report: LinkChanged, now: Moment) -> Decision[SlotEvent]:
    live = replace(live, link=report.link)
    to_call = _to_call(slot, report)
    if report.link is Link.ONLINE:  # ONLINE for others only when the phone has been asked
        return Decision(state=live, effects=(*to_call, LookAtPhone(why="link")))
    if slot.status in (SlotStatus.RESTARTING, SlotStatus.REBOOTING):
        return Decision(state=live, effects=to_call)
    return Decision(
        state=live,
        events=_linked(slot, STATUS_OF_LINK[report.link], report.detail or report.link, now),
        effects=(*to_call, CancelTimer(name=LOOK_AGAIN)),
    )


def _linked(slot: Slot, status: SlotStatus, detail: str, now: Moment) -> tuple[SlotLinked, ...]:
    if slot.status is status and slot.detail == detail:
        return ()
    return (SlotLinked(slot=slot.config.id, at=now.at, status=status, detail=detail),)


def _call_seen(slot: Slot, live: Live, seen: CallSeen) -> Decision[SlotEvent]:
    known = live.ref if live.ref is not None and not newer(seen.ref, live.ref) else seen.ref
    live = replace(live, ref=known)
    if slot.call_id is not None:
        return Decision(state=live, effects=_to_call(slot, seen))
    over = seen.phase is CallPhase.DISCONNECTED
    if over and live.external != seen.ref:
        return Decision(state=live)
    return Decision(state=replace(live, external=None if over else seen.ref))


def _looked(slot: Slot, live: Live, looked: Looked, now: Moment) -> Decision[SlotEvent]:
    to_call = _to_call(slot, looked)
    if looked.look is None:
        again = (SetTimer(name=LOOK_AGAIN, seconds=LOOK_AGAIN_AFTER),) if live.link is Link.ONLINE else ()
        return Decision(effects=(*to_call, *again))
    on_phone = looked.look.live[0].ref if looked.look.live else None
    external = on_phone if slot.call_id is None else None
    live = replace(live, ref=_newest(looked.look, live.ref), external=external, unsure=False)
    online = _linked(slot, SlotStatus.ONLINE, "", now) if live.link is Link.ONLINE else ()
    timers = (CancelTimer(name=RESTARTED), CancelTimer(name=REBOOTED)) if online else ()
    return Decision(state=live, events=online, effects=(*to_call, *timers))


def _newest(look: Look, known: str | None) -> str | None:
    refs = [live.ref for live in look.live[:1]]
    refs += [past.ref for past in look.past[:1]]
    for ref in refs:
        if newer(ref, known):
            known = ref
    return known


def _elapsed(slot: Slot, live: Live, timer: Elapsed, now: Moment) -> Decision[SlotEvent]:
    if timer.name == LOOK_AGAIN and live.link is Link.ONLINE:
        return Decision(effects=(LookAtPhone(why="link"),))
    if timer.name in (RESTARTED, REBOOTED) and slot.status in (SlotStatus.RESTARTING, SlotStatus.REBOOTING):
        if live.link is Link.ONLINE:
            return Decision(effects=(LookAtPhone(why="link"),))
        return Decision(events=_linked(slot, STATUS_OF_LINK[live.link], "did not come back", now))
    return Decision()


def _command_done(slot: Slot, done: CommandDone, now: Moment) -> Decision[SlotEvent]:
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


def _to_call(slot: Slot, report: CallSeen | LinkChanged | Looked) -> tuple[Effect, ...]:
    return (Tell(kind="call", id=slot.call_id, report=report),) if slot.call_id is not None else ()


# --- evolve -----------------------------------------------------------------------------------------------------


def evolve(slot: Slot | None, event: SlotEvent) -> Slot | None:
    """The slot after an event."""
    if isinstance(event, SlotConfigured):
        return _configured(slot, event)
    if slot is None:
        return None
    changed = _changed(slot, event)
    if isinstance(event, SlotActivated | SlotLinked):
        return changed
    return replace(changed, last_activity=event.at, last_event=_event_name(event) or slot.last_event)


def _event_name(event: SlotEvent) -> str | None:
    if isinstance(event, SlotRestarting) and event.status is SlotStatus.REBOOTING:
        return "slot.reboot"
    return EVENT_NAMES.get(type(event))


def _changed(slot: Slot, event: SlotEvent) -> Slot:
    match event:
        case SlotActivated():
            return replace(slot, status=SlotStatus.UNKNOWN, detail="")
        case SlotLinked():
            name = "slot.online" if event.status is SlotStatus.ONLINE else "slot.offline"
            return replace(slot, status=event.status, detail=event.detail, last_event=name, last_activity=event.at)
        case SlotBooked():
            return replace(slot, call_id=event.call_id, last_used=event.at)
        case SlotReleased():
            return replace(slot, call_id=None)
        case SlotRestarting():
            return replace(slot, status=event.status, detail="")
        case SlotCommandStarted():
            return replace(slot, commands=(*slot.commands, event.command_id))
        case SlotCommandDone():
            return replace(slot, commands=tuple(id for id in slot.commands if id != event.command_id))
        case SlotRemoved():
            return replace(slot, removed=True)
        case SlotConfigured():
            return slot  # handled by evolve


def _configured(slot: Slot | None, event: SlotConfigured) -> Slot:
    from_file = event.config if event.by == "config" else (slot.from_file if slot else None)
    if slot is None or slot.removed:
        return Slot(config=event.config, from_file=from_file, last_activity=event.at, last_event="slot.configured")
    same_phone = _place(slot.config) == _place(event.config)
    return replace(
        slot,
        config=event.config,
        from_file=from_file,
        status=slot.status if same_phone else SlotStatus.UNKNOWN,
        last_activity=event.at,
        last_event="slot.configured",
    )


# --- views ------------------------------------------------------------------------------------------------------


def details(slot: Slot, live: Live) -> SlotDetails:
    """The slot in the documented shape."""
    health = live.health
    return SlotDetails(
        id=slot.config.id,
        status=slot.status,
        device=health.model,
        user=slot.config.user,
        trunk=slot.config.trunk,
        temperature=None if health.temperature is None else f"{health.temperature:.0f}C",
        battery=None if health.battery is None else f"{health.battery}%",
        last_event=slot.last_event,
        config=slot.config,
        network=network(health),
        last_activity=slot.last_activity,
        metrics=metrics(health),
        call_id=slot.call_id,
        external_call=live.external is not None,
        status_detail=slot.detail,
        android=health.android,
    )


def telemetry(slot: Slot, live: Live, now: Moment) -> SlotTelemetry:
    """The last figures, for whoever listens."""
    return SlotTelemetry(
        slot=slot.config.id,
        at=now.at,
        device=live.health.model,
        android=live.health.android,
        metrics=metrics(live.health),
        network=network(live.health),
        external_call=live.external is not None,
    )


def metrics(health: Health) -> Metrics:
    return Metrics(
        battery=health.battery,
        temperature=health.temperature,
        charging=health.charging,
        cpu=health.cpu,
        ram=health.ram,
        latency_ms=health.latency_ms,
        signal_level=health.signal_level,
        uptime_s=health.uptime_s,
    )


def network(health: Health) -> Network:
    return Network(
        operator=health.operator,
        sim=health.sim,
        in_service=health.in_service,
        type=health.network_type,
        signal_level=health.signal_level,
    )
