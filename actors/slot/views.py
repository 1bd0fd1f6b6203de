"""A slot in the documented shapes. Pure."""

from actors.runtime.clock import Moment
from actors.slot.phone import Health
from actors.slot.record import Slot, SlotMemory, call_of, external
from bus_schemas.slot import Metrics, Network, SlotDetails, SlotReservation, SlotTelemetry


def details(slot: Slot, live: SlotMemory) -> SlotDetails:
    """The slot in the documented shape."""
    health, call = live.health, call_of(slot, live)
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
        call_id=call.id if call is not None else None,
        external_call=external(slot, live),
        status_detail=slot.detail,
        android=health.android,
        reserved_by=slot.reservation.user if slot.reservation is not None else None,
        reserved_until=slot.reservation.until if slot.reservation is not None else None,
        quarantine=slot.quarantine,
        conditions=slot.conditions,
    )


def reservation(slot: Slot, user: str) -> SlotReservation:
    """Whose it is by now; `user`: whose it was."""
    kept = slot.reservation
    if kept is None:
        return SlotReservation(status="free", slot=slot.config.id, user=user)
    return SlotReservation(status="reserved", slot=slot.config.id, user=kept.user, until=kept.until)


def telemetry(slot: Slot, live: SlotMemory, now: Moment) -> SlotTelemetry:
    """The last figures, for whoever listens."""
    return SlotTelemetry(
        slot=slot.config.id,
        at=now.at,
        device=live.health.model,
        android=live.health.android,
        metrics=metrics(live.health),
        network=network(live.health),
        external_call=external(slot, live),
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
