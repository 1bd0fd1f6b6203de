"""Requests on the path of Socket.IO that its library refuses by itself, and texts that it lets through and are none."""

import json

import pytest

from actors.adapters.system_clock import SystemClock
from bus_schemas.errors import ErrorCode, Refusal
from gateway.live.asking import room_subscription
from gateway.surface import ROOMS
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import gateway_on, serving
from tests.support.raw_http import RawConnection, head

PATH = "/socket.io/?EIO=4&transport=polling"
ODD = "eVil<b>"
REFUSED = {
    "another origin": (400, head("GET", PATH, Origin=f"http://{ODD}")),
    "another origin's options": (400, head("OPTIONS", PATH, Origin=f"http://{ODD}")),
    "no such session": (400, head("GET", f"{PATH}&sid={ODD}")),
    "no such session to post to": (400, head("POST", f"{PATH}&sid={ODD}", Content_Length="0")),
    "no such transport": (400, head("GET", f"/socket.io/?EIO=4&transport={ODD}")),
    "an old version": (400, head("GET", "/socket.io/?EIO=3&transport=polling")),
    "no version": (400, head("GET", "/socket.io/")),
    "a method": (405, head("PUT", PATH, Content_Length="0")),
    "a method of nobody": (405, head("PURGE", PATH)),
    "a session twice": (400, head("GET", f"{PATH}&sid=a&sid={ODD}")),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_the_library_refuses_is_in_the_error_format(name: str) -> None:
    status, request = REFUSED[name]
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {}), gateway_on(MemoryBus(broker)) as gateway:
        connection = await RawConnection.open(gateway.listener.port)
        answer = await connection.ask(request)
        await connection.close()
    said = json.loads(answer.body)
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (status, "application/json")
    assert said["error"] is True and said["code"] == ("INVALID_PARAMS" if status == 400 else "METHOD_NOT_ALLOWED")
    assert ODD not in answer.body.decode() and answer.headers["x-content-type-options"] == "nosniff"
    assert status != 405 or {"GET", "POST"} <= {*answer.headers["allow"].split(",")}


HALF = {"value": {"since": "\ud800"}, "name": {"\udfff": 1}, "deep": {"slot": ["\ud800"]}}


@pytest.mark.parametrize("half", HALF.values(), ids=HALF)
def test_half_a_character_is_refused_and_fails_nothing_inside(half: dict[str, object]) -> None:
    """Python reads what JSON has no way to write again: each was a failure of ours, with a page of the log."""
    for room in ROOMS:
        with pytest.raises(Refusal) as refused:
            room_subscription([half], room)
        assert refused.value.code is ErrorCode.INVALID_PARAMS
        json.dumps(refused.value.message, ensure_ascii=False).encode()
    print(f"{len(ROOMS)} rooms, asked for with half a character: 0 failed inside")
