"""What the settings of a host come to."""

from pathlib import Path

import pytest

from actors.runtime.settings import SettingsError
from actors.settings import Settings, load

ENTRIES = """
[[slots]]
id = 60
serial = "A"
[[slots]]
id = 61
serial = "B"
host = "c"
[[trunks]]
name = "trunk-b"
endpoint = "trunk-b"
"""


def read(folder: Path, text: str, **environment: str) -> Settings:
    config = folder / "ottb.toml"
    config.write_text(text)
    return load(config=config, environment=environment)


def test_entries_of_a_file_that_names_its_host_are_that_hosts(tmp_path: Path) -> None:
    settings = read(tmp_path, f'host = "b"\n{ENTRIES}')
    assert settings.whose() == {"b": ["slot 60", "trunk trunk-b"], "c": ["slot 61"]}


def test_entries_of_a_file_that_hosts_share_are_not_whoevers_reads_it(tmp_path: Path) -> None:
    for environment in ({}, {"OTTB_HOST": "b"}):
        settings = read(tmp_path, ENTRIES, **environment)
        assert settings.whose() == {"local": ["slot 60", "trunk trunk-b"], "c": ["slot 61"]}
    settings = read(tmp_path, f'host = "b"\n{ENTRIES}', OTTB_HOST="d")
    assert settings.whose() == {"b": ["slot 60", "trunk trunk-b"], "c": ["slot 61"]}


@pytest.mark.parametrize("text", ['host = "b"\nslots = 7', 'host = "b"\nslots = [7]', 'host = "b"\ntrunks = "x"'])
def test_what_is_no_table_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="settings: "):
        read(tmp_path, text)
