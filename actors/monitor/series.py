"""What of a host is counted for Prometheus, in its base units and within bounds. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bus_schemas.monitor import HostFigures
from bus_schemas.series import FAMILIES, OTHERS, Sample

MB = 2**20


def of_host(host: HostFigures) -> Iterator[Sample]:
    """The machine, its network, its disks, the platform's processes and its records; what is not known is not there."""
    figures = {
        "cpu_ratio": _over(host.cpu, 100),
        "memory_used_ratio": _over(host.ram, 100),
        "load1": host.load[0] if host.load is not None else None,
        "temperature_celsius": host.temperature,
        "uptime_seconds": host.uptime_s,
        "clock_offset_seconds": _over(host.clock_offset_ms, 1000),
        "bus_round_trip_seconds": _over(host.bus_ms, 1000),
    }
    yield from (Sample(f"ottb_host_{name}", value) for name, value in figures.items() if value is not None)
    yield from _of_network_and_disks(host)
    yield from _of_processes(host)
    for one in host.records:
        yield Sample("ottb_records_behind", one.behind, (one.name,))
        yield Sample("ottb_records_failing", float(one.error is not None), (one.name,))


def _of_network_and_disks(host: HostFigures) -> Iterator[Sample]:
    for probe in host.probes:
        yield Sample("ottb_host_probe_up", float(probe.latency_ms is not None), (probe.address,))
        if probe.latency_ms is not None:
            yield Sample("ottb_host_probe_seconds", probe.latency_ms / 1000, (probe.address,))
    for disk in host.disks:
        yield Sample("ottb_host_disk_size_bytes", disk.total_mb * MB, (disk.path,))
        yield Sample("ottb_host_disk_free_bytes", disk.free_mb * MB, (disk.path,))
        if disk.full_in is not None:
            yield Sample("ottb_host_disk_full_in_seconds", disk.full_in, (disk.path,))


def _of_processes(host: HostFigures) -> Iterator[Sample]:
    """Those of one name together."""
    sums = defaultdict[tuple[str, str], float](float)
    for process in host.processes:
        sums["resident_bytes", process.name] += process.rss_mb * MB
        sums["cpu_ratio", process.name] += (process.cpu or 0.0) / 100
        sums["open_fds", process.name] += process.fds or 0
    for (what, name), value in sums.items():
        yield Sample(f"ottb_host_process_{what}", value, (name,))


def of_inboxes(waiting: Mapping[str, Sequence[int]]) -> Iterator[Sample]:
    """How many actors of each kind there are, and what waits for them."""
    for kind, each in waiting.items():
        yield Sample("ottb_actors", len(each), (kind,))
        yield Sample("ottb_inbox_waiting", sum(each), (kind,))
        yield Sample("ottb_inbox_longest", max(each, default=0), (kind,))


def bounded(samples: Iterable[Sample]) -> list[Sample]:
    """Of each family no more first labels than may be named: the others are one, or are not there."""
    named = defaultdict[str, set[str]](set)
    others = defaultdict[tuple[str, tuple[str, ...]], float](float)
    kept = list[Sample]()
    for sample in samples:
        family = FAMILIES[sample.family]
        names, first = named[sample.family], sample.labels[:1]
        if first != (OTHERS,) and (names.issuperset(first) or len(names) < family.most):
            names.update(first)
            kept.append(sample)
        elif family.adds:
            others[sample.family, (OTHERS, *sample.labels[1:])] += sample.value
    return [*kept, *(Sample(family, value, labels) for (family, labels), value in others.items())]


def _over(value: float | None, by: float) -> float | None:
    return None if value is None else value / by
