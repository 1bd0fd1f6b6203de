"""A journal as a busy site writes one: calls on phones and trunks, slots, commands, trunks and the audit, mixed."""

import gc
import time
from collections.abc import Callable, Iterator
from heapq import heapify, heapreplace
from itertools import count, islice
from typing import Any

import msgspec
from msgspec import Struct

from actors.adapters.nats_streams import to_be_stored
from actors.ledger.store import JournalEntry
from bus_schemas.audit import AuditEntry, AuditRecorded
from bus_schemas.call import (
    CallAlerting,
    CallConnected,
    CallDialing,
    CallEnded,
    CallEnding,
    CallEnriched,
    CallEvent,
    CallState,
    EndReason,
    line_name,
)
from bus_schemas.catalogue import TOPICS
from bus_schemas.contract import kind_of
from bus_schemas.kinds import owners_header
from bus_schemas.slot import (
    SlotActivated,
    SlotCommandDone,
    SlotCommandStarted,
    SlotConfig,
    SlotConfigured,
    SlotEvent,
    SlotLinked,
    SlotStatus,
)
from bus_schemas.trunk import TrunkChanged, TrunkConfig, TrunkConfigured, TrunkEvent, TrunkState

SLOTS, TRUNKS, AT_ONCE = 400, 4, 300  # AT_ONCE: calls that go on at the same time
NUMBER = "+380991234567"
CLOCK: dict[str, Any] = {"mono": 1.0, "boot": "b"}

EVENTS, GROUP = 100_000, 1_000
OWNERS = owners_header({"call": ("op12",)})
TOPIC_OF = {topic.event: topic for topic in TOPICS if topic.kept}
DECODERS = {  # by kind and verb
    (kind_of(topic.subject), topic.verb): msgspec.json.Decoder(event).decode for event, topic in TOPIC_OF.items()
}

Event = CallEvent | SlotEvent | TrunkEvent | AuditRecorded


def entry_of(event: Event) -> tuple[str, bytes]:
    """Where an event is put to be stored, and as what."""
    return to_be_stored(TOPIC_OF[type(event)].subject_for(event)), msgspec.json.encode(event)


class Rate(Struct, frozen=True):
    """Events a second: of the time of the thread that folds, and of the clock on the wall."""

    cpu: float
    wall: float


def measure(fold: Callable[[list[JournalEntry]], object]) -> Rate:
    """Fold the first events, in groups. The journal is not looked through by garbage collections meanwhile: who follows
    a real one has one group in memory."""
    entries = (JournalEntry(seq=seq, event=event) for seq, event in enumerate(events(), start=1))
    groups = [list(islice(entries, GROUP)) for _ in range(EVENTS // GROUP)]
    gc.collect()
    gc.freeze()
    cpu, wall = time.thread_time(), time.perf_counter()
    for group in groups:
        fold(group)
    return Rate(EVENTS / (time.thread_time() - cpu), EVENTS / (time.perf_counter() - wall))


def events() -> Iterator[Event]:
    """Without end; the same each time."""
    yield from _configured()
    numbers, audited = count(), count(1)
    stories = [(step, step, _story(next(numbers), audited)) for step in range(AT_ONCE)]
    heapify(stories)
    for turn in count(AT_ONCE):  # always the story that has waited longest
        _, place, story = stories[0]
        event = next(story, None)
        if event is None:
            story = _story(next(numbers), audited)
            event = next(story)
        yield event
        heapreplace(stories, (turn, place, story))


def _at(number: int, second: int) -> str:
    return f"2026-01-{1 + number // 86_400 % 28:02}T{number // 3600 % 24:02}:{number // 60 % 60:02}:{second:02}.000Z"


def _configured() -> Iterator[Event]:
    for slot in range(1, SLOTS + 1):
        yield SlotConfigured(slot=slot, at=_at(0, 0), config=SlotConfig(id=slot, serial=f"s{slot}"), by="file")
        yield SlotActivated(slot=slot, at=_at(0, 1), host="local", epoch=1)
    for trunk in range(TRUNKS):
        config = TrunkConfig(name=f"trunk-{trunk}", endpoint="e")
        yield TrunkConfigured(trunk=config.name, at=_at(0, 0), config=config)


def _story(number: int, audited: Iterator[int]) -> Iterator[Event]:
    """What happens in turn; of a hundred stories 90 are calls, every third of them through a trunk."""
    slot = number % SLOTS + 1
    yield _audit(next(audited), number)
    if number % 100 < 90:
        yield from call_of(number)
    elif number % 100 < 95:
        command: dict[str, Any] = {"slot": slot, "command_id": f"k_{number}"}
        yield SlotCommandStarted(**command, at=_at(number, 0), command="getprop", by="op")
        yield SlotCommandDone(**command, at=_at(number, 1), exit_code=0, output="x" * 500, truncated=False)
    elif number % 100 < 99:
        for second, status in enumerate((SlotStatus.OFFLINE, SlotStatus.ONLINE)):
            yield SlotLinked(slot=slot, at=_at(number, second), status=status)
    else:
        trunk = f"trunk-{number % TRUNKS}"
        yield TrunkChanged(trunk=trunk, at=_at(number, 0), state=TrunkState.OK, reason=None, failed=number % 3)


def _call(number: int, slot: int, trunk: str | None) -> Iterator[Event]:
    call_id, user = f"c_{number:016x}", f"op{number % 50}"
    who: dict[str, Any] = {"line": line_name(slot, trunk), "call_id": call_id, "slot": slot, "user": user}
    answered = number % 4 > 0
    yield CallDialing(
        **who, **CLOCK, number=NUMBER, at=_at(number, 0), command_id=f"k{number}", ring_timeout=60.0,
        max_duration=900.0, trace_id=f"{number:032x}", trunk=trunk,
    )  # fmt: skip
    yield CallAlerting(**who, **CLOCK, at=_at(number, 2), ref="r")
    if answered:
        yield CallConnected(**who, **CLOCK, at=_at(number, 9), ref="r")
    if number % 2:
        yield CallEnding(**who, at=_at(number, 40), by="op", command_id="e")
    yield CallEnded(
        **who, number=NUMBER, at=_at(number, 41), state=CallState.ENDED if answered else CallState.FAILED,
        reason=EndReason.HANGUP_LOCAL if number % 2 else EndReason.HANGUP_REMOTE, cause="NORMAL", duration=32,
        ring_seconds=7, start_time=_at(number, 0), ring_time=_at(number, 2),
        answer_time=_at(number, 9) if answered else None, ended_by="op", trace_id=f"{number:032x}", trunk=trunk,
    )  # fmt: skip
    if trunk is not None:
        yield CallEnriched(**who, at=_at(number, 43), disposition="ANSWERED", billable_seconds=32)


def call_of(number: int) -> Iterator[Event]:
    """A call from its beginning to its end, every third of them through a trunk."""
    return _call(number, number % SLOTS + 1, f"trunk-{number % TRUNKS}" if number % 3 == 0 else None)


def _audit(first: int, number: int) -> AuditRecorded:
    entry = AuditEntry(
        at=_at(number, 0), user=f"op{number % 50}", door="http", action="POST /api/call/start", result="OK",
        subject={"slot": number % SLOTS + 1, "number": NUMBER}, credential=f"s_{number % 50}", address="192.0.2.7",
        request_id=f"r{number:016x}", trace_id=f"{number:032x}",
    )  # fmt: skip
    return AuditRecorded(first=first, entries=[entry], previous=f"{number:064x}", hash=f"{number + 1:064x}")
