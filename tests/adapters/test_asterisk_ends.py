"""What the PBX adapter makes of the ways in which calls end in the field (tests/field/trunk_ends.toml)."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import permutations, product
from typing import Any

import pytest

from actors.adapters import asterisk
from actors.adapters.asterisk import Asterisk
from actors.adapters.asterisk_ends import Ending, end_of
from actors.telephony.reports import CallPhase, CallSeen, CdrSeen, OfLine
from actors.trunk.pbx import PbxReport
from actors.trunk.settings import Ami
from bus_schemas.call import EndReason
from bus_schemas.trunk import TrunkConfig
from tests.support.field import cases

CALL, CHANNEL = "c_field", "PJSIP/trunk-1-00000001"
OURS = {"Uniqueid": CALL, "Channel": CHANNEL}
Event = dict[str, str]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asterisk, "HANGUP_GRACE", 0.02)


async def ended(events: list[Event]) -> CallSeen:
    """The one end that is told when these events have been heard."""
    heard: list[PbxReport] = []
    pbx = Asterisk("main", Ami(secret="x"), prefix="test")
    pbx._up_since = -asterisk.GAP  # connected for long
    pbx.attach(TrunkConfig(name="trunk-1", endpoint="trunk-1"), heard.append)
    for event in events:
        pbx._hear(event)
    await asyncio.sleep(2 * asterisk.HANGUP_GRACE)
    await pbx.stop()
    (end,) = [one for one in heard if isinstance(one, CallSeen) and one.phase is CallPhase.DISCONNECTED]
    return end


def hangup(cause: int, sip: int | None = None) -> Event:
    tech = {} if sip is None else {"TechCause": str(sip)}
    return {"Event": "Hangup", **OURS, "Cause": str(cause), "Cause-txt": "words", **tech}


def failure(reason: str) -> Event:
    return {"Event": "OriginateResponse", "Uniqueid": CALL, "Channel": "PJSIP/+380991230001@trunk-1",
            "Response": "Failure", "Reason": reason}  # fmt: skip


def orders_of(case: dict[str, Any]) -> Iterator[list[Event]]:
    """The events of a case, in every order in which Asterisk may tell the last of them."""
    before: list[Event] = []
    if case.get("rang"):
        before.append({"Event": "Newstate", **OURS, "ChannelState": "5"})
    if case.get("up"):
        before.append({"Event": "Newstate", **OURS, "ChannelState": "6"})
    if "extension" in case:
        before.append({"Event": "DialEnd", **OURS, "DestChannel": "PJSIP/slot12-2", "DialStatus": case["extension"]})
    if case.get("far"):
        before.append({"Event": "HangupRequest", **OURS, "Cause": str(case["cause"])})
    last = [hangup(case["cause"], case.get("sip"))]
    if not case.get("up"):
        last.append(failure(case.get("originate", "0")))
    return ([*before, *order] for order in permutations(last))


@pytest.mark.parametrize("case", cases("trunk_ends"), ids=lambda case: case["where"])
async def test_each_end_of_the_field_has_its_reason_and_its_meaning(case: dict[str, Any]) -> None:
    for events in orders_of(case):
        end = await ended(events)
        assert (end.reason, end.line) == (case["reason"], case.get("line", "none")), events


# What is told before the answer, by who it is of, and what a SIP status (None: none was) may be without changing that.
STATUSES = (0, *range(300, 700))
OF_CALLEE = {1, 2, 3, 16, 17, 18, 19, 20, 21, 22, 27, 28, 54, 55, 87, 88}
OF_PROVIDER = {34, 38, 41, 42, 44, 47, 58}
UNSPECIFIC = {31, 127}
SIP_OF_CALLEE = {404, 408, 410, 480, 484, 485, 486, 600, 603, 604, 607, 608}
AGAINST = {OfLine.FAILED, OfLine.REFUSED}
WORDS = [None, *"01358"]


def told(statuses: Iterable[int], causes: Iterable[int], **more: bool) -> Iterator[tuple[int, int, EndReason, OfLine]]:
    """What is made of each status with each cause, whatever the originate reason."""
    for sip, cause, originate in product(statuses, causes, WORDS):
        ending = Ending(endpoint="trunk-1", gone=True, sip=sip, cause=cause, originate=originate, **more)
        yield sip, cause, *end_of(ending)


@pytest.mark.parametrize("rang", [False, True])
def test_what_is_of_the_callee_is_never_against_the_trunk(rang: bool) -> None:
    # What says nothing beside these: normal clearing, and 21, which Asterisk makes of them where nobody sent a cause.
    alone = {*product((401, 402, 403, 407, 500, 503, 504), [16]), *product((401, 403, 407), [21])}
    for sip, cause, reason, line in told(STATUSES, OF_CALLEE, rang=rang):
        assert line not in AGAINST or (sip, cause) in alone, (sip, cause, reason, line)
    for sip, cause, reason, line in told(SIP_OF_CALLEE, {0, 16, *UNSPECIFIC, *OF_CALLEE}, rang=rang):
        assert line not in AGAINST, (sip, cause, reason, line)


def test_without_particulars_only_503_and_504_are_against_it() -> None:
    for sip, cause, reason, line in told(STATUSES, UNSPECIFIC):
        derived = (sip, cause) == (402, 127)  # what Asterisk makes of it where nobody sent a cause
        assert (line in AGAINST) == (sip in (503, 504) or derived), (sip, cause, reason, line)


def test_what_is_of_the_provider_is_always_against_the_trunk() -> None:
    for sip, cause, reason, line in told(STATUSES, OF_PROVIDER):
        assert (reason, line) == (EndReason.NETWORK, OfLine.FAILED), (sip, cause)
    for sip, cause, reason, line in told([503], set(range(128)) - OF_CALLEE | {16}):
        assert line in AGAINST, (sip, cause, reason, line)


def test_a_403_alone_says_that_the_provider_refuses_us() -> None:
    for sip, cause, reason, line in told([401, 403, 407], [0, 16, 21]):
        assert (reason, line) == (EndReason.TRUNK_REFUSED, OfLine.REFUSED), (sip, cause)


def test_nothing_says_that_a_provider_refuses_once_it_rang() -> None:
    for sip, cause, reason, line in told(STATUSES, range(128), rang=True):
        assert line is not OfLine.REFUSED and reason is not EndReason.TRUNK_REFUSED, (sip, cause)


def test_a_status_that_was_told_is_never_unknown_nor_a_hangup() -> None:
    for sip, cause, reason, _ in told(STATUSES[1:], range(128)):
        assert reason not in (EndReason.UNKNOWN, EndReason.HANGUP_LOCAL, EndReason.HANGUP_REMOTE), (sip, cause)


@pytest.mark.parametrize("reason", ["0", "1", "3", "5", "8"])
async def test_a_cause_counts_for_more_than_an_originate_reason(reason: str) -> None:
    for events in permutations([failure(reason), hangup(1, 404)]):
        end = await ended(list(events))
        assert (end.reason, end.cause) == (EndReason.INVALID_NUMBER, "SIP 404, Q.850 1 words")


@pytest.mark.parametrize(
    ("reason", "right", "line"),
    [("3", "no_answer", "none"), ("5", "busy", "carried"), ("8", "network", "failed"), ("0", "network", "failed")],
)
async def test_an_originate_reason_counts_where_nothing_else_is_told(reason: str, right: str, line: str) -> None:
    end = await ended([failure(reason)])
    assert (end.reason, end.line) == (right, line)


@pytest.mark.parametrize(("reason", "right"), [("3", "no_answer"), ("5", "busy"), ("8", "network")])
async def test_a_hangup_without_a_cause_lets_the_reason_speak(reason: str, right: str) -> None:
    for events in permutations([failure(reason), hangup(0)]):
        assert (await ended(list(events))).reason == right


@pytest.mark.parametrize("case", cases("trunk_cdrs"), ids=lambda case: case["where"])
async def test_all_that_was_counted_of_a_call_is_one_count(case: dict[str, Any]) -> None:
    heard: list[PbxReport] = []
    pbx = Asterisk("main", Ami(secret="x"), prefix="test")
    pbx.attach(TrunkConfig(name="trunk-1", endpoint="trunk-1"), heard.append)
    for disposition, seconds in case["cdrs"]:
        pbx._hear({"Event": "Cdr", "UniqueID": CALL, "Channel": CHANNEL, "Disposition": disposition,
                   "BillableSeconds": str(seconds)})  # fmt: skip
    await asyncio.sleep(2 * asterisk.HANGUP_GRACE)
    await pbx.stop()
    (counted,) = [one for one in heard if isinstance(one, CdrSeen)]
    assert [counted.disposition, counted.billable_seconds] == case["right"]
