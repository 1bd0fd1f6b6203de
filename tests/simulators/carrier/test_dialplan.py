import re

from simulators.carrier.dialplan import carrier_dialplan
from simulators.carrier.rules import CLEARING, RULES, Step


def test_every_rule_of_the_carrier_is_in_the_dialplan_with_its_times() -> None:
    text = carrier_dialplan(0.5)
    for rule in RULES:
        plan = rule.plan(7)
        block = re.search(rf"^exten => {rule.ending.replace('nn', '07')},1,(.*(?:\n same => n,.*)*)", text, re.M)
        assert block is not None, rule.ending
        steps = block[1].replace(" same => n,", "").split("\n")
        waits = sum(float(step[5:-1]) for step in steps if step.startswith("Wait(") and step != "Wait(86400)")
        assert abs(waits - plan[-1].after * 0.5) < 0.01
        if plan[-1].step is Step.END:
            assert plan[-1].cause is not None
            assert steps[-1] == f"Hangup({CLEARING[plan[-1].cause].q850})"
    assert "exten => _XXXX,1," in text
