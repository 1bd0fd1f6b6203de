"""What the settings of a host come to."""

from pathlib import Path

import pytest

from actors.runtime.settings import SettingsError
from actors.settings import Http, Settings, load
from actors.slot.settings import Hub

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


def loaded(**environment: str) -> Settings:
    return load(config=None, environment=environment)


def test_a_variable_sets_a_list_whole_as_json(tmp_path: Path) -> None:
    file = "[dial]\ncountries = ['PL']\npremium_allowed = ['+380900*']\n[journal]\nstep_over = [7]"
    settings = read(
        tmp_path, file,
        OTTB_DIAL__COUNTRIES='["UA", "DE"]', OTTB_JOURNAL__STEP_OVER=" [3, 5]\n", OTTB_CAMPAIGNS__PRESETS='["ua"]',
        OTTB_CAMPAIGNS__SITE__FINAL='["rejected"]', OTTB_HTTP__CORS_ORIGINS="[]",
    )  # fmt: skip
    assert settings.dial.countries == ("UA", "DE")
    assert settings.dial.premium_allowed == ("+380900*",)  # of the file
    assert settings.journal.step_over == (3, 5)
    assert settings.campaigns.presets == ("ua",)
    assert settings.campaigns.site.final == {"rejected"}
    assert loaded(OTTB_CAMPAIGNS__PRESETS="null").campaigns.presets is None
    (tmp_path / "countries").write_text('["PL"]\n')
    assert loaded(OTTB_DIAL__COUNTRIES__FILE=str(tmp_path / "countries")).dial.countries == ("PL",)


def test_a_list_within_an_entry_that_a_variable_names(tmp_path: Path) -> None:
    file = '[hubs]\nHUB1 = { path = "1-2", ports = { 8 = "4" } }\n[sandbox]\nenabled = false'
    settings = read(tmp_path, file, OTTB_HUBS__HUB1__ALSO='["1-3"]')
    assert settings.hubs["HUB1"] == Hub(path="1-2", ports={8: "4"}, also=("1-3",))
    assert read(tmp_path, "", OTTB_HUBS__HUB1="1-2").hubs == {"hub1": "1-2"}


def test_slots_and_trunks_of_variables_are_their_hosts(tmp_path: Path) -> None:
    slots = '[{"id": 60, "serial": "A"}, {"id": 61, "serial": "B", "host": "c"}]'
    trunks = '[{"name": "t", "endpoint": "t"}]'
    settings = loaded(OTTB_SLOTS=slots, OTTB_TRUNKS=trunks, OTTB_HOST="b")
    assert settings.whose() == {"b": ["slot 60", "trunk t"], "c": ["slot 61"]}
    assert loaded(OTTB_SLOTS=slots).whose() == {"local": ["slot 60"], "c": ["slot 61"]}
    assert read(tmp_path, f'host = "d"\n{ENTRIES}', OTTB_SLOTS=slots).whose() == {
        "d": ["slot 60", "trunk trunk-b"], "c": ["slot 61"],
    }  # fmt: skip
    (tmp_path / "slots.json").write_text(slots)
    assert loaded(OTTB_SLOTS__FILE=str(tmp_path / "slots.json")) == loaded(OTTB_SLOTS=slots)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("OTTB_DIAL__COUNTRIES", "UA,PL", 'a list is set as JSON, like `["a", "b"]`'),
        ("OTTB_DIAL__COUNTRIES", "", 'a list is set as JSON, like `["a", "b"]`'),
        ("OTTB_DIAL__COUNTRIES", '["UA"', "JSON"),
        ("OTTB_DIAL__COUNTRIES", "['UA']", "byte 1"),
        ("OTTB_DIAL__COUNTRIES", '["UA"] "PL"', "JSON"),
        ("OTTB_DIAL__COUNTRIES", '"UA"', "Expected `array`, got `str` - at `$.dial.countries`"),
        ("OTTB_DIAL__COUNTRIES", "null", "Expected `array`, got `null` - at `$.dial.countries`"),
        ("OTTB_DIAL__COUNTRIES", '["UK"]', "dial.countries[0]: no country has the letters `UK`"),
        ("OTTB_DIAL__COUNTRIES", '["UA", 5]', "`$.dial.countries[1]`"),
        ("OTTB_DIAL__COUNTRIES__0", "UA", "OTTB_DIAL__COUNTRIES__0: `dial.countries` is a list, and set whole"),
        ("OTTB_SLOTS", "44", "Expected `array`, got `int` - at `$.slots`"),
        ("OTTB_SLOTS", "a", "OTTB_SLOTS: a list is set as JSON"),
        ("OTTB_SLOTS", '["44"]', "`$.slots[0]`"),
        ("OTTB_SLOTS", '[{"id": 60, "user": "op12"}]', "slots[0].serial: name the phone by its `serial`"),
        ("OTTB_SLOTS__0__ID", "44", "OTTB_SLOTS__0__ID: `slots` is a list, and set whole"),
        ("OTTB_DIAL", "[]", "OTTB_DIAL: a variable names one value, as OTTB_DIAL__... does"),
        ("OTTB_DIAL__COLOURS", "[1]", "unknown field `colours` - at `$.dial`"),
        ("OTTB_NATS__PASSWORD__X", "[hush", "nats.password"),
    ],
)
def test_a_mistake_in_a_list_of_a_variable_is_named(tmp_path: Path, name: str, value: str, why: str) -> None:
    for file in ("", '[dial]\ncountries = ["PL"]\n[[slots]]\nid = 70\nserial = "A"\n[nats]\npassword = "hush"'):
        with pytest.raises(SettingsError) as refused:
            read(tmp_path, file, **{name: value})
        assert why in str(refused.value)
        assert "hush" not in str(refused.value)


def test_a_text_that_looks_like_json_stays_what_it_is() -> None:
    settings = loaded(OTTB_NATS__PASSWORD='["a"]', OTTB_NATS__USER="7", OTTB_CAMPAIGNS__SITE__HOURS="09:00-18:00")
    assert (settings.nats.password, settings.nats.user) == ('["a"]', "7")


def test_the_url_of_an_ipv6_address_is_one() -> None:
    assert Http(host="::1").url(8081) == "http://[::1]:8081" and Http().url(8081) == "http://127.0.0.1:8081"
