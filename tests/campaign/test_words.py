"""What an operator's word makes of a lead, and of a campaign. Pure."""

from typing import Any

import pytest

from actors.campaign import machine
from actors.campaign.claims import CallOver
from actors.campaign.places import at
from actors.campaign.standing import may_still_be_called
from actors.campaign.words import Word, heard
from bus_schemas.call import EndReason
from bus_schemas.campaign import CampaignEvent, CampaignResumed, CampaignStatus, StopMode
from bus_schemas.lead import CampaignLeadMarked, LeadStatus, Meaning
from bus_schemas.operator import OperatorDisposed
from tests.campaign.played import ID, Played, lead_at

S, L, M = CampaignStatus, LeadStatus, Meaning
LATER = "2026-11-25T12:00:00.000Z"


def says(played: Played, seq: int, meaning: Meaning, place: int = 0, **more: Any) -> list[type[CampaignEvent]]:
    """An operator's word for a call to a lead, heard at `seq`."""
    said = OperatorDisposed(
        user="op7", at=played.moment().at, call_id="c_1", campaign_id=ID, lead=None, disposition=f"word_{meaning}",
        meaning=meaning, **more,
    )  # fmt: skip
    events = played.record(heard(played.state, Word(seq=seq, place=place, said=said), played.moment()))
    assert played.campaign == played.replayed()
    return [type(event) for event in events]


def status_of(played: Played, place: int = 0) -> LeadStatus:
    return at(played.state.leads, place).status


def talked(played: Played) -> None:
    """The next lead is called, and somebody answers."""
    [claim] = played.claim()
    played.over(claim, EndReason.HANGUP_REMOTE, answered=True)


@pytest.mark.parametrize("meaning", [M.DONE, M.DO_NOT_CALL, M.IN_PROGRESS])
def test_the_meaning_of_a_word_is_the_lead_s_status(meaning: Meaning) -> None:
    played = Played()
    played.run(lead_at(1), lead_at(2))
    talked(played)
    assert says(played, 10, meaning) == [CampaignLeadMarked]
    assert status_of(played) == meaning and played.state.heard == 10
    [mark] = [event for event in played.events if isinstance(event, CampaignLeadMarked)]
    assert (mark.by, mark.disposition, mark.heard) == ("op7", f"word_{meaning}", 10)


def test_a_word_counts_once_and_a_correction_again() -> None:
    played = Played()
    played.run(lead_at(1), lead_at(2))
    talked(played)
    says(played, 10, M.IN_PROGRESS)
    assert says(played, 10, M.IN_PROGRESS) == [] == says(played, 9, M.DO_NOT_CALL)
    says(played, 11, M.DONE, corrects=True)
    assert status_of(played) is L.DONE


@pytest.mark.parametrize("meaning", [M.IN_PROGRESS, M.CALLBACK, M.DO_NOT_CALL])
def test_a_word_during_the_call_outlives_its_end(meaning: Meaning) -> None:
    played = Played()
    played.run(lead_at(1))
    [claim] = played.claim()
    says(played, 10, meaning, callback=LATER if meaning is M.CALLBACK else None)
    played.over(claim, EndReason.HANGUP_REMOTE, answered=True)
    assert status_of(played) == meaning
    played.later(days=1)
    assert len(played.claim()) == (meaning is not M.DO_NOT_CALL)


def test_a_callback_is_called_at_its_time_by_who_promised_it() -> None:
    played = Played()
    played.run(lead_at(1), lead_at(2))
    talked(played)
    says(played, 10, M.CALLBACK, callback=LATER, operator="op7")
    talked(played)  # the second, and nobody else for two hours
    played.later(minutes=119)
    assert played.claim(ready={"op7"}) == []
    played.later(minutes=1)
    assert [claim.place for claim in played.claim(ready={"op7"})] == [0]


def test_who_talked_is_not_called_again_at_once_but_when_they_wish() -> None:
    played = Played()
    played.run(lead_at(1))
    talked(played)
    says(played, 10, M.IN_PROGRESS)
    played.later(minutes=60)
    assert played.claim() == [] and played.standings()[0].reason == "retry"
    says(played, 11, M.CALLBACK, callback=LATER)  # an hour from now, and two before the wait is over
    played.later(minutes=59)
    assert played.claim() == []
    played.later(minutes=1)
    [claim] = played.claim()
    assert may_still_be_called(played.state, 0, claim.number, played.book, lambda number: (), played.now)


def test_a_callback_whose_call_reached_no_phone_is_still_one() -> None:
    played = Played()
    played.run(lead_at(1), lead_at(2))
    talked(played)
    says(played, 10, M.CALLBACK, callback=LATER, operator="op7")
    played.later(hours=2)
    [claim] = played.claim(ready={"op7"})
    played.not_begun(claim)
    entry = at(played.state.leads, 0)
    assert (entry.status, entry.operator) == (L.CALLBACK, "op7") and entry.callback
    played.later(minutes=1)
    [claim] = played.claim(ready={"op7"})
    played.over(claim, EndReason.BUSY)
    entry = at(played.state.leads, 0)
    assert (entry.status, entry.operator, entry.callback) == (L.IN_PROGRESS, None, 0)


def test_a_finished_campaign_goes_on_with_whom_a_word_brings_back() -> None:
    played = Played()
    played.run(lead_at(1))
    talked(played)
    played.claim()
    assert played.status is S.FINISHED
    assert says(played, 10, M.DONE) == [CampaignLeadMarked] and played.status is S.FINISHED
    assert says(played, 11, M.CALLBACK, callback=LATER) == [CampaignLeadMarked, CampaignResumed]
    played.later(hours=2)
    assert played.status is S.RUNNING and len(played.claim()) == 1


def test_a_stopped_campaign_takes_the_word_and_calls_nobody() -> None:
    played = Played()
    played.run(lead_at(1), lead_at(2))
    [claim] = played.claim()
    played.record(machine.stop(played.state, StopMode.DRAIN, "boss", played.moment()))
    played.ended(claim, CallOver(place=0, attempt=1, call_id="c_1", reason=EndReason.BUSY, answered=False))
    assert says(played, 10, M.IN_PROGRESS) == [CampaignLeadMarked] and played.status is S.STOPPED
    played.later(days=1)
    assert played.claim() == []


def test_a_word_for_a_call_of_an_earlier_run_calls_nobody_back() -> None:
    played = Played()
    played.run(lead_at(1))
    talked(played)
    played.claim()
    played.run(lead_at(2))
    talked(played)
    played.claim()
    assert says(played, 10, M.IN_PROGRESS) == [CampaignLeadMarked] and played.status is S.FINISHED
    assert status_of(played) is L.IN_PROGRESS
