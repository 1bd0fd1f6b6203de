"""The lines that a campaign is offered, and which of them calls whom. Pure: the moment comes in.

A line is used for a number that it may call. Of several the one of the number's own region is used (local presence): a
SIM of its country, a caller id that begins like it; else slots and trunks in turn, as their weights have it.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple, Protocol, TypeVar

from msgspec.structs import replace

from actors.dialing.sharing import Turns
from actors.telephony.numbers import home_of, nearness, not_a_country
from bus_schemas.campaign import OVERDIALING, CampaignSettings, Operators
from bus_schemas.carriers import Carriers, SlotCarrier, TrunkCarrier
from bus_schemas.errors import misfit
from bus_schemas.host import Line

ALONE = 60.0  # seconds after which a carrier that had no line is not behind any more
SLOTS, TRUNKS = "slots", "trunks"

Home = tuple[str, str]  # of a number: its country, and the part of it
AnyCarrier = TypeVar("AnyCarrier", SlotCarrier, TrunkCarrier)


def may_call(home: Home, countries: Collection[str]) -> bool:
    """Whether what may call these countries may call a number of there. Of a number that belongs nowhere whoever dials
    it has to say."""
    return not home[0] or home[0] in countries or home[1] in countries


class Held(NamedTuple):
    """A line that a host keeps for the campaign, until then on the monotonic clock."""

    host: str
    line: Line
    until: float

    @property
    def carrier(self) -> str:
        return SLOTS if self.line.trunk is None else TRUNKS

    def reaches(self, home: Home) -> bool:
        """Whether it may call a number of there."""
        return may_call(home, self.line.countries)


class Lines(Protocol):
    """The lines that may carry calls now."""

    def reaching(self, home: Home) -> int:
        """How many may call a number of there."""

    def reach(self, e164: str) -> bool:
        """Whether one may call a number."""

    def take(self, e164: str, carriers: Carriers, now: float, operator: str | None = None) -> Held | None:
        """The one that is to, of an operator where one is named. None: there is none."""


class Ask(NamedTuple):
    """What a campaign asks of a host. `trunks`: None: slots; `countries`: of which lines must call one; None: any.
    `operators`: whose lines; None: its maker's and the pool's. `joins`: channels whose calls wait for operators."""

    host: str
    slots: SlotCarrier
    trunks: TrunkCarrier | None
    countries: frozenset[str] | None
    operators: frozenset[str] | None = None
    joins: bool = False

    def is_of(self, carriers: Carriers, *, team: bool = False, joins: bool = False) -> bool:
        """Whether the settings still want it so."""
        wanted = self._replace(operators=None, joins=False) in asks(carriers, (self.host,), self.countries)
        return wanted and joins is self.joins and (team and not joins) is (self.operators is not None)


def asks(carriers: Carriers, hosts: Iterable[str], countries: frozenset[str] | None) -> list[Ask]:
    """What is to be asked of hosts, to which a carrier's weight is nothing."""
    found = []
    for host in hosts:
        if carriers.slots is not None:
            found.append(Ask(host, _without_weight(carriers.slots), None, countries))
        if carriers.trunks is not None:
            found.append(Ask(host, SlotCarrier(), _without_weight(carriers.trunks), countries))
    return found


class HeldLines:
    """Those that a campaign was offered."""

    def __init__(self) -> None:
        self._held: list[Held] = []  # the first that came first
        self._turns = Turns(away=ALONE)

    def __len__(self) -> int:
        return len(self._held)

    def copy(self) -> "HeldLines":
        """The same lines, for who asks what would be."""
        other = HeldLines()
        other._held = list(self._held)
        return other

    def of(self, user: str) -> "HeldLines":
        """Those of one operator."""
        other = HeldLines()
        other._held = [held for held in self._held if held.line.user == user]
        return other

    def add(self, lines: Iterable[Held]) -> None:
        self._held += lines

    def expire(self, now: float) -> None:
        """What a host may give to others by now is none."""
        self._held = [held for held in self._held if held.until >= now]

    def drain(self) -> list[Held]:
        """All, of which none is held any more."""
        held, self._held = self._held, []
        return held

    @property
    def users(self) -> list[str]:
        """Whose they are, where they are operators'."""
        return [held.line.user for held in self._held if held.line.user is not None]

    def drop_of_others(self, free: Collection[str]) -> list[Held]:
        """Keep one line of each operator who is free; the others."""
        mine, others, are_free = dict[str, Held](), list[Held](), {*free}
        for held in self._held:
            user = held.line.user
            if user is not None and user in are_free and user not in mine:
                mine[user] = held
            else:
                others.append(held)
        self._held = list(mine.values())
        return others

    def reaching(self, home: Home) -> int:
        return sum(held.reaches(home) for held in self._held)

    def reach(self, e164: str) -> bool:
        home = home_of(e164)
        return any(held.reaches(home) for held in self._held)

    def take(self, e164: str, carriers: Carriers, now: float, operator: str | None = None) -> Held | None:
        home = home_of(e164)
        theirs = (held for held in self._held if operator in (None, held.line.user))
        fit = [(presence(held.line, e164, home), held) for held in theirs if held.reaches(home)]
        if not fit:
            return None
        nearest = max(near for near, _ in fit)
        best = [held for near, held in fit if near == nearest]
        waiting = self._turns.begin(dict.fromkeys(held.carrier for held in best), now)
        carrier = waiting[0][2]
        self._turns.gave(waiting, _weight(carrier, carriers))
        found = next(held for held in best if held.carrier == carrier)
        self._held.remove(found)
        return found


def _without_weight(carrier: AnyCarrier) -> AnyCarrier:
    return replace(carrier, weight=1)


def must_be_carriers(settings: CampaignSettings, within: str = "settings.") -> None:
    """Raise Refusal(INVALID_PARAMS) for what cannot carry any call, with the place of it. A trunk or a slot that is not
    there may come later, and is accepted."""
    carriers = settings.carriers
    waits = settings.operators is Operators.TEAM and settings.mode in OVERDIALING
    if carriers.trunks is not None and not carriers.trunks.extensions and not waits:
        raise misfit(
            f"{within}carriers.trunks.extensions",
            "the slots with whose extensions whoever answers is joined. `power` and `predictive` with a team, whose "
            "calls wait for an operator, need none.",
        )
    if carriers.slots is None and carriers.trunks is None:
        raise misfit(f"{within}carriers", "slots, or trunks, or both.")
    for place, region in enumerate(carriers.slots.regions if carriers.slots is not None else ()):
        if (why := not_a_country(region)) is not None:
            raise misfit(f"{within}carriers.slots.regions[{place}]", f"{why}.")


def presence(line: Line, e164: str, home: Home) -> int:
    """How near a line is to a number: 0: of another country, or nobody knows; 1: of its country; 2 and more: and its
    caller id begins like the number."""
    if line.caller_id is None:
        return int(line.region in home)
    if set(home).isdisjoint(home_of(line.caller_id)):
        return 0
    return 1 + nearness(line.caller_id, e164)


def _weight(carrier: str, carriers: Carriers) -> int:
    found = carriers.slots if carrier == SLOTS else carriers.trunks
    return found.weight if found is not None else 1
