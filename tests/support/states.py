"""The state diagrams of docs/states.md, walked out of the machines: from its first state each machine is given every
input that it knows, and what that leads to again, until nothing new is found. `make states` writes the page.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from actors.call import machine as calls
from actors.call.machine import CallTimeouts
from actors.campaign import machine as campaigns
from actors.campaign import record as campaign_record
from actors.campaign.machine import CallOver
from actors.campaign.places import each
from actors.campaign.rulebook import RuleBook
from actors.campaign.selection import Selection
from actors.imports import machine as imports
from actors.leads.lead import Accepted
from actors.leads.mapping import Mapping as ListMapping
from actors.leads.preview import Preview
from actors.leads.reading import Layout
from actors.operator import machine as operators
from actors.operator import record as operator_record
from actors.operator.machine import CallOver as OperatorCallOver
from actors.operator.machine import CallUp, OperatorRules
from actors.operator.record import Plan as OperatorPlan
from actors.operator.settings import DISPOSITIONS
from actors.runtime.clock import Moment, utc
from actors.runtime.decision import NOTHING, Decision, TimerFired
from actors.slot import machine as slots
from actors.slot import record as slot_record
from actors.slot.record import SlotMemory
from actors.telephony.line import Began, Holder
from actors.telephony.reports import (
    CallPhase,
    CallSeen,
    DialAccepted,
    DialFailed,
    Link,
    LinkChanged,
    LiveCall,
    Look,
    Looked,
    PastCall,
)
from actors.trunk import machine as trunks
from actors.trunk.machine import TrunkMemory
from actors.trunk.pbx import Contact, ContactSeen, PbxLink, RegistrationSeen
from bus_schemas.call import CallDialing, EndReason
from bus_schemas.campaign import CampaignSettings, StopMode
from bus_schemas.errors import Refusal
from bus_schemas.imports import Columns, CreateImport, StoredFile
from bus_schemas.lead import Lead
from bus_schemas.operator import OperatorActivated, OperatorChanged, OperatorStatus, ReserveOperator
from bus_schemas.slot import SlotConfig
from bus_schemas.trunk import TrunkConfig

STARTED = datetime(2026, 1, 1, tzinfo=UTC)
STEP = 20.0  # seconds between two inputs: longer than most timers
FARTHEST = 400  # states; a machine that has more has a key that tells apart what is the same

Stand = tuple[Any, Any]  # a state, and the memory beside it
Input = Callable[[Stand, Moment], Decision[Any, Any]]


@dataclass(frozen=True)
class Walk:
    """One machine. `name`: the state as people know it; `key`: what tells two states apart; `why`: what an edge says of
    the event that leads along it."""

    title: str
    text: str
    start: Callable[[Moment], Decision[Any, Any]]
    inputs: tuple[Input, ...]
    after: Callable[[Stand, Decision[Any, Any]], Stand]
    name: Callable[[Stand], str]
    key: Callable[[Stand], object]
    why: Callable[[Any], str]

    def edges(self) -> list[tuple[str, str, str]]:
        """From, to, and why; each once, in order."""
        first = self.after((None, None), self.start(_at(0)))
        found = {("[*]", self.name(first), self.why(self.start(_at(0)).events[0]))}
        seen, waiting = {self.key(first)}, [(first, 1)]
        while waiting:
            stand, depth = waiting.pop(0)
            for given in self.inputs:
                try:
                    decision = given(stand, _at(STEP * depth))
                except Refusal:
                    continue
                then = self.after(stand, decision)
                if self.name(then) != self.name(stand):
                    found.add((self.name(stand), self.name(then), self._cause(stand, decision, self.name(then))))
                if self.key(then) not in seen:
                    seen.add(self.key(then))
                    waiting.append((then, depth + 1))
                    assert len(seen) < FARTHEST, self.title
        return sorted(found, key=lambda edge: (edge[0] != "[*]", *edge))

    def _cause(self, stand: Stand, decision: Decision[Any, Any], name: str) -> str:
        """Why: of the first event with which it has the new name."""
        until = (replace(decision, events=decision.events[:last]) for last in range(1, len(decision.events) + 1))
        return next(self.why(part.events[-1]) for part in until if self.name(self.after(stand, part)) == name)

    def markdown(self) -> str:
        """The diagram, with the causes of one way on one arrow."""
        whys: dict[tuple[str, str], list[str]] = {}
        for before, after, why in self.edges():
            whys.setdefault((before, after), []).append(why)
        arrows = [f"    {before} --> {after}: {', '.join(why)}" for (before, after), why in whys.items()]
        return "\n".join((f"## {self.title}", "", self.text, "", "```mermaid", "stateDiagram-v2", *arrows, "```", ""))


def _at(seconds: float) -> Moment:
    return Moment(at=utc(STARTED + timedelta(seconds=seconds)), mono=seconds, boot="b")


def _verb(event: Any) -> str:
    """`CallAlerting` is `alerting`, `SlotCommandDone` is `command done`."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type(event).__name__).split()
    return " ".join(words[1:])


