"""docs/add-a-kind.md does what it says: on a copy of the repository, with checks and a test of the new kind there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "add-a-kind.md"
PACKAGES = (
    "actors", "bus_schemas", "gateway", "simulators", "cli", "config", "tests", "bench", "docs", "console",
    "ottb_client",
)  # fmt: skip
FILES = ("pyproject.toml", "nats.conf", "Makefile", "README.md")
BLOCK = re.compile(r"^```(python|diff) (\S+)\n(.*?)^```$", re.M | re.S)
MOST_ENTRIES = 6


@pytest.mark.long
@pytest.mark.timeout(400)  # it checks and runs a second repository
def test_a_kind_is_its_own_files_and_six_entries(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    _copy(copy)
    blocks = BLOCK.findall(PAGE.read_text())
    new = {path for how, path, _ in blocks if how == "python"}
    entries = {path for how, path, _ in blocks if how == "diff"}
    assert len({path for path in entries if not path.startswith("tests/")}) <= MOST_ENTRIES
    assert not any((ROOT / path).exists() for path in new) and all((ROOT / path).exists() for path in entries)
    for how, path, text in blocks:
        if how == "python":
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            (copy / path).write_text(text)
        else:
            _apply(copy / path, text)
    _generate(copy)
    for command in (
        ("ruff", "check", "."),
        ("mypy",),
        ("pytest", "tests/stories/test_reminders.py", "tests/test_architecture.py", "tests/gateway/test_documents.py",
         "tests/stories/test_matrix.py::test_a_role_opens_its_own_routes_and_no_other[operator]",
         "tests/ledger/test_fresh.py::test_any_way_of_folding_one_kind_gives_the_same_tables[ReminderAnswers]",
         "tests/test_states.py", "tests/point/test_feeds.py", "tests/test_promises.py",
         "tests/gateway/test_plain_words.py", "tests/console/test_contract.py",
         "tests/ottb_client/test_generated.py", "tests/ottb_client/test_site.py::test_what_is_read_is_understood",
         "tests/erasure/test_only_what_is_personal.py", "tests/gateway/test_live_narrowed.py",
         "tests/webhook/test_seeing.py", "tests/attacks/test_doors_tell_the_same.py",
         "tests/attacks/test_brakes.py::test_every_route_has_a_brake_or_is_light",
         "tests/attacks/test_undigestible.py::test_every_text_of_every_changing_route_is_tried",
         "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
    ):  # fmt: skip
        done = subprocess.run([sys.executable, "-m", *command], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}"


def _generate(copy: Path) -> None:
    """`make states`, `make feeds`, `make client` and `make types`."""
    (copy / "docs" / "states.md").write_bytes(_printed(copy, sys.executable, "-m", "tests.support.states"))
    _printed(copy, sys.executable, "-m", "tests.support.feeds")
    _printed(copy, sys.executable, "-m", "gateway.python_client")
    contract = copy / "console" / "contract"
    openapi = _printed(copy, sys.executable, "-m", "gateway.openapi")
    command = (str(contract / "node_modules" / ".bin" / "openapi-typescript"), "--output", "generated.d.ts")
    subprocess.run(command, cwd=contract, input=openapi, capture_output=True, check=True)


def _printed(copy: Path, *command: str) -> bytes:
    return subprocess.run(command, cwd=copy, capture_output=True, check=True).stdout


def _copy(copy: Path) -> None:
    left_out = shutil.ignore_patterns("node_modules", "__pycache__")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=left_out)
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    for folder in ("tests/js", "console/contract"):
        (copy / folder / "node_modules").symlink_to(ROOT / folder / "node_modules")
    if (ROOT / ".mypy_cache").exists():  # else it takes a minute
        shutil.copytree(ROOT / ".mypy_cache", copy / ".mypy_cache")


def _apply(path: Path, diff: str) -> None:
    """Replace each run of `-` lines, which stands exactly once in the file, by the run of `+` lines after it."""
    text = path.read_text()
    for before, after in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", diff, re.M):
        old, new = (re.sub(r"^[-+]", "", part, flags=re.M) for part in (before, after))
        assert text.count(old) == 1, f"{path}: {old!r}"
        text = text.replace(old, new)
    path.write_text(text)
