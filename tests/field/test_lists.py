"""Do-not-call lists as people have them: each entry holds whatever way it is written, and none is left out silently."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.dialing.rules import canonical, check
from actors.dialing.settings import Dial
from actors.dialing.site_rules import rules_of
from actors.runtime.settings import SettingsError
from bus_schemas.errors import Refusal
from tests.field.tables import cases
from tests.support.site import Site

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def listed(folder: Path, data: bytes) -> list[str]:
    """The numbers of a list that is a file."""
    file = folder / "dnc.csv"
    file.write_bytes(data)
    return sorted(rules_of(Dial(do_not_call_file=str(file))).do_not_call)


@pytest.mark.parametrize(("line", "right"), cases("lists.toml", "entries"))
def test_an_entry_holds_however_it_is_written(tmp_path: Path, line: str, right: str) -> None:
    assert listed(tmp_path, f"0441234567\n{line}\n".encode()) == sorted(["+380441234567", right])
    rules = rules_of(Dial(countries=("UA", "PL"), do_not_call_file=str(tmp_path / "dnc.csv")))
    with pytest.raises(Refusal) as refused:
        check(canonical(right, rules, ()), frozenset({"UA", "PL"}), rules, NOON)
    assert refused.value.details == {"rule": "do_not_call"}


@pytest.mark.parametrize(("line", "why"), cases("lists.toml", "stops"))
def test_a_line_that_is_no_number_stops_the_start(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        listed(tmp_path, f"\n0441234567\n{line}\n".encode())
    assert f"{tmp_path}/dnc.csv, line 3: " in str(refused.value) and why in str(refused.value)


@pytest.mark.parametrize(("data", "right"), cases("lists.toml", "files"))
def test_a_file_is_read_as_programs_write_it(tmp_path: Path, data: str, right: list[str]) -> None:
    assert listed(tmp_path, data.encode("latin-1")) == right


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(SettingsError, match=f"dial.do_not_call_file: {path} cannot be read"):
            rules_of(Dial(do_not_call_file=str(path)))


def test_an_entry_of_the_settings_holds_or_stops_the_start_too() -> None:
    assert rules_of(Dial(do_not_call=("099 123 00 99",))).do_not_call == {"+380991230099"}
    with pytest.raises(SettingsError, match=r"dial.do_not_call\[1\]: .*character U\+0041 at 1"):
        rules_of(Dial(do_not_call=("0991230099", "Ann")))


def test_a_number_that_nobody_knows_is_an_entry_where_it_may_be_called() -> None:
    unknown = "+380900123456"
    assert rules_of(Dial(do_not_call=(unknown,), premium_allowed=("+380900*",))).do_not_call == {unknown}
    with pytest.raises(SettingsError, match="no number like it is known in its country"):
        rules_of(Dial(do_not_call=(unknown,), premium_allowed=("+48*",)))


def test_who_starts_a_site_is_told_the_line_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "dnc.csv").write_text("0991230099\nAnn\n")
    more = f'[dial]\ndo_not_call_file = "{tmp_path}/dnc.csv"\n'
    site = Site(folder=tmp_path, slots={11: None}, more=more)
    with pytest.raises(AssertionError, match="did not start"):
        site.start()
    assert f"{tmp_path}/dnc.csv, line 2: not a phone number: character U+0041 at 1" in site.said()
    assert "starting" not in site.said()
