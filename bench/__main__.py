"""`make bench`: every measurement, one table."""

import asyncio
import sys
import tempfile
from pathlib import Path

from bench import actors, adb, bus, gateway, ledger, logins, pbx
from bench.table import Row, print_table


async def measure(folder: Path) -> list[Row]:
    rows: list[Row] = []
    for each in (gateway, bus, adb, actors, ledger, logins, pbx):
        print(f"bench: {each.__name__} ...", flush=True)
        rows += await each.measure(folder)
    return rows


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measure(Path(folder)))
    print_table(rows)
    sys.exit(0)


if __name__ == "__main__":
    main()
