"""A site with many operators, and campaigns that look ahead for all of them, without hosts and a bus."""

from collections.abc import Iterable
from datetime import datetime
from random import Random

from msgspec.structs import replace

from actors.campaign.crew import Crew
from actors.campaign.desks import Desks
from actors.campaign.places import extended
from actors.campaign.record import Campaign, Entry, Seat
from actors.campaign.roster import Member, Roll
from actors.campaign.tally import Day, Tally
from actors.campaign.team import Team
from actors.campaign.tries import begin
from bus_schemas.campaign import Mode, Operators
from bus_schemas.carriers import Carriers, TrunkCarrier
from bus_schemas.operator import OperatorStatus
from tests.campaign.played import NOON, Played, number_at

S = OperatorStatus
DOES = (S.READY, S.ON_CALL, S.ON_CALL, S.ON_CALL, S.ON_CALL, S.WRAP_UP)
ANSWERED = Tally((Day(NOON.toordinal(), 5000, 50),))
TRUNKS = Carriers(slots=None, trunks=TrunkCarrier(extensions=(1,)))


class Everywhere(Desks):
    """The PBX reaches everybody."""

    def __init__(self) -> None:
        pass

    def of(self, user: str) -> str:
        return "601"

    def without(self, users: Iterable[str]) -> tuple[str, ...]:
        return ()


class LargeTeam(Team):
    """So many, of whom a sixth is ready, most have talked for a while, and a sixth is writing down what was said."""

    def __init__(self, operators: int) -> None:
        chance = Random(operators)
        began = NOON.timestamp()
        self._roll = Roll(
            Member(user=f"op{at}", status=DOES[at % len(DOES)], since=began - chance.expovariate(1 / 60))
            for at in range(operators)
        )

    def be(self, user: str, status: OperatorStatus, now: datetime) -> None:
        self._roll.put(Member(user=user, status=status, since=now.timestamp()))


class Ahead:
    """One campaign that looks ahead for them."""

    def __init__(self, team: Team) -> None:
        played = Played()
        played.create(mode=Mode.PREDICTIVE, operators=Operators.TEAM, carriers=TRUNKS)
        self.state: Campaign = replace(played.state, tally=ANSWERED)
        self.crew = Crew(team, Everywhere(), frozenset({"trunk-1"}))

    def call(self, calls: int, lists: int, now: datetime) -> None:
        """So many are in flight, of leads of so many lists."""
        began = round(now.timestamp() * 1000)
        leads = (
            Entry(f"l{at}", number_at(at), None, 0, f"s{at % lists}", None, tries=begin(0, began - 37 * at))
            for at in range(calls)
        )
        crew = dict.fromkeys(range(calls), Seat(user=None, joins=True))
        self.state = replace(self.state, leads=extended((), leads), crew=crew)

    def dials(self, now: datetime) -> int:
        found = self.crew.pace(self.state, now)
        assert (found.mode, found.fallback) == (Mode.PREDICTIVE, None)
        return found.dials
