"""Settings as people write them: a mistake stops the start and says where it is."""

from pathlib import Path

import pytest

from actors.dialing.rules import parse_window
from actors.runtime.settings import SettingsError
from actors.settings import load
from tests.field.tables import cases


def config(folder: Path, text: str) -> Path:
    (folder / "ottb.toml").write_text(text, encoding="utf-8")
    return folder / "ottb.toml"


@pytest.mark.parametrize(("text", "said"), cases("settings.toml", "stops"))
def test_a_mistake_stops_the_start_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(config=config(tmp_path, text), environment={})
    assert str(refused.value).startswith("settings: ") and said in str(refused.value)


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
