"""What a gateway counts of the journal: each event once, under no more names than it may."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bus_schemas.call import CallDialing, CallEnded, EndReason, Phase, state_of
from bus_schemas.script import RunEnded, RunState
from bus_schemas.slot_health import Rung, SlotHealed, Symptom
from bus_schemas.usb import HubLost
from gateway import counted
from gateway.counted import Counted, outcome

AT = "2026-01-31T10:00:00.000Z"


class Site:
    """A gateway's counters, and what they say."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.counted = Counted(self._registry)

    def said(self, name: str) -> dict[tuple[str, ...], float]:
        """By the labels' values, in the order of the names; without what is 0."""
        families = text_string_to_metric_families(generate_latest(self._registry).decode())
        samples = [one for family in families for one in family.samples if one.name == name]
        return {tuple(value for _, value in sorted(one.labels.items())): one.value for one in samples if one.value}


def ended(
    reason: EndReason, *, talked: int | None = None, line: str = "slot-44", trunk: str | None = None,
    campaign: str | None = None, app: str | None = None,
) -> CallEnded:
    answer = None if talked is None else AT
    return CallEnded(
        line=line, call_id="c_1", slot=44, user="op12", number="+380991234567", at=AT, reason=reason, cause="x",
        state=state_of(Phase.ENDED, answered=answer is not None, reason=reason), duration=talked or 0, ring_seconds=1,
        start_time=AT, ring_time=AT, answer_time=answer, trunk=trunk, campaign=campaign, app=app,
    )  # fmt: skip


def test_calls_are_counted_by_what_became_of_them() -> None:
    site = Site()
    for call in (
        ended(EndReason.HANGUP_REMOTE, talked=5), ended(EndReason.HANGUP_REMOTE, talked=7), ended(EndReason.BUSY),
        ended(EndReason.TRUNK_REFUSED, line="trunk-a", trunk="a"), ended(EndReason.NO_ANSWER, app="org.x"),
    ):  # fmt: skip
        site.counted.event(call)
    assert site.said("ottb_calls_total") == {  # kind, outcome, reason
        ("slot", "answered", "hangup_remote"): 2, ("slot", "unanswered", "busy"): 1,
        ("trunk", "failed", "trunk_refused"): 1, ("app", "unanswered", "no_answer"): 1,
    }  # fmt: skip
    assert site.said("ottb_call_talk_seconds_total") == {("slot",): 12}
    assert site.said("ottb_line_calls_total") == {
        ("slot-44", "answered"): 2, ("slot-44", "unanswered"): 2, ("trunk-a", "failed"): 1
    }  # fmt: skip
    assert site.said("ottb_campaign_calls_total") == {}


def test_an_attempt_is_counted_when_it_is_on_record() -> None:
    site = Site()
    site.counted.event(CallDialing(
        line="trunk-a", call_id="c_1", slot=None, user="op12", number="+380991234567", at=AT, mono=1.0, boot="b",
        command_id="k", ring_timeout=30.0, max_duration=60.0, trunk="a",
    ))  # fmt: skip
    assert site.said("ottb_calls_started_total") == {("trunk",): 1}


@pytest.mark.parametrize("reason", list(EndReason))
def test_each_reason_has_an_outcome_that_is_there_from_the_start(reason: EndReason) -> None:
    site = Site()
    said = generate_latest(site._registry).decode()
    for answered in (False, True):
        became = outcome(answered=answered, reason=reason)
        assert f'ottb_calls_total{{kind="slot",outcome="{became}",reason="{reason}"}} 0.0' in said


def test_what_was_done_about_phones_and_hubs_that_were_lost() -> None:
    site = Site()
    for dry in (False, False, True):
        site.counted.event(SlotHealed(slot=44, at=AT, symptom=Symptom.SILENT, rung=Rung.REBOOT, dry_run=dry))
    site.counted.event(HubLost(host="a", at=AT, hub="HUB2", path="1-2", phones=20))
    healed = site.said("ottb_slot_healing_steps_total")  # dry_run, rung, symptom
    assert healed == {("false", "reboot", "silent"): 2, ("true", "reboot", "silent"): 1}
    assert site.said("ottb_hubs_lost_total") == {("a",): 1}


def test_lines_and_campaigns_beyond_so_many_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted, "LINES", 3)
    monkeypatch.setattr(counted, "CAMPAIGNS", 2)
    site = Site()
    for number in (*range(6), 0):
        site.counted.event(ended(EndReason.BUSY, line=f"slot-{number}", campaign=f"c_{number}"))
    assert site.said("ottb_line_calls_total") == {
        ("slot-0", "unanswered"): 2, ("slot-1", "unanswered"): 1, ("slot-2", "unanswered"): 1,
        ("others", "unanswered"): 3,
    }  # fmt: skip
    of_campaigns = site.said("ottb_campaign_calls_total")
    assert of_campaigns["others", "unanswered"] == 4 and len(of_campaigns) == 3


def test_figures_name_so_many_scripts_and_count_the_rest_together() -> None:
    site = Site()
    for number in (*range(counted.SCRIPTS + 20), 0):
        site.counted.event(RunEnded(
            line="slot-44", script_id="gacs_1", slot=44, user="op12", script=f"script_{number}", version=1, at=AT,
            state=RunState.FAILED, seconds=1.0,
        ))  # fmt: skip
    said = site.said("ottb_script_runs_total")
    assert len(said) == counted.SCRIPTS + 1
    assert said["others", "failed"] == 20 and said["script_0", "failed"] == 2
