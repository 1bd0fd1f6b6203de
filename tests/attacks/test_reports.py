"""Reports of campaigns that somebody makes dear take a time that grows with what there is alone."""

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from random import Random

from sqlalchemy.dialects import sqlite

from actors.adapters.ledger.sqlite import SqliteLedger
from actors.ledger.team_times import HOUR, ms_of, times_of

DAY = "2026-03-10"
FIRST = ms_of(f"{DAY}T00:00:00.000Z")
STEP = 100  # of the database's machine

Times = list[tuple[int, int, bool]]  # from when, until when, and whether it holds


def alternating(random: Random, changes: int) -> Times:
    """Something that is so and is not so in turn, from the day before to the one after it."""
    at = sorted(random.sample(range(FIRST - HOUR, FIRST + 25 * HOUR), changes))
    return [(begun, over, number % 2 == 1) for number, (begun, over) in enumerate(pairwise([*at, 2**60]))]


def in_hours(ready: Times) -> list[tuple[int, int]]:
    found = []
    for begun, over, holds in ready:
        while holds and begun < over:
            stop = min(over, (begun // HOUR + 1) * HOUR)
            found.append((begun, stop))
            begun = stop
    return found


def written(path: Path, ready: Times, works: Times, runs: Times, users: int = 1) -> None:
    """A store in which so many operators were ready, worked for a campaign with a team, and that ran at these times."""
    with closing(SqliteLedger(path)) as store:
        store.sequence()
    names, pieces = [f"op{number}" for number in range(users)], in_hours(ready[:-1])
    stretches = [(f"{op}/{begun}", op, "ready", begun, begun, over) for op in names for begun, over in pieces]
    assigned = [(f"{op}/{at}", op, at, " c1 " if holds else " c2 ") for op in names for at, _, holds in works]
    first = [(f"{op}/0", op, 0, None) for op in names]
    periods = [(f"c1/runs/{begun}", "c1", "runs", begun, holds) for begun, _, holds in runs]
    with closing(sqlite3.connect(path)) as db:
        db.executemany("INSERT INTO operator_stretches VALUES (?, ?, ?, ?, ?, ?)", stretches)
        db.executemany("INSERT INTO operator_works VALUES (?, ?, ?, ?)", [*first, *assigned])
        always = [(f"c1/{what}/1", "c1", what, 1, True) for what in ("team", "waits")]
        db.executemany("INSERT INTO campaign_periods VALUES (?, ?, ?, ?, ?)", [*always, *periods])
        desks = [(f"{op}/1", op, 1, True) for op in names]
        db.executemany("INSERT INTO operator_desks(key, user, begun, holds) VALUES (?, ?, ?, ?)", desks)
        db.commit()


def common(*times: Times) -> dict[int, int]:
    """For how long all held, by hour of the day."""
    found: dict[int, int] = {}
    moments = sorted({at for one in times for begun, over, _ in one for at in (begun, over)} | {
        FIRST + hour * HOUR for hour in range(25)
    })  # fmt: skip
    for begun, over in pairwise(moments):
        hour = (begun - FIRST) // HOUR
        if 0 <= hour < 24 and all(any(b <= begun < o and holds for b, o, holds in one) for one in times):
            found[hour] = found.get(hour, 0) + over - begun
    return found


def steps(path: Path, *, joins: bool = False) -> int:
    """Of the database's machine for a report."""
    asked = times_of("c1", DAY, joins=joins).statement
    text = str(asked.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    count = 0

    def one() -> int:
        nonlocal count
        count += 1
        return 0

    with closing(sqlite3.connect(path)) as db:
        db.set_progress_handler(one, STEP)
        db.execute(text).fetchall()
    return count


def test_times_of_many_changes_are_what_they_have_in_common(tmp_path: Path) -> None:
    random = Random(7)
    for number in range(10):
        ready, works, runs = (alternating(random, random.randint(2, 30)) for _ in range(3))
        path = tmp_path / str(number)
        written(path, ready, works, runs)
        # before the first of each nothing was said: the operator worked for all, and the campaign did not run
        always = [(0, works[0][0], True), *works]
        with closing(SqliteLedger(path)) as store:
            found = {one.hour: one.ms for one in store.read(times_of("c1", DAY)) if one.what == "idle"}
        assert found == common(ready[:-1], always, runs)


def test_whoever_changes_much_makes_no_report_dear(tmp_path: Path) -> None:
    random, found = Random(7), list[int]()
    for changes in (200, 1600):
        path = tmp_path / str(changes)
        written(path, *(alternating(random, changes) for _ in range(3)))
        found.append(steps(path))
    print(f"8 times as many changes of an operator and a campaign: {found[1] / found[0]:.0f} times as many steps")
    assert found[1] < 16 * found[0]


def test_where_calls_wait_a_report_is_no_dearer(tmp_path: Path) -> None:
    """Who has no extension is not idle there: that is looked up once for each piece of time."""
    ready, works, runs = (alternating(Random(7), changes) for changes in (200, 2, 1000))
    written(path := tmp_path / "ledger", ready, works, runs, users=100)
    waits, plain = steps(path, joins=True), steps(path)
    print(f"a report where calls can wait: {waits / plain:.1f} times as many steps as elsewhere")
    assert waits < 2 * plain
