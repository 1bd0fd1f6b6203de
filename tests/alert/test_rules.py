"""The file of rules: what is shipped is right, and what is wrong says where."""

from pathlib import Path

import pytest

from actors.alert.rules import BUILT_IN, Rules, State, rules_in
from actors.runtime.settings import SettingsError
from bus_schemas.alert import AlertSeverity, Channel

RULE = (
    '[rules.hot]\nkind = "slot"\nmetric = "temperature"\nabove = 45\nuntil = 41\nseverity = "warning"\nwords = "{id}"\n'
)


def read(folder: Path, text: str) -> Rules:
    (folder / "alerts.toml").write_text(text)
    return rules_in(folder / "alerts.toml")


def test_the_rules_that_come_with_it_are_right_and_of_every_state() -> None:
    rules = rules_in(BUILT_IN)
    assert set(rules.of_states) == set(State)
    assert all(rules.told(name) == (Channel.WEBHOOKS,) for name in rules.rules)  # nobody's address is in it
    assert {rule.severity for rule in rules.rules.values()} == set(AlertSeverity)


def test_a_rule_says_who_is_told(tmp_path: Path) -> None:
    live = '[rules.live]\nstate = "trunk.down"\nseverity = "info"\nwords = "x"\nwebhooks = false\nmail = []\n'
    rules = read(tmp_path, f'mail = ["a@example.com"]\n{RULE}{live}')
    assert rules.recipients("hot") == ("a@example.com",) and rules.told("hot") == (Channel.WEBHOOKS, Channel.MAIL)
    assert rules.recipients("live") == () and rules.told("live") == ()


@pytest.mark.parametrize(("text", "line", "why"), [
    (RULE.replace("temperature", "colour"), 3, "there are online, battery"),
    (RULE.replace('"slot"', '"cat"'), 2, "there are figures of host, hub, slot"),
    (RULE.replace("until = 41", "until = 46"), 5, "begin again"),
    (RULE.replace("{id}", "{name}"), 7, "they may name"),
    (RULE.replace("{id}", "{id.real}"), 7, "they may name"),
    (RULE.replace("{id}", "{id.__class__}"), 7, "they may name"),
    (RULE.replace("{id}", "{value:99999999}"), 7, "they may name"),  # as many letters, every second
    (RULE.replace("{id}", "{id!r}"), 7, "they may name"),
    (RULE.replace("{id}", "{id"), 7, "they may name"),
    (RULE.replace("above = 45", "above = nan"), 4, "Expected `float`"),  # it would never fire
    (RULE.replace("above = 45", "above = inf"), 4, "Expected `float`"),
    (RULE + "ids = []\n", 8, "length >= 1"),
    (RULE + "below = 3\n", 4, "either"),
    ("\n\n" + RULE.replace("above = 45\n", ""), 5, "either"),
    (RULE + 'state = "hub.gone"\n', 8, "not both"),
    (RULE.replace('metric = "temperature"\n', ""), 1, "it needs a `state`"),
    (RULE.replace('"warning"', '"bad"'), 6, "Invalid enum"),
    ("[rules.ok]\nstate = 'trunk.down'\nseverity='info'\nwords='x'\n" + RULE + "colour = 1\n", 12, "unknown field"),
    (RULE + 'mail = ["a@b\\nBcc: c@d"]\n', 8, "an e-mail address"),
    (RULE + "seconds = -1\n", 8, ">= 0"),
    (RULE + "above = \n", 8, "line 8"),
])  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, line: int, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, text)
    said = str(refused.value)
    assert said.startswith(str(tmp_path / "alerts.toml")) and why in said, said
    assert f"alerts.toml:{line}:" in said or f"line {line}" in said, said


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: No such file"):
        rules_in(tmp_path / "none.toml")


def test_what_is_said_is_one_line_whatever_is_in_it() -> None:
    rule = rules_in(BUILT_IN).rules["trunk_down"]
    said = rule.said(id="t", host="h", hub=None, value=None, reason="x\r\ny\0\x1b[2J" + "z" * 1000)
    assert "\n" not in said and "\r" not in said and len(said) <= 300
