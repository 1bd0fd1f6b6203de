"""What was once done to the running system, or could be: `make attacks`. Each test counts what it tried, so that a zero
says of how many; the counts are printed at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import server
from tests.stories.conftest import admin, operator
from tests.support.commands import Commands

__all__ = ["admin", "operator"]  # clients of the `site` that a file attacks

LONGEST = (
    "test_undigestible", "test_bus_limits", "test_machine_swapped", "test_refusals", "test_bus", "test_do_not_call",
    "test_costly_bodies", "test_machine", "test_imports", "test_doors_tell_the_same", "test_leads",
)  # fmt: skip
HERE, FOLDER = Path(__file__).parent, "tests/attacks/"


@pytest.fixture(autouse=True)
def _soon_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A door of this process that a test is done with waits for nobody who was left at it."""
    monkeypatch.setattr(server, "FINISH_SECONDS", 0.2)


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """`ottb` as a process of its own."""
    begun = Commands()
    yield begun
    begun.end()


def pytest_itemcollected(item: pytest.Item) -> None:
    if HERE in item.path.parents:
        item.add_marker(pytest.mark.attacks)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest are begun first: begun last, one would run alone in the end. The tests of a file follow
    each other, and are one worker's (`--dist loadfile`), so that it starts its site once."""

    def order(item: pytest.Item) -> tuple[int, str, int]:
        name = item.path.stem
        return LONGEST.index(name) if name in LONGEST else len(LONGEST), name, item.location[1] or 0

    if all(HERE in item.path.parents for item in items):
        items.sort(key=order)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = [one for one in terminalreporter.stats.get("passed", []) if one.nodeid.startswith(FOLDER)]
    counts = [(one.nodeid.removeprefix(FOLDER), line) for one in passed for line in one.capstdout.splitlines()]
    if counts:
        terminalreporter.section("what the attacks counted")
    for name, line in sorted(counts):
        terminalreporter.write_line(f"{name}: {line}")
