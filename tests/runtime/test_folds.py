"""The tables of what events make of a state."""

from collections.abc import Mapping
from typing import get_args

import pytest

from actors.campaign import record
from actors.point import directory
from actors.runtime.folds import fold, folds
from bus_schemas.campaign import CampaignCreated, CampaignEvent
from bus_schemas.user import DirectoryEvent, SessionEvent

TABLES = {
    "point": (directory._AFTER, {*get_args(DirectoryEvent), *get_args(SessionEvent)}),
    "campaign": (record._AFTER, {*get_args(CampaignEvent)} - {CampaignCreated}),
}


@pytest.mark.parametrize(("table", "events"), TABLES.values(), ids=TABLES)
def test_every_event_has_its_line(table: Mapping[type, object], events: set[type]) -> None:
    assert table.keys() == events


def test_an_event_stands_once() -> None:
    line = fold(str, lambda state, event: None)
    with pytest.raises(ValueError, match="twice"):
        folds(line, line)
