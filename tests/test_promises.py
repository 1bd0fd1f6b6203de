"""What the documents name is there: tests, files, planted bugs, decisions."""

import re
from pathlib import Path

from tests.mutants.run import mutants

ROOT = Path(__file__).resolve().parents[1]
PROMISES = (ROOT / "docs" / "promises.md").read_text()


def test_what_holds_a_promise_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PROMISES)
    assert len(named) > 40
    for file, test in named:
        assert re.search(rf"def {test}\(", (ROOT / file).read_text()), f"{file} has no {test}"


def test_the_files_that_hold_it_are_there() -> None:
    for link in re.findall(r"\]\(([\w./-]+)\)", PROMISES):
        assert (ROOT / "docs" / link).resolve().exists(), link


def test_every_promise_says_what_could_break_it_and_what_would_notice() -> None:
    for promise in PROMISES.split("\n## ")[1:-1]:
        for part in ("**Held by**", "**Could still break it**", "**Tests**"):
            assert part in promise, f"{promise.splitlines()[0]}: no {part}"


def test_the_planted_bugs_that_are_named_are_there() -> None:
    known = {mutant.name for mutant in mutants()}
    for line in re.findall(r"(?ms)^Mutants: (.*?)\.$", PROMISES):
        named = {" ".join(name.split()) for name in re.findall(r"\*([^*]+)\*", line)}
        assert named and named <= known, named - known


def test_every_planted_bug_still_has_its_place() -> None:
    for mutant in mutants():
        assert (ROOT / mutant.file).read_text().count(mutant.before) == 1, mutant.name


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    listed = re.findall(r"\]\(([0-9]{4}-[\w-]+\.md)\)", index)
    assert listed == sorted(path.name for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def test_what_the_tour_says_of_a_file_is_in_it() -> None:
    """Of each row of its tables: the files, and the names beside them."""
    tour = ROOT / "docs" / "tour.md"
    rows = [line for line in tour.read_text().splitlines() if line.startswith("| ") and "](" in line]
    assert len(rows) > 30
    for row in rows:
        places = [(tour.parent / link).resolve() for link in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", row)]
        assert all(place.exists() for place in places), row
        files = [file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])]
        text = "\n".join(file.read_text() for file in files)
        for name in re.findall(r"`([A-Za-z]\w*(?:\.\w+)*(?<!_))`", row):
            found = all(re.search(rf"\b{part}\b", text) for part in name.split("."))
            assert found, f"{name} is in none of {[file.name for file in files]}"
