"""How the states of imports are walked through, for docs/states.md."""

from typing import Any

from actors.imports import machine as imports
from actors.leads.mapping import Mapping as ListMapping
from actors.leads.preview import Preview
from actors.leads.reading import Layout
from actors.runtime.clock import Moment
from actors.runtime.decision import NOTHING, Decision
from bus_schemas.imports import Columns, CreateImport, StoredFile
from tests.support.states import Input, Stand, Walk, verb

FILE = StoredFile(key="k", size=1, pieces=1, digest="")
COLUMNS = Columns(fields=("number",), header=False)
SURE, DOUBTFUL = ListMapping(fields=("number",), header=False), ListMapping(fields=(), header=False, doubt="?")


def _import_examined(mapping: ListMapping) -> Input:
    layout = Layout(encoding="utf-8", delimiter=",")
    found = Preview(layout=layout, mapping=mapping, rows=[], total=1, counts=None, invalid=[])
    return lambda stand, now: imports.examined(stand[0], imports.Examined(preview=found), now)


def _import_over(failed: str | None) -> Input:
    return lambda stand, now: imports.over(stand[0], imports.ReadOver(failed=failed), now)


def _import_advances(stand: Stand, now: Moment) -> Decision[Any, Any]:
    if stand[0].done:
        return NOTHING
    return imports.added(
        stand[0], imports.PartAdded(row=1, rows=1, new=1, duplicates=0, invalid={}, bad=False, began=False), now
    )


IMPORT_INPUTS: tuple[Input, ...] = (
    *(_import_examined(mapping) for mapping in (SURE, DOUBTFUL)),
    *(_import_over(failed) for failed in (None, "why")),
    _import_advances,
    lambda stand, now: imports.map_columns(stand[0], COLUMNS, "op", now),
    lambda stand, now: imports.start(stand[0], None, "op", now),
    lambda stand, now: imports.cancel(stand[0], "op", now),
    lambda stand, now: imports.too_old(stand[0], now),
)


def _after_import(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    found = stand[0]
    for event in decision.events:
        found = imports.evolve(found, event)
    return found, None


WALK = Walk(
    title="An import",
    text="`status` of an import. It goes from `examining` to `running` by itself where that was wanted at once.",
    start=lambda now: imports.create(
        "i", None, CreateImport(campaign_id="c", name="leads.csv", begin=True, file=FILE), "op", now
    ),
    inputs=IMPORT_INPUTS,
    after=_after_import,
    name=lambda stand: str(stand[0].status),
    key=lambda stand: (stand[0].status, stand[0].given, stand[0].columns, stand[0].done),
    why=verb,
)
