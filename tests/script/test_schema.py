"""The JSON Schema of scripts is published, up to date, and of one mind with the check."""

import tomllib
from pathlib import Path

import jsonschema
import pytest

from actors.script.schema import schema, text
from tests.script.scripts import HEAD, wrong

ROOT = Path(__file__).resolve().parents[2]
VALID = jsonschema.Draft202012Validator(schema())


def test_the_published_schema_is_up_to_date() -> None:
    assert (ROOT / "docs" / "script.schema.json").read_text() == text(), "run `make schema`"


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "steps",
    [
        'do = "tap"\non = { text = ["a"], below = { id = "b" } }',
        'do = "if"\nwhen = { value = "a", equals = "b" }\nthen = [{ do = "wait", seconds = 1 }]',
        'do = "key"\nkey = "home"',
    ],
)
def test_what_the_check_takes_the_schema_takes(steps: str) -> None:
    script = f"{HEAD}[[steps]]\n{steps}\n"
    assert wrong(script) == []
    VALID.validate(tomllib.loads(script))


@pytest.mark.parametrize("steps", ['do = "tapp"', 'do = "tap"', 'do = "key"\nkey = "call"', 'do = "wait"\nseconds = 0'])
def test_what_the_schema_refuses_the_check_refuses(steps: str) -> None:
    script = f"{HEAD}[[steps]]\n{steps}\n"
    assert not VALID.is_valid(tomllib.loads(script)) and wrong(script)
