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


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ('hours = "never"', "at `$.campaigns.site.hours`"),
        ('hours = { mon = "8-21" }', "at `$.campaigns.site.hours`"),
        ("attempts_per_day = 0", "at `$.campaigns.site.attempts_per_day`"),
        ("ring_seconds = 200", "at `$.campaigns.site.ring_seconds`"),
        ("retry_minutes = { lunch = 3 }", "retry_minutes: `lunch` is no outcome of a call"),
        ('final = ["lunch"]', "final: `lunch` is no outcome of a call"),
        ("colour = 1", "unknown field `colour` - at `$.campaigns.site`"),
    ],
)
def test_a_mistake_in_the_site_s_rules_is_named(tmp_path: Path, rules: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, f"[campaigns.site]\n{rules}")
    assert why in str(refused.value)


def test_the_site_has_rules_of_its_own(tmp_path: Path) -> None:
    text = '[campaigns.site]\nhours = { mon-fri = "09:00-18:00" }\nretry_minutes = { busy = 30 }\nfinal = ["rejected"]'
    site = read(tmp_path, text, OTTB_CAMPAIGNS__SITE__QUIET_HOURS="12").campaigns.site
    assert (str(site.hours), site.quiet_hours) == ("mon-fri 09:00-18:00; sat-sun closed", 12)
    assert (site.retry_minutes, site.final) == ({"busy": 30}, {"rejected"})


GOOD_URLS = ("", "postgresql://db/ottb", "postgres://ottb:p%40ss@db.example:5432/ottb?sslmode=require",
             "postgresql://ottb@/ottb?host=/run/postgresql", "postgresql://u:p@[::1]:5432/x")  # fmt: skip
BAD_URLS = ("sqlite:///x", "db/ottb", "postgresql://", "postgresql://u:hush@db:port/x", "postgresql://u:hush@db/x y",
            "postgresql://db/ottb\n")  # fmt: skip


@pytest.mark.parametrize("url", GOOD_URLS)
def test_the_address_of_the_records_may_be_a_secret_of_its_own(tmp_path: Path, url: str) -> None:
    (tmp_path / "url").write_text(f"{url}\n")
    assert load(config=None, environment={"OTTB_LEDGER__URL": url}).ledger.url == url
    assert load(config=None, environment={"OTTB_LEDGER__URL__FILE": str(tmp_path / "url")}).ledger.url == url


@pytest.mark.parametrize("url", BAD_URLS)
def test_what_is_no_address_of_records_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(config=None, environment={"OTTB_LEDGER__URL": url})
    assert "ledger.url" in str(refused.value) and "hush" not in str(refused.value)
