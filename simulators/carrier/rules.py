"""The carrier: how a called number behaves, decided by its last four digits. Pure, and the one documented table."""

import re
from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct


class Step(StrEnum):
    """What the network does next with a call."""

    ALERT = "alert"
    ANSWER = "answer"
    END = "end"


class Cause(Struct, frozen=True):
    """Why the network ended a call, in Android's words: Telecom code, telephony reason, telephony number
    (android.telecom.DisconnectCause and android.telephony.DisconnectCause)."""

    code: str
    reason: str
    number: int


OPERATORS = (50, 63, 66, 67, 68, 73, *range(91, 100))
REMOTE = Cause("REMOTE", "NORMAL", 2)
LOCAL = Cause("LOCAL", "LOCAL", 3)
CANCELED = Cause("CANCELED", "OUTGOING_CANCELED", 44)
MISSED = Cause("MISSED", "INCOMING_MISSED", 1)
BUSY = Cause("BUSY", "BUSY", 4)
NO_ANSWER = Cause("ERROR", "TIMED_OUT", 13)
REJECTED = Cause("REJECTED", "INCOMING_REJECTED", 16)
INVALID = Cause("ERROR", "UNOBTAINABLE_NUMBER", 25)
OUT_OF_SERVICE = Cause("ERROR", "OUT_OF_SERVICE", 18)
LOST_SIGNAL = Cause("ERROR", "LOST_SIGNAL", 14)


class Clearing(Struct, frozen=True):
    """The same on a SIP trunk: Q.850 cause and its text, and the SIP status of a call that was never answered
    (RFC 4497, 8.4.4)."""

    q850: int
    text: str
    sip: int


CLEARING = {
    REMOTE: Clearing(16, "Normal Clearing", 480),
    BUSY: Clearing(17, "User busy", 486),
    NO_ANSWER: Clearing(19, "User alerting, no answer", 480),
    REJECTED: Clearing(21, "Call Rejected", 403),
    INVALID: Clearing(1, "Unallocated (unassigned) number", 404),
    OUT_OF_SERVICE: Clearing(38, "Network out of order", 500),
    LOST_SIGNAL: Clearing(41, "Temporary failure", 500),
}


class Planned(Struct, frozen=True, kw_only=True):
    """A step of the network, `after` seconds from the moment the call was placed."""

    after: float
    step: Step
    cause: Cause | None = None


Plan = tuple[Planned, ...]


def _alert(after: float = 0.5) -> Planned:
    return Planned(after=after, step=Step.ALERT)


def _answer(after: float) -> Planned:
    return Planned(after=after, step=Step.ANSWER)


def _end(after: float, cause: Cause) -> Planned:
    return Planned(after=after, step=Step.END, cause=cause)


class Rule(Struct, frozen=True):
    """Numbers that end like this behave like that. `nn` in the pattern is two digits, a number of seconds."""

    ending: str
    meaning: str
    plan: Callable[[int], Plan]


RULES = (
    Rule("0001", "busy after 1 s", lambda _: (_end(1.0, BUSY),)),
    Rule("0002", "rings, nobody answers; the network gives up after 30 s", lambda _: (_alert(), _end(30.0, NO_ANSWER))),
    Rule("0003", "rings, is rejected after 2 s", lambda _: (_alert(), _end(2.0, REJECTED))),
    Rule("0004", "no such number, told after 0.5 s", lambda _: (_end(0.5, INVALID),)),
    Rule("0005", "the network fails after 1 s", lambda _: (_end(1.0, OUT_OF_SERVICE),)),
    Rule("0006", "answers after 2 s, hangs up 3 s later", lambda _: (_alert(), _answer(2.0), _end(5.0, REMOTE))),
    Rule("0007", "answers at once, without ringing", lambda _: (_answer(0.1),)),
    Rule("0008", "answers after 2 s, drops 3 s later", lambda _: (_alert(), _answer(2.0), _end(5.0, LOST_SIGNAL))),
    Rule("10nn", "answers after nn s and talks", lambda nn: (_alert(min(0.5, nn / 2)), _answer(max(float(nn), 0.1)))),
    Rule("20nn", "answers after 1 s, hangs up nn s later", lambda nn: (_alert(), _answer(1.0), _end(1.0 + nn, REMOTE))),
    Rule("30nn", "rings nn s, then is busy", lambda nn: (_alert(min(0.5, nn / 2)), _end(max(float(nn), 0.1), BUSY))),
)  # fmt: skip

OTHERWISE: Plan = (_alert(), _answer(2.0))  # until somebody hangs up


def plan_for(number: str) -> Plan:
    """What the network does with a call to this number."""
    for rule in RULES:
        match = re.search(rule.ending.replace("nn", "([0-9]{2})") + r"\Z", number)
        if match:
            return rule.plan(int(match[1]) if match.groups() else 0)
    return OTHERWISE


def mobile(place: int, ending: str) -> str:
    """One of 15,000 numbers of Ukrainian mobiles with this ending, by its place among them."""
    operator = OPERATORS[place // 1000 % len(OPERATORS)]
    return f"+380{operator}{place % 1000:03d}{ending}"
