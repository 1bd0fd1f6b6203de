"""Whoever takes away what others said or sent is on the audit, by whichever door."""

import asyncio
import contextlib
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import Message
from actors.runtime.context import Context
from bus_schemas.audit import RECORD_AUDIT, Audited, RecordAudit
from bus_schemas.imports import ErrorFile
from bus_schemas.permissions import Action
from bus_schemas.slot_files import (
    END_STREAM,
    NEXT_PIECE,
    EndStream,
    NextPiece,
    OpenedStream,
    StreamDone,
    StreamPiece,
)
from bus_schemas.user import LoginKind
from gateway.routes import Route
from gateway.surface import ROUTES
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import USER, bus_door_on, gateway_on, serving
from tests.support.raw_http import path_of

TAKEN = [route for route in ROUTES if route.audited and not route.changes]
STREAM = OpenedStream(stream="s_1", size=0)
ASKED = {"campaign_id": "1", "import_id": "1", "call_id": "1", "script_id": "1", "pipeline": 1, "run": 1,
         "artefact": "1"}  # fmt: skip


async def at_both_doors(route: Route) -> list[RecordAudit]:
    """What is put on record where somebody takes it away, over HTTP first."""
    broker, recorded = MemoryBroker(clock=SystemClock()), list[RecordAudit]()
    fields = {field.name for field in msgspec.structs.fields(route.rpc.request)}

    async def record(request: RecordAudit, context: Context) -> Audited:
        recorded.append(request)
        return Audited(number=len(recorded))

    async def answer(request: Any, context: Context) -> Any:
        if route.passed is not None:
            return STREAM
        return ErrorFile(import_id="1", key="1", pieces=0) if route.stored else []

    async def end(request: NextPiece | EndStream, context: Context) -> StreamPiece | StreamDone:
        return StreamPiece(data=b"", end=True) if isinstance(request, NextPiece) else StreamDone()

    async def hear(data: bytes, headers: Any) -> None:
        pass

    async with (
        serving(
            broker, {RECORD_AUDIT: record, route.rpc: answer, NEXT_PIECE: end, END_STREAM: end},
            {USER: frozenset(Action)}, fields={"slot": "1"},
        ),
        gateway_on(MemoryBus(broker)) as gateway,
    ):
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {gateway.token}"}) as session:
            with contextlib.suppress(aiohttp.ClientPayloadError):  # of a live view, which has no end
                wanted = {"path": "/sdcard/a"} if "path" in fields else {}
                await (await session.get(gateway._url(path_of(route.path)), params=wanted)).read()
        door, line = bus_door_on(MemoryBus(broker)), route.rpc.subject.removeprefix("ottb.v1.")
        body = msgspec.json.encode({name: value for name, value in ASKED.items() if name in fields})
        subject = f"ottb.v1.own.{USER}.{line}"
        message = Message(subject=subject, data=body, headers={}, reply_to=f"_INBOX.u.{USER}.1", reply=hear)
        if route.passed is None:  # streams are sent over HTTP alone
            await door._answer(message, LoginKind.PASSWORD, USER)
        await asyncio.sleep(0)
        await door._auditor.stop()
    return recorded


@pytest.mark.parametrize("route", TAKEN, ids=lambda route: route.rpc.subject.removeprefix("ottb.v1.qry."))
async def test_what_is_taken_away_is_on_the_audit_by_every_door(route: Route) -> None:
    recorded = [one.entry for one in await at_both_doors(route)]
    found = [(entry.door, entry.user) for entry in recorded]
    doors = ["http", "bus"] if route.passed is None else ["http"]
    print(f"{route.rpc.subject} asked at {len(doors)} doors: {len(found)} on the audit")
    assert found == [(door, USER) for door in doors]
    assert recorded[0].subject == recorded[-1].subject != {}


def test_a_table_of_leads_is_taken_away() -> None:
    assert {"qry.lead.export", "qry.import.errors"} <= {one.rpc.subject.removeprefix("ottb.v1.") for one in TAKEN}
