"""A call that the run of a script has placed stays until the run has on record that it is over: it asks the journal."""

from pathlib import Path

import msgspec

from actors.archive.leaving import Leaving
from actors.archive.record import Segment
from bus_schemas.call import CallDialing
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


async def test_a_call_of_a_run_leaves_once_that_is_over(tmp_path: Path) -> None:
    days = Days(tmp_path)
    archive = days.archive()
    leaving = Leaving(
        bus=days.bus, clock=days.clock, archive=archive, days=2, everywhere=everywhere, known=known, may=lambda: True
    )

    async def left_after(a_day: int) -> list[str]:
        for _ in range(a_day):
            await days.passes()
            while await archive.seal("a"):
                pass
            await leaving.turn("a")
        return [entry.subject for entry in days.broker.entries(f"{CALL}.*")]

    await days.write("call.slot-1.c_1.dialing", msgspec.json.encode(ATTEMPT))
    await days.write("call.slot-1.c_1.ended", b'{"call_id":"c_1"}')
    assert await left_after(6) == [f"{CALL}.dialing", f"{CALL}.ended"]
    await days.write(f"script.slot-1.{RUN}.ended", b"{}")
    assert await left_after(2) == [f"{CALL}.dialing", f"{CALL}.ended"]
    assert await left_after(3) == []
