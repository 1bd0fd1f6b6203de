"""A slot in the documented shapes. Pure."""

from typing import Any

import msgspec

from actors.runtime.clock import Moment
from actors.slot.phone import Health
from actors.slot.record import Slot, SlotMemory, call_of, external, holders_of
from actors.telephony.line import SCRIPT
from bus_schemas.monitor import SlotFigures, as_uptime
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
        temperature=_degrees(health),
        battery=_charge(health),
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
        script_id=next((one.id for one in holders_of(slot, live).values() if one.kind == SCRIPT), None),
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


def figures(slot: Slot, live: SlotMemory) -> SlotFigures:
    """How its phone was when it was asked last."""
    health = live.health
    return SlotFigures(
        slot_id=slot.config.id,
        cpu=_whole(health.cpu),
        ram=_whole(health.ram),
        temperature=_degrees(health),
        battery=_charge(health),
        latency=_whole(health.latency_ms),
        at=live.health_at,
        storage=_whole(health.storage),
        storage_free_mb=health.storage_free_mb,
        charging=health.charging,
        battery_health=health.battery_health,
        battery_frozen=health.battery_frozen,
        signal_level=health.signal_level,
        in_service=health.in_service,
        network_type=health.network_type,
        operator=health.operator,
        roaming=health.roaming,
        data_mb=health.data_mb,
        uptime=None if health.uptime_s is None else as_uptime(health.uptime_s),
    )


def last_figures(slot: Slot, live: SlotMemory) -> dict[str, Any]:
    """What is told of a phone that cannot be reached: how it was last, if it ever was asked here."""
    return {"last": msgspec.to_builtins(figures(slot, live))} if live.health_at is not None else {}


def _whole(figure: float | None) -> int | None:
    return None if figure is None else round(figure)


def _degrees(health: Health) -> str | None:
    return None if health.temperature is None else f"{health.temperature:.0f}C"


def _charge(health: Health) -> str | None:
    return None if health.battery is None else f"{health.battery}%"


def metrics(health: Health) -> Metrics:
    return Metrics(
        battery=health.battery,
        temperature=health.temperature,
        charging=health.charging,
        battery_health=health.battery_health,
        battery_frozen=health.battery_frozen,
        cpu=health.cpu,
        ram=health.ram,
        storage=health.storage,
        storage_free_mb=health.storage_free_mb,
        data_mb=health.data_mb,
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
        roaming=health.roaming,
    )
