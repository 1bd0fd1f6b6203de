"""What is followed of a phone: no line of an app's makes its log unreadable or takes a host's memory, and nobody reads
on who does not see the slot any more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from actors.adapters.system_clock import SystemClock
from actors.by_hand.logcat import LINE, WAITING_BYTES, Followed
from actors.runtime.bus import ID
from actors.runtime.context import Context
from actors.runtime.digest import LARGEST
from actors.runtime.service import Service
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.slot import CONFIGURE_SLOT, ConfigureSlot
from bus_schemas.slot_files import FOLLOW_LOGCAT, NEXT_PIECE, FollowLogcat, LogcatLines, NextPiece, StreamPiece
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.by_hand.conftest import EVERYTHING, ByHandHost, handset, host, kept_server, server, tracker
from tests.gateway.test_phone_streams import LOGCAT, Phone
from tests.support.door import USER, gateway_on, serving

__all__ = ["handset", "host", "kept_server", "server", "tracker"]

LINES, ASKED = 3_000, 1_000  # of an app, and of before
SIGNS = ["x", '"', "\t", "\u6c49", "\U0001f600"]
STRANGER = EVERYTHING - {Action.SLOT_VIEW_ANY}  # sees their own slots, and those of nobody


class Flooding:
    """Tools of a phone whose log has many long lines of one sign."""

    def __init__(self, sign: str) -> None:
        self.line = sign * LINE
        self.done = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lines(self, words: Sequence[str]) -> AsyncIterator[AsyncIterator[str]]:
        async def many() -> AsyncIterator[str]:
            for _ in range(LINES):
                yield self.line
            self.done.set()
            await asyncio.Event().wait()

        yield many()


@pytest.mark.parametrize("sign", SIGNS, ids=["letter", "quote", "tab", "han", "emoji"])
async def test_no_line_is_too_much_for_the_bus(sign: str) -> None:
    phone: Any = Flooding(sign)
    followed = Followed(phone, FollowLogcat(slot=1, lines=ASKED), lambda: 1.0)
    following = asyncio.get_running_loop().create_task(followed.follow())
    await phone.done.wait()
    sizes, told = list[int](), 0
    while told < LINES:
        data, _ = await followed.next()
        said = msgspec.json.decode(data, type=LogcatLines)
        told += len(said.lines) + said.left_out
        sizes.append(len(msgspec.json.encode(StreamPiece(data=data))))
    following.cancel()
    print(f"{LINES} lines of {LINE} {sign!r}: {len(sizes)} pieces, the largest of {max(sizes):,} bytes")
    assert max(sizes) < LARGEST and sum(sizes) < 2 * WAITING_BYTES and told == LINES


async def next_of(host: ByHandHost, stream: str, number: int) -> StreamPiece:
    return await host.ask(NEXT_PIECE, NextPiece(slot=44, stream=stream, number=number), actions=STRANGER)


@pytest.mark.parametrize("deed", ["given to somebody", "given another phone", "removed and made anew"])
async def test_a_log_ends_when_its_slot_is_another(host: ByHandHost, deed: str) -> None:
    asked = FollowLogcat(slot=44)
    stream = (await host.ask(FOLLOW_LOGCAT, asked, actions=STRANGER)).stream
    assert not (await next_of(host, stream, 0)).end
    waiting = asyncio.ensure_future(next_of(host, stream, 1))
    await asyncio.sleep(0.1)
    user, serial = ("op34", host.phone.serial) if deed == "given to somebody" else (None, "R58M000000A")
    await host.ask(CONFIGURE_SLOT, ConfigureSlot(slot=44, user=user, serial=serial))
    with pytest.raises(Refusal) as refused:
        await waiting
    assert refused.value.code in (ErrorCode.NOT_FOUND, ErrorCode.SLOT_OFFLINE)
    with pytest.raises(Refusal):  # it is not asked again with more luck
        await next_of(host, stream, 2)


async def test_nor_is_it_sent_to_who_lost_a_right_that_it_was_opened_with() -> None:
    line = msgspec.json.encode(LogcatLines(lines=("seen",)))
    phone, broker, users = Phone([line, line, line]), MemoryBroker(clock=SystemClock()), {USER: frozenset(Action)}
    later, give = asyncio.Event(), phone.next

    async def next_piece(request: NextPiece, context: Context) -> StreamPiece:
        if request.number:
            await later.wait()
        return await give(request, context)

    phone.next = next_piece  # type: ignore[method-assign]
    service = Service(bus=MemoryBus(broker), queue="host", handlers=phone.lines, fields={"slot": "44"})
    await service.start()
    async with (
        serving(broker, {}, users),
        gateway_on(MemoryBus(broker), per_second=1e6) as gateway,
        gateway._session.get(gateway._url(LOGCAT), headers=gateway._headers) as answer,
    ):
        assert b"seen" in await answer.content.readuntil(b"\n\n")
        users[USER] -= {Action.SLOT_VIEW_ANY}  # who has no slot of their own goes on seeing the log of nobody's
        subject = "ottb.v1.evt.point.directory.role_set"
        await MemoryBus(broker).append(subject, b"{}", {ID: "r"}, scope=subject, expect=0)
        await asyncio.sleep(0.2)
        later.set()
        async with asyncio.timeout(10):
            assert b"seen" not in await answer.read()
    await service.stop()
