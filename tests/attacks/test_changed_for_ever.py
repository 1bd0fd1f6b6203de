"""Whoever may edit leads changes one of them again and again. What is known of that person is gathered from all these
changes, and others of the host wait for no more of it than for a few."""

import asyncio
import itertools
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from actors.erasure.desk import Desk
from actors.erasure.gathered import Gathered
from actors.erasure.parted import NONE_PARTED
from actors.erasure.person import MOST_BYTES, MOST_NUMBERS, MOST_TEXTS, Person
from actors.runtime.bus import Recorded
from actors.runtime.marks import Marks
from tests.support.turns import Others

CHANGES = 40_000
NUMBER = "+380683212010"
SECONDS = 0.6  # of the loop at once; 0.2 were measured, while memory is traced, where it had been 1.7
MEGABYTES = 20  # 8 were measured, where it had been 87


class Changed:
    """A journal in which two hundred leads have the person's number, and one was changed ever since."""

    async def replay(self, scope: str) -> AsyncIterator[Recorded]:
        for seq in itertools.count(1):
            if seq > CHANGES:
                return
            numbers = [NUMBER, *(f"+38067{1_000_000 + 4 * seq + place}" for place in range(4))]
            said: dict[str, Any] = {"lead": f"l{min(seq, 500)}", "name": f"Bob{seq} Mallory{seq}", "numbers": numbers}
            if seq > 500:
                said["numbers"] = [NUMBER]
            if seq == CHANGES:
                said["name"] = "Olena Nightingale"
            yield Recorded(subject="ottb.v1.evt.campaign.c1.lead_changed", data=msgspec.json.encode(said), headers={},
                           seq=seq, at=0.0)  # fmt: skip


async def test_what_a_person_was_called_is_gathered_with_others_at_work() -> None:
    desk = Desk(bus=Changed(), marks=Marks(b"key"), hosts=None, names=list)  # type: ignore[arg-type]
    others = Others()
    await asyncio.sleep(0)
    tracemalloc.start()
    numbers = frozenset({NUMBER})
    person = await desk._read("ottb.v1.evt.campaign.*.lead_changed", Person(numbers=numbers), numbers, NONE_PARTED)
    held = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    others.end()
    assert {"Bob1 Mallory1", "Olena Nightingale"} <= person.names and len(person.leads) == 500
    assert MOST_NUMBERS - 5 <= len(person.numbers) <= MOST_NUMBERS + 1
    assert len(person.texts | person.names) <= MOST_TEXTS and sum(map(len, person.texts)) <= MOST_BYTES
    print(f"{CHANGES:,} changes: {others}, {held:.0f} MB were held")
    assert others.longest < SECONDS and held < MEGABYTES


def test_what_is_said_again_and_again_takes_the_place_of_nothing() -> None:
    def called(*names: str) -> Person:
        return Person(texts=frozenset(names), names=frozenset(names))

    found = Gathered(Person())
    for two in itertools.combinations([f"Bob Mallory{number}" for number in range(80)], 2):  # 3,160 times
        found.add(called(*two))
    for name in ["Olena Nightingale", *(f"Bob{number} Mallory" for number in range(3_000))]:
        found.add(called(name))
    for _ in range(5_000):
        found.add(called("Zinaida Vyshyvanko"))
        found.add(called("Bob2999 Mallory"))
    person = found.person()
    assert {"Bob Mallory0", "Olena Nightingale", "Zinaida Vyshyvanko", "Bob2999 Mallory"} <= person.names
    assert "Bob2990 Mallory" in person.names and found.left_out(person)
