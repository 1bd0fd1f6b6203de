"""A phone's calls: what dialling, hanging up and the network make of them. Pure: the time comes in.

States and event names are those of Android's Telecom (`CallState.java`, `LogUtils.Events`). The calls live in the
phone and the network: they go on whatever happens to the cable. There may be several, as on a real phone: an incoming
call while another is up, one that somebody dials by hand, one on hold while another talks.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from simulators.carrier.rules import CANCELED, LOCAL, MISSED, OUT_OF_SERVICE, Cause, Plan, Step, plan_for

REMEMBERED = 10  # EventManager.DEFAULT_EVENTS_TO_CACHE


class State(StrEnum):
    """Where a call stands in Telecom; ALERTING exists only in telephony."""

    CONNECTING = "CONNECTING"
    SELECT_PHONE_ACCOUNT = "SELECT_PHONE_ACCOUNT"
    DIALING = "DIALING"
    ALERTING = "ALERTING"
    RINGING = "RINGING"
    ACTIVE = "ACTIVE"
    ON_HOLD = "ON_HOLD"
    DISCONNECTED = "DISCONNECTED"


BEING_DIALLED = (State.CONNECTING, State.DIALING, State.ALERTING)
ANSWERED = (State.ACTIVE, State.ON_HOLD)


@dataclass
class PhoneCall:
    """One call. `events`: Telecom's event names with the time each happened and its data. `by_hand`: somebody dialled
    it on the phone itself. `by_key`: the END key, which only the platform presses here, ended it."""

    tc: int
    number: str
    incoming: bool
    created: float
    by_hand: bool = False
    by_key: bool = False
    state: State = State.CONNECTING
    cause: Cause | None = None
    plan: Plan = ()
    sent: float | None = None  # when it went out into the network
    events: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"TC@{self.tc}"

    @property
    def foreign(self) -> bool:
        """Whether it is not the platform's own."""
        return self.incoming or self.by_hand


@dataclass(frozen=True)
class Happened:
    """A step of one call: a Telecom event, or ALERTING as the radio tells it."""

    call: PhoneCall
    event: str
    data: str
    at: float


