"""What was done, or may have been, always has a record of its own, among whatever else is refused meanwhile."""

import asyncio

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from actors.audit.audit import SCOPE, Audit
from actors.audit.chain import check
from actors.runtime.alike import MINUTE, STRANGERS, times
from bus_schemas.audit import UNKNOWN, AuditEntry, AuditRecorded
from bus_schemas.errors import ErrorCode
from gateway.auditor import Auditor
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from tests.support.depth import examples

RESULTS = ["OK", "OK", *(code.value for code in ErrorCode)]
IN_DOUBT = {"UNAVAILABLE", "TIMEOUT", "INTERNAL"}  # where it was sent
TRY = st.tuples(
    st.sampled_from(["op12", "op34"]), st.integers(0, 40), st.sampled_from(RESULTS), st.booleans(),
    st.sampled_from([0.0] * 20 + [5.0, MINUTE]),
)  # fmt: skip
Try = tuple[str, int, str, bool, float]


def entry(number: int, one: Try) -> AuditEntry:
    user, action, result, _, _ = one
    return AuditEntry(
        at="2026-01-01T00:00:00.000Z", user=user, door="http", action=f"POST /{action // 8}", result=result,
        subject={"slot": action}, request_id=f"r{number}",
    )  # fmt: skip


def on_record(tries: list[Try]) -> list[AuditEntry]:
    """What is on the audit after all of them, one after the other."""

    async def main() -> list[AuditEntry]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        clock, broker = SimClock(loop), MemoryBroker(clock=SimClock(loop))
        audit = Audit(bus=MemoryBus(broker), clock=clock, ids=CountedIds("a"))
        await audit.start()
        auditor = Auditor(bus=MemoryBus(broker), clock=clock, ids=CountedIds("b"))
        for number, one in enumerate(tries):
            said = entry(number, one)
            intent = await auditor.announce(msgspec.structs.replace(said, result=UNKNOWN)) if one[3] else ""
            await auditor.conclude(said, intent)
            await asyncio.sleep(one[4])
        await asyncio.sleep(2 * MINUTE)  # what was announced and not concluded would be on it by now
        await auditor.stop()
        await audit.stop()
        chain = [msgspec.json.decode(recorded.data, type=AuditRecorded) for recorded in broker.entries(SCOPE)]
        assert check(chain).problems == []
        return [one for recorded in chain for one in recorded.entries]

    return run(main, 1)


@settings(deadline=None, max_examples=examples(15))
@given(st.lists(TRY, max_size=200))
def test_what_was_done_is_never_only_counted(tries: list[Try]) -> None:
    written = on_record(tries)
    own = {one.request_id: one for one in written if one.count is UNSET}
    for number, one in enumerate(tries):
        sent = one[3]
        if one[2] == "OK" or (sent and one[2] in IN_DOUBT):
            assert own[f"r{number}"] == entry(number, one)
    assert sum(map(times, written)) == len(tries)
    assert not any(one.result == UNKNOWN for one in written)
    for one in written:
        if one.count is not UNSET:
            assert one.result != "OK" and one.user != STRANGERS
