"""The system's clocks behind the `Clock` port."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SystemClock:
    """Wall clock, CLOCK_BOOTTIME (which all processes of one boot share on Linux and which, unlike CLOCK_MONOTONIC,
    counts the time in which the machine was suspended), and the loop's timers, which suspension stops."""

    def __init__(self) -> None:
        self.boot = BOOT_ID.read_text().strip().replace("-", "")[:16]

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay, callback)
