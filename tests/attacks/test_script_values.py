"""Values of scripts, which users and whatever app is on the screen make as long as they can: no run takes a host's
memory, and none comes to more than can be put on record, after which it could neither go on nor be stopped."""

from pathlib import Path

import pytest

from actors.script.position import Failed
from actors.script.values import LONGEST
from bus_schemas.script import RunState
from tests.run.site import RunSite, play
from tests.script.runs import Run
from tests.script.scripts import HEAD, script

PARAM = '[params.p]\ntype = "text"\nsummary = "x"\n'
HOME = '[[steps]]\ndo = "key"\nkey = "home"\n'
MANY = 90  # values: of the worst signs 2.5 MB of JSON in JSON
SIGNS = ["\x01", '"', "\\", "\u6c49", "\U0001f600"]  # of seven, four, four, three and four bytes each
DOUBLED = """[[steps]]
do = "extract"
into = "q"
value = "${p}"

[[steps]]
do = "for_each"
into = "q"
of = [%s]

[[steps.steps]]
do = "extract"
into = "z"
value = "x"

"""


def _kept() -> str:
    return "".join(f'[[steps]]\ndo = "extract"\ninto = "v{at}"\nvalue = "${{p}}"\n' for at in range(MANY))


@pytest.mark.parametrize("rounds", [2, 14])
def test_a_text_that_doubles_does_not_grow(rounds: int) -> None:
    doubled = DOUBLED % ", ".join(['"${q}${q}"'] * rounds)
    run = Run(script(doubled + HOME, PARAM), {"p": "x" * LONGEST})
    longest = max(len(value) for value in run.position.values.values())
    print(f"{rounds} rounds of twice as much each: {longest} characters")
    assert longest <= LONGEST


def test_a_text_of_many_values_is_not_made() -> None:
    many = f'[[steps]]\ndo = "extract"\ninto = "q"\nvalue = "{"${p}" * 400}"\n'
    outcome = Run(script(many, PARAM), {"p": "x" * LONGEST}).position.outcome
    assert isinstance(outcome, Failed) and "10,000 characters" in outcome.reason


@pytest.mark.parametrize("sign", SIGNS, ids=["control", "quote", "backslash", "han", "emoji"])
def test_more_values_than_an_event_has_room_for_end_a_run(tmp_path: Path, sign: str) -> None:
    head = HEAD.replace('"a"', '"large"', 1)
    (tmp_path / "large.toml").write_text(head + PARAM + _kept() + HOME)

    async def story(site: RunSite) -> None:
        seen = await site.over(await site.begin("large", p=sign * LONGEST))
        assert seen.state is RunState.FAILED and seen.reason is not None and "100,000 characters" in seen.reason
        after = await site.over(await site.begin("wifi_on", "two"))  # the slot was let go
        assert after.state is RunState.SUCCEEDED

    play(story, scripts=tmp_path)
    print(f"{MANY} values of {LONGEST} {sign.encode()!r}: 1 run over, 1 after it")
