"""Pipelines give nobody more than they have: no program its maker's phones, nobody a host's time or all room."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from actors.pipeline import machine
from actors.pipeline.checking import check, definition_of
from actors.pipeline.record import Pipeline, evolve
from actors.runner.commands import ROOM, cache_key
from actors.runner.fleet import MOST_SAID, said_in_all
from actors.runtime import files
from actors.runtime.clock import Moment
from actors.runtime.decision import SetTimer
from actors.script import patterns
from bus_schemas.permissions import Action
from bus_schemas.pipeline import ClaimedRun, SlotResult
from tests.support.site import Client, Site, admin_of, until

D, CHECKED, MANY = "dci", 600, 50
HARD, MOST_KEPT = 45, 900_000  # instructions, of 8 bytes
OVER = ("succeeded", "failed", "stopped", "lost")
TOUCHES = """
id = {id}
name = "touches-{id}"
[[steps]]
name = "touch"
do = "adb"
command = "echo touched"
on = {{ slots = [11] }}
"""
LEAVES = """
id = 92
name = "leaves"
[[steps]]
name = "build"
do = "run"
commands = ["for n in 1 2 3; do head -c 50000000 /dev/urandom > app$n.apk; done"]
artefacts = ["*.apk"]
"""
PATTERN = "(?:(?:\\\\pL\\\\pN\\\\pS){{1,100}}@{n}){{1,10}}"


def hard(first: int = 0, many: int = 50) -> str:
    """Whose patterns nobody has had compiled before."""
    params = (f'[params.p{n}]\npattern = "{PATTERN.format(n=n)}"' for n in range(first, first + many))
    steps = '[[steps]]\nname = "a"\ndo = "run"\ncommands = ["true"]'
    return "\n".join(['id = 93\nname = "hard"', *params, steps])


@pytest.fixture
async def boss(runner_site: Site) -> AsyncIterator[Client]:
    async with admin_of(runner_site) as client:
        yield client


async def program(boss: Client, *actions: Action) -> Client:
    body = {"name": f"program {len(actions)}", "actions": list(actions)}
    status, made = await boss.post("/api/tokens", body, part="point")
    assert status == 201, made
    return Client(boss.site, boss.session, made["token"])


async def came_to(asker: Client, pipeline: int) -> Any:
    """Run it: what the run has come to."""
    status, accepted = await asker.post(f"/api/dci/pipeline/{pipeline}/run", {}, part=D)
    assert status == 201, accepted
    path = f"/api/dci/pipeline/{pipeline}/runs/{accepted['run']}"
    return (await until(lambda: asker.get(path, part=D), lambda seen: seen[1].get("status") in OVER, 60.0))[1]


async def test_a_service_token_has_no_phone_touched_that_it_may_not(boss: Client) -> None:
    own = (Action.PIPELINE_VIEW, Action.PIPELINE_EDIT, Action.PIPELINE_RUN)
    small, text = await program(boss, *own), TOUCHES.format(id=90)
    assert (await small.post("/api/dci/pipelines", {"text": text}, part=D))[0] == 201
    done = await came_to(small, 90)
    assert done["status"] == "failed" and not done["steps"][0]["slots"], done
    more = await program(boss, *own, Action.SLOT_VIEW, Action.SLOT_VIEW_ANY)
    done = await came_to(more, 90)
    assert done["status"] == "failed" and not done["steps"][0]["slots"][0]["ok"], done
    assert (await came_to(boss, 90))["status"] == "succeeded"


async def test_a_hard_definition_holds_nobody_up(boss: Client) -> None:
    """Its patterns are compiled beside the loop of the host, which answers others meanwhile."""
    checking = asyncio.create_task(boss.post("/api/dci/pipelines/check", {"text": hard()}, part=D))
    answered = 0
    while not checking.done():
        status, slot = await boss.get("/api/slots/11")
        assert status == 200, slot
        answered += not checking.done()
    status, said = await checking
    assert status == 200 and not said["ok"] and answered >= 5, (answered, said)
    many = [boss.post("/api/dci/pipelines/check", {"text": hard(50 * n, 20)}, part=D) for n in range(1, 31)]
    codes = [status for status, _ in await asyncio.gather(*many)]
    assert 429 in codes and 200 in codes and set(codes) <= {200, 429}, codes
    print(f"{len(codes) + 1} hard definitions checked, {answered} answered beside the first")


def small(number: int) -> str:
    return f'id = 95\nname = "n{number}"\n[[steps]]\nname = "a"\ndo = "run"\ncommands = ["true"]'


def test_what_others_have_checked_makes_no_definition_slow() -> None:
    """Whoever may look at pipelines has definitions checked. One on record is read without its patterns, and once."""
    hard = small(0) + "".join(f'\n[params.p{n}]\ndefault = "a"\npattern = "\\\\pL{{1,25}}{n}|a"' for n in range(2))
    assert (known := check(hard)).definition is None and "too much" in known.words("x"), known
    right = hard.replace("{1,25}", "{1,3}")
    assert check(right).definition is not None
    patterns._made.cache_clear()
    here = definition_of(right)
    assert patterns._made.cache_info().misses == 0
    for number in range(CHECKED):
        assert check(small(number)).definition is not None
    assert definition_of(right) is here
    print(f"{CHECKED} definitions checked, one stays known")


def test_what_somebody_has_checked_keeps_no_memory() -> None:
    """Ten checks of a script's hard patterns were 510 MB, and nobody's were known any more."""
    usual = patterns.compiled("code is ([0-9]{4,8})")
    alive = weakref.WeakSet(patterns.compiled(f"\\pL{{1,20}}{number}") for number in range(HARD))
    assert patterns.compiled("code is ([0-9]{4,8})") is usual
    work = sum(pattern.work for pattern in alive)
    print(f"{HARD} hard patterns: {len(alive)} of {work:,} instructions are kept")
    assert 0 < len(alive) < HARD and work < MOST_KEPT


async def test_artefacts_leave_room_for_what_people_upload(boss: Client, runner_site: Site) -> None:
    assert (await boss.post("/api/dci/pipelines", {"text": LEAVES}, part=D))[0] == 201
    done = await came_to(boss, 92)
    [build] = done["steps"]
    assert done["status"] == "failed" and "room" in build["reason"], done
    kept = sum(path.stat().st_size for path in (runner_site.state / "nats").rglob(f"{files.STREAM}/**/*.blk"))
    assert 0 < kept <= ROOM * 256 * 2**20 + 2**20, kept


def folded(pipeline: Pipeline | None, decision: machine.PipelineDecision) -> Pipeline:
    for event in decision.events:
        pipeline = evolve(pipeline, event)
    assert pipeline is not None
    return pipeline


def test_what_a_program_has_scheduled_acts_with_no_more_than_it() -> None:
    """Also when its runner was lost and it begins anew; a person who changes the definition is one again."""
    steps = hard()[hard().index("[[steps]]") :]
    text = f'id = 94\nname = "nightly"\nas_user = "ann"\nrerun = 1\nschedule = {{ cron = "* * * * *" }}\n{steps}'
    now = Moment(at="2026-01-05T10:00:30.000Z", mono=0.0, boot="b")
    later = Moment(at="2026-01-05T10:01:00.000Z", mono=30.0, boot="b")
    pipeline = folded(None, machine.define(None, 94, text, "api", "ann", now, service_token="t1"))
    pipeline = folded(pipeline, machine.due(pipeline, later))
    assert pipeline.open[1].service_token == "t1"
    pipeline = folded(pipeline, machine.claim(pipeline, 1, "r", "secret", later, lost=30))
    pipeline = folded(pipeline, machine.fired(pipeline, "lost-1", later))
    assert (pipeline.open[1].runner, pipeline.open[1].service_token) == (None, "t1")
    pipeline = folded(pipeline, machine.define(pipeline, 94, text + "\n# hers", "api", "ann", later))
    assert pipeline.service_token is None


def test_runs_of_many_definitions_are_looked_at_one_by_one() -> None:
    """By a new owner: to read one may take a tenth of a second."""
    now = Moment(at="2026-01-05T10:00:30.000Z", mono=0.0, boot="b")
    pipeline: Pipeline | None = None
    for number in range(MANY):
        pipeline = folded(pipeline, machine.define(pipeline, 95, small(number), "api", "ann", now))
        pipeline = folded(pipeline, machine.run(pipeline, "ann", None, {}, now, runner=True))
    assert pipeline is not None and len(pipeline.texts) == MANY
    definition_of.cache_clear()
    reads = [definition_of.cache_info().misses]
    timers = [one for one in machine.resume(pipeline, now, lost=30).effects if isinstance(one, SetTimer)]
    reads.append(definition_of.cache_info().misses)
    while looks := [one for one in timers if one.name.startswith("look-")]:
        first = min(looks, key=lambda one: one.seconds)
        timers = [one for one in timers if one is not first]
        timers += [one for one in machine.fired(pipeline, first.name, now).effects if isinstance(one, SetTimer)]
        reads.append(definition_of.cache_info().misses)
    assert {after - before for before, after in pairwise(reads)} == {1}
    waits = {one.name: one.seconds for one in timers if one.name.startswith("wait-")}
    print(f"{MANY} runs of as many definitions: one read in each of {len(reads) - 1} turns")
    assert waits == {f"wait-{number}": 86_400.0 for number in range(1, MANY + 1)}


@pytest.mark.parametrize("sign", ["x", "\x01", "\u4e16", "\U0001f600"])
def test_what_all_slots_say_fits_into_one_message(sign: str) -> None:
    results = {slot: SlotResult(slot=slot, ok=False, said=sign * 300) for slot in range(1, 1001)}
    said = said_in_all(results)
    assert len(said) == 1000 and len(msgspec.json.encode(said)) < 400_000
    assert sum(len(one.said) for one in said) <= MOST_SAID
    assert said_in_all({1: results[1]}) == (results[1],)


def test_a_cache_is_of_one_branch_and_one_folder() -> None:
    long = "x" * 100
    places = (("a", "b/c"), ("a/b", "c"), (long, long + "1"), (long, long + "2"), (None, "c"))
    keys = [cache_key(claimed(branch), folder) for branch, folder in places]
    assert len(set(keys)) == len(keys) == 5


def claimed(branch: str | None) -> ClaimedRun:
    return ClaimedRun(
        pipeline=1, run=1, name="p", version=1, text="", user="ann", triggered_by="api", branch=branch, parameters={},
        attempt=1,
    )  # fmt: skip
