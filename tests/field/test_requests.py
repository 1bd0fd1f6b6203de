"""Requests as programs send them: what does not fit is refused with its field, what was expected, and the kind of what
came; nothing of it is repeated."""

from typing import Any

import aiohttp
import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from actors.slot.registry import adb_name
from bus_schemas.audit import RECORD_AUDIT, Audited, RecordAudit
from bus_schemas.call import StartCall
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import Refusal
from bus_schemas.slot import SlotConfig
from bus_schemas.user import SetRole
from gateway import shapes
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.field.tables import cases
from tests.support.door import USER, gateway_on, serving, token_of

Request = tuple[str, str, str]


async def audited(request: RecordAudit, context: Context) -> Audited:
    return Audited(number=1)


async def refused(method: str, path: str, body: str, **headers: str) -> tuple[int, Any]:
    """What a gateway answers that nobody is behind."""
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {RECORD_AUDIT: audited}), gateway_on(MemoryBus(broker)) as gateway:
        gateway.token = token_of(USER)
        return await gateway.ask(method, path, body.encode() if method == "POST" else None, **headers)


BODIES, ADDRESSES = cases("requests.toml", "bodies"), cases("requests.toml", "addresses")


@pytest.mark.parametrize(("request_", "said"), [*BODIES, *ADDRESSES])
async def test_a_refusal_names_the_field_and_what_came(request_: Request, said: str) -> None:
    status, refusal = await refused(*request_)
    assert (status, refusal["code"]) == (400, "INVALID_PARAMS")
    assert refusal["message"].startswith(said)
    if said.startswith("`"):
        assert refusal["details"]["field"] == said.split("`")[1]


@pytest.mark.parametrize(("request_", "said"), cases("requests.toml", "paths"))
async def test_a_path_that_is_none_says_what_is_near(request_: Request, said: str) -> None:
    status, refusal = await refused(*request_)
    assert (status, refusal["code"], refusal["message"]) == (404, "NOT_FOUND", said)


@pytest.mark.parametrize("key", ["k" * 256, "\u043a\u043b\u044e\u0447"])
async def test_a_key_that_is_none_is_named_as_a_field_is(key: str) -> None:
    body = '{"number": "+380991230006"}'
    status, refusal = await refused("POST", "/api/call/start", body, **{"Idempotency-Key": key})
    assert (status, refusal["code"]) == (400, "INVALID_PARAMS")
    assert refusal["details"]["field"] == "Idempotency-Key"


@pytest.mark.parametrize(("phone", "said"), cases("requests.toml", "phones"))
def test_a_slots_phone_is_named_or_the_field_that_lacks(phone: dict[str, Any], said: str) -> None:
    with pytest.raises(Refusal) as refused:
        adb_name(SlotConfig(id=60, **phone), {})
    assert refused.value.message == said
    assert refused.value.details is not None and refused.value.details["field"] == said.split("`")[1]


@pytest.mark.parametrize(("body", "place"), cases("requests.toml", "places"))
def test_what_cannot_be_read_is_named_by_its_place(body: str, place: str) -> None:
    with pytest.raises(UNDECODABLE) as error:
        msgspec.json.decode(body.encode(), type=dict)
    refusal = shapes.unreadable(error.value, body.encode(), SetRole)
    assert refusal.details is not None and refusal.details["field"] == place


def test_a_body_in_another_code_is_told_that_it_is() -> None:
    body = '{"number": "+380991230006"}'.encode("utf-16")
    said = shapes.unreadable(ValueError("invalid"), body, StartCall).message
    assert said == "The body is not a JSON object: it is utf-16, and must be UTF-8."


def test_a_byte_that_is_no_utf_8_is_told_with_its_place() -> None:
    body = b'{"number": "+38099123", "slot": "\xe9"}'
    with pytest.raises(UNDECODABLE) as error:
        msgspec.json.decode(body, type=dict)
    said = shapes.unreadable(error.value, body, StartCall).message
    assert said == f"The body is not a JSON object: its byte {body.index(0xE9) + 1} is not UTF-8."


def test_a_body_too_deep_to_be_read_is_refused() -> None:
    for inner in ("[" * 60_000, '{"a":' * 10_000, "[" * 900 + "]" * 900, "9" * 5000):
        refusal = shapes.unreadable(ValueError("no"), f'{{"a":{inner}}}'.encode(), StartCall)
        assert refusal.message.startswith("The body is not a JSON object: ")


@pytest.mark.parametrize(("origin", "said"), cases("requests.toml", "origins"))
async def test_a_page_from_elsewhere_is_told_why_it_hears_nothing(origin: str, said: str) -> None:
    async with gateway_on(MemoryBus(MemoryBroker(clock=SystemClock()))) as gateway, aiohttp.ClientSession() as session:
        port = gateway.listener.port
        url = f"http://127.0.0.1:{port}/socket.io/?EIO=4&transport=polling"
        async with session.get(url, headers={"Origin": origin.format(port=port)}) as answer:
            if not said:
                assert answer.status == 200
                return
            refusal = await answer.json()
            assert (answer.status, refusal["code"]) == (400, "INVALID_PARAMS")
            assert refusal["message"].startswith(said) and refusal["details"]["field"] == "Origin"
