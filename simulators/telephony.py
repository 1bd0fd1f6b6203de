"""A phone's calls: what dialling, hanging up and the network make of them. Pure: the time comes in.

States and event names are those of Android's Telecom (`CallState.java`, `LogUtils.Events`). The call lives in the
phone and the network: it goes on whatever happens to the cable.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from simulators.carrier import CANCELED, LOCAL, MISSED, OUT_OF_SERVICE, Cause, Plan, Step, plan_for

REMEMBERED = 10  # EventManager.DEFAULT_EVENTS_TO_CACHE


class State(StrEnum):
    """Where a call stands in Telecom; ALERTING exists only in telephony."""

    CONNECTING = "CONNECTING"
    DIALING = "DIALING"
    ALERTING = "ALERTING"
    RINGING = "RINGING"
    ACTIVE = "ACTIVE"
    DISCONNECTED = "DISCONNECTED"


@dataclass
class PhoneCall:
    """One call. `events`: Telecom's event names with the time each happened and its data."""

    tc: int
    number: str
    incoming: bool
    created: float
    state: State = State.CONNECTING
    cause: Cause | None = None
    plan: Plan = ()
    events: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"TC@{self.tc}"


@dataclass(frozen=True)
class Happened:
    """A step of one call: a Telecom event, or ALERTING as the radio tells it."""

    call: PhoneCall
    event: str
    data: str
    at: float


class Telephony:
    """The calls of one phone. `scale` stretches or shortens the carrier's times."""

    def __init__(self, *, scale: float = 1.0, plan: Callable[[str], Plan] = plan_for) -> None:
        self.scale = scale
        self.in_service = True
        self.live: list[PhoneCall] = []
        self.history: deque[PhoneCall] = deque(maxlen=REMEMBERED)
        self.last_cause = 0  # telephony's number; it stays until the next call ends
        self._plan = plan
        self._next_tc = 1

    @property
    def current(self) -> PhoneCall | None:
        return self.live[-1] if self.live else None

    @property
    def next_id(self) -> str:
        """The name of the call that comes next."""
        return f"TC@{self._next_tc}"

    def dial(self, number: str, now: float) -> list[Happened]:
        """Place a call, even beside another one: real phones do."""
        call = self._create(number, now, incoming=False)
        happened = [
            self._event(call, "CREATED", "", now),
            self._move(call, State.CONNECTING, "SET_CONNECTING", "", now),
        ]
        if not self.in_service:
            return happened + self._end(call, OUT_OF_SERVICE, now)
        call.plan = self._plan(number)
        return [*happened, self._move(call, State.DIALING, "SET_DIALING", "dialing set explicitly", now)]

    def ring(self, number: str, now: float) -> list[Happened]:
        """A call comes in."""
        call = self._create(number, now, incoming=True)
        return [
            self._event(call, "CREATED", "", now),
            self._move(call, State.RINGING, "SET_RINGING", "successful incoming call", now),
        ]

    def answer(self, now: float) -> list[Happened]:
        """Take the call that rings, if one does."""
        call = self.current
        if call is None or call.state is not State.RINGING:
            return []
        return [self._move(call, State.ACTIVE, "SET_ACTIVE", "active set explicitly", now)]

    def hang_up(self, now: float) -> list[Happened]:
        """End the newest call, if there is one."""
        call = self.current
        if call is None:
            return []
        cause = LOCAL if call.state is State.ACTIVE else MISSED if call.incoming else CANCELED
        return [self._event(call, "REQUEST_DISCONNECT", "", now), *self._end(call, cause, now)]

    def advance(self, now: float) -> list[Happened]:
        """Let the network do what is due."""
        happened: list[Happened] = []
        for call in list(self.live):
            while call.plan and self._due(call) <= now:
                happened += self._step(call, now)
        return happened

    def next_due(self) -> float | None:
        """When the network acts next."""
        return min((self._due(call) for call in self.live if call.plan), default=None)

    def reset(self) -> None:
        """The phone restarts: calls, history and numbering are gone."""
        self.live.clear()
        self.history.clear()
        self.last_cause = 0
        self._next_tc = 1

    def _due(self, call: PhoneCall) -> float:
        return call.created + call.plan[0].after * self.scale

    def _step(self, call: PhoneCall, now: float) -> list[Happened]:
        planned, call.plan = call.plan[0], call.plan[1:]
        match planned.step:
            case Step.ALERT:
                call.state = State.ALERTING
                return [Happened(call, "ALERTING", "", now)]
            case Step.ANSWER:
                return [self._move(call, State.ACTIVE, "SET_ACTIVE", "active set explicitly", now)]
            case Step.END:
                assert planned.cause is not None
                return self._end(call, planned.cause, now)

    def _create(self, number: str, now: float, *, incoming: bool) -> PhoneCall:
        call = PhoneCall(tc=self._next_tc, number=number, incoming=incoming, created=now)
        self._next_tc += 1
        self.live.append(call)
        self.history.append(call)
        return call

    def _move(self, call: PhoneCall, state: State, event: str, data: str, now: float) -> Happened:
        call.state = state
        return self._event(call, event, data, now)

    def _event(self, call: PhoneCall, event: str, data: str, now: float) -> Happened:
        call.events.append((now, event, data))
        return Happened(call, event, data, now)

    def _end(self, call: PhoneCall, cause: Cause, now: float) -> list[Happened]:
        call.cause, call.plan = cause, ()
        self.last_cause = cause.number
        self.live.remove(call)
        text = (
            f"disconnected set explicitly> DisconnectCause [ Code: ({cause.code}) Label: () Description: ()"
            f" Reason: ({cause.reason}) Tone: (27) ]"
        )
        return [
            self._move(call, State.DISCONNECTED, "SET_DISCONNECTED", text, now),
            self._event(call, "DESTROYED", "", now),
        ]
