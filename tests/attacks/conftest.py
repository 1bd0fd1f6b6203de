"""What was once done to the running system, or could be: `make attacks`. Each test counts what it tried, so that a zero
says of how many; the counts are printed at the end."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from actors.adapters import passwords
from actors.runtime import memory
from gateway import server
from tests.stories.conftest import MORE, SLOTS, admin, operator
from tests.support.commands import Commands
from tests.support.site import Site, running_site

__all__ = ["admin", "operator"]  # clients of the `site` that a file attacks

LONGEST = (  # files and tests, from a minute down to ten seconds
    "test_pipeline_webhooks", "test_bus_limits", "test_bus", "test_costly_bodies", "test_imports", "test_patterns",
    "test_site_memory", "test_machine", "test_webhooks", "test_machine_swapped",
    "test_no_accepted_request_stops_a_restart", "test_erasures", "test_nor_does_one_with_odd_values",
    "test_one_user_leaves_others_their_turn_on_a_trunk", "test_rows_cost_little_more_than_their_numbers",
    "test_of_requests_sent_ahead_two_are_kept", "test_dropped_keys",
    "test_bus_templates", "test_do_not_call_files", "test_a_flood_of_handshakes_leaves_no_memory_behind",
    "test_doors_tell_the_same", "test_tampered_audit",
)  # fmt: skip
APART = {"test_undigestible"}  # files whose long tests share what is soon made
TOGETHER = {"test_patterns"}  # files whose tests share what takes long to make
GITHUB_SECRET = "hub-1a2b3c4d5e6f"  # of a webhook of pipelines
SHARED: dict[str, Site] = {}  # sites of several files, while they run
HERE, FOLDER = Path(__file__).parent, "tests/attacks/"


@pytest.fixture(autouse=True)
def _soon_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A door of this process that a test is done with waits for nobody who was left at it, and a password costs little:
    each test logs somebody in."""
    monkeypatch.setattr(server, "FINISH_SECONDS", 0.2)
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)


@pytest.fixture
def apart() -> None:
    """For those who look through all objects: what other tests have left behind is none of theirs, and a thousand times
    as much."""
    memory.freeze(memory.RARELY)


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """`ottb` as a process of its own."""
    begun = Commands()
    yield begun
    begun.end()


@pytest.fixture(scope="session")
def plain_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For several files, which leave it as they have found it: one takes as long to start as many attacks."""
    with running_site(tmp_path_factory.mktemp("plain"), {11: None, 12: None, 13: None}) as SHARED["plain_site"]:
        yield SHARED["plain_site"]


@pytest.fixture(scope="session")
def runner_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For the files on pipelines, each with pipelines of its own, and for who lets users of their own do what leaves no
    trace elsewhere. It may post to loopback."""
    hooks = '[webhooks]\nnetworks = ["127.0.0.0/8"]\nhttp = true\nfirst_pause = 0.2\n'
    env = {"OTTB_SECRET_GITHUB": GITHUB_SECRET}
    with running_site(tmp_path_factory.mktemp("runner"), SLOTS, hooks + MORE, env=env) as SHARED["runner_site"]:
        yield SHARED["runner_site"]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """One idles at a twentieth of a core: it ends with the last test of its files."""
    for name in set(SHARED) - {nextitem and _shared_by(nextitem.path)}:
        SHARED.pop(name).stop()


def pytest_itemcollected(item: pytest.Item) -> None:
    if HERE in item.path.parents:
        item.add_marker(pytest.mark.attacks)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest is begun first: begun last, it would run alone in the end."""

    def order(item: pytest.Item) -> tuple[int, str, int]:
        names = (item.name.partition("[")[0], item.path.stem)
        place = min((LONGEST.index(name) for name in names if name in LONGEST), default=len(LONGEST))
        return place, item.path.stem, item.location[1] or 0

    if all(HERE in item.path.parents for item in items):
        items.sort(key=order)


class BySite(LoadScopeScheduling):
    """The tests of a file that starts something for all of them are one worker's, all others anybody's."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if (shared := _shared_by(self.config.rootpath / file)) is not None:
            return shared
        return file if _starts_something(self.config.rootpath / file) else nodeid


@cache
def _shared_by(file: Path) -> str | None:
    """The site that it is not alone to attack."""
    text = file.read_text()
    return next((shared for shared in ("plain_site", "runner_site") if f"{shared}: Site" in text), None)


@cache
def _starts_something(file: Path) -> bool:
    if file.stem in APART | TOGETHER:
        return file.stem in TOGETHER
    text = file.read_text()
    return 'scope="module"' in text or "commands: Commands" in text


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BySite | None:
    return BySite(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = [one for one in terminalreporter.stats.get("passed", []) if one.nodeid.startswith(FOLDER)]
    counts = [(one.nodeid.removeprefix(FOLDER), line) for one in passed for line in one.capstdout.splitlines()]
    if counts:
        terminalreporter.section("what the attacks counted")
    for name, line in sorted(counts):
        terminalreporter.write_line(f"{name}: {line}")
