"""What the platform says of itself."""

from typing import Any

import msgspec
import pytest

from actors.log.notable import NOTABLE, SERIES, TOPICS, left_out, notes, quarantined, usable_again
from bus_schemas.audit import AUDIT_RECORDED, AuditEntry, AuditRecorded
from bus_schemas.contract import Topic
from bus_schemas.log import LogEvent
from bus_schemas.script import RUN_ENDED, RunEnded, RunState
from bus_schemas.slot import SLOT_LINKED, SLOT_RESTARTING, SlotLinked, SlotRestarting, SlotStatus
from bus_schemas.trunk import TRUNK_CHANGED, TrunkChanged, TrunkState

AT = "2026-01-01T00:00:00.000Z"


def _linked(status: SlotStatus, slot: int = 44) -> tuple[Topic[Any], Any]:
    return SLOT_LINKED, SlotLinked(slot=slot, at=AT, status=status, detail="no answer")


def _changed(state: TrunkState, reason: str | None = "contact", failed: int = 0) -> tuple[Topic[Any], Any]:
    return TRUNK_CHANGED, TrunkChanged(trunk="trunk-1", at=AT, state=state, reason=reason, failed=failed)


def _said(*happened: tuple[Topic[Any], Any]) -> list[LogEvent]:
    noted: dict[str, str] = {}
    return [note for topic, event in happened for note in notes(topic, event, noted)]


def _refused(**more: Any) -> tuple[Topic[Any], Any]:
    common: dict[str, Any] = {
        "at": AT, "user": "", "door": "http", "action": "POST /api/auth/login", "result": "AUTH_FAIL",
        "subject": {"username": "admin"}, "address": "192.0.2.7", "count": SERIES, "first": AT,
    }  # fmt: skip
    entries = [AuditEntry(at=AT, user="op12", door="http", action="GET /x", result="OK"), AuditEntry(**common | more)]
    return AUDIT_RECORDED, AuditRecorded(first=1, entries=entries, previous="", hash="")


def test_a_restarted_slot_is_said_as_documented() -> None:
    [note] = _said((SLOT_RESTARTING, SlotRestarting(slot=44, at=AT, status=SlotStatus.RESTARTING, by="admin")))
    assert (note.module, note.severity, note.message) == ("OTTB", "info", "Slot 44 restarted")
    assert note.context == {"slot_id": 44, "user": "admin"}


def test_a_phone_that_goes_is_said_once_and_once_that_it_is_back() -> None:
    S = SlotStatus
    said = _said(*map(_linked, (S.ONLINE, S.OFFLINE, S.UNKNOWN, S.OFFLINE, S.UNAUTHORIZED, S.ONLINE, S.ONLINE)))
    assert [note.message for note in said] == [
        "The phone of slot 44 is OFFLINE", "The phone of slot 44 is UNAUTHORIZED",
        "The phone of slot 44 is ONLINE again",
    ]  # fmt: skip
    assert said[0].context == {"slot_id": 44, "status": "OFFLINE", "detail": "no answer"}
    assert len(_said(_linked(S.OFFLINE, 1), _linked(S.OFFLINE, 2), _linked(S.ONLINE, 1))) == 3


def test_a_trunk_s_states_are_said_and_not_each_of_its_failures() -> None:
    T = TrunkState
    happened = [_changed(T.OK), _changed(T.WARN), _changed(T.WARN, failed=2), _changed(T.DOWN), _changed(T.OK, None)]
    said = _said(*happened)
    assert [(note.severity, note.message) for note in said] == [
        ("warning", "Trunk trunk-1 is WARN"), ("error", "Trunk trunk-1 is DOWN"), ("info", "Trunk trunk-1 is OK again")
    ]  # fmt: skip
    assert said[1].context["reason"] == "contact" and "reason" not in said[2].context


@pytest.mark.parametrize("state", RunState)
def test_a_script_that_failed_is_said_without_what_was_on_the_screen(state: RunState) -> None:
    run = RunEnded(
        line="slot-44", script_id="gacs_1", slot=44, user="op12", script="wifi_on", version=1, at=AT, state=state,
        seconds=3.0, step=2, place="steps[1]", step_name="tap", reason="Olena is busy", values={"name": "Olena"},
    )  # fmt: skip
    said = _said((RUN_ENDED, run))
    if state is not RunState.FAILED:
        assert said == []
        return
    [note] = said
    assert (note.severity, note.message) == ("warning", "Script wifi_on failed on slot 44")
    assert note.context == {
        "script": "wifi_on", "script_id": "gacs_1", "slot_id": 44, "user": "op12", "place": "steps[1]",
        "step_name": "tap",
    }  # fmt: skip


def test_refused_logins_in_series_are_one_event() -> None:
    [note] = _said(_refused(count=7))
    assert (note.module, note.message) == ("POINT", "7 logins as admin from 192.0.2.7 were refused")
    assert note.context["count"] == 7 and note.context["since"] == AT
    assert _said(_refused(action="bus.login", subject={}, address="", count=5))[0].message == "5 logins were refused"


@pytest.mark.parametrize(
    "more", [{"count": SERIES - 1}, {"count": msgspec.UNSET}, {"result": "OK"}, {"action": "GET /api/slots"}]
)
def test_a_mistyped_password_is_not_notable(more: dict[str, Any]) -> None:
    assert _said(_refused(**more)) == []


def test_what_is_quarantined_names_its_slot_and_is_never_too_long() -> None:
    note = quarantined("slot", "44", "x" * 10_000)
    assert note.context["slot_id"] == 44 and note.severity == "error"
    assert "slot_id" not in quarantined("campaign", "c_1", "broken").context
    for one in (note, usable_again("slot", "44"), left_out(3, note)):
        msgspec.convert(msgspec.to_builtins(one), LogEvent)  # as anybody would have to send it


def test_every_row_says_what_its_event_has() -> None:
    for row in NOTABLE:
        assert {row.of.state, *row.of.fields} <= set(row.of.topic.event.__struct_fields__)
        assert row.words.format_map(dict.fromkeys(row.of.fields, "x")) and row.of.topic in TOPICS
