"""How the states of trunks are walked through, for docs/states.md."""

from typing import Any

from msgspec.structs import replace

from actors.runtime.clock import Moment
from actors.runtime.decision import Decision, TimerFired
from actors.telephony.line import Began, Holder
from actors.trunk import machine as trunks
from actors.trunk.failing import FAILED_DOWN, Failing, Failure
from actors.trunk.machine import TrunkMemory
from actors.trunk.pbx import Contact, ContactSeen, PbxLink, RegistrationSeen
from bus_schemas.trunk import TrunkConfig
from tests.support.states import Input, Stand, Walk, verb

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
        stand[0], replace(stand[1], failing=_failing(times, refusal, now)), TimerFired(name=trunks.JUDGE), now
    )


def _failing(times: int, refusal: str | None, now: Moment) -> Failing:
    failures = tuple(Failure(mono=now.mono, user="op", number=f"+{number}") for number in range(times))
    return Failing(failures=failures, refusal=refusal)


def _trunk_carries(stand: Stand, now: Moment) -> Decision[Any, Any]:
    began = Began(holder=Holder(id="c_1", user="op", slot=1), at=now, seq=1)
    return trunks.observe(trunks.evolve(stand[0], began), stand[1], TimerFired(name=trunks.JUDGE), now)


TRUNK_INPUTS: tuple[Input, ...] = (
    *(_trunk_hears(report) for report in TRUNK_REPORTS),
    *(_trunk_failed(times) for times in (0, 1, FAILED_DOWN)),
    *(_trunk_failed(times, "SIP 403") for times in (1, FAILED_DOWN)),
    _trunk_carries,
)


def _after_trunk(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    trunk = stand[0]
    for event in decision.events:
        trunk = trunks.evolve(trunk, event)
    return trunk, decision.memory or stand[1] or TrunkMemory()


def _reason(event: Any) -> str:
    return (getattr(event, "reason", None) or verb(event)).replace(":", "")


WALK = Walk(
    title="A trunk",
    text="`state` of a trunk, with the `reason` that it says. `changed`: nothing speaks against it any more.",
    start=lambda now: trunks.configure(None, TrunkMemory(), TRUNK_CONFIG, now),
    inputs=TRUNK_INPUTS,
    after=_after_trunk,
    name=lambda stand: str(stand[0].state),
    key=lambda stand: (
        stand[0].state, stand[0].reason, stand[1].up, stand[1].contact, stand[1].registration,
        len(stand[1].failing.failures),
    ),
    why=_reason,
)
