"""The platform's log as a target: contexts that are bombs (what they cost to read: test_costly_bodies.py), and texts
that take over whoever reads them."""

import json
import time
import unicodedata
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from actors.adapters.random_ids import RandomIds
from actors.adapters.system_clock import SystemClock
from actors.audit.audit import Audit
from actors.log.share import LogShare
from actors.log.writer import LogWriter
from bus_schemas.log import CONTEXT_BYTES, LOG_SCOPE, WRITE_LOG
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, gateway_on, serving

EVENT = "/api/dci/log-event"
HEAD = b'{"module":"a","severity":"info","message":"m","context":'

BOMBS = {
    "objects in objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "lists in lists": b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "never closed": b'{"a":' * 10_000,
    "a few too deep": b'{"a":' * 6 + b"1" + b"}" * 6,
    "many names": b"{" + b",".join(b'"%d":0' % number for number in range(6_000)) + b"}",
    "one name again and again": b"{" + b",".join([b'"a":0'] * 9_000) + b',"b":"' + b"x" * CONTEXT_BYTES + b'"}',
    "a list of nothing": b'{"a":[' + b",".join([b"[]"] * 20_000) + b"]}",
    "letters that grow when they are harmless": b'{"a":"' + b"\\u0001" * 4_000 + b'"}',
    "a long name": b'{"' + b"x" * CONTEXT_BYTES + b'":1}',
    "a number without end": b'{"a":' + b"9" * 30_000 + b"}",
    "a number beyond all bounds": b'{"a":1e99999}',
    "half a character": b'{"a":"\\ud800"}',
    "bytes that are no text": b'{"a":"\xff\xfe"}',
}


class Lab:
    def __init__(self, gateway: InProcess) -> None:
        self.gateway = gateway

    async def kept(self) -> list[bytes]:
        return [one.data async for one in self.gateway.bus.log.replay(LOG_SCOPE)]


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    broker = MemoryBroker(clock=SystemClock())
    writer = LogWriter(bus=MemoryBus(broker), ids=RandomIds(), host="h", share=LogShare(time.monotonic))
    audit = Audit(bus=MemoryBus(broker), clock=SystemClock(), ids=RandomIds())
    await audit.start()
    async with serving(broker, {WRITE_LOG: writer.write}), gateway_on(MemoryBus(broker)) as gateway:
        yield Lab(gateway)
    await audit.stop()


async def test_a_context_that_is_a_bomb_is_refused(lab: Lab) -> None:
    for name, context in BOMBS.items():
        status, refused = await lab.gateway.ask("POST", EVENT, HEAD + context + b"}")
        assert status == 400 and refused["code"] == "INVALID_PARAMS", (name, status, refused)
        assert len(json.dumps(refused)) < 1_000, name
    assert await lab.kept() == []
    print(f"{len(BOMBS)} bombs refused, 0 kept")


async def test_no_character_that_is_not_seen_is_kept_anywhere(lab: Lab) -> None:
    """Every control and format character there is, in each place that takes a text."""
    unseen = [chr(at) for at in range(0x110000) if unicodedata.category(chr(at)) in ("Cc", "Cf", "Zl", "Zp")]
    texts = ["".join(unseen[at : at + 40]) for at in range(0, len(unseen), 40)]
    for text in texts:
        event: dict[str, Any] = {
            "module": "a", "severity": "info", "message": text, "user_id": text, "context": {text: [{text: text}]},
        }  # fmt: skip
        status, written = await lab.gateway.ask("POST", EVENT, event)
        assert status == 201 and len(written["message"]) == len(text), written
    kept = await lab.kept()
    assert len(kept) == len(texts)
    for data in kept:
        said = str(msgspec.json.decode(data))
        assert not [one for one in said if unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp")], ascii(said)
    print(f"{len(unseen)} characters in 5 places: 0 kept")
