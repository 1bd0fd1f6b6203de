"""`ottb pipeline`: definitions that are checked, and runs of pipelines, over the HTTP API."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import AS, CONFIG, logged_in, settings_of
from cli.terminal import say

if TYPE_CHECKING:
    from bus_schemas.pipeline import PipelineRunView, StepView
    from cli.gateway import Session

EVERY = 0.3  # seconds between two looks
OVER = ("succeeded", "failed", "stopped", "lost")
FAILED, NOT_OVER = 1, 3  # exit codes of a run that has not succeeded: it failed, or nobody knows
Say = Callable[[str], object]


@click.group()
def pipeline() -> None:
    """Pipelines that deploy and maintain the fleet (docs/pipelines.md)."""


@pipeline.command("check")
@click.argument("files", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1, required=True)
def check_files(files: tuple[Path, ...]) -> None:
    """Say all that is wrong with FILES, with line and column. Exits with 1 if anything is."""
    well = [checked(file, say) for file in files]
    sys.exit(0 if all(well) else 1)


@pipeline.command("define")
@CONFIG
@AS
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def define(config: Path | None, user: str, file: Path) -> None:
    """Put FILE on the site: a pipeline, or another version of one that was put there so."""
    if not checked(file, say):
        sys.exit(FAILED)
    with logged_in(settings_of(config), user) as session:
        made = session.done(session.api.define_pipeline(text=file.read_text()))
        say(f"pipeline {made.id} {made.name}, version {made.version}")


@pipeline.command("list")
@CONFIG
@AS
def list_all(config: Path | None, user: str) -> None:
    """Say which pipelines there are, and how their newest runs stand."""
    with logged_in(settings_of(config), user) as session:
        for line in session.done(_listed(session)):
            say(line)


@pipeline.command("run")
@CONFIG
@AS
@click.argument("name")
@click.argument("params", nargs=-1)
@click.option("--branch", help="Another branch or tag than the definition says.")
@click.option("--follow", is_flag=True, help="Show what it writes until it is over; exits with 1 unless it succeeds.")
def run_one(
    config: Path | None, user: str, name: str, params: tuple[str, ...], branch: str | None, follow: bool
) -> None:
    """Run the pipeline NAME (or its number) with PARAMS, each as `version=1.2`."""
    with logged_in(settings_of(config), user) as session:
        number = found(session, name)
        given = given_as(session, number, params)
        accepted = session.done(session.api.run_pipeline(number, branch=branch, parameters=given))
        say(f"run {accepted.run} of {name}")
        if follow:
            sys.exit(Follower(session, number, accepted.run, say).follow())


@pipeline.command("status")
@CONFIG
@AS
@click.argument("name")
@click.argument("run", type=int, required=False)
def status_of(config: Path | None, user: str, name: str, run: int | None) -> None:
    """Say how the pipeline NAME stands, or one RUN of it."""
    with logged_in(settings_of(config), user) as session:
        number = found(session, name)
        if run is not None:
            runs = [session.done(session.api.get_pipeline_run(number, run))]
        else:
            runs = session.done(session.api.pipeline_status(number)).runs
        for each in runs:
            for line in in_words(each):
                say(line)


@pipeline.command("stop")
@CONFIG
@AS
@click.argument("name")
@click.argument("run", type=int, required=False)
def stop_one(config: Path | None, user: str, name: str, run: int | None) -> None:
    """End what goes on and what waits of the pipeline NAME, or one RUN of it."""
    with logged_in(settings_of(config), user) as session:
        stopped = session.done(session.api.stop_pipeline(found(session, name), run=run))
        say(f"stopping: {', '.join(map(str, stopped.runs)) or 'nothing'}")


@pipeline.command("delete")
@CONFIG
@AS
@click.argument("name")
@click.option("--stop", is_flag=True, help="Stop its runs that are not over.")
def delete(config: Path | None, user: str, name: str, stop: bool) -> None:
    """Delete the pipeline NAME, which was made over the API. Its runs are shown still."""
    with logged_in(settings_of(config), user) as session:
        deleted = session.done(session.api.delete_pipeline(found(session, name), stop=stop))
        say(f"{name} is deleted; stopping: {', '.join(map(str, deleted.runs)) or 'nothing'}")


@pipeline.command("approve")
@CONFIG
@AS
@click.argument("name")
@click.argument("run", type=int)
@click.argument("step")
@click.option("--no", "refuse", is_flag=True, help="Do not let it go on: its run fails.")
def approve(config: Path | None, user: str, name: str, run: int, step: str, refuse: bool) -> None:
    """Let the STEP of a RUN that waits for it go on."""
    with logged_in(settings_of(config), user) as session:
        session.done(session.api.approve_step(found(session, name), run, step, approve=not refuse))
        say("refused" if refuse else "approved")


def checked(file: Path, say: Say) -> bool:
    """Say all that is wrong with a file, as `file:line:column: where: why`, or that nothing is. True: nothing is."""
    from actors.pipeline.checking import check

    try:
        found = check(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        say(f"{file}:1:1: it cannot be read: {getattr(error, 'strerror', None) or 'it is no UTF-8'}")
        return False
    for problem in found.problems:
        say(problem.text(str(file)))
    if found.definition is not None:
        say(f"{file}: ok ({found.definition.name}, {len(found.definition.steps)} steps)")
    return found.definition is not None


def found(session: "Session", name: str) -> int:
    """The number of a pipeline. Raises NotDone."""
    from cli.gateway import NotDone

    if name.isascii() and name.isdigit():
        return int(name)

    async def listed() -> list[tuple[str, int]]:
        return [(one.name, one.id) async for one in session.api.list_pipelines()]

    known = session.done(listed())
    numbers = [number for other, number in known if other == name]
    if not numbers:
        raise NotDone(f"there is no pipeline {name}: there are {', '.join(sorted(dict(known))) or 'none'}")
    if len(numbers) > 1:
        raise NotDone(f"{len(numbers)} pipelines are called {name}: say the number, {' or '.join(map(str, numbers))}")
    return numbers[0]


def given_as(session: "Session", number: int, params: Sequence[str]) -> dict[str, str | int | bool]:
    """What is typed, as the definition types it. Raises NotDone."""
    from actors.pipeline.checking import check
    from cli.gateway import NotDone

    if not params:
        return {}
    definition = check(session.done(session.api.get_definition(number)).text).definition
    types = {name: param.type for name, param in definition.params.items()} if definition is not None else {}
    given: dict[str, str | int | bool] = {}
    for param in params:
        name, equals, value = param.partition("=")
        if not equals:
            raise NotDone(f"{param}: a parameter is given as name=value")
        given[name] = _typed(value, types.get(name, "text"))
    return given


def _typed(value: str, kind: str) -> str | int | bool:
    if kind == "integer" and value.removeprefix("-").isdecimal():
        return int(value)
    return value == "true" if kind == "boolean" and value in ("true", "false") else value


class Follower:
    """Shows a run until it is over: what its steps write, and how they end."""

    def __init__(self, session: "Session", pipeline: int, run: int, say: Say) -> None:
        self._session = session
        self._about = (pipeline, run)
        self._say = say
        self._told: dict[str, str] = {}
        self._shown: dict[str, int] = {}

    def follow(self) -> int:
        """The exit code: 0, it has succeeded."""
        while True:
            run = self._session.done(self._session.api.get_pipeline_run(*self._about))
            for step in run.steps:
                self._show(step)
            if run.status in OVER:
                self._say(in_words(run)[0])
                return 0 if run.status == "succeeded" else NOT_OVER if run.status == "lost" else FAILED
            time.sleep(EVERY)

    def _show(self, step: "StepView") -> None:
        before = self._told.get(step.step)
        if before != step.status and step.status in ("running", "waiting"):
            self._say(f"{step.step}: {step.status}")
        if before not in ("succeeded", "failed", "skipped", "stopped") and step.status not in ("waiting", "skipped"):
            self._show_output(step.step)
        if before != step.status and step.status not in ("running", "waiting"):
            self._say(of_step(step))
        self._told[step.step] = step.status

    def _show_output(self, step: str) -> None:
        async def read() -> bytes:
            return await self._session.api.step_log(*self._about, step)

        text = self._session.done(read()).decode("utf-8", "replace")
        shown = self._shown.get(step, 0)
        lines, end, _ = text[shown:].rpartition("\n")
        if end:
            for line in lines.split("\n"):
                self._say(f"  {line}")
            self._shown[step] = shown + len(lines) + 1


def in_words(run: "PipelineRunView") -> list[str]:
    """How a run stands, and under it its steps."""
    why = run.reason or (f"waits for {run.waits_for}" if run.waits_for else "")
    by = f" by {run.stopped_by}" if run.status == "stopped" and run.stopped_by else ""
    first = f"run {run.run} of {run.name}: {'stopping' if run.stopping else str(run.status)}{by}"
    return [first + (f": {why}" if why else ""), *(f"  {of_step(step)}" for step in run.steps)]


def of_step(step: "StepView") -> str:
    """How a step stands."""
    cell = " ".join(f"{name}={value}" for name, value in step.matrix.items())
    seconds = f" after {step.seconds:.1f} s" if step.seconds is not None else ""
    why = f": {step.reason}" if step.reason else ""
    return f"{step.step}{f' ({cell})' if cell else ''}: {step.status}{seconds}{why}"


async def _listed(session: "Session") -> list[str]:
    lines = []
    async for one in session.api.list_pipelines():
        ran = f" run {one.run} by {one.triggered_by}" if one.run is not None else ""
        lines.append(f"{one.id:>4}  {one.name}  {one.status}{ran}")
    return lines
