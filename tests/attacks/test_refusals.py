"""Strangers ask for what they do not get, again and again: nothing of it may stay in memory."""

import gc
import importlib
import pkgutil
import types
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.runtime.bus import Headers, Message
from actors.runtime.context import Context
from actors.runtime.wire import answer
from bus_schemas.audit import RECORD_AUDIT, Audited, RecordAudit
from bus_schemas.call import GET_CDR
from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.user import LOGIN
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.depth import DEPTH
from tests.support.door import InProcess, gateway_on, serving
from tests.test_architecture import PACKAGES

COUNT = 300 if DEPTH >= 1 else 120  # refused requests of each kind
SLACK = 60  # tracebacks that may be around for whatever else is under way
NO_CALL = RefusalTemplate(ErrorCode.NOT_FOUND, "No such call.", rule="r")


def tracebacks() -> int:
    """Of what was made in this test (`apart`)."""
    gc.collect()
    return sum(isinstance(one, types.TracebackType) for one in gc.get_objects())


async def no_such_call(request: Any, context: Context) -> Any:
    raise NO_CALL()


async def audited(request: RecordAudit, context: Context) -> Audited:
    return Audited(number=1)


Attack = Callable[[InProcess], Awaitable[tuple[int, Any]]]


async def _as(gateway: InProcess, token: str, path: str, body: Any = None) -> tuple[int, Any]:
    gateway.token = token
    return await (gateway.get(path) if body is None else gateway.post(path, body))


MINE = "ottb_st_op12_" + 40 * "0"
ATTACKS: dict[str, tuple[int, Attack]] = {
    "no token": (401, lambda gateway: _as(gateway, "", "/api/slots")),
    "a bad token": (401, lambda gateway: _as(gateway, "a.b.c", "/api/slots")),
    "a token of nobody": (401, lambda gateway: _as(gateway, "ottb_st_x_" + 40 * "0", "/api/slots")),
    "an unknown call": (404, lambda gateway: _as(gateway, MINE, "/api/call/c_1/cdr")),
    "a login": (404, lambda gateway: _as(gateway, "", "/api/auth/login", {"username": "a", "password": "b"})),
    "an unknown path": (404, lambda gateway: _as(gateway, MINE, "/nothing")),
    "a bad body": (400, lambda gateway: _as(gateway, MINE, "/api/call/start", {"slot": {}})),
    "a bad idempotency key": (400, lambda gateway: _with_key(gateway, "x" * 300)),
}


async def _with_key(gateway: InProcess, key: str) -> tuple[int, Any]:
    gateway.token = MINE
    return await gateway.post("/api/call/start", {"slot": 1, "number": "+380991234567"}, **{"Idempotency-Key": key})


@pytest.mark.usefixtures("apart")
async def test_refused_requests_leave_nothing_in_memory() -> None:
    broker = MemoryBroker(clock=SystemClock())
    handlers: dict[Rpc[Any, Any], Any] = {GET_CDR: no_such_call, LOGIN: no_such_call, RECORD_AUDIT: audited}
    async with serving(broker, handlers), gateway_on(MemoryBus(broker)) as gateway:
        for name, (status, attack) in ATTACKS.items():
            await attack(gateway)
            before = tracebacks()
            for _ in range(COUNT):
                assert (await attack(gateway))[0] == status, name
            left = tracebacks() - before
            print(f"{name}: {COUNT} refused, {max(left, 0)} tracebacks left")
            assert left < SLACK, name


@pytest.mark.usefixtures("apart")
async def test_an_actor_keeps_nothing_of_whom_it_refuses() -> None:
    said: list[bytes] = []

    async def reply(body: bytes, headers: Headers) -> None:
        said.append(body)

    message = Message(
        subject=GET_CDR.subject, data=b'{"call_id":"c_1"}', headers={"Ottb-Actions": "call.view"}, reply=reply
    )
    before = tracebacks()
    for _ in range(COUNT):
        await answer(message, GET_CDR, no_such_call)
    left = tracebacks() - before
    print(f"{COUNT} refused by an actor, {max(left, 0)} tracebacks left")
    assert left < SLACK
    assert len(said) == COUNT and msgspec.json.decode(said[0])["details"] == {"rule": "r"}


def test_a_template_makes_a_fresh_refusal_each_time() -> None:
    one, two = NO_CALL(), NO_CALL(call_id="c_1")
    assert one is not two and (one.details, two.details) == ({"rule": "r"}, {"rule": "r", "call_id": "c_1"})
    assert NO_CALL.made(one) and NO_CALL.made(two)
    assert not NO_CALL.made(Refusal(ErrorCode.NOT_FOUND, "No such slot."))


# --- nothing that is raised lives as long as the process -----------------------------------------------------------


def _modules() -> Iterator[types.ModuleType]:
    for package in PACKAGES:
        root = importlib.import_module(package)
        yield root
        for found in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def _held(value: object, depth: int = 0) -> Iterator[BaseException]:
    """The exceptions that a constant is, or holds."""
    if isinstance(value, BaseException):
        yield value
    elif depth > 4:
        return
    elif isinstance(value, dict):
        for one in [*value.keys(), *value.values()]:
            yield from _held(one, depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _held(one, depth + 1)
    elif isinstance(value, types.FunctionType):
        yield from _held([*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()], depth + 1)
    elif isinstance(value, type) and value.__module__.partition(".")[0] in (*PACKAGES, "tests"):
        yield from _held(list(vars(value).values()), depth + 1)
    elif isinstance(value, msgspec.Struct):
        yield from _held([getattr(value, name) for name in value.__struct_fields__], depth + 1)


def test_no_exception_is_a_constant() -> None:
    looked, found = 0, []
    for module in _modules():
        for name, value in list(vars(module).items()):
            looked += 1
            if any(True for _ in _held(value)):
                found.append(f"{module.__name__}.{name}")
    print(f"{looked} names of modules, {len(found)} of them hold an exception")
    assert looked > 5000 and not found


class Holder:
    REFUSED = NO_CALL()


@pytest.mark.parametrize("holder", [[NO_CALL()], {"a": (NO_CALL(),)}, Holder])
def test_an_exception_in_a_constant_is_found(holder: object) -> None:
    assert len(list(_held(holder))) == 1
