"""Lists that are read in a process beside: the same is found as here, and no process stays."""

import asyncio
from collections.abc import AsyncIterator

import psutil
import pytest

from actors.adapters import list_reader
from actors.adapters.list_reader import Apart
from actors.dialing.rules import DialRules
from actors.imports.reading import Here
from actors.leads.lead import ListError
from actors.leads.parts import ListPart
from actors.leads.preview import Preview
from tests.support.sheets import workbook

RULES = DialRules(site_region="UA", do_not_call=frozenset({"+380991230009"}))
ROWS = [("phone", "name"), *((f"+38099123{place:04}", f"Олена {place}") for place in range(5000)), ("none", "Bob")]
LIST = "\n".join(";".join(row) for row in ROWS).encode()


async def pieces_of(data: bytes) -> AsyncIterator[bytes]:
    for first in range(0, len(data), 1000):
        yield data[first : first + 1000]


async def found_by(reader: Apart | Here, data: bytes, after: int = 0) -> tuple[Preview, list[ListPart]]:
    async with reader.open(pieces_of(data), RULES) as file:
        found = await file.examine(None, count=True)
        return found, [part async for part in file.parts(found.layout, found.mapping, after)]


def children() -> list[int]:
    return [child.pid for child in psutil.Process().children(recursive=True) if "list_reader" in str(child.cmdline())]


async def test_the_same_is_found_as_in_this_process() -> None:
    for after in (0, 3000):
        there = await found_by(Apart(), LIST, after)
        assert there == await found_by(Here(), LIST, after)
    assert sum(len(part.leads) for part in there[1]) == 2001 and there[1][-1].bad[0].row == 5002
    assert not children()


async def test_names_of_countries_are_known_there_too() -> None:
    _, parts = await found_by(Apart(), "phone;country\n470123456;Бельгія\n".encode())
    assert [one.lead.numbers for part in parts for one in part.leads] == [("+32470123456",)]


async def test_a_workbook_is_read_there_too() -> None:
    _, parts = await found_by(Apart(), workbook([["phone", "name"], [380991230006, "Ann"]]))
    assert [one.lead.numbers for part in parts for one in part.leads] == [("+380991230006",)]


@pytest.mark.parametrize("data", [b"phone,name\n0991230006,\0\n", b"PK\x03\x04" + bytes(100), b"\xff\xfe\x00\xd8"])
async def test_what_is_no_list_says_why(data: bytes) -> None:
    with pytest.raises(ListError) as refused:
        await found_by(Apart(), data)
    assert "log" not in str(refused.value) and "memory" not in str(refused.value)


async def test_a_list_that_needs_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_reader, "SILENCE", 0.05)
    with pytest.raises(ListError, match="takes more than"):
        await found_by(Apart(), LIST)
    assert not children()


async def test_no_process_stays_of_a_list_that_nobody_wants_any_more() -> None:
    async with Apart().open(pieces_of(LIST), RULES) as file:
        found = await file.examine(None, count=False)

        async def read_on() -> None:
            async for _ in file.parts(found.layout, found.mapping, 0):
                await asyncio.sleep(3600)

        task = asyncio.create_task(read_on())
        while not children():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert not children()


async def test_the_process_is_told_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTTB_SECRET", "x")
    async with Apart().open(pieces_of(LIST * 5), RULES) as file:
        found = await file.examine(None, count=False)
        async for _ in file.parts(found.layout, found.mapping, 0):
            [pid] = children()
            assert "OTTB_SECRET" not in psutil.Process(pid).environ()
            break
