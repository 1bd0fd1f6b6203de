"""The port to the machine that a host runs on."""

from typing import Protocol

from msgspec import Struct


class CpuTimes(Struct, frozen=True):
    """Seconds of all processors together since the machine has started."""

    busy: float
    total: float


class Disk(Struct, frozen=True, kw_only=True):
    """A file system. `used` and `free`: bytes that are taken, and that this user may still take."""

    path: str
    used: int
    free: int


class Process(Struct, frozen=True, kw_only=True):
    """A process of the platform. `cpu`: seconds of processors since it began. `started`: tells it from a later one of
    the same number. `fds` None: they may not be counted."""

    name: str
    pid: int
    started: float
    cpu: float
    rss: int
    fds: int | None
    threads: int
    uptime: float


class Reading(Struct, frozen=True, kw_only=True):
    """What a machine says of itself at one moment; None where it does not tell. Memory in bytes, times in seconds,
    degrees Celsius. `link`: Mbit/s of the interface that leads to others."""

    cpu: CpuTimes
    cores: int
    load: tuple[float, float, float]
    ram_total: int
    ram_available: int
    uptime: float
    temperature: float | None
    link: int | None
    disks: tuple[Disk, ...]
    processes: tuple[Process, ...]


class HostReader(Protocol):
    """Reads a machine's figures."""

    async def read(self) -> Reading | None:
        """Read them all. None: not in a few seconds; the machine is in trouble. Raises OSError."""

    async def download(self, url: str, *, most: int, seconds: float) -> float | None:
        """Fetch a file, so many bytes of it or for so long. Bytes a second; None: it is not to be had."""

    def stop(self) -> None:
        """Nothing is read any more."""

    async def connect(self, address: str, *, timeout: float) -> float | None:
        """Seconds until a connection to `host:port` is there, or is refused, which is an answer, too. None: no answer
        in `timeout` seconds, or the name is not known."""
