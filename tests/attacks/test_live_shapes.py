"""Requests on the path of Socket.IO that its library refuses by itself."""

import json

import pytest

from actors.adapters.system_clock import SystemClock
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
