"""Streams: of whom they are, in what order, how many, and that none goes on that nobody asks for."""

import asyncio
from typing import Any

import pytest

from actors.adapters.random_ids import RandomIds
from actors.by_hand import streams as module
from actors.by_hand.streams import ALL, EACH, Streams
from actors.runtime.context import Context
from actors.slot.phone import PhoneUnreachable
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot_files import EndStream, NextPiece, PutPiece
from tests.support.site import PATIENCE

OURS = Context(command_id="k", user="op12")
PHONE_GONE = PhoneUnreachable("p44: gone")


class Numbers:
    """Says how often it was asked, up to three times."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.asked = 0
        self.closed = False
        self.taken = b""
        self.fails = fails
        self.gate = asyncio.Event()
        self.gate.set()

    async def next(self) -> tuple[bytes, bool]:
        await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        self.asked += 1
        return b"%d" % self.asked, self.asked == 3

    async def put(self, data: bytes) -> None:
        self.taken += data

    def close(self) -> None:
        self.closed = True


def refused(code: ErrorCode) -> Any:
    return pytest.raises(Refusal, check=lambda one: one.code is code)


def piece(id: str, number: int = 0, slot: int = 44) -> NextPiece:
    return NextPiece(slot=slot, stream=id, number=number)


async def test_pieces_come_in_their_order_and_end() -> None:
    streams, source = Streams(RandomIds(), lambda slot, context: "p44"), Numbers()
    id = streams.open(source, 44, OURS)
    got = [await streams.next_piece(piece(id, number), OURS) for number in range(3)]
    assert [(one.data, one.end) for one in got] == [(b"1", False), (b"2", False), (b"3", True)]
    assert source.closed
    with refused(ErrorCode.NOT_FOUND):
        await streams.next_piece(piece(id, 3), OURS)


async def test_a_stream_is_of_who_opened_it_and_of_its_slot() -> None:
    streams, source = Streams(RandomIds(), lambda slot, context: "p44"), Numbers()
    id, other = streams.open(source, 44, OURS), Context(command_id="k", user="op34")
    for asked, context in ((piece(id), other), (piece(id, slot=45), OURS), (piece("none"), OURS), (piece(id, 1), OURS)):
        with refused(ErrorCode.NOT_FOUND):
            await streams.next_piece(asked, context)
    with refused(ErrorCode.NOT_FOUND):
        await streams.put_piece(PutPiece(slot=44, stream=id, number=0, data=b"x"), other)
    await streams.end_stream(EndStream(slot=44, stream=id), other)
    assert not source.closed and not source.asked and not source.taken
    await streams.end_stream(EndStream(slot=44, stream=id), OURS)
    await streams.end_stream(EndStream(slot=44, stream=id), OURS)
    assert source.closed


async def test_what_nobody_asks_for_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE", 0.05)
    streams, source = Streams(RandomIds(), lambda slot, context: "p44"), Numbers()
    id = streams.open(source, 44, OURS)
    await streams.next_piece(piece(id), OURS)
    async with asyncio.timeout(PATIENCE):
        while not source.closed:
            await asyncio.sleep(0.01)
    streams.room(OURS)


async def test_one_that_is_asked_is_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE", 0.02)
    streams, source = Streams(RandomIds(), lambda slot, context: "p44"), Numbers()
    source.gate.clear()
    id = streams.open(source, 44, OURS)
    asked = asyncio.ensure_future(streams.next_piece(piece(id), OURS))
    await asyncio.sleep(0.1)
    assert not source.closed
    with refused(ErrorCode.NOT_FOUND):  # nor is it asked twice at once
        await streams.next_piece(piece(id), OURS)
    source.gate.set()
    assert (await asked).data == b"1"


async def test_one_that_lasts_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 0.0)
    streams, source = Streams(RandomIds(), lambda slot, context: "p44"), Numbers()
    id = streams.open(source, 44, OURS)
    assert (await streams.next_piece(piece(id), OURS)).end and source.closed


async def test_what_fails_ends_and_says_why() -> None:
    streams, source = Streams(RandomIds(), lambda slot, context: "p44"), Numbers(fails=PHONE_GONE)
    id = streams.open(source, 44, OURS)
    with refused(ErrorCode.SLOT_OFFLINE):
        await streams.next_piece(piece(id), OURS)
    assert source.closed


async def test_there_are_so_many_of_each_and_of_all() -> None:
    streams, sources = Streams(RandomIds(), lambda slot, context: "p44"), [Numbers() for _ in range(ALL + EACH)]
    for source in sources[:EACH]:
        streams.open(source, 44, OURS)
    with refused(ErrorCode.RATE_LIMITED):
        streams.open(sources[EACH], 44, OURS)
    assert sources[EACH].closed
    for number, source in enumerate(sources[EACH + 1 : ALL + 1]):
        streams.open(source, 44, Context(command_id="k", user=f"u{number}"))
    with refused(ErrorCode.RATE_LIMITED):
        streams.room(Context(command_id="k", user="another"))
    await streams.stop()
    assert all(source.closed for source in sources[: ALL + 1])
    streams.room(OURS)
