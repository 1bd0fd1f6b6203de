"""What a body costs to read: none of a size costs much more than an ordinary one of that size, whatever is in it and
wherever, be it taken or refused. Numbers that are hard to read, names without end, containers without anything."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from typing import Any, cast

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request
from msgspec import inspect

from actors.runtime.lane import Lane
from bus_schemas.campaign import CONFIGURE_CAMPAIGN, MOST_LEADS, RUN_CAMPAIGN
from bus_schemas.catalogue import RPCS
from bus_schemas.contract import Rpc
from bus_schemas.errors import Refusal
from bus_schemas.fields import MOST_VALUES
from bus_schemas.log import CONTEXT_VALUES, WRITE_LOG
from bus_schemas.script import MOST_PARAMS, RUN_SCRIPT
from bus_schemas.slot import CONFIGURE_SLOT
from bus_schemas.user import LOGIN, SET_ROLE
from gateway import idempotency, large_bodies
from gateway.bus_api import _read
from gateway.large_bodies import PIECE, PIECE_BYTES, _pieces
from gateway.reading import _decode_form, read_with, reader_of
from gateway.routes import BODY_LIMIT
from gateway.surface import ROUTES
from gateway.surface.campaign import LARGEST_LEAD, RUN_BYTES

LARGEST = 65_536  # bytes of a body
MOST = 5  # times what an ordinary one costs; 2.9 were measured, of objects, which a busy machine makes dearer

PARTS = {
    "numbers near the largest": b"1e300",
    "numbers near the smallest": b"22250738585072011e-324",
    "numbers between two": b"2.47032822920623272088284396434110686182e-324",
    "numbers of twenty digits": b"12345678901234567890e-280",
    "numbers of 24 digits": b"123456789012345678901234e-308",
    "numbers of seventeen digits": b"1.2345678901234567e-300",
    "long whole numbers": b"1" * 300,
    "the longest whole numbers": b"1" * 4300,
    "long fractions": b"0." + b"3" * 700 + b"e-200",
    "numbers beyond all bounds": b"1e99999",
    "lists": b"[]",
    "objects": b"{}",
    "objects in objects": b'{"":{}}',
    "objects of two": b'{"a":0,"b":0}',
    "texts": b'""',
    "letters in other words": b'"\\u0000"',
    "nulls": b"null",
}
PLACES: dict[str, tuple[Rpc[Any, Any], bytes, bytes]] = {  # the line, and what stands before and behind them
    "where there is no field": (LOGIN, b'{"x":[', b"]}"),
    "for a text": (LOGIN, b'{"username":[', b"]}"),
    "for an object": (RUN_CAMPAIGN, b'{"campaign_id":"a","leads":[', b"]}"),
    "in an object's text": (RUN_CAMPAIGN, b'{"campaign_id":"a","leads":[{"number":"1","name":[', b"]}]}"),
    "in a field of somebody's own": (RUN_CAMPAIGN, b'{"campaign_id":"a","leads":[{"number":"1","custom":[', b"]}]}"),
    "for a number": (CONFIGURE_CAMPAIGN, b'{"campaign_id":"a","ratio":[', b"]}"),
    "in a context": (WRITE_LOG, b'{"module":"a","severity":"info","message":"m","context":{"a":[', b"]}}"),
    "for a word of a role": (SET_ROLE, b'{"role":"a","permissions":{"OTTB":[', b"]}}"),
}
NAMES: dict[str, tuple[Rpc[Any, Any], Callable[[int], bytes]]] = {
    "one again and again": (LOGIN, lambda at: b'"username":"a"'),
    "one without a letter": (LOGIN, lambda at: b'"":0'),
    "a long one": (LOGIN, lambda at: b'"' + b" - at `$" * (LARGEST // 9) + b'":0'),
    "ever another": (LOGIN, lambda at: b'"%d":0' % at),
    "a share again and again": (CONFIGURE_CAMPAIGN, lambda at: b'"abandoned_share":22250738585072011e-324'),
    "a rate again and again": (CONFIGURE_CAMPAIGN, lambda at: b'"ratio":1.00000000000000011102230246251565404'),
    "a list of objects again and again": (RUN_CAMPAIGN, lambda at: b'"leads":[{"number":"1"},{"number":"2"}]'),
    "a slot's number again and again": (CONFIGURE_SLOT, lambda at: b'"slot":44'),
    "objects with names": (SET_ROLE, lambda at: b'"permissions":{"a":[],"b":[]}'),
}


def listed(before: bytes, part: bytes, behind: bytes) -> bytes:
    return before + b",".join([part] * max((LARGEST - len(before) - len(behind)) // (len(part) + 1), 1)) + behind


def named(member: Callable[[int], bytes]) -> bytes:
    members = [member(at) for at in range(LARGEST // (len(member(LARGEST)) + 1))]
    return b"{" + b",".join(members) + b"}"


def read(rpc: Rpc[Any, Any], body: bytes) -> None:
    with contextlib.suppress(Refusal):
        _read(rpc, {}, body)


def cost(rpc: Rpc[Any, Any], body: bytes) -> float:
    """Milliseconds of the processor, in the best of some tries."""
    return min(spent(lambda: read(rpc, body)) for _ in range(5))


def spent(work: Callable[[], object]) -> float:
    """Milliseconds of the processor, in this thread: what earlier tests have left running counts for nothing here."""
    began = time.thread_time()
    work()
    return 1000 * (time.thread_time() - began)


@pytest.fixture(scope="module")
def ordinary() -> float:
    return cost_of_ordinary()


def cost_of_ordinary() -> float:
    lead = {"number": "+380991234567", "name": "Somebody", "custom": {"city": "Kyiv"}}
    body = listed(b'{"campaign_id":"a","leads":[', msgspec.json.encode(lead), b"]}")
    return cost(RUN_CAMPAIGN, body)


def is_dear(rpc: Rpc[Any, Any], body: bytes, taken: float, ordinary: float) -> bool:
    """Whether a body costs much more than an ordinary one each time when both are measured anew, over some seconds: on
    a busy machine the same work takes now more of the processor, now less."""
    for _ in range(8):
        if taken <= MOST * ordinary:
            return False
        time.sleep(0.5)
        taken, ordinary = cost(rpc, body), cost_of_ordinary()
    return True


def test_no_body_costs_much_more_than_an_ordinary_one(ordinary: float) -> None:
    bodies = {
        f"{part} {place}": (rpc, listed(before, what, behind))
        for part, what in PARTS.items()
        for place, (rpc, before, behind) in PLACES.items()
    } | {name: (rpc, named(member)) for name, (rpc, member) in NAMES.items()}
    costs = {name: cost(*body) for name, body in bodies.items()}
    dear = {name: round(taken, 2) for name, taken in costs.items() if is_dear(*bodies[name], taken, ordinary)}
    dearest = max(costs, key=lambda name: costs[name])
    print(f"{len(bodies)} bodies of {LARGEST} bytes: {len(dear)} cost more than {MOST} times an ordinary one,")
    print(f"which takes {ordinary:.2f} ms; the dearest, {dearest}: {costs[dearest]:.2f} ms")
    assert dear == {}


def test_no_line_reads_any_json_that_is_not_counted_first() -> None:
    lines = [rpc for rpc in RPCS if rpc.permission is not None]
    found = {(rpc.subject, name): counted(kind) for rpc in lines for name, kind in any_json(rpc.request)}
    bare = list(found.values()).count(0)
    print(f"{len(lines)} lines, {len(found)} with a field that takes any JSON: {bare} not counted")
    assert found == {(WRITE_LOG.subject, "context"): CONTEXT_VALUES, (RUN_SCRIPT.subject, "params"): MOST_PARAMS}


def any_json(request: type) -> Iterator[tuple[str, inspect.Type]]:
    """The fields of a request that take any JSON, in whatever they are."""
    kind = inspect.type_info(request)
    assert isinstance(kind, inspect.StructType)
    for field in kind.fields:
        if "AnyType()" in repr(field.type):
            yield field.encode_name, field.type


def counted(kind: inspect.Type) -> int:
    return (kind.extra or {}).get(MOST_VALUES, 0) if isinstance(kind, inspect.Metadata) else 0


def test_a_form_without_end_is_not_taken_apart(ordinary: float) -> None:
    form = b"token=a" + b"&a=" * (LARGEST // 3 - 3)
    with pytest.raises(Refusal):
        _decode_form(form)
    taken = min(spent(lambda: refused(form)) for _ in range(5))
    print(f"1 form of {len(form)} bytes: {taken:.2f} ms; an ordinary body {ordinary:.2f} ms")
    assert taken < ordinary


def refused(form: bytes) -> None:
    with contextlib.suppress(Refusal):
        _decode_form(form)


# --- a large one ---------------------------------------------------------------------------------------------------

BEFORE, BEHIND = b'{"campaign_id":"a","leads":[', b"]}"
LEAD = msgspec.json.encode(
    {"number": "+380991234567", "name": "Somebody", "timezone": "Europe/Kyiv", "custom": {"city": "Kyiv", "note": "x"}}
)
[RUN] = [route for route in ROUTES if route.rpc is RUN_CAMPAIGN]
READ = reader_of(RUN)
MOST_OF_LARGE = 6  # times what an ordinary one costs: its numbers are told in 20 us each
NUMBERS = b",".join([b"1e300"] * (RUN_BYTES // 6 - 200))
OTHER_LARGE = "`leads`: in a large body this is a list of objects, and nothing beside it is large."
NO_JSON = "The body is not a JSON object: "


def large(part: bytes, *, last: bytes = b"", count: int = RUN_BYTES, behind: bytes = BEHIND) -> bytes:
    """As many of these as fit, and at the end another thing."""
    count = min(count, (RUN_BYTES - 1_000 - len(last)) // (len(part) + 1))
    return BEFORE + b",".join([part] * count) + last + behind


def at_the_end(last: bytes = b"", behind: bytes = BEHIND) -> bytes:
    return large(LEAD, count=70_000, last=last, behind=behind)


def answer_to(body: bytes) -> str:
    """What is read of a large body: the number of leads, or why it is refused."""
    request = make_mocked_request("POST", RUN.path, headers={"Content-Type": "application/json"})
    try:
        return str(len(READ(request, body).leads))
    except Refusal as refusal:
        return refusal.message


LARGE: dict[str, tuple[Callable[[], bytes], str]] = {
    "numbers": (lambda: large(b"1e300"), "`leads[0]`: expected an object, got a number with a point."),
    "numbers for a text": (lambda: large(b'{"number":1e300}'), "`leads[0].number`: expected a text, got a number"),
    "numbers in a small lead": (
        lambda: large(b'{"number":"1","x":[' + b",".join([b"1e300"] * 9_000) + b"]}"),
        "`leads[0].x`: there is no such field.",
    ),
    "one lead of numbers": (
        lambda: large(b'{"number":"1","x":[' + NUMBERS + b"]}"), f"`leads[0]`: larger than {LARGEST_LEAD:,} bytes."
    ),
    "numbers beside the leads": (lambda: b'{"x":[' + NUMBERS + b"]}", OTHER_LARGE),
    "numbers behind the leads": (lambda: large(LEAD, count=1, behind=b'],"x":[' + NUMBERS + b"]}"), OTHER_LARGE),
    "names": (lambda: b"{" + b",".join(b'"%d":1' % at for at in range(1_400_000)) + b"}", OTHER_LARGE),
    "objects": (lambda: large(b"{}"), "`leads[0].number`: expected a text, got nothing."),
    "objects in objects": (lambda: large(b'{"":{}}'), "`leads[0].?`: there is no such field."),
    "deep objects": (lambda: large(b'{"number":"1","custom":{"a":{"b":{}}}}'), "`leads[0].custom.a`: expected a text"),
    "lists": (lambda: large(b"[]"), "`leads[0]`: expected an object, got a list."),
    "blanks": (lambda: b" " * RUN_BYTES, "`campaign_id`: expected 1 to 64"),
    "blanks before": (lambda: b" " * (RUN_BYTES - 1_000) + large(LEAD, count=1), "1"),
    "brackets": (lambda: b"[" * RUN_BYTES, NO_JSON),
    "a text that does not end": (lambda: BEFORE + b'{"number":"' + b"x" * (RUN_BYTES - 100), NO_JSON),
    "quotes": (lambda: BEFORE + b'{"number":' + b'""' * (RUN_BYTES // 2 - 100), NO_JSON),
    "escapes": (lambda: large(b'{"number":"' + b"\\\\" * 50_000 + b'"}'), "167"),
    "leads in a text": (lambda: large(b'{"number":"},{]}[{"}', count=MOST_LEADS), "100000"),
    "leads without end": (lambda: large(b'{"number":"1"}'), f"`leads`: more than {MOST_LEADS:,} of them."),
    "fields of their own": (
        lambda: large(b'{"number":"1","custom":{' + b",".join(b'"k%d":""' % at for at in range(15_000)) + b"}}"), "9"
    ),
    "a number at the end": (lambda: at_the_end(b",5"), "`leads[70000]`: expected an object, got a whole number."),
    "a number in the last": (lambda: at_the_end(b',{"number":5}'), "`leads[70000].number`: expected a text, got a wh"),
    "a name twice in the last": (lambda: at_the_end(b',{"name":"1","name":"2"}'), "`name`: it is given more than"),
    "a comma at the end": (lambda: at_the_end(b","), f"{NO_JSON}JSON is malformed: trailing comma in array"),
    "no UTF-8 in the last": (lambda: at_the_end(b',{"number":"\xff"}'), f"{NO_JSON}'utf-8' codec can't decode byte"),
    "the leads twice": (lambda: at_the_end(behind=b'],"leads":[]}'), "`leads`: it is given more than once."),
    "no end": (lambda: at_the_end(behind=b""), f"{NO_JSON}Input data was truncated"),
}  # fmt: skip


def cost_of_large(body: bytes) -> float:
    return spent(lambda: answer_to(body))


@cache
def tried(name: str) -> tuple[str, float, list[int]]:
    """What a large body is answered, what that costs, and in which pieces it is read: it takes long, so what is looked
    at is one try."""
    body, answers, sizes = LARGE[name][0](), list[str](), list[int]()
    assert len(body) <= RUN_BYTES

    def noted(body: bytes, at: int) -> Iterator[bytes]:
        for piece in _pieces(body, at):
            sizes.append(len(piece))
            yield piece

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(large_bodies, "_pieces", noted)
        taken = spent(lambda: answers.append(answer_to(body)))
    return answers[0], taken, sizes


def test_no_large_body_costs_much_more_than_an_ordinary_one() -> None:
    ordinary = min(cost_of_large(large(LEAD, count=MOST_LEADS)) for _ in range(2))
    costs, pieces = dict[str, float](), 0
    for name in LARGE:
        _, costs[name], sizes = tried(name)
        assert all(size <= PIECE_BYTES for size in sizes)  # others have their turn between them
        pieces += len(sizes)
    for name in costs:
        if costs[name] > MOST_OF_LARGE * ordinary:  # once more, as above
            costs[name] = min(cost_of_large(LARGE[name][0]()) for _ in range(3))
    dear = {name: round(taken) for name, taken in costs.items() if taken > MOST_OF_LARGE * ordinary}
    dearest = max(costs, key=lambda name: costs[name])
    print(f"{len(LARGE)} bodies of up to 16 MiB: {len(dear)} cost more than {MOST_OF_LARGE} times an ordinary one,")
    print(f"which takes {ordinary:.0f} ms; the dearest, {dearest}: {costs[dearest]:.0f} ms")
    print(f"{pieces} pieces of {len(LARGE)} bodies: 0 larger than {PIECE_BYTES} bytes")
    assert dear == {}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_body_is_answered_as_a_small_one_is(name: str) -> None:
    assert tried(name)[0].startswith(LARGE[name][1])


def test_a_large_body_is_read_in_pieces_that_are_soon_read() -> None:
    """Between them other threads have their turn; of others see above."""
    sizes = [len(piece) for piece in _pieces(large(b"{}"), len(BEFORE))]
    print(f"{len(sizes)} pieces of a body of empty objects: 0 of more than {PIECE} of them")
    assert all(size <= 3 * PIECE for size in sizes)


async def test_a_large_body_is_told_from_others_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set[int]()

    def digest_of(body: bytes) -> str:
        threads.add(threading.get_ident())
        return sha256(body).hexdigest()

    monkeypatch.setattr(idempotency, "_digest_of", digest_of)
    body = b"x" * RUN_BYTES
    assert await idempotency.digest_of(body) == sha256(body).hexdigest()
    assert threads and threading.get_ident() not in threads


async def test_large_bodies_are_read_one_at_a_time_and_in_turns() -> None:
    """Four of one user at once, refused or not, left the loop a turn each 32 ms, 214 at p95."""
    lane, at_once, most, order, goes_on = Lane("large bodies"), 0, 0, list[str](), threading.Event()

    def read(request: Any, body: bytes) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        goes_on.wait(5.0)
        at_once -= 1
        order.append(request)

    large = b" " * (BODY_LIMIT + 1)
    users = [*4 * ["one"], "other"]
    whole = [asyncio.ensure_future(read_with(read, cast(Any, user), large, lane, ("", user))) for user in users]
    await asyncio.sleep(0.05)
    goes_on.set()
    await asyncio.gather(*whole)
    print(f"{len(users)} large bodies: {most} read at once")
    assert most == 1 and order[:2] == ["one", "other"]
