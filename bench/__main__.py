"""`make bench`: every measurement, one table. `python -m bench live pbx`: those alone."""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from bench import (
    actors,
    adb,
    bus,
    bus_overload,
    campaigns,
    gateway,
    ledger,
    live,
    logins,
    pacing,
    pbx,
    readers,
    refusals,
    strangers,
)
from bench.table import Row, print_table

ALL = (
    gateway, live, strangers, bus, bus_overload, adb, actors, ledger, logins, campaigns, pacing, pbx, readers, refusals
)  # fmt: skip


async def measure(folder: Path, wanted: list[str]) -> list[Row]:
    rows: list[Row] = []
    for each in (one for one in ALL if not wanted or one.__name__.removeprefix("bench.") in wanted):
        print(f"bench: {each.__name__} ...", flush=True)
        rows += await each.measure(folder)
    return rows


def main() -> None:
    # What is measured logs as it does on a site; here it would hide the table. What goes wrong ends the measurement.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measure(Path(folder), sys.argv[1:]))
    print_table(rows)
    sys.exit(0)


if __name__ == "__main__":
    main()
