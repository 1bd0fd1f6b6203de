"""What is refused says why, at a cost that whoever sends it cannot choose: bodies made to be explained for long."""

import json
import math
import time
from collections.abc import Callable

import pytest

from bus_schemas.errors import Refusal
from bus_schemas.user import LOGIN, Login
from gateway.bodies import object_in, request_of
from gateway.bus_api import _read
from gateway.connections import ConnectionLimits, Connections

LARGEST = 65_536  # bytes of a body
HUGE = "1" + "0" * 400
SECONDS, ANSWER = 0.03, 1_000  # of the processor, each; characters

BODIES: dict[str, Callable[[int], str]] = {
    "brackets in a name": lambda size: '{"' + "[" * (size - 8) + '":NaN}',
    "brackets in a name that is not known": lambda size: '{"' + "[" * (size - 6) + '":1}',
    "a place in a name": lambda size: '{"` - at `$.' + "[" * (size - 20) + '":1}',
    "places in a name": lambda size: '{"' + " - at `$" * (size // 9) + '":1}',
    "a long name around many": lambda size: '{"' + "k" * (size // 2) + '":[' + "0," * (size // 4 - 8) + "NaN]}",
    "the same, wide": lambda size: '{"' + "k" * (size // 2) + "\U0001f600" + '":[' + "0," * (size // 5) + "NaN]}",
    "many objects": lambda size: '{"a":[' + '{"a":1},' * (size // 8 - 3) + "NaN]}",
    "many names": lambda size: "{" + ",".join(f'"k{at}":1' for at in range(size // 10)) + ',"x":NaN}',
    "a name twice after many": lambda size: "{" + ",".join(f'"k{at}":1' for at in range(size // 10)) + ',"k0":1}',
    "deep lists": lambda size: '{"a":' + "[" * (size // 2 - 8) + "]" * (size // 2 - 8) + "}",
    "deep objects": lambda size: '{"a":' * (size // 6 - 8) + "1" + "}" * (size // 6 - 8),
    "blanks": lambda size: '{"username":"' + " " * (size - 20) + '"}',
    "a long text": lambda size: '{"username":"' + "\u00e4" * (size // 2 - 20) + '"}',
    "a huge number": lambda size: '{"username":' + HUGE + "}",
    "a longer one": lambda size: '{"username":' + "1" * 4_000 + "}",
    "the longest": lambda size: '{"username":' + "1" * (size - 20) + "}",
    "a huge number among others": lambda size: '{"password":[' + f"{HUGE}," * (size // 402 - 1) + "NaN]}",
    "a superscript as a place": lambda size: '{"username":[1],"username[\u00b2]":NaN}',
    "a long place": lambda size: '{"username":[1],"username[' + "1" * 5_000 + ']":NaN}',
    "points": lambda size: '{"' + "." * (size - 8) + '":NaN}',
}


def at_http(body: bytes) -> None:
    request_of(object_in(body, Login), Login, {})


def on_the_bus(body: bytes) -> None:
    _read(LOGIN, {}, body)


def test_large_bodies_count_for_more_than_small_ones() -> None:
    connections = Connections(limits=ConnectionLimits(refusals_per_second=200))
    small = sum(connections.wait(None, "10.0.0.1", 100) == 0 for _ in range(2_000))
    large = sum(connections.wait(None, "10.0.1.1", LARGEST) == 0 for _ in range(200))
    print(f"2,000 small and 200 large bodies of two strangers: {small} and {large} answered at once")
    assert small > 900 and large < 40


DOORS = {"http": at_http, "bus": on_the_bus}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_refusal_costs_no_more_than_it_is_worth(body: Callable[[int], str], door: Callable[[bytes], None]) -> None:
    data = body(LARGEST).encode()
    assert len(data) <= LARGEST + 100
    taken = math.inf
    for _ in range(3):  # a look through all that was collected may be in one of them
        began = time.process_time()
        with pytest.raises(Refusal) as refused:
            door(data)
        taken = min(taken, time.process_time() - began)
    said = refused.value.message + json.dumps(refused.value.details)
    print(f"1 body of {len(data)} bytes: refused in {1000 * taken:.1f} ms, with {len(said)} characters")
    assert taken < SECONDS and len(said) < ANSWER
