"""A call that the run of a script has placed stays until the run has on record that it is over: it asks the journal.
So does one of which something newer is on record than may leave."""

from pathlib import Path

import msgspec
from msgspec.structs import replace

from actors.archive.leaving import Leaving
from actors.archive.record import Segment
from bus_schemas.call import CallDialing
from bus_schemas.contract import verb_of
from tests.archive.days import Days

RUN, CALL = "s_1", "ottb.v1.evt.call.slot-1.c_1"
ATTEMPT = CallDialing(
    line="slot-1", call_id="c_1", slot=1, user="op", number="+380501230001", at="2026-03-01T09:00:00.000Z", mono=1.0,
    boot="b", command_id="k", ring_timeout=30.0, max_duration=600.0, run=RUN,
)  # fmt: skip


async def everywhere(day: Segment) -> bool:
    return True


async def known(call_id: str, up_to: int) -> bool:
    return True


class Site:
    def __init__(self, folder: Path) -> None:
        self.days = Days(folder)
        self._archive = self.days.archive()
        self._leaving = Leaving(
            bus=self.days.bus, clock=self.days.clock, archive=self._archive, days=2, everywhere=everywhere, known=known,
            may=lambda: True,
        )  # fmt: skip

    async def left_after(self, a_day: int) -> list[str]:
        """What the journal has of the call then."""
        for _ in range(a_day):
            await self.days.passes()
            while await self._archive.seal("a"):
                pass
            await self._leaving.turn("a")
        return [verb_of(entry.subject) for entry in self.days.broker.entries(f"{CALL}.*")]


async def test_a_call_of_a_run_leaves_once_that_is_over(tmp_path: Path) -> None:
    site = Site(tmp_path)
    await site.days.write("call.slot-1.c_1.dialing", msgspec.json.encode(ATTEMPT))
    await site.days.write("call.slot-1.c_1.ended", b'{"call_id":"c_1"}')
    assert await site.left_after(6) == ["dialing", "ended"]
    await site.days.write(f"script.slot-1.{RUN}.ended", b"{}")
    assert await site.left_after(2) == ["dialing", "ended"]
    assert await site.left_after(3) == []


async def test_a_call_leaves_with_what_is_said_of_it_after_midnight(tmp_path: Path) -> None:
    site = Site(tmp_path)
    await site.days.write("call.slot-1.c_1.dialing", msgspec.json.encode(replace(ATTEMPT, run=None)))
    await site.days.write("call.slot-1.c_1.ended", b'{"call_id":"c_1"}')
    assert await site.left_after(1) == ["dialing", "ended"]
    await site.days.write("call.slot-1.c_1.enriched", b'{"call_id":"c_1"}')
    assert await site.left_after(2) == ["dialing", "ended", "enriched"]
    assert await site.left_after(3) == []
