"""A step that runs commands: its attempts, what they write, the files it leaves and the folders it keeps."""

import asyncio
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from actors.pipeline.language import Definition, Run
from actors.runner.desk import Desk
from actors.runner.output import Output
from actors.runner.plan import Job
from actors.runner.port import MIB, Artefact, Command, Ending, Execution, Limits, RunnerError, Workspace
from actors.runtime import files
from actors.runtime.bus import BusError
from actors.runtime.files import FileWriter
from bus_schemas.imports import StoredFile
from bus_schemas.pipeline import ArtefactView, ClaimedRun, StepStatus
from bus_schemas.pipeline_events import STEP_BYTES

LARGEST = 64 * MIB  # of an artefact
MOST_FILES = 50
ROOM = 0.5  # of the bucket of files, that artefacts may fill: the rest is for what people upload
STOP_SECONDS = 5.0
HOWS = {
    "timed_out": "its time is over", "stopped": "it was stopped", "out_of_memory": "it took more memory than it may",
    "too_many_processes": "it began more processes than it may", "lost": "what ran it was killed",
    "disk_full": "it left too little room on the disk",
}  # fmt: skip


class Came(Struct, frozen=True, kw_only=True):
    """What a job came to. `no_room`: it has left none on the disk, so its run ends, and all that it has there goes."""

    status: StepStatus
    exit_code: int | None = None
    attempts: int = 1
    reason: str | None = None
    artefacts: tuple[ArtefactView, ...] = ()
    slots: tuple[Any, ...] = ()  # any: SlotResult
    no_room: bool = False


