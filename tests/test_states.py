"""The state diagrams in docs are those of the machines."""

from pathlib import Path

from bus_schemas.campaign import CampaignStatus
from tests.call.walk import WALK as CALL
from tests.campaign.walk import WALK as CAMPAIGN
from tests.slot.walk import WALK as SLOT
from tests.support.states import page
from tests.trunk.walk import WALK as TRUNK

PAGE = Path(__file__).resolve().parents[1] / "docs" / "states.md"


def test_the_diagrams_are_those_of_the_machines() -> None:
    assert PAGE.read_text() == page(), "a machine has changed: make states"


def test_nothing_leaves_the_end_of_a_call_and_everything_else_does() -> None:
    edges = CALL.edges()
    assert {after for _, after, _ in edges} == {"dialing", "alerting", "connected", "ended"}
    assert {before for before, _, _ in edges} == {"[*]", "dialing", "alerting", "connected"}


def test_every_state_that_is_documented_is_reached() -> None:
    assert {after for _, after, _ in SLOT.edges()} == {
        "UNKNOWN", "ONLINE", "OFFLINE", "UNAUTHORIZED", "RESTARTING", "REBOOTING"
    }  # fmt: skip
    assert {after for _, after, _ in TRUNK.edges()} == {"OK", "WARN", "DOWN"}
    assert {after for _, after, _ in CAMPAIGN.edges()} == {*CampaignStatus}


def test_a_campaign_that_is_being_stopped_only_stops() -> None:
    assert {after for before, after, _ in CAMPAIGN.edges() if before == "draining"} == {"stopped"}


def test_every_machine_is_drawn() -> None:
    """Each machine.py has the walk that draws it beside its tests, and is found on the page."""
    root = PAGE.parents[1]
    machines = {path.parent.name for path in root.glob("actors/*/machine.py")}
    assert machines == {path.parent.name for path in root.glob("tests/*/walk.py")}
    assert PAGE.read_text().count("stateDiagram-v2") == len(machines)
