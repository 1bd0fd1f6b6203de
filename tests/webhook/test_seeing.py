"""What a webhook says, and to whom: by the rules of the rooms."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from actors.runtime.bus import Recorded
from actors.webhook.seeing import Seeing, body_of, wanted_of
from bus_schemas.alert import ALERT_FIRED, AlertFired, AlertSeverity, Channel
from bus_schemas.call import CALL_ENDED, CALL_ENDING, CallEnding
from bus_schemas.catalogue import SUBSCRIBABLE
from bus_schemas.contract import AnyTopic
from bus_schemas.kinds import owners_header
from bus_schemas.permissions import Action as A
from bus_schemas.slot import SLOT_COMMAND_DONE, SlotCommandDone
from bus_schemas.subscribable import NAMES, name_of
from bus_schemas.webhook import WebhookFilter
from gateway.surface import ROOMS

CALL = CallEnding(
    line="slot-44", call_id="c_1", slot=44, user="op12", at="2026-01-01T00:00:00.000Z", by="op12", command_id="k"
)
DONE = SlotCommandDone(
    slot=44, at="2026-01-01T00:00:00.000Z", command_id="k", exit_code=0, output="secret", truncated=False,
    error=None,
)  # fmt: skip
MAY = {A.WEBHOOK_MANAGE, A.CALL_VIEW, A.SLOT_VIEW}


def on_record(topic: AnyTopic, event: Any, owner: str | None, seq: int = 7) -> Recorded:
    headers = owners_header({topic.kind: (owner,)})
    data = msgspec.json.encode(event)
    return Recorded(subject=topic.subject_for(event), data=data, headers=headers, seq=seq, at=0.0)


def seeing(user: str = "op12", *actions: A) -> Seeing:
    return Seeing(user, frozenset(actions or MAY))


ALL = WebhookFilter()


@pytest.mark.parametrize("events", [("call.ending",), ("call.*",), ("slot.*", "call.*"), ("call.ended", "call.ending")])
def test_what_is_wanted_and_seen_is_said(events: tuple[str, ...]) -> None:
    found = wanted_of(on_record(CALL_ENDING, CALL, "op12"), events, ALL, seeing())
    assert found == (CALL_ENDING, CALL)


@pytest.mark.parametrize("events", [("call.ended",), ("slot.*",), ("note.*",)])
def test_what_is_not_wanted_is_not(events: tuple[str, ...]) -> None:
    assert wanted_of(on_record(CALL_ENDING, CALL, "op12"), events, ALL, seeing()) is None


def test_somebody_elses_is_for_who_sees_all() -> None:
    theirs = on_record(CALL_ENDING, CALL, "op21")
    assert wanted_of(theirs, ("call.*",), ALL, seeing()) is None
    assert body_of(theirs, "wh_1", seeing()) is None
    any_one = seeing("op12", *MAY, A.CALL_VIEW_ANY)
    assert wanted_of(theirs, ("call.*",), ALL, any_one) is not None and body_of(theirs, "wh_1", any_one) is not None


@pytest.mark.parametrize("lost", [A.WEBHOOK_MANAGE, A.CALL_VIEW])
def test_who_has_lost_the_right_hears_nothing_of_their_own(lost: A) -> None:
    own = on_record(CALL_ENDING, CALL, "op12")
    assert body_of(own, "wh_1", seeing("op12", *(MAY - {lost}))) is None
    assert wanted_of(own, ("call.*",), ALL, seeing("op12", *(MAY - {lost}))) is None


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [({"slot": 44}, True), ({"slot": 45}, False), ({"user": "op12", "call_id": "c_1"}, True),
     ({"user": "op12", "call_id": "c_2"}, False), ({"lead": "l"}, False)],
)  # fmt: skip
def test_filters_are_all_to_fit(wanted: dict[str, Any], fits: bool) -> None:
    found = wanted_of(on_record(CALL_ENDING, CALL, "op12"), ("call.*",), WebhookFilter(**wanted), seeing())
    assert (found is not None) is fits


def test_fields_that_need_a_right_are_left_out() -> None:
    done = on_record(SLOT_COMMAND_DONE, DONE, None)
    said = msgspec.json.decode(body_of(done, "wh_1", seeing()) or b"")
    assert said["id"] == "7" and said["event"] == "slot.command_done" and said["webhook"] == "wh_1"
    assert said["data"]["command_id"] == "k" and not {"output", "exit_code", "error"} & said["data"].keys()
    shell = msgspec.json.decode(body_of(done, "wh_1", seeing("op12", *MAY, A.SLOT_SHELL)) or b"")
    assert shell["data"]["output"] == "secret"


def test_nothing_of_users_and_the_audit_can_be_subscribed_to() -> None:
    assert not {"point", "audit", "webhook", "shard"} & SUBSCRIBABLE.keys()
    other = Recorded(subject="ottb.v1.evt.point.directory.user_created", data=b"{}", headers={}, seq=1, at=0.0)
    assert body_of(other, "wh_1", Seeing("admin", frozenset(A))) is None


def test_what_can_be_subscribed_to_is_what_the_rooms_tell_of() -> None:
    rooms = {room.kind.name: room for room in ROOMS if room.kind.name != "webhook"}
    assert rooms.keys() == SUBSCRIBABLE.keys()
    for name, room in rooms.items():
        told = {topic for topic in room.topics if topic.kept and topic.kind == name}
        assert set(SUBSCRIBABLE[name].topics) == told, name
        assert SUBSCRIBABLE[name].kind is room.kind
        types = dict(room.narrows)
        assert SUBSCRIBABLE[name].narrows == tuple(types), name
        for field in types:
            assert field in WebhookFilter.__struct_fields__
            assert all(field in topic.event.__struct_fields__ for topic in told), (name, field)
    assert NAMES["call.ended"] is CALL_ENDED and all(name_of(topic) == name for name, topic in NAMES.items())


def test_an_alert_that_is_for_live_clients_alone_is_not_posted() -> None:
    fired = AlertFired(
        alert="al_1", at=CALL.at, rule="r", severity=AlertSeverity.WARNING, kind="slot", id="44", host="h",
        since=CALL.at, words="x", told=(Channel.WEBHOOKS,), after=60.0,
    )  # fmt: skip
    who = seeing("op12", A.WEBHOOK_MANAGE, A.ALERT_VIEW)
    for told, is_posted in (((Channel.WEBHOOKS, Channel.MAIL), True), ((Channel.MAIL,), False), ((), False)):
        entry = on_record(ALERT_FIRED, replace(fired, told=told), None)
        assert (wanted_of(entry, ("alert.*",), ALL, who) is not None) is is_posted
    entry = on_record(ALERT_FIRED, fired, None)
    for severity, is_wanted in ((AlertSeverity.WARNING, True), (AlertSeverity.CRITICAL, False)):
        found = wanted_of(entry, ("alert.fired",), WebhookFilter(severity=severity), who)
        assert (found is not None) is is_wanted
    assert wanted_of(entry, ("alert.*",), ALL, seeing("op12", A.WEBHOOK_MANAGE)) is None
