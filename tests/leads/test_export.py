"""Our own export is the same leads when it is read again, and runs nothing in a spreadsheet."""

import csv
import io
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.dialing.rules import DialRules
from actors.leads.export import table_of
from actors.leads.lead import KEY, NAME, PRIORITY, VALUE, Accepted, InvalidRow, tidy
from actors.leads.preview import mapping_of, outcomes
from actors.leads.reading import layout_of
from actors.runtime.cells import FORMULA, defused, undefused
from bus_schemas.lead import Lead
from tests.support.depth import examples

RULES = DialRules(site_region="UA")
TRICKY = st.sampled_from(
    ["=1+1", "'=1", "''+x", "@a", "-", '"', ",;\t|", "sep=;", "0441230006;0441230007", "\r\n", "\u202e"]
)


def texts(most: int) -> st.SearchStrategy[str]:
    return (st.text(max_size=30) | TRICKY | st.builds("{}{}".format, TRICKY, st.text(max_size=9))).map(
        lambda text: tidy(text)[:most].strip()
    )


NUMBERS = st.integers(0, 9_999_999).map("+38099{:07d}".format)
KEYS = st.lists(texts(KEY).filter(bool), max_size=3, unique=True)


@st.composite
def lists(draw: st.DrawFn) -> tuple[list[Lead], list[str]]:
    keys = draw(KEYS)
    numbers = draw(st.lists(st.lists(NUMBERS, min_size=1, max_size=5), min_size=1, max_size=4))
    used: set[str] = set()
    leads = []
    for at, some in enumerate(numbers):
        own = tuple(number for number in dict.fromkeys(some) if number not in used)
        used.update(own)
        if own:
            leads.append(draw(leads_with(own, at, keys)))
    return leads, keys


def leads_with(numbers: tuple[str, ...], at: int, keys: Sequence[str]) -> st.SearchStrategy[Lead]:
    return st.builds(
        Lead, id=st.just(f"lead_{at}"), numbers=st.just(numbers), name=texts(NAME),
        timezone=st.sampled_from([None, "Europe/Kyiv", "UTC"]), priority=st.integers(-PRIORITY, PRIORITY),
        language=st.sampled_from([None, "uk", "pt-br"]), source=texts(60), consent=st.sampled_from([None, True, False]),
        custom=st.fixed_dictionaries({key: texts(VALUE // 10) for key in keys}).map(
            lambda found: {key: value for key, value in found.items() if value}
        ),
    )  # fmt: skip


@settings(max_examples=examples(75), deadline=None)
@given(lists())
def test_an_export_that_is_read_again_is_the_same_leads(given: tuple[list[Lead], list[str]]) -> None:
    leads, keys = given
    file = io.BytesIO(b"".join(table_of(leads, keys)))
    layout = layout_of(file)
    assert (layout.encoding, layout.delimiter) == ("utf-8-sig", ",")
    found = list(outcomes(file, layout, mapping_of(file, layout, "UA"), RULES))
    assert [outcome.lead for outcome in found if isinstance(outcome, Accepted)] == leads and len(found) == len(leads)


OURS = """lead_id,number,name,custom:city,status,attempts,last_attempt,last_outcome,disposition
a,'+380991230001,Ann,Lviv,new,0,,,
b,'+380991230002,Ben,Kyiv,in_progress,2,2026-11-25T10:00:00.000Z,busy,
c,'+380991230003,Cid,,done,1,2026-11-25T10:00:00.000Z,answered,sale
d,'+380991230004,Dan,,do_not_call,0,,,
e,'+380991230005,Eve,,invalid,1,2026-11-25T10:00:00.000Z,invalid_number,
"""


def test_what_became_of_leads_is_no_field_of_theirs_when_it_is_read_again() -> None:
    """And who was done with, or must not be called, is not called anew without a word."""
    file = io.BytesIO(OURS.encode())
    layout = layout_of(file)
    mapping = mapping_of(file, layout, "UA")
    assert mapping.fields == ("lead_id", "number", "name", "custom:city", "status", "", "", "", "")
    found = list(outcomes(file, layout, mapping, RULES))
    assert [one.lead.custom for one in found if isinstance(one, Accepted)] == [{"city": "Lviv"}, {"city": "Kyiv"}]
    refused = [one for one in found if isinstance(one, InvalidRow)]
    assert [one.kind for one in refused] == ["status: done", "status: do_not_call", "status: invalid"]
    assert "leave that column out" in refused[0].reason


def test_another_tables_status_is_a_field_of_its_own() -> None:
    file = io.BytesIO(b"number,status\n+380991230001,done\n")
    layout = layout_of(file)
    mapping = mapping_of(file, layout, "UA")
    assert mapping.fields == ("number", "custom:status")


@settings(max_examples=examples(50), deadline=None)
@given(lists())
def test_nothing_in_an_export_is_a_formula(given: tuple[list[Lead], list[str]]) -> None:
    table = b"".join(table_of(*given)).decode("utf-8-sig")
    for row in csv.reader(io.StringIO(table, newline="")):
        for at, cell in enumerate(row):
            assert not cell.startswith(FORMULA) or (at == 8 and int(cell) < 0), cell  # a priority is a figure


@given(st.text() | st.builds("{}{}".format, st.sampled_from(["'", "''", "="]), st.text(max_size=4)))
def test_a_text_comes_back_from_its_cell(text: str) -> None:
    assert undefused(defused(text)) == text.replace("\0", "")