class Commands:
    """The steps of one run that run commands. `stop`: it is to end."""

    def __init__(
        self, *, desk: Desk, claimed: ClaimedRun, definition: Definition, workspace: Workspace, stop: asyncio.Event
    ) -> None:
        self._desk = desk
        self._claimed = claimed
        self._definition = definition
        self._workspace = workspace
        self._stop = stop

    async def carry_out(self, job: Job, step: Run, output: Output) -> Came:
        """All attempts of a job."""
        await self._restore(step, output)
        came = Came(status=StepStatus.STOPPED, attempts=0)
        for attempt in range(1, step.retries + 2):
            if attempt > 1:
                await output.say(f"attempt {attempt} of {step.retries + 1}")
            came = await self._attempt(job, step, output, attempt)
            if came.status is not StepStatus.FAILED or came.no_room or self._stop.is_set():
                break
        if came.status is StepStatus.SUCCEEDED:
            await self._save(step, output)
        return came

    async def _attempt(self, job: Job, step: Run, output: Output, attempt: int) -> Came:
        try:
            execution = await self._workspace.start(self._command(job, step, attempt))
        except RunnerError as error:
            return Came(status=StepStatus.FAILED, attempts=attempt, reason=str(error))
        ending = await self._watched(execution, output)
        if ending.how == "stopped" or (self._stop.is_set() and not ending.succeeded):
            return Came(status=StepStatus.STOPPED, attempts=attempt, exit_code=ending.code)
        if ending.how == "disk_full":
            return Came(status=StepStatus.FAILED, attempts=attempt, reason=_why(ending), no_room=True)
        reason = None if ending.succeeded else _why(ending)
        artefacts: tuple[ArtefactView, ...] = ()
        if step.artefacts:
            try:
                artefacts = await self._collect(job, step, output)
            except (RunnerError, BusError) as error:
                reason = reason or f"its artefacts could not be kept: {error}"
        status = StepStatus.SUCCEEDED if reason is None else StepStatus.FAILED
        return Came(status=status, attempts=attempt, exit_code=ending.code, reason=reason, artefacts=artefacts)

    async def _watched(self, execution: Execution, output: Output) -> Ending:
        """Read what it writes, and end it when the run is to end."""

        async def end_it() -> None:
            await self._stop.wait()
            execution.stop()

        ending = asyncio.get_running_loop().create_task(end_it())
        try:
            async for data in execution.output():
                await output.write(data)
            return await execution.ended()
        finally:
            ending.cancel()
            execution.stop()

    def _command(self, job: Job, step: Run, attempt: int) -> Command:
        claimed = self._claimed
        facts = {
            "PIPELINE": claimed.name, "RUN": str(claimed.run), "STEP": job.name, "ATTEMPT": str(attempt),
            "USER": claimed.user, "BRANCH": claimed.branch or "", "COMMIT": self._workspace.commit or "",
            "TRIGGER": claimed.triggered_by, "RERUN": str(claimed.attempt - 1),
        }  # fmt: skip
        return Command(
            run="\n".join(step.commands),
            environment={
                **self._definition.environment, **step.environment,
                **{f"MATRIX_{name.upper()}": value for name, value in job.matrix.items()},
            },
            facts=facts, parameters={name: _text(value) for name, value in claimed.parameters.items()},
            secrets=tuple(step.secrets), folder=step.folder, network=step.network,
            limits=Limits(
                seconds=step.timeout, cpu_seconds=max(int(step.timeout), 1), memory=step.memory * MIB,
                output=STEP_BYTES, stop_seconds=STOP_SECONDS,
            ),
        )  # fmt: skip

    # --- files

    async def _collect(self, job: Job, step: Run, output: Output) -> tuple[ArtefactView, ...]:
        """Keep the files that a step leaves. Raises RunnerError, BusError."""
        collected = await self._workspace.collect(step.artefacts)
        for refused in collected.refused:
            await output.say(f"not kept: {refused.name}: {refused.reason}")
        kept = list[ArtefactView]()
        for artefact in collected.artefacts[:MOST_FILES]:
            if artefact.size > LARGEST:
                await output.say(f"not kept: {artefact.name}: larger than {LARGEST // MIB} MiB")
                continue
            async with self._desk.keeping:
                stored = await self._keep(artefact)
            kept.append(ArtefactView(
                artefact=stored.key, name=artefact.name, size=stored.size, sha256=stored.digest
            ))  # fmt: skip
            await output.say(f"kept: {artefact.name} ({stored.size} bytes)")
        return tuple(kept)

    async def _keep(self, artefact: Artefact) -> StoredFile:
        """Raises RunnerError where there is no room, BusError."""
        use = next((one for one in await self._desk.bus.usage() if one.stream == files.STREAM), None)
        if use is not None and use.limit and use.bytes + artefact.size > ROOM * use.limit:
            raise RunnerError(f"there is no room for {artefact.name} until older files are four days old")
        writer = FileWriter(self._desk.bus, f"a{self._desk.ids.new()}")
        try:
            async for piece in self._workspace.read(artefact):
                await writer.add(piece)
            return await writer.finish()
        except BaseException:
            await writer.undo()
            raise

    async def _restore(self, step: Run, output: Output) -> None:
        for folder in step.cache:
            try:
                if await self._workspace.restore_cache(cache_key(self._claimed, folder), folder):
                    await output.say(f"cache: {folder}")
            except RunnerError as error:
                await output.say(f"no cache: {folder}: {error}")

    async def _save(self, step: Run, output: Output) -> None:
        for folder in step.cache:
            try:
                await self._workspace.save_cache(cache_key(self._claimed, folder), folder)
            except RunnerError as error:
                await output.say(f"cache not kept: {folder}: {error}")


def cache_key(claimed: ClaimedRun, folder: str) -> str:
    """Under which a folder is kept: a branch may have a `/` in it, as a folder may, and both may be long."""
    return sha256(msgspec.json.encode((claimed.pipeline, claimed.branch, folder))).hexdigest()


def _why(ending: Ending) -> str:
    if ending.how == "exited":
        return f"exit code {ending.code}"
    return f"ended by {ending.signal}" if ending.how == "signalled" else HOWS[ending.how]


def _text(value: str | int | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
