"""A host's figures as they are shown, from what its machine says. Pure."""

from collections.abc import Iterable, Mapping

from actors.monitor.growth import Growth
from actors.monitor.reader import CpuTimes, Disk, Process, Reading
from bus_schemas.monitor import DiskFigures, ProcessFigures

MB = 2**20

Busy = Mapping[tuple[int, float], float]  # seconds of processors by process: its number, and when it started


def load(before: CpuTimes | None, now: CpuTimes) -> float | None:
    """Percent of all processors between two moments."""
    if before is None or now.total <= before.total:
        return None
    return round(min(max(100 * (now.busy - before.busy) / (now.total - before.total), 0.0), 100.0), 1)


def ram(reading: Reading) -> float | None:
    """Percent that is in use, as Linux counts what is available."""
    return round(100 * (1 - reading.ram_available / reading.ram_total), 1) if reading.ram_total else None


def busy(processes: Iterable[Process]) -> Busy:
    """What they have used of processors so far."""
    return {(one.pid, one.started): one.cpu for one in processes}


def process(one: Process, before: Busy, seconds: float) -> ProcessFigures:
    """A process. `before`: how busy all were, `seconds` ago."""
    then = before.get((one.pid, one.started))
    cpu = round(max(100 * (one.cpu - then) / seconds, 0.0), 1) if then is not None and seconds > 0 else None
    return ProcessFigures(
        name=one.name, pid=one.pid, cpu=cpu, rss_mb=round(one.rss / MB, 1), fds=one.fds, threads=one.threads,
        uptime_s=int(one.uptime),
    )  # fmt: skip


def disk(one: Disk, growth: Growth, now: float) -> DiskFigures:
    """A disk, whose share in use is of what this user may use."""
    usable = one.used + one.free
    return DiskFigures(
        path=one.path,
        total_mb=usable // MB,
        free_mb=one.free // MB,
        used=round(100 * one.used / usable, 1) if usable else 100.0,
        full_in=growth.full_in(now, one.used, one.free),
    )
