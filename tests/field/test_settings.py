"""Settings as people write them: a mistake stops the start and says where it is."""

import zoneinfo
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.dialing.rules import canonical, check, parse_window
from actors.dialing.settings import Dial
from actors.dialing.site_rules import rules_of
from actors.runtime.settings import SettingsError
from actors.settings import load
from actors.telephony.zones import known_zones
from tests.field.tables import cases


def config(folder: Path, text: str) -> Path:
    (folder / "ottb.toml").write_text(text, encoding="utf-8")
    return folder / "ottb.toml"


@pytest.mark.parametrize(("text", "said"), cases("settings.toml", "stops"))
def test_a_mistake_stops_the_start_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(config=config(tmp_path, text), environment={})
    assert str(refused.value).startswith("settings: ") and said in str(refused.value)


@pytest.mark.parametrize(("text", "slots"), cases("settings.toml", "goes"))
def test_what_only_looks_like_a_mistake_is_none(tmp_path: Path, text: str, slots: int) -> None:
    assert len(load(config=config(tmp_path, text), environment={}).slots) == slots


@pytest.mark.parametrize(("text", "right"), cases("settings.toml", "caller_ids"))
def test_a_caller_id_is_sent_as_it_was_meant(tmp_path: Path, text: str, right: str) -> None:
    written = config(tmp_path, f'[[trunks]]\nname = "a"\nendpoint = "a"\ncaller_id = "{text}"')
    assert load(config=written, environment={}).trunks[0].caller_id == right


@pytest.mark.parametrize(("text", "right"), cases("settings.toml", "hours"))
def test_hours_are_read_as_people_write_them(tmp_path: Path, text: str, right: list[str]) -> None:
    assert load(config=config(tmp_path, f'[dial]\nhours = "{text}"'), environment={}).dial.hours == text
    window = parse_window(text)
    assert window is not None and [f"{moment:%H:%M}" for moment in window] == right


def test_a_zone_of_the_environment_is_checked_too() -> None:
    with pytest.raises(SettingsError, match=r"dial\.timezone: there is no zone"):
        load(config=None, environment={"OTTB_DIAL__TIMEZONE": "Europe/Kyyiv"})
    assert load(config=None, environment={"OTTB_DIAL__TIMEZONE": "Europe/Kyiv"}).dial.timezone == "Europe/Kyiv"


def test_hours_in_utc_need_no_list_of_zones() -> None:
    rules = rules_of(Dial(hours="08:00-21:00"))
    zoneinfo.reset_tzpath(to=[])  # as in a small container
    zoneinfo.ZoneInfo.clear_cache()
    known_zones.cache_clear()  # other tests may have asked
    try:
        check(canonical("+380991230006", rules, []), frozenset({"UA"}), rules, datetime(2026, 1, 1, 12, tzinfo=UTC))
        assert list(Dial(hours="08:00-21:00").mistakes()) == []
        [mistake] = Dial(timezone="Europe/Kyiv").mistakes()
        assert mistake == "dial.timezone: there is no zone `Europe/Kyiv`: this system has no list of zones (tzdata)"
    finally:
        zoneinfo.reset_tzpath()
        known_zones.cache_clear()


def test_a_variable_that_names_no_value_is_told() -> None:
    with pytest.raises(SettingsError, match=r"OTTB_DIAL: .* OTTB_DIAL__"):
        load(config=None, environment={"OTTB_DIAL": "x"})
    with pytest.raises(SettingsError, match=r"dial\.do_not_call_file: it names no file"):
        load(config=None, environment={"OTTB_DIAL__DO_NOT_CALL_FILE": ""})


def test_a_variable_names_an_entry_in_whatever_letters(tmp_path: Path) -> None:
    written = config(tmp_path, '[hubs]\nHUB1 = "1-2"')
    assert load(config=written, environment={"OTTB_HUBS__HUB1": "1-3"}).hubs == {"HUB1": "1-3"}
