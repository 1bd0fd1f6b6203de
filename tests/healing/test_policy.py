"""What is wrong in a policy is said with its place, before anything starts."""

from pathlib import Path

import pytest

from actors.healing.policy import BUILT_IN, policy_in
from actors.healing.settings import Healing
from actors.runtime.settings import SettingsError
from bus_schemas.slot_health import Rung, Symptom

TEXT = BUILT_IN.read_text()


def test_the_policy_that_comes_with_the_program_names_everything() -> None:
    policy = policy_in(BUILT_IN)
    assert {*policy.symptoms} == {*Symptom} and {*policy.rungs} == {*Rung}
    assert Healing(dry_run=True).read() == policy.but_dry()


@pytest.mark.parametrize(("old", "new", "words"), [
    ('rungs = ["reconnect", "adb', 'rungs = ["hammer", "adb', "hammer"),
    ('rungs = ["reconnect", "adb', 'rungs = ["reboot", "adb', "symptoms.silent.rungs: one stands there twice"),
    ("[rungs.reconnect]", "[rungs.reboot2]", "reboot2"),
    ('metric = "temperature"', 'metric = "heat"', "conditions.hot.metric: no such metric: heat; there are online"),
    ("until = 41.0", "until = 46.0", "conditions.hot.until: it would begin again"),
    ("above = 45.0", "above = 45.0\nbelow = 10.0", "conditions.hot.above: it is either"),
    ("above = 45.0\n", "", "conditions.hot.above: it is either"),
    ('words = "{value:g} C', 'words = "{value.real.__class__!r:>9} {name} C', "conditions.hot.words: they may name"),
    ('words = "{value:g} C', 'words = "{value:d} C', "conditions.hot.words: they may name"),
    ('words = "{value:g} C', 'words = "{value:99999999} C', "conditions.hot.words: they may name"),
    ("above = 45.0", "above = nan", "conditions[...].above"),
    ("above = 45.0", "above = inf", "conditions[...].above"),
    ("at_once = 2", "at_once = 0", "at_once"),
    ("well_for = 60.0", "well_for = -1", "well_for"),
    ("dry_run = false", "dry_runn = false", "dry_runn"),
    ("dry_run = false", "dry_run = ", "line 4"),
])  # fmt: skip
def test_what_is_wrong_in_a_policy_is_said(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = tmp_path / "healing.toml"
    assert old in TEXT
    file.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(SettingsError) as said:
        Healing(policy=str(file)).read()
    assert str(said.value).startswith(f"{file}: ") and words in str(said.value)


def test_a_policy_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        Healing(policy=str(tmp_path / "none.toml")).read()
