"""Tables for do-not-call lists as people have them: what is taken of each, and which line stops one."""

from typing import Any

import pytest

from actors.dialing.rules import may_be_listed
from actors.do_not_call.desk import entries_in
from actors.runtime.lines import lines_of, whole_rows
from bus_schemas.do_not_call import ReadDoNotCall
from bus_schemas.errors import ErrorCode, Refusal
from tests.field.tables import cases


async def read(data: str) -> list[list[str]]:
    lines = tuple(whole_rows(lines_of(data.encode()), 800))
    wanted = ReadDoNotCall(list="global", head=lines[0], first=1, lines=lines)
    found = await entries_in(wanted, "UA", may_be_listed(frozenset()))
    return [[one.entry, one.reason, one.expires or ""] for one in found]


@pytest.mark.parametrize(("data", "right"), cases("do_not_call.toml", "files"))
async def test_a_table_is_read_as_programs_write_it(data: str, right: list[list[str]]) -> None:
    assert await read(data) == right


@pytest.mark.parametrize(("data", "right"), cases("do_not_call.toml", "stops"))
async def test_a_line_that_is_no_entry_stops_the_table(data: str, right: list[Any]) -> None:
    with pytest.raises(Refusal) as refused:
        await read(data)
    number, why = right
    assert refused.value.code is ErrorCode.INVALID_PARAMS
    assert refused.value.details == {"field": "body", "line": number} and why in refused.value.message


@pytest.mark.parametrize(("line", "right"), cases("lists.toml", "entries"))
async def test_an_entry_is_the_same_as_in_a_list_of_the_settings(line: str, right: str) -> None:
    assert await read(f"0441234567\n{line}\n") == [["+380441234567", "", ""], [right, "", ""]]


@pytest.mark.parametrize(("line", "why"), cases("lists.toml", "stops"))
async def test_what_is_no_entry_of_the_settings_is_none_here(line: str, why: str) -> None:
    with pytest.raises(Refusal, match="line 2: "):
        await read(f"0441234567\n{line}\n")
