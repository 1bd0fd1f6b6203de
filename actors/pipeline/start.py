"""How pipelines start: on shards, so that each goes on wherever a host is; and how their definitions get there."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from secrets import token_hex

import msgspec

from actors.pipeline.actor import API, NOT_SIGNED, Define, Gone, PipelineActor, Trigger
from actors.pipeline.checking import Checked, check
from actors.pipeline.files import DefinitionFiles, Read
from actors.pipeline.language import Definition, Webhook
from actors.pipeline.reading import Reader
from actors.pipeline.runners import Runners
from actors.pipeline.settings import Pipelines
from actors.pipeline.trigger import delivery_of
from actors.runtime.bus import Bus
from actors.runtime.checks import Checks
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.parts import HostParts
from actors.runtime.rendezvous import shard_of
from actors.runtime.service import serve
from actors.runtime.shards import Sharded, bring_here
from actors.runtime.sparing import SparingLog
from actors.runtime.toml_files import EVERY, SUFFIX
from actors.runtime.wire import Page, ask, forward
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.pipeline import (
    CHECK_PIPELINE,
    DEFINE_PIPELINE,
    PUT_PIPELINE,
    TRIGGER_ON_SHARD,
    TRIGGER_PIPELINE,
    CheckedPipeline,
    CheckPipeline,
    DefinePipeline,
    PipelineDefinition,
    PipelineProblem,
    PutPipeline,
    Triggered,
    TriggerOnShard,
    TriggerPipeline,
)

SECRET_LINES = 6  # a minute in the log, of secrets that are not there
NO_HOOK, NO_SECRET = Webhook(secret="NONE"), token_hex(32)  # by which is measured what nobody has signed
GONE_LOOKS = 3  # at which a file is not there, so that nobody who replaces one by hand takes its pipeline away
WRONG = RefusalTemplate(ErrorCode.PIPELINE_ERROR, "The definition cannot be run.", why="definition")
TOO_MANY = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "You have as many pipelines as one user may have. Delete some.", rule="pipelines_per_user"
)
NOT_YOU = RefusalTemplate(ErrorCode.PIPELINE_ERROR, "`as_user` of a definition that you make is you.", why="as_user")


async def start(
    parts: HostParts, stack: AsyncExitStack, *, settings: Pipelines, shipped: Path | None = None,
    secret: Callable[[str], str | None] = lambda name: None,
) -> None:  # fmt: skip
    """Pipelines can be defined, run and stopped, and those of this host's shards decide. `shipped`: the folder of those
    that come with the platform; `secret`: one by its name."""
    no_secret = SparingLog(per_minute=SECRET_LINES, now=parts.clock.monotonic)
    runners = Runners(bus=parts.bus, clock=parts.clock)
    await runners.start()
    stack.push_async_callback(runners.stop)
    reader, owned = Reader(), Owned(parts.host, settings.per_user)

    def prepare(host: Host) -> None:
        def make(id: str, host: Host) -> PipelineActor:
            return PipelineActor(id=id, host=host, reader=reader, runners=runners, lost=settings.lost_after)

        host.add_maker(PipelineActor.made_by(make))
        on_shard = OnShard(host, reader, owned, secret, no_secret)
        host.serve_beside(PUT_PIPELINE, on_shard.put)
        host.serve_beside(TRIGGER_ON_SHARD, on_shard.trigger)

    parts.shards.add(Sharded(actor=PipelineActor, prepare=prepare))
    checks = Checks("definitions")
    stack.callback(checks.stop)
    desk = PipelineDesk(parts.bus, checks)
    parts.any_host.append((serve(DEFINE_PIPELINE, desk.define), serve(CHECK_PIPELINE, desk.check),
                           serve(TRIGGER_PIPELINE, desk.trigger)))  # fmt: skip
    folders = (shipped if settings.shipped else None, Path(settings.folder) if settings.folder else None)
    there = tuple(folder for folder in folders if folder is not None)
    if there or shipped is not None:
        parts.background.append(Bringer(host=parts.host, files=DefinitionFiles(there)).run)


class PipelineDesk:
    """What any host is asked of definitions."""

    def __init__(self, bus: Bus, checks: Checks) -> None:
        self._bus = bus
        self._checks = checks

    async def check(self, request: CheckPipeline, context: Context) -> CheckedPipeline:
        problems = _problems(await self._checked(request.text, context))
        return CheckedPipeline(ok=not problems, problems=problems)

    async def define(self, request: DefinePipeline, context: Context) -> Page:
        """Raises Refusal(PIPELINE_ERROR) with all that is wrong."""
        checked = await self._checked(request.text, context)
        definition = checked.definition
        if definition is None:
            raise WRONG(problems=[msgspec.structs.asdict(one) for one in _problems(checked)])
        if definition.as_user not in (None, context.user):
            raise NOT_YOU(as_user=definition.as_user)
        return await forward(self._bus, PUT_PIPELINE, put(definition, request.text, API), context)

    async def trigger(self, request: TriggerPipeline, context: Context) -> Page:
        asked = TriggerOnShard(shard=shard_of(str(request.pipeline)), asked=request)
        return await forward(self._bus, TRIGGER_ON_SHARD, asked, context)

    async def _checked(self, text: str, context: Context) -> Checked:
        return await self._checks.one(context.share, partial(check, text))


def put(definition: Definition, text: str, source: str) -> PutPipeline:
    """The definition, for whoever has its shard."""
    return PutPipeline(shard=shard_of(str(definition.id)), pipeline=definition.id, text=text, source=source)


def _problems(checked: Checked) -> list[PipelineProblem]:
    return [
        PipelineProblem(line=one.line, column=one.column, at=one.at, message=one.message) for one in checked.problems
    ]


class Owned:
    """Whose pipelines a host has, on all of its shards: each may begin by itself every minute, all of them at once, and
    counts for nobody's share then. `most`: of one user, defined by hand."""

    def __init__(self, host: Host, most: int) -> None:
        self._host = host
        self._most = most

    def must_have_room(self, id: str, user: str) -> None:
        """Raise Refusal where a pipeline would be one too many of a user's."""
        here = (one for host in self._host.shards.values() for one in host.all(PipelineActor) if one.id != id)
        states = (one.state for one in here if one.state is not None)
        if sum((one.by, one.source, one.deleted) == (user, API, False) for one in states) >= self._most:
            raise TOO_MANY(most=self._most)


