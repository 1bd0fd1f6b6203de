"""What is posted by whoever signs it: handed on as it is, held back by its address, and on the audit where it did
something."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from bus_schemas.audit import RECORD_AUDIT, Audited, AuditEntry, RecordAudit
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.pipeline import TRIGGER_PIPELINE, Triggered, TriggerPipeline
from gateway import brake
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, gateway_on, serving

PATH = "/api/dci/pipeline/7/webhook"
GOOD = {"OTTB-Signature": "t=1,v1=good"}


class Lab:
    def __init__(self) -> None:
        self.asked: list[TriggerPipeline] = []
        self.entries: list[AuditEntry] = []
        self.gateway: InProcess | None = None
        self.session: aiohttp.ClientSession | None = None

    async def trigger(self, request: TriggerPipeline, context: Context) -> Triggered:
        assert (context.user, context.credential) == ("", None)
        self.asked.append(request)
        if request.headers.get("OTTB-Signature") != GOOD["OTTB-Signature"]:
            raise Refusal(ErrorCode.AUTH_FAIL, "No.")
        return Triggered(id=request.pipeline, run=3, begun=True)

    async def record(self, request: RecordAudit, context: Context) -> Audited:
        self.entries.append(request.entry)
        return Audited(number=1)

    async def post(self, body: bytes, kind: str = "application/json", **headers: str) -> tuple[int, Any]:
        assert self.gateway is not None and self.session is not None
        url = f"http://127.0.0.1:{self.gateway.listener.port}{PATH}"
        async with self.session.post(url, data=body, headers={"Content-Type": kind, **headers}) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    lab, broker = Lab(), MemoryBroker(clock=SystemClock())
    async with (
        serving(broker, {TRIGGER_PIPELINE: lab.trigger, RECORD_AUDIT: lab.record}),
        gateway_on(MemoryBus(broker)) as lab.gateway, aiohttp.ClientSession() as lab.session,
    ):  # fmt: skip
        yield lab


async def test_the_body_is_handed_on_as_it_was_signed(lab: Lab) -> None:
    body = b' {"b" : 1,\t"b":2, "\xc3\xa9": "\\u00e9"}\n\x00\xff'
    more = {"OTTB-Event-Id": "e1", "X-GitHub-Delivery": "d1", "X-Hub-Signature-256": "x" * 1001, "X-Other": "1"}
    status, said = await lab.post(body, **GOOD, **more)
    assert (status, said) == (202, {"id": 7, "run": 3, "begun": True})
    [asked] = lab.asked
    assert asked == TriggerPipeline(
        pipeline=7, body=body, headers={**GOOD, "OTTB-Event-Id": "e1", "X-GitHub-Delivery": "d1"}
    )


async def test_who_signs_needs_no_token_and_a_token_signs_nothing(lab: Lab) -> None:
    assert lab.gateway is not None
    assert (await lab.post(b"{}", Authorization=f"Bearer {lab.gateway.token}"))[0] == 401
    status, refused = await lab.post(b"{}", **{"OTTB-Signature": "t=1,v1=\xff"})
    assert (status, refused["code"], lab.asked[-1].headers) == (401, "AUTH_FAIL", {})


async def test_what_did_something_is_on_the_audit_and_refusals_are_not(lab: Lab) -> None:
    for _ in range(5):
        assert (await lab.post(b'{"secret": "said"}'))[0] == 401
    assert lab.entries == []
    await lab.post(b'{"secret": "said"}', **GOOD)
    [entry] = lab.entries
    assert (entry.action, entry.result, entry.user) == ("POST /api/dci/pipeline/{pipeline}/webhook", "OK", "")
    assert (entry.subject, entry.address) == ({"pipeline": 7, "run": 3}, "127.0.0.1")
    assert b"said" not in msgspec.json.encode(entry)


async def test_an_address_that_posts_too_much_is_told_so_at_the_door(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = [(await lab.post(b"{}"))[0] for _ in range(int(brake.STRANGERS_AT_ONCE) + 20)]
    assert codes.count(429) >= 10 and len(lab.asked) == codes.count(401) < len(codes)
    status, refused = await lab.post(b"{}", **GOOD)
    assert (status, refused["details"]["rule"]) == (429, "webhooks_per_address") and lab.entries == []
    assert 0 < refused["details"]["retry_after"] <= 1


async def test_what_is_no_json_or_too_large_is_not_handed_on(lab: Lab) -> None:
    assert (await lab.post(b"{}", "text/plain", **GOOD))[0] == 415
    assert (await lab.post(b"payload=%7B%7D", "application/x-www-form-urlencoded", **GOOD))[0] == 415
    assert (await lab.post(json.dumps("x" * 65_536).encode(), **GOOD))[0] == 413
    assert lab.asked == [] and lab.entries == []
    assert (await lab.post(b"x" * 65_536, **GOOD))[0] == 202


async def test_nothing_begins_in_a_journal_that_is_nearly_full(lab: Lab) -> None:
    assert lab.gateway is not None
    lab.gateway.brake._nearly_full = lambda: True
    status, refused = await lab.post(b"{}", **GOOD)
    assert (status, refused["details"]["rule"]) == (429, "journal_full") and lab.asked == []
