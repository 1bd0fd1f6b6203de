"""Files for do-not-call lists that are made to take long: whoever reads them does something else between."""

import asyncio
import codecs
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from actors.adapters.system_clock import SystemClock
from actors.dialing.rules import may_be_listed
from actors.do_not_call.desk import entries_in
from actors.runtime.context import Context
from bus_schemas.do_not_call import LINES, READ_DO_NOT_CALL, DoNotCallRead, ImportDoNotCall, ReadDoNotCall
from bus_schemas.errors import Refusal
from gateway import line_files
from gateway.line_files import FILE_LIMIT, LINE, LineFiles
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.attacks.test_leads import far
from tests.support.door import serving
from tests.support.sheets import workbook
from tests.support.turns import Others
from tests.support.whole import PASSWORD, whole_site

SOON = 0.1  # seconds of work until it is others' turn
LONE = b"\x00\xd8" * 7 + b"\n\x00"  # halves of letters, each of which is an error to a decoder
NUMBER = "+380441234567"
FILES: dict[str, Callable[[], bytes]] = {  # made by who tries one, and not by whoever reads the tests
    "UTF-16": lambda: codecs.BOM_UTF16_LE + LONE * (FILE_LIMIT // len(LONE) - 1),
    "halves of letters without end": lambda: codecs.BOM_UTF16_LE + b"\x00\xd8" * (FILE_LIMIT // 2 - 1),
    "no UTF-8": lambda: b"\xff" * FILE_LIMIT,
    "no UTF-8 in lines": lambda: (b"\xff" * 100 + b"\n") * (FILE_LIMIT // 101),
    "one line": lambda: b"1" * FILE_LIMIT,
    "carriage returns": lambda: b"\r" * (FILE_LIMIT // 16),
    "a workbook of empty rows": lambda: workbook([[" " * 300]] * 40_000),
    "a workbook larger than a text may be": lambda: workbook([["x" * 1000]] * 40_000),
    "a workbook of gigabytes": far,
}  # fmt: skip
ROWS = (",1", ",00", ",+380", " ", ",a", "\t(0)")


async def nothing_in_it(request: ReadDoNotCall, context: Context) -> DoNotCallRead:
    return DoNotCallRead(entries=())


@pytest.mark.parametrize("name", FILES)
async def test_a_file_leaves_others_their_turn(name: str) -> None:
    file = FILES[name]()
    broker = MemoryBroker(clock=SystemClock())
    async with serving(broker, {READ_DO_NOT_CALL: nothing_in_it}):
        files, others = LineFiles(MemoryBus(broker)), Others()
        asked = ImportDoNotCall(list="global")
        with pytest.raises(Refusal):
            async with asyncio.timeout(60):
                await files.carry_out(asked, file, Context(command_id="1", user="op12"), gone=lambda: False)
        others.end()
    print(f"{len(file)} bytes, {name}: {others}")
    assert others.longest < SOON


async def test_nobody_is_asked_about_blank_lines() -> None:
    asked = list[int]()

    async def read(request: ReadDoNotCall, context: Context) -> DoNotCallRead:
        asked.append(request.first)
        return DoNotCallRead(entries=())

    broker, lines = MemoryBroker(clock=SystemClock()), 500 * LINES
    async with serving(broker, {READ_DO_NOT_CALL: read}):
        files, body = LineFiles(MemoryBus(broker)), b"\n" * (lines - 1) + NUMBER.encode()
        with pytest.raises(Refusal, match="no entry"):
            await files.carry_out(
                ImportDoNotCall(list="global"), body, Context(command_id="1", user="op12"), gone=lambda: False
            )
    print(f"{lines:,} lines of which one is not blank: {len(asked)} questions to hosts")
    assert asked == [1, lines - LINES + 1]


async def test_a_file_of_one_line_waits_for_no_large_one() -> None:
    asked = list[str]()

    async def read(request: ReadDoNotCall, context: Context) -> DoNotCallRead:
        asked.append(context.user)
        return DoNotCallRead(entries=())

    broker, many = MemoryBroker(clock=SystemClock()), [user for user in ("ann", "bob", "cy") for _ in range(200)]
    async with serving(broker, {READ_DO_NOT_CALL: read}):
        files = LineFiles(MemoryBus(broker))

        async def send(user: str, lines: int) -> None:
            body, context = (NUMBER + "\n").encode() * lines, Context(command_id=user, user=user)
            with pytest.raises(Refusal, match="no entry"):
                await files.carry_out(ImportDoNotCall(list="global"), body, context, gone=lambda: False)

        async with asyncio.TaskGroup() as group:
            for user in dict.fromkeys(many):
                group.create_task(send(user, 200 * LINES))
            while not asked:
                await asyncio.sleep(0)
            await send("dan", 1)
            before = len(asked)
    print(f"a file of one line beside three of {200 * LINES:,}: read after {before} pieces of these, not {len(many)}")
    assert before < 50 and len(asked) == len(many) + 1


async def test_a_workbook_of_one_row_waits_for_no_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    large, small, over = workbook([["x" * 1000]] * 40_000), workbook([["x"]]), threading.Event()

    def text_of(body: bytes) -> bytes:
        if body == large:
            over.wait(20)
        return b"\n"

    monkeypatch.setattr(line_files, "text_of", text_of)
    files = LineFiles(MemoryBus(MemoryBroker(clock=SystemClock())))
    one = asyncio.create_task(files._text(large))
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(10):
            assert await files._text(small) == b"\n"
        print("1 workbook was read while another one was")
        assert not one.done()
    finally:
        over.set()
        await one


async def test_rows_of_many_cells_leave_others_their_turn() -> None:
    rows = [NUMBER + cell * ((LINE - len(NUMBER)) // len(cell)) for cell in ROWS]
    asked = [ReadDoNotCall(list="global", head=NUMBER, first=2, lines=(row,) * LINES) for row in rows]
    accepts = may_be_listed(frozenset())
    await entries_in(replace(asked[0], lines=tuple(rows)), "UA", accepts)  # what is read once, of the countries
    others = Others()
    read = [await entries_in(one, "UA", accepts) for one in asked]
    others.end()
    print(f"{sum(map(len, read))} rows of {LINE} letters: {others}")
    assert others.longest < SOON


async def test_who_sends_a_file_slowly_holds_up_nobody_else(tmp_path: Path) -> None:
    async with whole_site(tmp_path) as site:
        await site.login()
        user = {"username": "ann", "password": PASSWORD, "role": "supervisor", "must_change_password": False}
        assert (await site.ask("POST", "/api/users", user))[0] == 201
        url = f"http://127.0.0.1:{site.gateway.listener.port}/api/do-not-call/global/import"

        async def slowly() -> AsyncIterator[bytes]:
            for place in range(100):
                yield b"+3804412%05d\n" % place
                await asyncio.sleep(0.1)

        async def send(body: bytes | AsyncIterator[bytes]) -> int:
            headers = {"Authorization": f"Bearer {site.gateway.token}", "Content-Type": "text/csv"}
            async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
                return answer.status

        slow = asyncio.create_task(send(slowly()))
        await asyncio.sleep(0.5)
        again = await send(b"+380441299998\n")
        await site.login("ann")
        status = await send(b"+380441299999\n")
        print(f"a file of another user beside one that is sent for 10 s: {status}; one more of the same user: {again}")
        assert (status, again) == (200, 503) and not slow.done()
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