# --- calls --------------------------------------------------------------------------------------------------------

TIMEOUTS = CallTimeouts(created=15, hangup=5, lost=30)
ATTEMPT = CallDialing(
    line="slot-1", call_id="c_1", slot=1, user="op", number="+380991234567", at=_at(0).at, mono=0.0, boot="b",
    command_id="k", ring_timeout=60, max_duration=3600, after_ref="p/TC@0",
)  # fmt: skip
REF = "p/TC@1"
LOOKS = (
    None,
    Look(live=(), past=()),
    Look(live=(LiveCall(ref=REF, phase=CallPhase.ACTIVE, created_age=9, answered_age=1),), past=()),
    Look(live=(), past=(PastCall(ref=REF, created_age=9, answered_age=None, ended_age=2, reason=EndReason.BUSY),)),
)
CALL_REPORTS: tuple[Any, ...] = (
    DialAccepted(after_ref="p/TC@0"),
    DialFailed(cause="", reason=EndReason.NOT_DIALED),
    *(CallSeen(ref=REF, phase=phase, reason=EndReason.HANGUP_REMOTE) for phase in CallPhase),
    *(LinkChanged(link=link) for link in Link),
    *(TimerFired(name=name) for name in ("created", "ring", "duration", "hangup", "lost", "gone")),
)


def _call_hears(report: Any) -> Input:
    return lambda stand, now: calls.observe(stand[0], report, now, TIMEOUTS)


def _call_finds(look: Look | None, why: str) -> Input:
    return lambda stand, now: calls.observe(
        stand[0], Looked(look=look, why=why, asked=now.mono, call_id="c_1"), now, TIMEOUTS
    )


CALL_INPUTS: tuple[Input, ...] = (
    *(_call_hears(report) for report in CALL_REPORTS),
    *(_call_finds(look, why) for look in LOOKS for why in ("ask", "hangup", "lost")),
    lambda stand, now: calls.end(stand[0], "op", "k2", now, TIMEOUTS),
)


