"""One body at both doors, HTTP and the bus: what one takes, the other takes, and what one refuses, the other does."""

import codecs
from collections.abc import Mapping

import aiohttp
import msgspec

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import Message
from actors.runtime.context import Context
from bus_schemas.call import START_CALL, CallStarted, StartCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.user import LoginKind
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import USER, bus_door_on, gateway_on, serving

SOUND = b'{"number": "+380991234567"}'
BODIES = {
    "sound": SOUND,
    "nothing": b"",
    "blanks": b" \r\n\t",
    "a mark of the order of bytes": codecs.BOM_UTF8 + SOUND,
    "that alone": codecs.BOM_UTF8,
    "two of them": 2 * codecs.BOM_UTF8 + SOUND,
    "UTF-16": SOUND.decode().encode("utf-16"),
    "blanks around": b"\n" + SOUND + b"\n",
    "a list": b"[]",
    "null": b"null",
    "a name twice": b'{"number": "+380991234567", "number": "+380991234568"}',
    "a text": b'"x"',
    "no JSON": b"{",
    "half a letter": b'{"number": "\\ud800"}',
    "no UTF-8": b'{"number": "\xff"}',
}


async def busy(request: StartCall, context: Context) -> CallStarted:
    raise Refusal(ErrorCode.SLOT_BUSY, "Slot is currently used.")


async def test_a_body_means_the_same_at_both_doors() -> None:
    broker = MemoryBroker(clock=SystemClock())
    differ: dict[str, tuple[str, str]] = {}
    heard = ""

    async def hear(data: bytes, headers: Mapping[str, str]) -> None:
        nonlocal heard
        said = msgspec.json.decode(data)
        heard = f"{said['code']}: {said['message']}"

    async with (
        serving(broker, {START_CALL: busy}, {USER: frozenset({Action.CALL_START})}),
        gateway_on(MemoryBus(broker)) as gateway,
        aiohttp.ClientSession(),
    ):
        door = bus_door_on(MemoryBus(broker))
        for name, body in BODIES.items():
            subject = f"ottb.v1.own.{USER}.cmd.call.start"
            message = Message(subject=subject, data=body, headers={}, reply_to=f"_INBOX_{USER}.1", reply=hear)
            await door._answer(message, LoginKind.PASSWORD, USER)
            _, said = await gateway.ask("POST", "/api/call/start", body)
            if (http := f"{said['code']}: {said['message']}") != heard:
                differ[name] = http, heard
        await door._auditor.stop()
    print(f"{len(BODIES)} bodies at two doors: {len(differ)} mean something else")
    assert differ == {}
