"""What the PBX adapter makes of the ways in which calls end in the field (tests/field/trunk_ends.toml)."""

import asyncio
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest

from actors.adapters import asterisk
from actors.adapters.asterisk import Asterisk
from actors.telephony.reports import CallPhase, CallSeen, CdrSeen
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
        last.append(failure("0"))
    return ([*before, *order] for order in permutations(last))


@pytest.mark.parametrize("case", cases("trunk_ends"), ids=lambda case: case["where"])
async def test_each_end_of_the_field_has_its_reason_and_its_meaning(case: dict[str, Any]) -> None:
    for events in orders_of(case):
        end = await ended(events)
        assert (end.reason, end.line) == (case["reason"], case.get("line", "none")), events


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
