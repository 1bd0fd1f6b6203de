"""How the states of slots are walked through, for docs/states.md."""

from typing import Any

from actors.runtime.decision import Decision, TimerFired
from actors.slot import machine as slots
from actors.slot import record as slot_record
from actors.slot.record import SlotMemory
from actors.telephony.reports import (
    Link,
    LinkChanged,
    Look,
    Looked,
)
from bus_schemas.slot import SlotConfig
from tests.support.states import Input, Stand, Walk, verb

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


WALK = Walk(
    title="A slot",
    text="`status` of a slot. Whether it is in a call follows from its calls and is no state of its own.",
    start=lambda now: slots.configure(None, SlotMemory(), SlotConfig(id=1, serial="p"), "config", now),
    inputs=SLOT_INPUTS,
    after=_after_slot,
    name=lambda stand: str(stand[0].status),
    key=lambda stand: (stand[0].status, stand[1].link),
    why=verb,
)
