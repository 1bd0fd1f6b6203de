"""The values of the metrics, from what phones and machines say. Pure."""

from collections import Counter

from actors.monitor.rollup import Values
from actors.slot.expected_sim import is_right_sim
from actors.slot.hindrance import can_call
from actors.slot.phone import Health
from actors.usb.port_map import HubNow
from bus_schemas.monitor import HostFigures
from bus_schemas.slot import SlotConfig
from bus_schemas.usb import PortState


def of_phone(health: Health, config: SlotConfig) -> Values:
    """What a phone has told, and how it is to be in this slot."""
    return {
        "battery": health.battery,
        "charging": health.charging,
        "temperature": health.temperature,
        "cpu": health.cpu,
        "ram": health.ram,
        "storage": health.storage,
        "storage_free_mb": health.storage_free_mb,
        "latency_ms": health.latency_ms,
        "signal_level": health.signal_level,
        "in_service": health.in_service,
        "usable_sim": can_call(health.sim) if health.sim is not None else None,
        "right_sim": is_right_sim(config, health),
        "roaming": health.roaming,
        "data_mb": health.data_mb,
        "uptime_s": health.uptime_s,
    }


def of_host(host: HostFigures) -> Values:
    """What a machine has told. The first disk is the one with the state folder."""
    disk = host.disks[0] if host.disks else None
    answered = [probe.latency_ms for probe in host.probes if probe.latency_ms is not None]
    fds = [process.fds for process in host.processes if process.fds is not None]
    return {
        "cpu": host.cpu,
        "ram": host.ram,
        "load": host.load[0] if host.load is not None else None,
        "temperature": host.temperature,
        "disk": disk.used if disk is not None else None,
        "disk_free_mb": disk.free_mb if disk is not None else None,
        "uptime_s": host.uptime_s,
        "latency_ms": max(answered, default=None),
        "unreachable": len(host.probes) - len(answered) if host.probes else None,
        "measured_mbps": host.measured_mbps,
        "bus_ms": host.bus_ms,
        "clock_offset_ms": host.clock_offset_ms,
        "ledger_behind": next((one.behind for one in host.records if one.name == "ledger"), None),
        "rss_mb": sum(process.rss_mb for process in host.processes) if host.processes else None,
        "fds": sum(fds) if fds else None,
        "slots": host.slots,
        "slots_online": host.slots_online,
    }


def of_hub(hub: HubNow) -> Values:
    """What is on its ports."""
    states = Counter(port.state for port in hub.ports)
    return {
        "plugged": hub.plugged,
        "ports": len(hub.ports),
        "online": states[PortState.ONLINE],
        "unauthorized": states[PortState.UNAUTHORIZED],
        "offline": states[PortState.OFFLINE],
        "occupied": states[PortState.OCCUPIED],
    }
