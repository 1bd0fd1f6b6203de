"""The script of docs/scripts.md passes the check and does what the page says; its tables name all that there is."""

import re
from pathlib import Path
from typing import get_args

from msgspec import structs

from actors.script import language as say
from actors.script.checking import check
from actors.script.effects import AnyEffect, InputText, OpenLink, TapAt
from actors.script.guard import SCHEMES
from actors.script.position import Failed, Succeeded
from actors.script.selectors import Selector
from actors.script.tree import Tree
from actors.script.values import bound
from tests.script.runs import Run
from tests.script.screens import drawn, screen
from tests.script.scripts import HEAD

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scripts.md").read_text()
[GREET] = re.findall(r"```toml greet\.toml\n(.*?)```", PAGE, re.DOTALL)
[CLEANUP, CALL] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def greet() -> Run:
    script = check(GREET, {}, "greet").script
    assert script is not None
    return Run(script, bound(script, {"number": "+380991234567"}, lambda raw, _: raw))


def test_the_script_of_the_page_does_what_it_says() -> None:
    written = drawn(("Send", (900, 1900, 1000, 2000)))

    def phone(done: list[AnyEffect]) -> Tree:
        return written if any(isinstance(one, InputText) for one in done) else screen("chat_telegram_12_en")

    run = greet()
    outcome = run.play(phone).outcome
    assert isinstance(outcome, Failed) and "It was not sent: there is no `Send`" in outcome.reason  # it is a text here
    assert run.effects == [
        OpenLink(link="tg://resolve?phone=%2B380991234567", app="org.telegram.messenger"),
        InputText(text="Hello!", x=490, y=2260),
    ]


def test_it_succeeds_where_its_button_is() -> None:
    sent = screen("chat_telegram_12_en")
    button = sent.nodes[-1]
    changed = Tree(nodes=(*sent.nodes[:-1], structs.replace(button, description="Send")))
    run = greet()
    assert run.play(lambda _: changed).outcome == Succeeded(values={"seen": "last seen recently"})
    assert run.effects[-1] == TapAt(x=1015, y=2260)


def test_the_cleanup_of_the_page_passes_the_check() -> None:
    rest = 'needs = { permissions = ["slot.configure"] }\nsteps = [{ do = "key", key = "home" }]\n'
    assert check(HEAD + CLEANUP + rest, {}).problems == ()


def test_the_call_of_the_page_passes_the_check() -> None:
    head = 'deadline = 300\nneeds = { apps = ["org.telegram.messenger"] }\n'
    params = '[params.number]\ntype = "phone"\nsummary = "x"\n'
    assert check(HEAD + head + CALL + params, {}).problems == ()


def test_the_tables_name_all_steps_keys_and_selectors() -> None:
    steps = PAGE.partition("## Steps")[2].partition("## Which")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", steps, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {str(kind.__struct_config__.tag) for kind in get_args(say.Step)} | {"do"}
    assert set(re.findall(r"`(\w+)`", steps.partition("| `key` |")[2].partition("\n")[0])) == say.KEYS.keys()
    assert set(re.findall(r"`(\w+)`", steps.partition("`link` (")[2].partition(")")[0])) == SCHEMES
    selectors = PAGE.partition("## Which")[2].partition("## No step")[0]
    for name in Selector.__struct_encode_fields__:
        assert f"`{name}`" in selectors, name


def test_what_is_said_of_a_host_that_ends_is_so() -> None:
    said = PAGE.partition("by default with what has an effect: ")[2].partition(". ")[0]
    fails = {str(kind.__struct_config__.tag) for kind, what in say.AFTER_CRASH.items() if what == "fail"}
    assert set(re.findall(r"`(\w+)`", said)) == fails
