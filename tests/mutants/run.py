"""`make mutants`: plants one bug at a time (`mutants.toml`) in a copy of the tree, and looks whether anything notices.

Prints `mutant | caught by | after how many seeds`. Exit code 1 when one survives, or no longer applies.
`OTTB_MUTANTS=quick` stops beginning new ones after a while, but not before a dozen; `OTTB_MUTANTS=<name>` tries one.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("mutants.toml")
DEPTH = os.environ.get("OTTB_TEST_DEPTH", "4")  # as CI (tests/support/depth.py)
SEEDS = int(os.environ.get("OTTB_TEST_SEEDS", "300"))
AT_ONCE = 2
QUICK, AT_LEAST = 120.0, 12  # seconds after which none is begun in a quick run; how many it tries whatever it takes
ONE_LIMIT = 900.0  # seconds for one mutant
SCHEDULES = "schedules"


@dataclass(frozen=True)
class Mutant:
    """One planted bug: `before` in `file` becomes `after`. `by`: `schedules`, or what pytest is given."""

    name: str
    file: str
    before: str
    after: str
    by: str = SCHEDULES


@dataclass(frozen=True)
class Outcome:
    """What became of one. `caught_by` None: it survived."""

    mutant: Mutant
    caught_by: str | None
    seeds: int | None = None


def mutants() -> list[Mutant]:
    """All of them, in the order of the file."""
    return [Mutant(**entry) for entry in tomllib.loads(LIST.read_text())["mutant"]]


def plant(mutant: Mutant, tree: Path) -> bool:
    """Put the bug into a tree. False: the place is not there exactly once."""
    file = tree / mutant.file
    text = file.read_text() if file.exists() else ""
    if text.count(mutant.before) != 1:
        return False
    file.write_text(text.replace(mutant.before, mutant.after))
    for compiled in file.parent.glob(f"__pycache__/{file.stem}.*"):
        compiled.unlink()
    return True


def copy_tree(to: Path) -> None:
    """What belongs to the project, without what was made here. What Python has compiled comes along: it is good for as
    long as its source is of the same time and size, and to make it anew takes as long as many a test."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout  # fmt: skip
    names = listed.decode().split("\0")
    for name in names:
        source = ROOT / name
        if name and source.is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, to / name)
    for folder in {Path(name).parent for name in names if name.endswith(".py")}:
        if (compiled := ROOT / folder / "__pycache__").is_dir():
            shutil.copytree(compiled, to / folder / "__pycache__", dirs_exist_ok=True)


async def try_one(mutant: Mutant) -> Outcome:
    """Plant it and see what notices."""
    with tempfile.TemporaryDirectory(prefix="ottb-mutant-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        if not plant(mutant, tree):
            return Outcome(mutant, None, -1)
        if mutant.by == SCHEDULES:
            command = [sys.executable, "-m", "tests.mutants.hunt", "0", str(SEEDS)]
        else:
            command = [sys.executable, "-m", "pytest", "-x", "-q", *mutant.by.split()]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tree, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": folder, "OTTB_TEST_DEPTH": DEPTH},
        )  # fmt: skip
        try:
            async with asyncio.timeout(ONE_LIMIT):
                said, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return Outcome(mutant, "it hangs")
        return _outcome(mutant, process.returncode, said.decode(errors="replace"))


def _outcome(mutant: Mutant, code: int | None, said: str) -> Outcome:
    if mutant.by != SCHEDULES:
        return Outcome(mutant, mutant.by if code == 1 else None)
    if code != 0:
        return Outcome(mutant, None)
    found = json.loads(said.strip().splitlines()[-1])
    return Outcome(mutant, found["by"], found["seed"] + 1)


async def main() -> int:
    wanted = os.environ.get("OTTB_MUTANTS", "")
    quick = wanted == "quick"
    todo = [one for one in mutants() if quick or wanted in ("", one.name)]
    began, outcomes, turns = time.monotonic(), [], asyncio.Semaphore(AT_ONCE)

    async def work(number: int, mutant: Mutant) -> None:
        async with turns:
            if quick and number >= AT_LEAST and time.monotonic() - began > QUICK:
                return
            outcome = await try_one(mutant)
            outcomes.append(outcome)
            print(_line(outcome), flush=True)

    print(f"{'mutant':55} | {'caught by':45} | after how many seeds")
    await asyncio.gather(*(work(number, mutant) for number, mutant in enumerate(todo)))
    lost = [outcome for outcome in outcomes if outcome.caught_by is None]
    took = time.monotonic() - began
    print(f"{len(outcomes) - len(lost)} of {len(outcomes)} caught, {len(todo) - len(outcomes)} not tried, {took:.0f} s")
    return 1 if lost or not outcomes else 0


def _line(outcome: Outcome) -> str:
    caught = outcome.caught_by or ("DOES NOT APPLY" if outcome.seeds == -1 else "SURVIVES")
    seeds = str(outcome.seeds) if outcome.seeds is not None and outcome.seeds > 0 else ""
    return f"{outcome.mutant.name:55} | {caught:45} | {seeds}"


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
