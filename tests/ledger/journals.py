"""Journals for the ledger's tests: calls, written as their owners write them, and whatever else is put there."""

from typing import Any

import msgspec

from actors.runtime.bus import Bus
from actors.runtime.context import Context
from bus_schemas.call import CallAlerting, CallConnected, CallDialing, CallEnded, CallState, EndReason
from bus_schemas.catalogue import TOPICS
from bus_schemas.permissions import Action

AT = "2026-01-01T00:00:0{}.000Z"
ASKER = Context(command_id="q", user="admin", actions=frozenset(Action))


async def write(bus: Bus, event: Any) -> int:
    topic = next(topic for topic in TOPICS if topic.event is type(event))
    subject = topic.subject_for(event)
    scope = subject.rsplit(".", 1)[0] + ".*"
    last = await bus.last(scope)
    expect = last.seq if last else 0
    headers = {"Nats-Msg-Id": f"{subject}{expect}"}
    return await bus.append(subject, msgspec.json.encode(event), headers, scope=scope, expect=expect)


async def call(bus: Bus, number: int, *, over: bool = True, user: str = "op12") -> str:
    call_id, common = f"c_{number}", {"line": "slot-44", "slot": 44, "user": user}
    clock: dict[str, Any] = {"boot": "b"}
    await write(bus, CallDialing(call_id=call_id, **common, number="+380991234567", at=AT.format(0), mono=0.0,
                                  command_id="k", ring_timeout=60, max_duration=60, **clock))  # fmt: skip
    await write(bus, CallAlerting(call_id=call_id, **common, at=AT.format(1), mono=1.0, ref="r", **clock))
    await write(bus, CallConnected(call_id=call_id, **common, at=AT.format(2), mono=2.0, ref="r", **clock))
    if over:
        await write(bus, CallEnded(call_id=call_id, **common, number="+380991234567", at=AT.format(5),
                                    state=CallState.ENDED, reason=EndReason.HANGUP_REMOTE, cause="NORMAL", duration=3,
                                    ring_seconds=2, start_time=AT.format(0), ring_time=AT.format(1),
                                    answer_time=AT.format(2)))  # fmt: skip
    return call_id


async def put(bus: Bus, subject: str, data: bytes) -> int:
    """Any bytes under any subject, as the last entry of the journal."""
    seq = await bus.last_seq()
    return await bus.append(subject, data, {"Nats-Msg-Id": f"put {seq}"}, scope="ottb.v1.evt.>", expect=seq)


def seen(seq: int) -> Context:
    """Somebody who may see everything, and has seen the journal up to an entry."""
    return Context(command_id="q", user="admin", actions=frozenset(Action), after=seq)
