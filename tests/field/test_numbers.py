"""Numbers as people and programs send them: one number is dialled as it was meant, anything else is refused with what
is in the way."""

import pytest

from actors.dialing.rules import DialRules, canonical
from bus_schemas.errors import Refusal
from tests.field.tables import cases

RULES = DialRules(site_region="UA")


@pytest.mark.parametrize(("raw", "right"), [*cases("numbers.toml", "one"), *cases("numbers.toml", "copied")])
def test_one_number_is_dialled_as_it_was_meant(raw: str, right: str) -> None:
    assert canonical(raw, RULES, ["UA"]).e164 == right


@pytest.mark.parametrize(("raw", "why"), [*cases("numbers.toml", "none"), *cases("numbers.toml", "strange")])
def test_anything_else_is_refused_with_what_is_in_the_way(raw: str, why: str) -> None:
    with pytest.raises(Refusal) as refused:
        canonical(raw, RULES, ["UA"])
    assert refused.value.details is not None and refused.value.details["rule"] in ("format", "short")
    assert why in refused.value.message


DISGUISES = {
    "＊１００＃": "mmi", "\u202a112": "emergency", "１１２": "emergency", "١١٢": "emergency",
    "1\u20111\u20112": "emergency", "'112": "emergency", "1.1.2": "emergency", "112.0": "emergency",
}  # fmt: skip


@pytest.mark.parametrize(("raw", "rule"), DISGUISES.items())
def test_no_disguise_gets_past_the_rules(raw: str, rule: str) -> None:
    with pytest.raises(Refusal) as refused:
        canonical(raw, RULES, ["UA"])
    assert refused.value.details == {"rule": rule}
