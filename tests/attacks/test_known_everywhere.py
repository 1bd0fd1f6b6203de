"""A number is in as many leads and calls as somebody likes: whose it is can be erased all the same, though no message
and no value of a bucket has room for all of these."""

from typing import Any

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.erasure.desk import Desk
from actors.erasure.known import PART, Known
from actors.erasure.person import Person
from actors.runtime.bus import Fenced
from actors.runtime.marks import BUCKET, Marks
from bus_schemas.erasure import EraseFiles, FilesErased
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus

MANY = 20_000
MOST = 1024 * 1024  # bytes of a message
NUMBER = "+380683212010"
CAMPAIGN = f"c_{'x' * 24}"
PERSON = Person(
    numbers=frozenset({NUMBER}), leads=frozenset((CAMPAIGN, f"lead_{one}") for one in range(MANY)),
    texts=frozenset({"Olena"}), calls=frozenset(f"call_{one:024}" for one in range(MANY)),
    recordings=frozenset(f"pbx/call_{one:048}.wav" for one in range(MANY)),
    had=frozenset((CAMPAIGN, f"lead_{one}", NUMBER) for one in range(MANY)),
)  # fmt: skip


def made() -> MemoryBus:
    return MemoryBus(MemoryBroker(clock=SystemClock()))


async def kept(bus: MemoryBus) -> list[bytes]:
    return [entry.data for entry in (await bus.entries(BUCKET)).values() if entry.data is not None]


async def test_all_leads_and_calls_of_a_number_are_kept_in_parts_and_forgotten() -> None:
    bus = made()
    known = Known(bus)
    await bus.put(BUCKET, "er1", msgspec.json.encode(Person(numbers=PERSON.numbers)), expect=0)
    assert await known.person("er1") is None and await known.asked("er1") == Person(numbers=PERSON.numbers)
    await known.keep("er1", PERSON)
    assert await known.person("er1") == PERSON
    sizes = [len(data) for data in await kept(bus)]
    print(f"{MANY:,} leads and calls: {len(sizes)} values, {max(sizes):,} bytes the longest")
    assert max(sizes) < MOST
    await known.forget("er1")
    assert await known.person("er1") is None and not await kept(bus)


async def test_who_goes_on_keeps_what_another_one_has_begun_to() -> None:
    bus = made()
    known = Known(bus)
    part = Person(calls=frozenset(sorted(PERSON.calls)[:PART]))
    await bus.put(BUCKET, "er1-part-0", msgspec.json.encode(part), expect=0)
    await known.keep("er1", PERSON)
    assert await known.person("er1") == PERSON
    with pytest.raises(Fenced):
        await known.keep("er1", PERSON)


async def test_recordings_are_deleted_some_at_a_time() -> None:
    asked: list[EraseFiles] = []

    class Hosts:
        async def ask(self, rpc: Any, request: EraseFiles, context: Any) -> FilesErased:
            asked.append(request)
            return FilesErased(files=len(request.recordings))

    hosts: Any = Hosts()
    desk = Desk(bus=made(), marks=Marks(b"key"), hosts=hosts, names=lambda: ["a", "b"])
    assert await desk._files(PERSON) == 2 * MANY
    assert max(len(msgspec.json.encode(one)) for one in asked) < MOST
    for host in "ab":
        assert {one for each in asked if each.host == host for one in each.recordings} == PERSON.recordings
    assert await desk._files(Person()) == 0
