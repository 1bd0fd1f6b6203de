"""Who is there for a campaign, put together once for all that have the same operators, against looking at each."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from actors.campaign.crew import STANDS
from actors.campaign.roster import Member, Roll
from actors.campaign.team_claims import PACED
from bus_schemas.operator import OperatorStatus
from tests.campaign.large_team import Ahead, LargeTeam
from tests.campaign.played import NOON

S = OperatorStatus
CAMPAIGNS = ("c1", "c2", "c3")
members = st.builds(
    Member,
    user=st.sampled_from(["ann", "bob", "cid", "dan"]),
    status=st.sampled_from(S),
    since=st.floats(0, 1000),
    campaigns=st.none() | st.lists(st.sampled_from(CAMPAIGNS), unique=True).map(tuple),
)


@given(st.lists(members, max_size=20))
def test_a_roster_is_who_works_for_a_campaign(changes: list[Member]) -> None:
    roll, known = Roll(), dict[str, Member]()
    for change in changes:
        roll.put(change)
        known[change.user] = change
        for campaign in CAMPAIGNS:
            there = [one for one in known.values() if one.works_for(campaign)]
            found = roll.of_campaign(campaign)
            assert {one.user: one for one in found.there} == {one.user: one for one in there}
            ready = sorted((one.since, one.user) for one in there if one.status is S.READY)
            assert [(one.since, one.user) for one in found.ready] == ready
            assert len(found.ready) + len(found.talking) + len(found.wrapping) == len(there)
            assert found.wrapping == sorted(one.since for one in there if one.status is S.WRAP_UP)


def test_campaigns_of_the_same_operators_have_one_roster() -> None:
    roll = Roll([Member(user="ann"), Member(user="bob", campaigns=("c1",)), Member(user="cid", campaigns=("c3",))])
    before = {campaign: roll.of_campaign(campaign) for campaign in ("c1", "c2", "c3", "c4")}
    assert before["c2"] is before["c4"] and before["c2"] is not before["c1"]
    roll.put(Member(user="cid", status=S.READY, campaigns=("c3",)))
    after = {campaign: roll.of_campaign(campaign) for campaign in before}
    assert [campaign for campaign in before if after[campaign] is not before[campaign]] == ["c3"]


def test_a_pace_stands_until_somebody_is_ready_or_leaves_or_a_turn_is_over() -> None:
    team = LargeTeam(60)
    campaign, anew = Ahead(team), lambda now: Ahead(team).dials(now)
    assert STANDS < PACED
    now, dials = NOON, [campaign.dials(NOON)]
    for user, status in (("op1", S.READY), ("op2", S.BREAK), ("op3", S.BREAK), ("op0", S.ON_CALL), ("op6", S.OFFLINE)):
        now += timedelta(seconds=0.01)
        team.be(user, status, now)
        dials.append(campaign.dials(now))
        assert dials[-1] == anew(now)
    assert len({*dials}) > 2, dials
    for at in range(6, 60):
        team.be(f"op{at}", S.WRAP_UP, now - timedelta(seconds=30))
    later = now + timedelta(seconds=PACED)
    assert campaign.dials(later) == anew(later) != dials[-1]
