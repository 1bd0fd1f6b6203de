"""The state diagrams in docs are those of the machines."""

from pathlib import Path

from bus_schemas.campaign import CampaignStatus
from tests.support.states import CALL, CAMPAIGN, SLOT, TRUNK, WALKS, page

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
    """But for POINT's and the do-not-call lists': a directory and a list have rules, and no states. The folder of imports
    has an `s`, since the word without it is not to be had in Python."""
    machines = {path.parent.name.removesuffix("s") for path in (PAGE.parents[1] / "actors").glob("*/machine.py")}
    assert {walk.title.split()[-1] for walk in WALKS} == machines - {"point", "do_not_call"}
