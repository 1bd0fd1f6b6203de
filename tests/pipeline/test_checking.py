"""What is wrong with a definition is said with its place, and what a run is given is what its parameters allow."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.pipeline.checking import bound, cells, check, definition_of, holds, next_due
from actors.pipeline.files import SHIPPED
from actors.pipeline.language import Definition, Schedule, needed
from bus_schemas.errors import Refusal
from tests.pipeline.texts import text

STEP = '[[steps]]\nname = "a"\ndo = "run"\ncommands = ["true"]\n'


def definition(**more: str) -> Definition:
    checked = check(text(**more))
    assert checked.definition is not None, checked.problems
    return checked.definition


WRONG = [
    ("no toml", "id = ", 1, "no TOML"),
    ("no steps", 'id = 1\nname = "x"\n', 1, "`steps` is missing"),
    ("unknown field", text(more="braanch = 1"), 3, "perhaps `branch`"),
    ("two steps of a name", text(steps=STEP + STEP), 9, "another step is called so"),
    ("needs what comes later", text(steps=STEP.replace('"true"]', '"true"]\nneeds = ["b"]')), 8, "no step before it"),
    ("no such kind", text(steps='[[steps]]\nname = "a"\ndo = "rn"\n'), 6, "perhaps `run`"),
    ("default does not fit", text(more='[params.n]\ntype = "integer"\ndefault = "x"'), 5, "whole number"),
    ("pattern for ever", text(more='[params.n]\npattern = "(?=x)"'), 4, "RE2"),
    ("no cron", text(more='schedule = {cron = "61 * * * *"}'), 3, "five fields"),
    ("each second", text(more='schedule = {cron = "* * * * * *"}'), 3, "five fields"),
    ("no zone", text(more='schedule = {cron = "1 * * * *", zone = "Mars/One"}'), 3, "no such time zone"),
    ("schedule without value", text(more='schedule = {cron = "1 * * * *"}\n[params.n]'), 3, "`n` has no default"),
    ("option as repository", text(more='repository = "--upload-pack=x"'), 3, "a folder"),
    ("file as repository", text(more='repository = "file:///srv/git/x"'), 3, "a folder"),
    ("scp's way to write a repository", text(more='repository = "git@github.com:me/x.git"'), 3, "like ssh://git@"),
    ("option as a host", text(more='repository = "ssh://-oProxyCommand=id/x"'), 3, "a folder"),
    ("way up as repository", text(more='repository = "repositories/../../x"'), 3, "a folder"),
    ("helper as repository", text(more='repository = "ext::sh -c x"'), 3, "a folder"),
    ("option as branch", text(more='branch = "--upload-pack=touch"'), 3, "a branch"),
    ("artefact outside", text(steps=STEP + 'artefacts = ["../x"]\n'), 8, "within the workspace"),
    ("cache outside", text(steps=STEP + 'cache = ["/etc"]\n'), 8, "within the workspace"),
    ("no such parameter", text(steps='[[steps]]\nname = "a"\ndo = "call"\nnumber = "${n}"\n'), 7, "no parameter `n`"),
    ("nobody on phones", text(more='schedule = {cron = "1 * * * *"}',
                              steps='[[steps]]\nname = "a"\ndo = "reboot"\n'), 4, "as_user"),
    ("what runs", text(more='[environment]\nLEVEL = "1"\nPATH = "/tmp"'), 5, "PATH decides which programs run"),
    ("what is loaded", text(steps=STEP + 'environment = { LD_PRELOAD = "/tmp/x.so" }\n'), 8, "LD_PRELOAD decides"),
    ("what git does", text(steps=STEP + "[steps.environment]\nGIT_SSH_COMMAND = 'x'\n"), 9, "GIT_SSH_COMMAND decides"),
    ("a name of ours", text(more='environment = { OTTB_USER = "admin" }'), 3, "given by the runner"),
    ("large matrix", text(steps=STEP + f"matrix = {{ n = {[str(n) for n in range(31)]} }}\n"), 8, "30 cells"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "line", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_said_with_its_place(said: str, line: int, words: str) -> None:
    checked = check(said)
    assert checked.definition is None
    problem = checked.problems[0]
    assert words in problem.message and problem.line == line, checked.problems


def test_a_refused_variable_is_said_with_its_column() -> None:
    [problem] = check(text(more='environment = { A = "1", GIT_DIR = "/tmp", B = "2" }')).problems
    assert (problem.line, problem.column, problem.at) == (3, 26, "environment.GIT_DIR")


def test_what_was_taken_before_the_check_knew_more_is_read_still() -> None:
    """A journal may have what was right once: it is read, and refused as a new version only."""
    taken = text(more='environment = { PATH = "/tmp" }')
    assert check(taken).definition is None and definition_of(taken).environment == {"PATH": "/tmp"}


BRANCHES = [
    "--upload-pack=x", "-b", "a..b", "a b", "a\nb", "a;b", "$(x)", "/a", "a/", "a.lock", "a@{1}", "a//b", "a/.b", "~",
    "a:b", "a^", "a\\b", "a*", "", "ü", "a" * 101,
]  # fmt: skip


@pytest.mark.parametrize("branch", BRANCHES)
def test_what_git_could_misunderstand_is_no_branch(branch: str) -> None:
    assert check(text(more=f"branch = '{branch}'")).definition is None


@pytest.mark.parametrize("branch", ["main", "release/1.2", "v1.0.3", "feature/a-b_c", "a+b"])
def test_a_branch_is_one(branch: str) -> None:
    assert check(text(more=f'branch = "{branch}"')).definition is not None


PARAMS = """
[params.version]
pattern = "[0-9.]+"
[params.n]
type = "integer"
least = 1
most = 5
default = 2
[params.to]
type = "choice"
of = ["a", "b"]
default = "a"
[params.dry]
type = "boolean"
default = false
"""


def test_what_a_run_has_is_given_or_default() -> None:
    known = definition(more=PARAMS)
    assert bound(known, {"version": "1.2", "dry": True}) == {"version": "1.2", "n": 2, "to": "a", "dry": True}


@pytest.mark.parametrize("wrong", [
    {}, {"version": "x"}, {"version": 1}, {"version": "1\n"}, {"version": "1", "n": 6}, {"version": "1", "n": True},
    {"version": "1", "n": "2"}, {"version": "1", "to": "c"}, {"version": "1", "dry": 1}, {"version": "1", "more": 1},
])  # fmt: skip
def test_what_does_not_fit_is_refused_by_its_name(wrong: dict[str, str | int | bool]) -> None:
    with pytest.raises(Refusal) as refused:
        bound(definition(more=PARAMS), wrong)
    assert str((refused.value.details or {})["field"]).startswith("parameters.")


def test_a_matrix_is_each_choice_of_its_values() -> None:
    matrix = definition(steps=STEP + 'matrix = { os = ["a", "b"], py = ["1"] }\n')
    assert cells(matrix.steps[0]) == [{"os": "a", "py": "1"}, {"os": "b", "py": "1"}]


def test_steps_come_one_after_the_other_unless_they_say_otherwise() -> None:
    two = definition(steps=STEP + STEP.replace('"a"', '"b"') + STEP.replace('"a"', '"c"') + "needs = []\n")
    assert [needed(two, place) for place in range(3)] == [(), ("a",), ()]


def test_when_asks_for_branch_and_parameters() -> None:
    when = 'when = { branch = ["rel/*"], params = { to = "b" } }\n'
    step = definition(more='[params.to]\ndefault = "a"', steps=STEP + when).steps[0]
    assert holds(step, "rel/1", {"to": "b"})
    assert not holds(step, "main", {"to": "b"}) and not holds(step, "rel/1", {"to": "a"})


def test_a_schedule_is_on_the_clock_of_its_zone() -> None:
    three = Schedule(cron="0 3 * * *", zone="Europe/Kyiv")
    assert next_due(three, datetime(2026, 1, 10, tzinfo=UTC)) == datetime(2026, 1, 10, 1, tzinfo=UTC)
    assert next_due(three, datetime(2026, 7, 10, tzinfo=UTC)) == datetime(2026, 7, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_what_is_shipped_can_be_run(path: Path) -> None:
    assert check(path.read_text()).problems == ()


@given(st.text(max_size=200))
def test_whatever_is_written_is_checked(said: str) -> None:
    checked = check(said)
    assert (checked.definition is None) == bool(checked.problems)
