"""A board that is told things, second by second, without a clock or a bus."""

from collections import Counter
from collections.abc import Iterable

from actors.alert import machine
from actors.alert.machine import Heard, Memory
from actors.alert.mail import SendMail, TriedMail
from actors.alert.record import Board, evolve
from actors.alert.rules import Mailing, Rule, Rules, State
from actors.runtime.clock import Moment
from actors.runtime.decision import Decision, TimerFired
from bus_schemas.alert import AlertEvent, AlertFired, AlertResolved, AlertSeverity, Sighting
from tests.support.states import at

HOT = Rule(
    kind="slot", metric="temperature", above=45, until=41, seconds=30, resolve_after=60,
    severity=AlertSeverity.WARNING, words="Slot {id} is at {value:g} C",
)  # fmt: skip
HUB = Rule(
    state=State.HUB_GONE, seconds=5, resolve_after=30, severity=AlertSeverity.CRITICAL, words="Hub {id}: {reason}"
)  # fmt: skip
GONE = Rule(state=State.HOST_GONE, seconds=15, severity=AlertSeverity.CRITICAL, words="Host {id} is gone")
NOISY = Rule(
    state=State.MAIL_FAILING, seconds=60, severity=AlertSeverity.WARNING, words="No e-mails: {reason}", mail=()
)  # fmt: skip
RULES = Rules(
    rules={"hot": HOT, "hub": HUB, "gone": GONE, "mail": NOISY}, mail=("ops@example.com",),
    mailing=Mailing(wait=10, interval=120, repeat=3600),
)  # fmt: skip


def hot(id: str, seconds: float, hub: str | None = "HUB1") -> Sighting:
    return Sighting(rule="hot", kind="slot", id=id, seconds=seconds, words=f"Slot {id} is at 50 C", hub=hub, value=50.0)


def hub_gone(seconds: float, name: str = "HUB1") -> Sighting:
    return Sighting(rule="hub", kind="hub", id=name, seconds=seconds, words=f"Hub {name}: unplugged", hub=name)


class Played:
    """A board, its owner's memory, and all that came of it. `events`: on record; `mails`: sent."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.rules = rules
        self.board = Board()
        self.now = 0.0
        self.events: list[AlertEvent] = []
        self.mails: list[SendMail] = []
        self.takes_mail = True
        self.take_over()

    def take_over(self) -> None:
        """Another owner, who knows the record alone."""
        self.memory = Memory(began=self.now)
        self._settle(machine.begin(self.moment))

    @property
    def moment(self) -> Moment:
        return at(self.now)

    def sees(self, *sightings: Sighting, host: str = "a") -> None:
        heard = Heard(host=host, sightings=tuple(sightings))
        self._settle(machine.observe(self.board, self.memory, heard, self.rules, self.moment))

    def second(self, seconds: float = 1.0) -> None:
        """Time passes, and the board looks."""
        self.now += seconds
        self._settle(machine.observe(self.board, self.memory, TimerFired(name="look"), self.rules, self.moment))

    def seconds(self, number: int, *sightings: Sighting, host: str = "a") -> None:
        """So many, in each of which a host sees these."""
        for _ in range(number):
            self.sees(*sightings, host=host)
            self.second()

    def does(self, decision: Decision[AlertEvent, Memory]) -> None:
        """Something that was asked for."""
        self._settle(decision)

    def _settle(self, decision: Decision[AlertEvent, Memory]) -> None:
        if decision.memory is not None:
            self.memory = decision.memory
        for event in decision.events:
            self.events.append(event)
            self.board = evolve(self.board, event)
        for effect in decision.effects:
            if isinstance(effect, SendMail):
                self.mails.append(effect)
                tried = TriedMail(mail=effect, error=None if self.takes_mail else "451 later")
                self._settle(machine.observe(self.board, self.memory, tried, self.rules, self.moment))

    @property
    def fired(self) -> list[AlertFired]:
        return [event for event in self.events if isinstance(event, AlertFired)]

    @property
    def resolved(self) -> list[AlertResolved]:
        return [event for event in self.events if isinstance(event, AlertResolved)]

    def told(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)


def times(events: Iterable[AlertFired | AlertResolved]) -> Counter[str]:
    return Counter(event.alert for event in events)
