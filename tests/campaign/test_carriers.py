"""What campaigns dial on: filters, shares among campaigns and carriers, local presence, and who no line may call."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.campaign import machine
from actors.campaign.carriage import Carriage, Lack, There
from actors.campaign.claims import BeginCall, Claim
from actors.campaign.dry_run import Assumed, dry_run
from actors.campaign.explain import explain
from actors.campaign.lines import Held, HeldLines, asks, presence
from actors.campaign.pacing import Limit, Pace
from actors.telephony.numbers import home_of
from bus_schemas.call import EndReason
from bus_schemas.campaign import CampaignAttemptClaimed, CampaignSettings, CampaignStatus, Mode
from bus_schemas.carriers import Carriers, SlotCarrier, SlotsOf, TrunkCarrier
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.host import Line, LinesThere, SlotsThere, TrunkThere
from bus_schemas.lead import Lead
from bus_schemas.trunk import TrunkState
from tests.campaign.played import BY, ID, Played, lead_at, number_at
from tests.support.depth import examples

UA, PL = "+380991230001", "+48601123456"
BOTH = Carriers(trunks=TrunkCarrier(extensions=(1, 2)))


def held(slot: int, region: str | None = "UA", *more: str, trunk: str | None = None, caller: str | None = None) -> Held:
    countries = (*filter(None, [region]), *more)
    return Held("a", Line(slot=slot, region=region, countries=countries, trunk=trunk, caller_id=caller), 9.0)


def lines(*given: Held) -> HeldLines:
    found = HeldLines()
    found.add(given)
    return found


def take(found: HeldLines, number: str, carriers: Carriers = BOTH) -> int | None:
    taken = found.take(number, carriers, 0.0)
    return taken.line.slot if taken is not None else None


# --- settings


@pytest.mark.parametrize(("carriers", "field"), [
    (Carriers(slots=None), "settings.carriers"),
    (Carriers(slots=SlotCarrier(regions=("UA", "UK"))), "settings.carriers.slots.regions[1]"),
])  # fmt: skip
def test_carriers_that_carry_nothing_are_refused_with_the_place(carriers: Carriers, field: str) -> None:
    played, wanted = Played(), CampaignSettings(carriers=carriers)
    played.create()
    for decide, place in (
        (lambda: machine.create(ID, None, wanted, BY, played.moment()), field),
        (lambda: machine.configure(played.state, wanted, BY, played.moment()), field.removeprefix("settings.")),
    ):
        with pytest.raises(Refusal) as refused:
            decide()
        assert refused.value.code is ErrorCode.INVALID_PARAMS
        assert (refused.value.details or {})["field"] == place


def test_hosts_are_asked_for_what_the_settings_want_whatever_it_weighs() -> None:
    heavy = Carriers(slots=SlotCarrier(weight=9, of=SlotsOf.OWN), trunks=TrunkCarrier(extensions=(1,), weight=3))
    asked = asks(heavy, ("a", "b"), None)
    assert len(asked) == 4 and [ask.trunks is not None for ask in asked] == [False, True] * 2
    light = Carriers(slots=SlotCarrier(of=SlotsOf.OWN), trunks=TrunkCarrier(extensions=(1,)))
    assert all(ask.is_of(light) for ask in asked)
    assert [ask.is_of(Carriers()) for ask in asked] == [False] * 4


# --- which line


def test_a_line_calls_only_where_it_may() -> None:
    found = lines(held(1), held(2, "PL"), held(3, None, "UA"))
    assert [take(found, PL), take(found, PL), take(found, UA), take(found, UA)] == [2, None, 1, 3]


def test_lines_of_the_callees_region_are_first() -> None:
    found = lines(
        held(1, None, "UA", "PL"), held(2, "PL", "UA"), held(3, "UA", "PL"),
        held(4, "UA", trunk="t1", caller="+380321234567"), held(5, "UA", trunk="t2", caller="+380441234567"),
    )  # fmt: skip
    assert take(found, "+380445551234") == 5  # its caller id begins alike
    assert take(found, "+380325551234") == 4
    assert [take(found, UA), take(found, UA), take(found, UA)] == [3, 1, 2]


def test_presence_counts_what_is_alike_behind_the_country() -> None:
    caller = held(1, "UA", caller="+380441234567").line
    near = [presence(caller, number, home_of(number)) for number in ("+380441230000", "+380991234567", PL)]
    assert near == [1 + 5, 1, 0]


def test_carriers_of_a_campaign_share_its_dials_by_weight() -> None:
    carriers = Carriers(slots=SlotCarrier(weight=3), trunks=TrunkCarrier(extensions=(1,), weight=1))
    found, got = HeldLines(), Counter[str]()
    for dial in range(400):
        found.drain()
        found.add([held(1), held(2, trunk="t1")])
        taken = found.take(UA, carriers, dial * 0.01)
        assert taken is not None
        got[taken.carrier] += 1
    assert got == {"slots": 300, "trunks": 100}


# --- leads that no line may call


def claim(played: Played, *given: Held, **more: Any) -> list[tuple[str, int]]:
    """Whom is called on which slot."""
    assert played.selection is not None
    found = lines(*given)
    decision = machine.claim(
        played.state, played.selection, played.book, len(given), played.moment(), lines=found, **more
    )
    played.record(decision)
    begun = [effect for effect in decision.effects if isinstance(effect, BeginCall)]
    return [(each.claim.number, each.line.line.slot) for each in begun if each.line is not None]


def polish(place: int, *more: str, **given: Any) -> Lead:
    return replace(lead_at(place, **given), numbers=(f"+4860112{place:04}", *more))


def test_a_lead_waits_for_a_line_that_may_call_it() -> None:
    played = Played(presets=())
    played.run(polish(1), polish(2, priority=5), lead_at(3), polish(4), lead_at(5))
    assert claim(played, held(1)) == [(number_at(3), 1)]
    assert claim(played, held(1)) == [(number_at(5), 1)]
    assert played.selection is not None and played.selection.lacking == 3
    assert claim(played, held(1)) == []  # and none of the others is claimed in vain
    assert [number for number, _ in claim(played, held(7, "PL"))] == ["+48601120002"]  # the most urgent first
    assert claim(played, held(7, "PL"), held(1), held(8, "PL")) == [("+48601120001", 7), ("+48601120004", 8)]
    assert played.selection.lacking == 0


def test_who_waits_for_a_line_is_before_those_who_came_later() -> None:
    played = Played(presets=())
    played.run(polish(1), *(lead_at(place) for place in range(2, 9)))
    claim(played, held(1))
    assert claim(played, held(7, "PL", "UA")) == [("+48601120001", 7)]


def test_a_number_that_a_line_may_call_goes_before_one_that_none_may() -> None:
    played = Played(presets=())
    played.run(polish(1, number_at(1)), polish(2, number_at(2)))
    assert claim(played, held(7, "PL")) == [("+48601120001", 7)]
    assert claim(played, held(1)) == [(number_at(2), 1)]


def test_a_lead_of_several_numbers_is_looked_at_again() -> None:
    played = Played(presets=())
    played.run(polish(1, "+33612345678"))
    assert claim(played, held(1)) == []
    played.later(seconds=machine.LINE_PAUSE + 1)
    assert claim(played, held(7, "PL")) == [("+48601120001", 7)]


def test_a_campaign_is_over_once_nobody_who_is_left_can_ever_be_called() -> None:
    played = Played(presets=())
    played.run(polish(1))
    assert claim(played, held(1)) == [] and played.status is CampaignStatus.RUNNING
    assert claim(played, hopeless=True) == [] and played.status is CampaignStatus.FINISHED
    played = Played(presets=())
    played.run(polish(1, "+33612345678"))
    assert claim(played, held(1)) == [] and played.selection is not None
    assert played.selection.homes() == {("PL", "PL"), ("FR", "FR")} and played.selection.parked() == {"PL"}
    assert claim(played, hopeless=True) == [] and played.status is CampaignStatus.FINISHED
    played = Played(presets=())
    played.run(polish(1), lead_at(2))
    claim(played, hopeless=True)
    assert played.status is CampaignStatus.RUNNING  # somebody else is left


def test_other_rules_have_everybody_looked_at_again() -> None:
    played = Played(presets=())
    played.run(polish(1))
    claim(played, held(1))
    played.do(machine.configure, CampaignSettings(weight=7))
    assert played.selection is not None and played.selection.lacking == 1
    played.do(machine.configure, CampaignSettings(attempts_per_lead=7))
    assert played.selection is not None and played.selection.lacking == 0 and played.selection.any_ready()


# --- why there is none


def slots(region: str = "UA", online: int = 1, **more: int) -> LinesThere:
    return LinesThere(slots=(SlotsThere(region=region, countries=(region,), slots=2, online=online, **more),))


def trunks(name: str = "t1", state: TrunkState = TrunkState.OK, **more: Any) -> LinesThere:
    found = TrunkThere(name=name, countries=("UA",), state=state, reason="no answer", full=more.pop("full", False))
    return LinesThere(trunks=(found,), **more)


@pytest.mark.parametrize(("there", "reason", "said"), [
    ([slots()], Lack.SLOTS_BUSY, "busy"),
    ([slots(idle=1)], Lack.ASKED, "idle"),
    ([slots(online=2, spent=1)], Lack.SLOTS_BUSY, "busy"),
    ([slots(online=2, spent=2), slots(online=0)], Lack.SLOTS_SPENT, "this hour"),
    ([slots(online=0)], Lack.SLOTS_DOWN, "cannot be reached"),
    ([slots("PL")], Lack.COUNTRY, "no line that it may use may call UA"),
    ([trunks(full=True)], Lack.TRUNK_FULL, "all channels of trunk t1"),
    ([trunks()], Lack.TRUNK_FULL, "dial faster"),
    ([trunks(busy=(1,))], Lack.EXTENSIONS_BUSY, "extensions"),
    ([trunks(busy=(1,), resting=(1,))], Lack.EXTENSIONS_BUSY, "have not taken a call lately: 1"),
    ([trunks(state=TrunkState.DOWN)], Lack.TRUNK_DOWN, "trunk t1 is down: no answer"),
    ([slots(), trunks(state=TrunkState.DOWN)], Lack.SLOTS_BUSY, "busy; trunk t1 is down"),
    ([slots(online=0), trunks("t2", full=True)], Lack.TRUNK_FULL, "trunk t2"),
    ([], Lack.NO_LINE, "there is no trunk t1"),
])  # fmt: skip
def test_why_no_line_takes_a_call_is_said(there: list[LinesThere], reason: Lack, said: str) -> None:
    carriers = Carriers(trunks=TrunkCarrier(extensions=(1,), trunks=("t1",)))
    found = Carriage(carriers, There(lines=tuple(there), complete=True), HeldLines()).lack(UA)
    assert found.reason == reason and said in found.words and found.change


def test_where_a_host_does_not_answer_nobody_is_out_of_reach() -> None:
    partly, all_of_it = There(lines=(slots("PL"),)), There(lines=(slots("PL"),), complete=True)
    assert [there.reaches(home_of(UA)) for there in (partly, all_of_it)] == [True, False]


@settings(max_examples=examples(20), deadline=None)
@given(
    st.lists(st.sampled_from(["UA", "PL"]), max_size=4), st.lists(st.sampled_from(["UA", "PL", "FR"]), max_size=2),
    st.lists(st.booleans(), min_size=1, max_size=8), st.booleans(),
)  # fmt: skip
def test_reasons_add_up_and_name_as_next_whom_a_claim_takes(
    have: list[str], there: list[str], abroad: list[bool], complete: bool
) -> None:
    played = Played(presets=())
    played.run(*(polish(place) if away else lead_at(place) for place, away in enumerate(abroad)))
    found = There(lines=tuple(map(slots, {*there, *have})), complete=complete)
    given_lines = [held(place, region) for place, region in enumerate(have, 1)]
    carriage = Carriage(Carriers(), found, lines(*given_lines))
    pace = Pace(dials=len(have), limit=Limit.CARRIERS_FULL, mode=Mode.PROGRESSIVE)
    said = Counter[str]()
    for each in explain(played.state, played.standings(), pace, played.now, carriage).reasons:
        said[each.reason] += each.leads
    assert sum(said.values()) == len(abroad)
    assert said["next"] == len(claim(played, *given_lines))
    out_of_reach = {"PL", "UA"} - {*there, *have}
    lost = complete * sum(("PL" if away else "UA") in out_of_reach for away in abroad)
    assert (said["country"], said["no_line"]) == ((lost, 0) if found.lines else (0, lost))


def test_a_dry_run_calls_nobody_whom_no_line_may_call() -> None:
    played = Played(presets=())
    played.run(*(polish(place) for place in range(5)), *(lead_at(place) for place in range(5, 8)))
    there = There(lines=(slots(),), complete=True)

    def busy(claim: Claim) -> Assumed:
        return Assumed(EndReason.HANGUP_REMOTE, 10, answered=True)

    found = dry_run(played.state, played.book, minutes=10, lines=2, carrier=busy, now=played.now, there=there)
    claims = [event.number for event in found.events if isinstance(event, CampaignAttemptClaimed)]
    assert claims == [number_at(place) for place in range(5, 8)]
