"""Scripts that know each other, and what a run keeps of them."""

import msgspec

from actors.script.language import Script
from actors.script.library import kept, library
from actors.script.program import program
from tests.script.scripts import HEAD

WAIT = '[[steps]]\ndo = "wait"\nseconds = 1\n'


def text(name: str, *runs: str) -> str:
    steps = "".join(f'[[steps]]\ndo = "run"\nscript = "{other}"\n' for other in runs)
    return HEAD.replace('"a"', f'"{name}"', 1) + steps + WAIT


def test_scripts_are_found_in_whatever_order_they_need_each_other() -> None:
    texts = {"a": text("a", "b"), "b": text("b", "c"), "c": text("c")}
    found, wrong = library(texts, {})
    assert found.keys() == {"a", "b", "c"} and wrong == {}


def test_one_that_is_wrong_costs_itself_and_those_that_run_it() -> None:
    texts = {"a": text("a", "b"), "b": text("b", "gone"), "c": text("c"), "d": "name ="}
    found, wrong = library(texts, {})
    assert found.keys() == {"c"} and wrong.keys() == {"a", "b", "d"}
    assert wrong["b"][0].message == "there is no script `gone`"


def test_scripts_in_a_circle_are_none() -> None:
    found, wrong = library({"a": text("a", "b"), "b": text("b", "a")}, {})
    assert found == {} and wrong.keys() == {"a", "b"}


def test_what_is_known_already_can_be_run() -> None:
    shipped, _ = library({"c": text("c")}, {})
    found, _ = library({"a": text("a", "c")}, shipped)
    assert found.keys() == {"a"}


def test_a_run_keeps_what_it_needs_and_nothing_else() -> None:
    found, _ = library({"a": text("a", "b", "c"), "b": text("b", "c"), "c": text("c"), "d": text("d")}, {})
    needs = kept(found["a"], found)
    assert needs.keys() == {"a", "b", "c"}
    again = msgspec.json.decode(msgspec.json.encode(needs), type=dict[str, Script])
    assert program(again["a"], again) == program(found["a"], found)