class OnShard:
    """What is asked of the pipelines of one shard. `secret`: one by its name, None where this host has none."""

    def __init__(
        self, host: Host, reader: Reader, owned: "Owned", secret: Callable[[str], str | None], no_secret: SparingLog
    ) -> None:
        self._host = host
        self._reader = reader
        self._owned = owned
        self._secret = secret
        self._no_secret = no_secret

    async def put(self, request: PutPipeline, context: Context) -> PipelineDefinition:
        id = str(request.pipeline)
        if request.source == API:
            self._owned.must_have_room(id, context.user)
        await bring_here(self._host, PipelineActor, id)
        return await self._host.order(PipelineActor, id, Define(text=request.text, source=request.source), context)

    async def trigger(self, request: TriggerOnShard, context: Context) -> Page | Triggered:
        """Run a pipeline as an outside service wants. Raises Refusal: the same, after the same work, for whatever is
        not there or not signed."""
        asked, number = request.asked, str(request.asked.pipeline)
        actor = self._host.get(PipelineActor, number)
        pipeline = actor.state if actor is not None else None
        text = pipeline.text if pipeline is not None and not pipeline.deleted else None
        definition = await self._reader.read(text, pipeline.share) if pipeline and text is not None else None
        hook = definition.webhook if definition is not None else None
        secret = self._secret((hook or NO_HOOK).secret)
        now = self._host.clock.now().timestamp()
        delivery = delivery_of(hook or NO_HOOK, secret or NO_SECRET, asked.body, asked.headers, now)
        if hook is not None and not secret:
            self._no_secret.warning("this host lacks the secret of a webhook", pipeline=number, secret=hook.secret)
        if pipeline is None or definition is None or hook is None or not secret or delivery is None:
            raise NOT_SIGNED()
        given = await self._reader.posted(pipeline.share, pipeline.text, hook, asked.body)
        order = Trigger(version=pipeline.version, wanted=given, delivery=delivery)
        return await self._host.order(PipelineActor, number, order, context)


class Bringer:
    """Brings the definitions in files on record: what is wrong with one is said, and the version before it goes on to
    be run. One of this host's shards whose file has been gone for some looks can be run no more."""

    def __init__(self, *, host: Host, files: DefinitionFiles) -> None:
        self._host = host
        self._files = files
        self._missed: dict[str, int] = {}  # looks at which the files of pipelines were not there

    async def run(self) -> None:
        while True:
            for name, path, stamp in self._files.changed():
                if await self._bring(await asyncio.to_thread(self._files.read, name, path)):
                    self._files.take(name, stamp)
            await self._take_away()
            await self._forget_refused()
            await self._host.pause(EVERY)

    async def _take_away(self) -> None:
        """See which files of this host's pipelines are not there now, and have been missed before."""
        files = {
            one.id: (host, state.source) for host in self._host.shards.values() for one in host.all(PipelineActor)
            if (state := one.state) is not None and not state.deleted and state.source != API
        }  # fmt: skip
        gone = await asyncio.to_thread(self._gone, {id: source for id, (_, source) in files.items()})
        self._missed = {id: self._missed.get(id, 0) + 1 for id in gone}
        for id in [id for id, times in self._missed.items() if times >= GONE_LOOKS]:
            host, source = files[id]
            with contextlib.suppress(Refusal):  # another host has it now, or it is tried again
                context = Context(command_id=self._host.ids.new())
                await host.order(PipelineActor, id, Gone(source=source), context)
            self._host.quarantined.pop(("pipeline", source), None)

    async def _forget_refused(self) -> None:
        """A file that was refused and is there no more is no trouble any more."""
        left = self._host.quarantined
        refused = [name for kind, name in left if kind == "pipeline" and name.endswith(SUFFIX)]
        for gone in await asyncio.to_thread(lambda: [name for name in refused if self._files.lacks(name)]):
            left.pop(("pipeline", gone), None)

    def _gone(self, files: Mapping[str, str]) -> list[str]:
        """Those whose files are not there. Blocks."""
        return [id for id, source in files.items() if self._files.is_gone(source, int(id))]

    async def _bring(self, read: Read) -> bool:
        """False: it could not be said now, and is to be tried again."""
        problem = read.problem
        if read.definition is not None:
            asked = put(read.definition, read.text, read.name)
            try:
                await ask(self._host.bus, PUT_PIPELINE, asked, Context(command_id=self._host.ids.new()))
            except Refusal as refusal:
                if refusal.code is not ErrorCode.PIPELINE_ERROR:
                    return False
                problem = f"{read.name}: {refusal.message}"
        if problem is None:
            self._host.quarantined.pop(("pipeline", read.name), None)
        else:
            self._host.quarantine("pipeline", read.name, problem)
        return True
