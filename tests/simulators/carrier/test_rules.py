"""The carrier's rules are those of the documented table."""

import re
from pathlib import Path

from simulators.carrier.rules import RULES

SANDBOX = (Path(__file__).resolve().parents[3] / "docs" / "sandbox.md").read_text()


def test_what_a_number_does_is_documented_word_for_word() -> None:
    documented = re.findall(r"^\| `([0-9n]{4})` \| (.+) \|$", SANDBOX, re.MULTILINE)
    assert documented == [(rule.ending, rule.meaning) for rule in RULES]
