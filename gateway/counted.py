"""What a gateway counts of the journal's events as it hears them: calls, runs of scripts, what was done to phones, hubs
that were lost. It counts from its own start on; who wants to know what was before asks the records."""

from collections.abc import Iterable

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter

from bus_schemas.call import CallDialing, CallEnded, EndReason
from bus_schemas.script import RunEnded, RunQueued, RunStarted, RunState
from bus_schemas.series import OTHERS
from bus_schemas.slot_health import SlotHealed
from bus_schemas.usb import HubLost

LINES, CAMPAIGNS, SCRIPTS = 1_000, 100, 100  # that are named, of those that were heard of first
KINDS = ("slot", "trunk", "app")
ANSWERED, UNANSWERED, FAILED = "answered", "unanswered", "failed"
REFUSED_THERE = frozenset({  # the called side, or whoever called, would have it so
    EndReason.HANGUP_LOCAL, EndReason.HANGUP_REMOTE, EndReason.BUSY, EndReason.NO_ANSWER, EndReason.REJECTED,
    EndReason.INVALID_NUMBER, EndReason.UNREACHABLE,
})  # fmt: skip


def outcome(*, answered: bool, reason: EndReason) -> str:
    """What became of a call: it was answered; nobody took it; or something of ours or on the way did not work."""
    if answered:
        return ANSWERED
    return UNANSWERED if reason in REFUSED_THERE else FAILED


class Named:
    """Names that may be labels: no more than `most`, the others are one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: set[str] = set()

    def label(self, name: str) -> str:
        if len(self._names) < self._most:
            self._names.add(name)
        return name if name in self._names else OTHERS


class Counted:
    """Of one gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, says: str, labels: Iterable[str]) -> Counter:
            return Counter(f"ottb_{name}", says, labels, registry=registry)

        self._begun = counter("calls_started", "Attempts that were put on record, by kind of line.", ["kind"])
        self._calls = counter(
            "calls", "Calls that are over: answered, unanswered, or failed.", ["kind", "outcome", "reason"]
        )
        self._talk = counter("call_talk_seconds", "How long people talked, in calls that are over.", ["kind"])
        self._of_line = counter("line_calls", "Calls that are over, of each line.", ["line", "outcome"])
        self._of_campaign = counter("campaign_calls", "Calls that are over, of campaigns.", ["campaign", "outcome"])
        self._runs = counter("script_runs", "Runs of scripts that came to this state.", ["script", "state"])
        self._healed = counter(
            "slot_healing_steps", "What was done about phones that were not well.", ["symptom", "rung", "dry_run"]
        )
        self._hubs_lost = counter("hubs_lost", "USB hubs that left their hosts.", ["host"])
        self._lines, self._campaigns, self._scripts = Named(LINES), Named(CAMPAIGNS), Named(SCRIPTS)
        for kind in KINDS:  # a counter that was never counted is 0, not missing
            self._begun.labels(kind)
            self._talk.labels(kind)
            for answered in (False, True):
                for reason in EndReason:
                    self._calls.labels(kind, outcome(answered=answered, reason=reason), reason.value)

    def event(self, event: Struct) -> None:
        """An entry of the journal was heard for the first time."""
        match event:
            case CallDialing():
                self._begun.labels(_kind(event)).inc()
            case CallEnded():
                self._over(event)
            case RunQueued():
                self._run(event.script, RunState.QUEUED)
            case RunStarted():
                self._run(event.script, RunState.RUNNING)
            case RunEnded():
                self._run(event.script, event.state)
            case SlotHealed():
                self._healed.labels(event.symptom.value, event.rung.value, str(event.dry_run).lower()).inc()
            case HubLost():
                self._hubs_lost.labels(event.host).inc()

    def _over(self, call: CallEnded) -> None:
        became = outcome(answered=call.answer_time is not None, reason=call.reason)
        kind = _kind(call)
        self._calls.labels(kind, became, call.reason.value).inc()
        self._talk.labels(kind).inc(call.duration)
        self._of_line.labels(self._lines.label(call.line), became).inc()
        if call.campaign is not None:
            self._of_campaign.labels(self._campaigns.label(call.campaign), became).inc()

    def _run(self, script: str, state: RunState) -> None:
        self._runs.labels(self._scripts.label(script), state.value).inc()


def _kind(call: CallDialing | CallEnded) -> str:
    if call.app is not None:
        return "app"
    return "slot" if call.trunk is None else "trunk"