class Telephony:
    """The calls of one phone. `scale` stretches or shortens the carrier's times.

    `ringing_first`: what the END key does while one call rings and another is up. `TelecomManager.endCall` promises
    that it rejects the one that rings; AOSP's own code ends the other. Both kinds of phones exist here.
    """

    def __init__(
        self, *, scale: float = 1.0, plan: Callable[[str], Plan] = plan_for, ringing_first: bool = True
    ) -> None:
        self.scale = scale
        self.ringing_first = ringing_first
        self.in_service = True
        self.asks_for_sim = False  # two SIMs, and "ask every time"
        self.live: list[PhoneCall] = []
        self.history: deque[PhoneCall] = deque(maxlen=REMEMBERED)
        self.last_cause = 0  # telephony's number; it stays until the next call ends
        self._plan = plan
        self._next_tc = 1

    @property
    def foreground(self) -> PhoneCall | None:
        """Telecom's foreground call: one that is being connected, is dialled or talks; else one that rings; else one
        on hold (`CallAudioManager.updateForegroundCall`)."""
        for states in ((State.CONNECTING,), (State.DIALING, State.ALERTING, State.ACTIVE), (State.RINGING,)):
            if found := self.in_state(*states):
                return found[0]
        return next(iter(self.in_state(State.ON_HOLD)), None)

    @property
    def current(self) -> PhoneCall | None:
        """The call that the END key ends."""
        ringing = self.in_state(State.RINGING)
        return ringing[0] if ringing and self.ringing_first else self.foreground

    @property
    def next_id(self) -> str:
        """The name of the call that comes next."""
        return f"TC@{self._next_tc}"

    def in_state(self, *states: State) -> list[PhoneCall]:
        """The calls that stand there, oldest first."""
        return [call for call in self.live if call.state in states]

    # --- what people and the platform do

    def dial(self, number: str, now: float, *, by_hand: bool = False) -> list[Happened]:
        """Place a call, even beside another one: real phones do. A call that talks is put on hold."""
        call = self._create(number, now, incoming=False, by_hand=by_hand)
        happened = [
            self._event(call, "CREATED", "", now),
            self._move(call, State.CONNECTING, "SET_CONNECTING", "", now),
        ]
        if not self.in_service:
            return happened + self._end(call, OUT_OF_SERVICE, now)
        if self.asks_for_sim:
            return [*happened, self._move(call, State.SELECT_PHONE_ACCOUNT, "SET_SELECT_PHONE_ACCOUNT", "", now)]
        return happened + self._go_out(call, now)

    def choose_sim(self, call: PhoneCall, now: float) -> list[Happened]:
        """Somebody says on which SIM a call that asks goes out."""
        return self._go_out(call, now) if call in self.in_state(State.SELECT_PHONE_ACCOUNT) else []

    def close_dialog(self, now: float) -> list[Happened]:
        """The BACK key: a call that waits for a SIM is given up."""
        asking = self.in_state(State.SELECT_PHONE_ACCOUNT)
        return self._end(asking[0], CANCELED, now) if asking else []

    def ring(self, number: str, now: float, *, plan: Plan = ()) -> list[Happened]:
        """A call comes in, also while another is up (call waiting). `plan`: when the caller gives up."""
        call = self._create(number, now, incoming=True)
        call.plan = plan
        return [
            self._event(call, "CREATED", "", now),
            self._move(call, State.RINGING, "SET_RINGING", "successful incoming call", now),
        ]

    def answer(self, now: float) -> list[Happened]:
        """Take the call that rings, if one does. What talks is put on hold; what is still being dialled cannot be,
        and ends."""
        call = next(iter(self.in_state(State.RINGING)), None)
        if call is None:
            return []
        happened: list[Happened] = []
        for other in self.in_state(*BEING_DIALLED):
            happened += self._end(other, CANCELED, now)
        call.plan = ()
        return [*happened, *self._activate(call, now)]

    def hold(self, now: float) -> list[Happened]:
        """Somebody puts the call that talks on hold, and takes no other."""
        talks = self.in_state(State.ACTIVE)
        return [self._move(call, State.ON_HOLD, "SET_HOLD", "hold set explicitly", now) for call in talks]

    def swap(self, now: float) -> list[Happened]:
        """Somebody takes the call on hold back, and puts the other one on hold."""
        held = self.in_state(State.ON_HOLD)
        return self._activate(held[0], now) if held else []

    def hang_up(self, now: float) -> list[Happened]:
        """The END key: ends the current call, if there is one."""
        call = self.current
        if call is None:
            return []
        call.by_key = True
        return self.hang_up_call(call, now)

    def hang_up_call(self, call: PhoneCall, now: float) -> list[Happened]:
        """This phone ends one call, as its screen lets people do. What was on hold then comes back."""
        cause = LOCAL if call.state in ANSWERED else MISSED if call.incoming else CANCELED
        happened = [self._event(call, "REQUEST_DISCONNECT", "", now), *self._end(call, cause, now)]
        foreground = self.foreground
        if foreground is not None and foreground.state is State.ON_HOLD:
            happened += self._activate(foreground, now)
        return happened

    # --- what the network does

    def end(self, call: PhoneCall, cause: Cause, now: float) -> list[Happened]:
        """The network, or the other side, ends one call. One on hold stays there."""
        return self._end(call, cause, now) if call in self.live else []

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

    # --- inside

    def _due(self, call: PhoneCall) -> float:
        began = call.created if call.sent is None else call.sent
        return began + call.plan[0].after * self.scale

    def _step(self, call: PhoneCall, now: float) -> list[Happened]:
        planned, call.plan = call.plan[0], call.plan[1:]
        match planned.step:
            case Step.ALERT:
                call.state = State.ALERTING
                return [Happened(call, "ALERTING", "", now)]
            case Step.ANSWER:
                return self._activate(call, now)
            case Step.END:
                assert planned.cause is not None
                return self._end(call, planned.cause, now)

    def _go_out(self, call: PhoneCall, now: float) -> list[Happened]:
        call.plan, call.sent = self._plan(call.number), now
        held = self._hold_others(call, now)
        return [*held, self._move(call, State.DIALING, "SET_DIALING", "dialing set explicitly", now)]

    def _create(self, number: str, now: float, *, incoming: bool, by_hand: bool = False) -> PhoneCall:
        call = PhoneCall(tc=self._next_tc, number=number, incoming=incoming, created=now, by_hand=by_hand)
        self._next_tc += 1
        self.live.append(call)
        self.history.append(call)
        return call

    def _activate(self, call: PhoneCall, now: float) -> list[Happened]:
        """One call talks at a time."""
        held = self._hold_others(call, now)
        return [*held, self._move(call, State.ACTIVE, "SET_ACTIVE", "active set explicitly", now)]

    def _hold_others(self, call: PhoneCall, now: float) -> list[Happened]:
        return [
            self._move(other, State.ON_HOLD, "SET_HOLD", "hold set explicitly", now)
            for other in self.in_state(State.ACTIVE)
            if other is not call
        ]

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
