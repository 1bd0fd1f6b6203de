"""The presets of countries: each has its source, and a mistake in one has its place."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.campaign.hours import parse_hours
from actors.campaign.presets import presets_in, presets_of, rules_for
from actors.campaign.rules import Candidate, Reason, Rules, verdict
from actors.campaign.settings import Campaigns
from actors.runtime.settings import SettingsError
from actors.telephony.numbers import canonical

FOLDER = Path(__file__).resolve().parents[2] / "config" / "rules"
PRESETS = presets_in(FOLDER)
RIGHT = 'name = "xx"\nsource = "s"\nas_of = 2026-01-01\n'


def rules_of(number: str, *more: Rules) -> Rules:
    return rules_for(canonical(number, "UA"), PRESETS, *more)


def test_each_preset_has_a_source_and_countries_of_its_own() -> None:
    assert {preset.name for preset in PRESETS} >= {"default", "us", "gb", "ua", "pl", "de"}
    countries = [country for preset in PRESETS for country in preset.countries]
    assert len(countries) == len(set(countries))
    for preset in PRESETS:
        assert preset.countries or preset.name == "default"
        beginnings = [beginning for part in preset.parts for beginning in part.beginnings]
        assert len(beginnings) == len(set(beginnings))


@pytest.mark.parametrize(
    ("number", "hours", "consent", "a_day"),
    [
        ("+380991230006", "08:00-21:00", False, 3),
        ("+12125551234", "08:00-21:00", True, 3),
        ("+13055551234", "08:00-20:00", True, 3),
        ("+14015551234", "mon-sat 08:00-18:00; sun closed", True, 3),
        ("+14165551234", "08:00-21:00", False, 3),  # Canada has the same code, not the same rules
        ("+442079460958", "08:00-21:00", False, 3),
        ("+4915112345678", "08:00-21:00", True, 3),
        ("+48601123456", "08:00-21:00", True, 3),
        ("+33612345678", "mon-fri 10:00-13:00, 14:00-20:00; sat-sun closed", True, 3),
    ],
)
def test_a_number_has_the_rules_of_its_country_and_state(number: str, hours: str, consent: bool, a_day: int) -> None:
    rules = rules_of(number)
    assert (str(rules.hours), rules.consent, rules.attempts_per_day) == (hours, consent, a_day)
    assert rules.ring_seconds >= 15 and rules.quiet_hours >= 72 and rules.abandoned_share == 0.03


def test_nobody_makes_a_preset_less_strict() -> None:
    lax = Rules(hours=parse_hours("06:00-20:30"), ring_seconds=5, attempts_per_day=100, abandoned_share=0.5)
    rules = rules_of("+380991230006", lax)
    assert (str(rules.hours), rules.ring_seconds, rules.attempts_per_day) == ("08:00-20:30", 15, 3)
    assert rules.abandoned_share == 0.03


def test_a_number_whose_zone_nobody_knows_is_not_called() -> None:
    found = verdict(Candidate(number="+88213300655"), rules_of("+88213300655"), datetime(2026, 11, 25, 12, tzinfo=UTC))
    assert found.reason is Reason.ZONE_UNKNOWN


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name = ", "xx.toml is not TOML"),
        ('name = "xx"\n[rules]\n', "missing required field `source`"),
        (RIGHT.replace('"s"', '""') + "[rules]\n", "length >= 1 - at `$.source`"),
        (RIGHT.replace("2026-01-01", '"soon"') + "[rules]\n", "at `$.as_of`"),
        (RIGHT.replace('"xx"', '"yy"') + "[rules]\n", "its `name` is `yy`"),
        (RIGHT + 'countries = ["UK"]\n[rules]\n', "countries[0]: no country has the letters `UK`, perhaps `GB`"),
        (RIGHT + '[rules]\nhours = "8-21"\n', "`8-21` is not of the form 08:00-21:00 - at `$.rules.hours`"),
        (RIGHT + "[rules]\nhours = 8\n", "hours are a text like `08:00-21:00`"),
        (RIGHT + "[rules]\nhours = { mon = 8 }\n", "hours are a text like `08:00-21:00`"),
        (RIGHT + "[rules]\nhours = { monday = \"08:00-21:00\" }\n", "`monday` is no day"),
        (RIGHT + "[rules]\nring_secs = 15\n", "unknown field `ring_secs` - at `$.rules`"),
        (RIGHT + "[rules]\nattempts_per_day = 0\n", "at `$.rules.attempts_per_day`"),
        (RIGHT + '[rules]\nfinal = ["lunch"]\n', "`lunch` is no outcome of a call"),
        (
            RIGHT + '[rules]\n[[parts]]\nname = "a"\nbeginnings = ["1305"]\nsource = "s"\nas_of = 2026-01-01\n'
            "[parts.rules]\n",
            "the beginning of a number, like `+1305` - at `$.parts[0].beginnings[0]`",
        ),
    ],
)  # fmt: skip
def test_a_mistake_stops_the_start_with_its_place(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "xx.toml").write_text(text)
    with pytest.raises(SettingsError) as refused:
        presets_in(tmp_path)
    assert str(refused.value).startswith(str(tmp_path)) and why in str(refused.value)


def test_a_folder_without_presets_stops_the_start(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(SettingsError, match="there are no presets"):
            presets_in(folder)


def test_a_folder_of_ones_own_is_read_though_none_is_taken(tmp_path: Path) -> None:
    assert presets_of(Campaigns(presets=())) == ()
    with pytest.raises(SettingsError, match="there are no presets"):
        presets_of(Campaigns(presets=(), rules=str(tmp_path)))