def _after_call(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    call = decision.memory or stand[0]
    for event in decision.events:
        call = calls.evolve(call, event)
    return call, None


CALL = Walk(
    title="A call",
    text="`phase` of a call. Each way into `ended` is one terminal event; its `reason` says why.",
    start=lambda now: calls.begin(ATTEMPT, (), TIMEOUTS),
    inputs=CALL_INPUTS,
    after=_after_call,
    name=lambda stand: str(stand[0].phase),
    key=lambda stand: (stand[0].phase, stand[0].ending_by, stand[0].placing, stand[0].ref, stand[0].missed is None),
    why=_verb,
)

# --- slots --------------------------------------------------------------------------------------------------------

SLOT_REPORTS: tuple[Any, ...] = (
    *(LinkChanged(link=link) for link in Link),
    *(TimerFired(name=name) for name in (slots.RESTARTED, slots.REBOOTED)),
)


def _slot_hears(report: Any) -> Input:
    return lambda stand, now: slots.observe(stand[0], stand[1], report, now)


def _slot_finds(look: Look | None) -> Input:
    return lambda stand, now: slots.observe(stand[0], stand[1], Looked(look=look, why="link", asked=now.mono), now)


SLOT_INPUTS: tuple[Input, ...] = (
    *(_slot_hears(report) for report in SLOT_REPORTS),
    *(_slot_finds(look) for look in (None, Look(live=(), past=()))),
    lambda stand, now: slots.restart(stand[0], stand[1], "op", now),
    lambda stand, now: slots.reboot(stand[0], stand[1], "op", now),
)


def _after_slot(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    slot = stand[0]
    for event in decision.events:
        slot = slot_record.evolve(slot, event)
    return slot, decision.memory or stand[1] or SlotMemory()


SLOT = Walk(
    title="A slot",
    text="`status` of a slot. Whether it is in a call follows from its calls and is no state of its own.",
    start=lambda now: slots.configure(None, SlotMemory(), SlotConfig(id=1, serial="p"), "config", now),
    inputs=SLOT_INPUTS,
    after=_after_slot,
    name=lambda stand: str(stand[0].status),
    key=lambda stand: (stand[0].status, stand[1].link),
    why=_verb,
)

# --- trunks -------------------------------------------------------------------------------------------------------

TRUNK_CONFIG = TrunkConfig(name="t", endpoint="t", channels=1, calls_per_second=1, registration="t")
TRUNK_REPORTS: tuple[Any, ...] = (
    PbxLink(up=False, detail="the PBX cannot be reached"),
    PbxLink(up=True),
    *(ContactSeen(status=status, rtt_ms=9.0) for status in (Contact.REACHABLE, Contact.UNREACHABLE, Contact.MISSING)),
    ContactSeen(status=Contact.REACHABLE, rtt_ms=900.0),
    *(RegistrationSeen(status=status) for status in ("Registered", "Rejected")),
)


def _trunk_hears(report: Any) -> Input:
    return lambda stand, now: trunks.observe(stand[0], stand[1], report, now)


def _trunk_failed(times: int, refusal: str | None = None) -> Input:
    return lambda stand, now: trunks.observe(
        stand[0], replace(stand[1], failures=(now.mono,) * times, refusal=refusal), TimerFired(name=trunks.JUDGE), now
    )


def _trunk_carries(stand: Stand, now: Moment) -> Decision[Any, Any]:
    began = Began(holder=Holder(id="c_1", user="op", slot=1), at=now, seq=1)
    return trunks.observe(trunks.evolve(stand[0], began), stand[1], TimerFired(name=trunks.JUDGE), now)


TRUNK_INPUTS: tuple[Input, ...] = (
    *(_trunk_hears(report) for report in TRUNK_REPORTS),
    *(_trunk_failed(times) for times in (0, 1, trunks.FAILED_DOWN)),
    *(_trunk_failed(times, "SIP 403") for times in (1, trunks.FAILED_DOWN)),
    _trunk_carries,
)


def _after_trunk(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    trunk = stand[0]
    for event in decision.events:
        trunk = trunks.evolve(trunk, event)
    return trunk, decision.memory or stand[1] or TrunkMemory()


def _reason(event: Any) -> str:
    return (getattr(event, "reason", None) or _verb(event)).replace(":", "")


TRUNK = Walk(
    title="A trunk",
    text="`state` of a trunk, with the `reason` that it says. `changed`: nothing speaks against it any more.",
    start=lambda now: trunks.configure(None, TrunkMemory(), TRUNK_CONFIG, now),
    inputs=TRUNK_INPUTS,
    after=_after_trunk,
    name=lambda stand: str(stand[0].state),
    key=lambda stand: (
        stand[0].state, stand[0].reason, stand[1].up, stand[1].contact, stand[1].registration, len(stand[1].failures)
    ),
    why=_reason,
)

# --- campaigns ----------------------------------------------------------------------------------------------------

LEAD_IDS = ("a", "b")


def _campaign_runs(lead: str) -> Input:
    def run(stand: Stand, now: Moment) -> Decision[Any, Any]:
        number = f"+38099123000{LEAD_IDS.index(lead)}"
        row = Accepted(row=1, lead=Lead(id=lead, numbers=(number,)))
        return campaigns.run("c", stand[0], Selection(stand[0]), [row], "op", now).decision

    return run


def _campaign_claims(stand: Stand, now: Moment) -> Decision[Any, Any]:
    return campaigns.claim(stand[0], Selection(stand[0]), RuleBook(), 1, now)


def _campaign_call_ends(place: int) -> Input:
    over = CallOver(place=place, attempt=1, call_id="c_1", reason=EndReason.HANGUP_REMOTE, answered=True)

    def end(stand: Stand, now: Moment) -> Decision[Any, Any]:
        if place >= campaign_record.size(stand[0]):
            return NOTHING
        return campaigns.ended(stand[0], over, RuleBook(), now)

    return end


CAMPAIGN_INPUTS: tuple[Input, ...] = (
    *(_campaign_runs(lead) for lead in LEAD_IDS),
    *(_campaign_call_ends(place) for place in range(len(LEAD_IDS))),
    _campaign_claims,
    lambda stand, now: campaigns.pause(stand[0], "op", now),
    lambda stand, now: campaigns.resume(stand[0], "op", now),
    lambda stand, now: campaigns.stop(stand[0], StopMode.DRAIN, "op", now),
    lambda stand, now: campaigns.archive(stand[0], "op", now),
)


def _after_campaign(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    campaign = stand[0]
    for event in decision.events:
        campaign = campaign_record.evolve(campaign, event)
    return campaign, None


CAMPAIGN = Walk(
    title="A campaign",
    text="`status` of a campaign. One that is over is started again by new leads, and for them alone.",
    start=lambda now: campaigns.create("c", None, CampaignSettings(), "op", now),
    inputs=CAMPAIGN_INPUTS,
    after=_after_campaign,
    name=lambda stand: str(stand[0].status),
    key=lambda stand: (
        stand[0].status, stand[0].earlier, stand[0].open, tuple(entry.status for entry in each(stand[0].leads))
    ),
    why=_verb,
)

# --- operators ----------------------------------------------------------------------------------------------------

OPERATOR_RULES = OperatorRules(
    zone=UTC, wrap_up=30, wrap_up_longest=600, presence=60, reserve=2, words=DISPOSITIONS
)


def _operator_asks(status: OperatorStatus) -> Input:
    return lambda stand, now: operators.change(
        stand[0], OperatorPlan(status), "op", may_call=True, now=now, rules=OPERATOR_RULES
    )


def _operator_call_begins(stand: Stand, now: Moment) -> Decision[Any, Any]:
    report = CallUp(seq=stand[0].heard + 1, call_id=f"c_{now.mono}", at=now.at)
    return operators.connected(stand[0], report, now, OPERATOR_RULES)


def _operator_call_ends(stand: Stand, now: Moment) -> Decision[Any, Any]:
    for talk in stand[0].calls:
        return operators.over(stand[0], OperatorCallOver(call_id=talk.call_id, at=now.at), now, OPERATOR_RULES)
    return NOTHING


def _operator_time(name: str) -> Input:
    return lambda stand, now: operators.fired(stand[0], TimerFired(name=name), now, OPERATOR_RULES)


OPERATOR_INPUTS: tuple[Input, ...] = (
    *(_operator_asks(status) for status in (OperatorStatus.READY, OperatorStatus.BREAK, OperatorStatus.OFFLINE)),
    *(_operator_time(name) for name in ("wrap_up", "presence", "reservation")),
    _operator_call_begins,
    _operator_call_ends,
    lambda stand, now: operators.reserve(
        stand[0], ReserveOperator(user="op", campaign_id="c"), "r", now, OPERATOR_RULES
    ),
)


def _after_operator(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    operator = stand[0]
    for event in decision.events:
        operator = operator_record.evolve(operator, event)
    return operator, None


def _operator_why(event: Any) -> str:
    return event.by.replace("op", "asked") if isinstance(event, OperatorChanged) else _verb(event)


OPERATOR = Walk(
    title="An operator",
    text="`status` of an operator. `asked`: by themselves or a supervisor; `presence`, `wrap_up`: that time is over.",
    start=lambda now: Decision(events=(OperatorActivated(user="op", at=now.at, host="h", epoch=1),)),
    inputs=OPERATOR_INPUTS,
    after=_after_operator,
    name=lambda stand: str(stand[0].status),
    key=lambda stand: (
        stand[0].status, stand[0].next, bool(stand[0].calls), len(stand[0].calls) > 1, stand[0].reserved is None
    ),
    why=_operator_why,
)  # fmt: skip


# --- imports ------------------------------------------------------------------------------------------------------

FILE = StoredFile(key="k", size=1, pieces=1, digest="")
COLUMNS = Columns(fields=("number",), header=False)
SURE, DOUBTFUL = ListMapping(fields=("number",), header=False), ListMapping(fields=(), header=False, doubt="?")


def _import_examined(mapping: ListMapping) -> Input:
    layout = Layout(encoding="utf-8", delimiter=",")
    found = Preview(layout=layout, mapping=mapping, rows=[], total=1, counts=None, invalid=[])
    return lambda stand, now: imports.examined(stand[0], imports.Examined(preview=found), now)


def _import_over(failed: str | None) -> Input:
    return lambda stand, now: imports.over(stand[0], imports.ReadOver(failed=failed), now)


def _import_advances(stand: Stand, now: Moment) -> Decision[Any, Any]:
    if stand[0].done:
        return NOTHING
    return imports.added(
        stand[0], imports.PartAdded(row=1, rows=1, new=1, duplicates=0, invalid={}, bad=False, began=False), now
    )


IMPORT_INPUTS: tuple[Input, ...] = (
    *(_import_examined(mapping) for mapping in (SURE, DOUBTFUL)),
    *(_import_over(failed) for failed in (None, "why")),
    _import_advances,
    lambda stand, now: imports.map_columns(stand[0], COLUMNS, "op", now),
    lambda stand, now: imports.start(stand[0], None, "op", now),
    lambda stand, now: imports.cancel(stand[0], "op", now),
    lambda stand, now: imports.too_old(stand[0], now),
)


def _after_import(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    found = stand[0]
    for event in decision.events:
        found = imports.evolve(found, event)
    return found, None


IMPORT = Walk(
    title="An import",
    text="`status` of an import. It goes from `examining` to `running` by itself where that was wanted at once.",
    start=lambda now: imports.create(
        "i", None, CreateImport(campaign_id="c", name="leads.csv", begin=True, file=FILE), "op", now
    ),
    inputs=IMPORT_INPUTS,
    after=_after_import,
    name=lambda stand: str(stand[0].status),
    key=lambda stand: (stand[0].status, stand[0].given, stand[0].columns, stand[0].done),
    why=_verb,
)

WALKS = (CALL, SLOT, TRUNK, CAMPAIGN, OPERATOR, IMPORT)

HEAD = """# The states of things

Written by `make states` from the machines as they are; a test compares. The machines are
[actors/call/machine.py](../actors/call/machine.py), [actors/slot/machine.py](../actors/slot/machine.py),
[actors/trunk/machine.py](../actors/trunk/machine.py), [actors/campaign/machine.py](../actors/campaign/machine.py) and
[actors/operator/machine.py](../actors/operator/machine.py).
[actors/imports/machine.py](../actors/imports/machine.py).
An arrow is named after the event on record that leads along it.
"""


def page() -> str:
    """docs/states.md."""
    return "\n".join((HEAD, *(walk.markdown() for walk in WALKS)))


if __name__ == "__main__":
    sys.stdout.write(page())
