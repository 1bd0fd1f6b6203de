"""A call inside the messenger: what becomes of it, decided by the number as in the carrier's table. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from simulators.carrier.rules import BUSY, INVALID, NO_ANSWER, OUT_OF_SERVICE, REJECTED, REMOTE, Cause, Plan, Step

SHOWN_FOR = 2.0  # seconds that the end of a call stays on the screen
NO_NETWORK_AFTER = 5.0


class Phase(StrEnum):
    """Where a call in the app stands."""

    CALLING = "calling"
    RINGING = "ringing"
    CONNECTED = "connected"
    ENDED = "ended"


class Outcome(StrEnum):
    """How it ended."""

    HANGUP_LOCAL = "hangup_local"
    HANGUP_REMOTE = "hangup_remote"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    NETWORK = "network"
    KILLED = "killed"  # with the app


OUTCOMES = {
    BUSY: Outcome.BUSY,
    NO_ANSWER: Outcome.NO_ANSWER,
    REJECTED: Outcome.REJECTED,
    REMOTE: Outcome.HANGUP_REMOTE,
    INVALID: Outcome.NETWORK,
    OUT_OF_SERVICE: Outcome.NETWORK,
}
SAID = {
    Outcome.BUSY: "busy",
    Outcome.NO_ANSWER: "no answer",
    Outcome.REJECTED: "declined",
    Outcome.NETWORK: "failed",
}


def outcome_of(cause: Cause | None) -> Outcome:
    """What the end by the other side, or by the network, is called."""
    return Outcome.NETWORK if cause is None else OUTCOMES.get(cause, Outcome.NETWORK)


@dataclass
class AppCall:
    """One call to a person's `number`, placed at a moment in seconds. `plan`: what the other side does; times of it
    are multiplied by `scale`."""

    number: str
    placed: float
    plan: Plan
    scale: float = 1.0
    phase: Phase = Phase.CALLING
    answered: float | None = None
    ended: float | None = None
    outcome: Outcome | None = None

    def advance(self, now: float) -> list[tuple[float, Phase]]:
        """Let the other side do what is due: the moments of it, and what it came to."""
        happened: list[tuple[float, Phase]] = []
        while self.plan and self.phase is not Phase.ENDED and (at := self._due()) <= now:
            planned, self.plan = self.plan[0], self.plan[1:]
            match planned.step:
                case Step.ALERT:
                    self.phase = Phase.RINGING
                case Step.ANSWER:
                    self.phase, self.answered = Phase.CONNECTED, at
                case Step.END:
                    self.end(at, outcome_of(planned.cause))
            happened.append((at, self.phase))
        return happened

    def end(self, at: float, outcome: Outcome) -> None:
        """It is over."""
        self.phase, self.ended, self.outcome, self.plan = Phase.ENDED, at, outcome, ()

    def _due(self) -> float:
        return self.placed + self.plan[0].after * self.scale
