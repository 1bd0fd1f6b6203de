"""Requests as programs send them: what does not fit is refused with its field, what was expected, and the kind of what
came; nothing of it is repeated."""

from typing import Any

import aiohttp
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.context import Context
from bus_schemas.audit import RECORD_AUDIT, Audited, RecordAudit
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.field.tables import cases
from tests.support.door import USER, gateway_on, serving, token_of

Request = tuple[str, str, str]


async def audited(request: RecordAudit, context: Context) -> Audited:
    return Audited(number=1)


async def refused(method: str, path: str, body: str) -> tuple[int, Any]:
    """What a gateway answers that nobody is behind."""
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {RECORD_AUDIT: audited}), gateway_on(MemoryBus(broker)) as gateway:
        gateway.token = token_of(USER)
        return await gateway.ask(method, path, body.encode() if method == "POST" else None)


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
