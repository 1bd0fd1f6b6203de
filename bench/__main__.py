"""`make bench`: every measurement, one table. `python -m bench live pbx`: those. It fails where a goal is missed."""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from bench import (
    actors,
    adb,
    archive,
    bus,
    bus_overload,
    campaigns,
    dashboard,
    dialling,
    dialling_start,
    do_not_call,
    exports,
    fanout,
    filters,
    gateway,
    imports,
    kills,
    leads,
    ledger,
    live,
    logins,
    monitoring,
    pacing,
    pbx,
    pipelines,
    readers,
    rebuild,
    refusals,
    scans,
    scripts,
    start,
    strangers,
    teams,
    traces,
    year,
)
from bench.table import Row, print_table

ALL = (
    gateway, live, fanout, strangers, bus, bus_overload, adb, actors, ledger, archive, leads, logins, campaigns,
    dashboard, dialling, dialling_start, do_not_call, exports, filters, imports, kills, monitoring, pacing, pbx,
    pipelines, readers, rebuild, refusals, scans, scripts, start, teams, traces, year,
)  # fmt: skip


PARTS = {part.__name__.removeprefix("bench."): part for part in ALL}


async def measure(folder: Path, wanted: list[str]) -> list[Row]:
    rows: list[Row] = []
    for name in wanted or PARTS:
        print(f"bench: {name} ...", flush=True)
        rows += await PARTS[name].measure(folder)
    return rows


def main() -> None:
    wanted = sys.argv[1:]
    if not PARTS.keys() >= {*wanted}:
        sys.exit(f"{__doc__}\nParts: {', '.join(PARTS)}")
    # What is measured logs as it does on a site; here it would hide the table. What goes wrong ends the measurement.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measure(Path(folder), wanted))
    print_table(rows)
    sys.exit(0 if all(row.met for row in rows) else 1)


if __name__ == "__main__":
    main()
