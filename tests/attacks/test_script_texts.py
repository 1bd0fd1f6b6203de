"""What the check of a script costs: no text of the size that is taken costs much more than an ordinary one, in time
or memory, whatever is in it."""

import time
import tracemalloc

import pytest

from actors.script.checking import Checked, check
from actors.script.loading import LONGEST, MOST_PATTERNS
from actors.script.weight import LONGEST_WORD, PARTS, VALUES

HEAD = 'name = "x"\nversion = 1\nsummary = "s"\n'
TAP = '[[steps]]\ndo = "tap"\n'
WAIT = '[[steps]]\ndo = "wait"\nseconds = 1\n'
PATTERN = '{text_matching = "(\\\\pN{9}){9}%d"}'
SECONDS, BYTES = 2.0, 60_000_000  # of processor time: 0.4 were measured, where it had taken 5 and more; 20 MB


def in_each_other(deep: int, many: int) -> str:
    one = '{id = "y"}'
    for _ in range(deep):
        one = "{any_of=[" + ",".join([one] * many) + "]}"
    return one


LONG = ".".join("abcdefghijklmnopqrs")
TEXTS = {
    "a name of many parts": "a" + ".a" * 90_000 + " = 1",
    "a table of many parts": "[a" + ".a" * 90_000 + "]",
    "many parts in an inline table": "x = { a" + ".a" * 90_000 + " = 1 }",
    "parts of all kinds": "'a' . \"b\\\"\" . 3" * 10_000 + "= 1",
    "tables far down": "".join(f"[{LONG}{number}]\n" for number in range(3900)),
    "values far down": f"[{LONG}]\n" + "".join(f"k{number} = 1\n" for number in range(15_000)),
    "a list far down": f"{LONG} = [" + "1," * 99_000 + "]",
    "inline tables far down": "x = " + ("{" + LONG + " = ") * 250 + "1" + "}" * 250,
    "names that are not known": "".join(f"k{number} = 1\n" for number in range(15_000)),
    "alternatives": f"{TAP}on = {{ any_of = [" + "{id=1}," * 15_000 + "] }",
    "as many alternatives as are read": f"{TAP}on = {{ any_of = [" + "{id=1}," * 6000 + "] }",
    "alternatives of alternatives": f"{TAP}on = {in_each_other(3, 10)}\n" * 5,
    "alternatives as deep as there are": f"{TAP}on = {in_each_other(4, 8)}\n",
    "steps": WAIT * 5000,
    "steps in blocks": ("[[steps]]\ndo = 'try'\n" + WAIT.replace("steps", "steps.steps") * 99) * 40,
    "parameters": WAIT + "".join(f"[params.k{number}]\ntype = 'x'\n" for number in range(6000)),
    "patterns": "".join(
        f"{TAP}on = {{ any_of = [{', '.join(PATTERN % (10 * step + one) for one in range(10))}] }}\n"
        for step in range(90)
    ),
    "quotes without end": 'a = """' + '""\\"' * 40_000,
}  # fmt: skip


def costs(text: str) -> tuple[Checked, float, float]:
    """The check, its seconds of processor time, and the bytes that it had at most. While bytes are counted it takes
    several times as long: what is quick then is so without."""
    tracemalloc.start()
    try:
        found, took = timed(text)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return found, took if took < SECONDS else timed(text)[1], most


def timed(text: str) -> tuple[Checked, float]:
    began = time.thread_time()
    found = check(text, {})
    return found, time.thread_time() - began


@pytest.mark.parametrize("what", TEXTS)
def test_a_text_costs_no_more_than_its_size(what: str) -> None:
    text = HEAD + TEXTS[what]
    assert len(text) <= LONGEST + len(HEAD)
    found, took, most = costs(text)
    assert (found.script is None) == (0 < len(found.problems) <= 100)
    assert took < SECONDS and most < BYTES, (took, most)


@pytest.mark.parametrize("zeros", [5000, 100_000])
@pytest.mark.parametrize("before", ["seconds = ", "seconds = -", "seconds = 0.", "seconds = [1, ", "x.y = "])
def test_a_number_of_many_digits_is_a_problem_in_its_place(before: str, zeros: int) -> None:
    [found] = check(f"{HEAD}{before}{'1' * zeros}\n", {}).problems
    assert (found.line, found.message) == (4, f"longer than {LONGEST_WORD} characters, without quotes")


def test_what_is_said_of_too_much_has_its_place() -> None:
    said = {
        "[" + ".".join("a" * (PARTS + 1)) + "]": (4, f"a name of more than {PARTS} parts"),
        "\nx = [" + "1," * VALUES + "]": (5, f"more than {VALUES} values"),
        TEXTS["patterns"]: (1, f"more than {MOST_PATTERNS} patterns"),
    }
    for text, (line, message) in said.items():
        [found] = check(HEAD + text, {}).problems
        assert (found.line, found.message) == (line, message)


def test_texts_and_comments_are_not_counted() -> None:
    dots, signs = ".a" * 100, "=,[{" * 6000
    said = f"name = \"{dots}\\\"\"\nx = '''\n{dots}'{signs}'''\ny = \"\"\"{dots}\"\"\"\n"
    text = f"{HEAD}# {dots} {signs} '\n{WAIT}{said}"
    assert {problem.at for problem in check(text, {}).problems} == {"steps[0].x", "steps[0].y"}
