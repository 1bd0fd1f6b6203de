"""One call is one trace, from HTTP through the bus and the actors to the phone, as a collector hears of it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from actors.runtime.tracing import call_span
from bus_schemas.call import START_CALL
from bus_schemas.slot import GET_SLOT
from tests.support.collector import Collector, Seen, collecting
from tests.support.site import Client, Site, running_site, until

pytestmark = pytest.mark.sites
NUMBER = "+380991230006"  # rings, is answered and talks for three seconds


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("traced")
    with running_site(folder, {11: None, 44: "op12"}, env={"OTTB_TRACES__ENDPOINT": collector.url}) as site:
        yield site


@pytest.fixture
async def client(traced: Site) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        client = Client(traced, session)
        await client.login("op12", "1234")
        yield client


def trace_of(traceparent: str) -> dict[str, str]:
    return {"traceparent": traceparent}


async def call(client: Client, traceparent: str) -> str:
    """Call somebody who answers and hangs up. Returns the call's id."""
    _, slot = await client.get("/api/slots/44")
    if slot["status"] != "ONLINE":
        await until(lambda: client.get("/api/slots/44"), lambda got: got[1]["status"] == "ONLINE", 30)
    wanted = {"number": NUMBER, "slot": 44}
    status, started = await client.post("/api/call/start", wanted, headers=trace_of(traceparent))
    assert status == 201, started
    await client.call_until(started["call_id"], lambda call: call["end_time"] is not None)
    return str(started["call_id"])


def above(spans: list[Seen], span: Seen) -> list[str]:
    """The names on the way from a span up to the first of its trace."""
    by_id = {one.id: one for one in spans}
    names = [span.name]
    while (upper := by_id.get(span.parent)) is not None:
        names.append(upper.name)
        span = upper
    return names


async def test_a_call_is_one_trace_from_the_door_to_the_phone(client: Client, collector: Collector) -> None:
    trace, mine = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    id = await call(client, f"00-{trace}-{mine}-01")
    collector.wait(lambda _: {"POST /api/call/start", "talking"} <= {one.name for one in collector.of(trace)})
    spans = collector.of(trace)
    named = {one.name: one for one in spans}
    first = named["POST /api/call/start"]
    assert (first.service, first.parent, first.attributes["http.response.status_code"]) == ("ottb-gateway", mine, "201")
    assert {one.service for one in spans} == {"ottb-gateway", "ottb-actors"}
    assert (named["call"].id, named["call"].attributes["ottb.id"]) == (call_span(id), id)
    assert above(spans, named["dial"]) == ["dial", "call", START_CALL.subject, "POST /api/call/start"]
    assert named["dial"].attributes["ottb.id"] == "slot-44"
    assert [above(spans, named[name])[1] for name in ("ringing", "talking")] == ["call", "call"]
    assert named["ringing"].ended == named["talking"].begun
    assert 2e9 < named["talking"].ended - named["talking"].begun < 5e9
    known = {one.id for one in spans} | {mine}
    assert [one.name for one in spans if one.parent not in known] == []  # no span whose parent nobody has
    assert not any(NUMBER[1:].encode() in body for body in collector.raw)
    _, cdr = await until(lambda: client.get(f"/api/call/{id}/cdr"), lambda got: got[0] == 200)
    assert cdr["trace_id"] == trace


async def test_what_the_client_does_not_want_collected_is_not(client: Client, collector: Collector) -> None:
    trace = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    id = await call(client, f"00-{trace}-00f067aa0ba902b7-00")
    _, cdr = await until(lambda: client.get(f"/api/call/{id}/cdr"), lambda got: got[0] == 200)
    assert cdr["trace_id"] == trace  # it is on record all the same
    other = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
    await client.get("/api/slots/44", headers=trace_of(f"00-{other}-00f067aa0ba902b7-01"))
    collector.wait(lambda spans: any(one.trace == other for one in spans))  # what came before is sent by then
    assert collector.of(trace) == []


async def test_a_trace_begins_here_where_nobody_has_begun_one(client: Client, collector: Collector) -> None:
    assert (await client.get("/api/slots/11", headers=trace_of("00-zz-00-01")))[0] == 200

    def asked(spans: list[Seen]) -> list[Seen]:
        return [one for one in spans if one.name == GET_SLOT.subject and one.attributes["ottb.id"] == "11"]

    [got] = asked(collector.wait(lambda spans: bool(asked(spans))))
    spans = collector.wait(lambda spans: got.parent in {one.id for one in spans})
    [first] = [one for one in spans if one.id == got.parent]
    assert (first.name, first.parent) == ("GET /api/slots/{slot}", "")
    assert not {one.name for one in spans} & {"GET /metrics", "GET /livez"}
