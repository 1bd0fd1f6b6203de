"""The documented figures of one host, or of several together. Pure."""

from collections.abc import Callable, Iterable, Sequence

from bus_schemas.monitor import HostFigures, NetworkFigures, SystemFigures, as_uptime

Figure = Callable[[HostFigures], float | None]


def system(hosts: Sequence[HostFigures]) -> SystemFigures:
    """How busy they are: processors by their number, memory by its size. A host that does not tell does not count."""
    uptime = max((host.uptime_s for host in hosts if host.uptime_s is not None), default=None)
    return SystemFigures(
        cpu=_weighted(hosts, lambda host: host.cpu, lambda host: host.cores),
        ram=_weighted(hosts, lambda host: host.ram, lambda host: host.ram_total_mb),
        uptime=None if uptime is None else as_uptime(uptime),
    )


def network(hosts: Sequence[HostFigures]) -> NetworkFigures:
    """The slowest link, and the longest way: what is wrong with one of them is not hidden by the others."""
    latency = max(_known(probe.latency_ms for host in hosts for probe in host.probes), default=None)
    bandwidth = min(_known(_bandwidth(host) for host in hosts), default=None)
    return NetworkFigures(
        bandwidth_mbps=None if bandwidth is None else round(bandwidth),
        latency_ms=None if latency is None else round(latency),
    )


def _bandwidth(host: HostFigures) -> float | None:
    """What was measured, or else what its link could carry."""
    return host.bandwidth_mbps if host.measured_mbps is None else host.measured_mbps


def _known(figures: Iterable[float | None]) -> list[float]:
    return [figure for figure in figures if figure is not None]


def _weighted(hosts: Sequence[HostFigures], figure: Figure, weight: Figure) -> int | None:
    told = [(value, each) for host in hosts if (value := figure(host)) is not None and (each := weight(host))]
    whole = sum(each for _, each in told)
    return round(sum(value * each for value, each in told) / whole) if whole else None
