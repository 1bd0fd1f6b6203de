"""The ledgers of hosts that begin with nothing. Their tables are made once and copied: to make them anew takes a tenth
of a short story in simulated time."""

from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from actors.adapters.ledger.sqlite import SqliteLedger
from actors.ledger.kinds import PROJECTIONS
from actors.ledger.model import Projection


def ledger_at(file: Path, projections: Sequence[Projection[Any]] = PROJECTIONS) -> SqliteLedger:
    """The ledger in a file, with empty tables where there is none yet."""
    if not file.exists():
        file.write_bytes(_empty(tuple(projections)))
    return SqliteLedger(file, projections=projections)


@cache
def _empty(projections: tuple[Projection[Any], ...]) -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "ledger"
        with closing(SqliteLedger(file, projections=projections)) as store:
            store.sequence()  # the first look makes the tables
        return file.read_bytes()
