"""How imports start: on shards, wherever those are. Files come from the gateways, or from the allowed folder."""

import asyncio
from contextlib import AsyncExitStack, ExitStack
from math import inf
from pathlib import Path, PurePosixPath

import msgspec

from actors.dialing.in_whose_name import must_dial_for
from actors.dialing.rules import DialRules
from actors.imports import folder
from actors.imports.actor import NO_IMPORT, Create, ImportActor, Map, Start
from actors.imports.desk import Desk, preview_key
from actors.imports.machine import IS_OVER, NOT_READY, Import
from actors.imports.reading import Here, Reader
from actors.imports.settings import Imports
from actors.runtime import files
from actors.runtime.bus import Bus, BusError, BusFull
from actors.runtime.context import Context
from actors.runtime.files import FileGone, FileWriter
from actors.runtime.host import Host
from actors.runtime.ids import Ids, derived
from actors.runtime.parts import HostParts
from actors.runtime.rendezvous import shard_of
from actors.runtime.service import serve
from actors.runtime.shards import NOT_NOW, Sharded, bring_here
from actors.runtime.user_turns import UserTurns
from actors.runtime.wire import Page, ask, forward
from bus_schemas.campaign import (
    ADD_ON_SHARD,
    CAMPAIGN_IS_ARCHIVED,
    GET_CAMPAIGN,
    AddOnShard,
    CampaignStatus,
    CampaignView,
    GetCampaign,
)
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit
from bus_schemas.imports import (
    ADMIT_IMPORT,
    CREATE_IMPORT,
    HELD_FILES,
    IMPORT_ENDED,
    IMPORT_FROM_PATH,
    IMPORT_ON_SHARD,
    LARGEST,
    MAP_COLUMNS,
    OVER,
    PREVIEW_IMPORT,
    START_IMPORT,
    AdmitImport,
    Admitted,
    CreateImport,
    GetImport,
    HeldFiles,
    ImportFromPath,
    ImportOnShard,
    ImportPreview,
    ImportStatus,
    ImportView,
    MapColumns,
    StartImport,
    StoredFile,
)
from bus_schemas.names import share_of
from bus_schemas.permissions import Action

NO_FOLDER = RefusalTemplate(
    ErrorCode.INVALID_PARAMS, "No folder is allowed here ([imports] folder). Send the file itself.", field="path"
)
NO_ROOM = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many files wait to be imported. Start or cancel some.", rule="files", retry_after=30
)
NO_ROOM_OF_YOURS = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many files of yours wait to be imported. Start or cancel some.",
    rule="files_per_user", retry_after=30,
)  # fmt: skip
MAY_NOT_RUN = RefusalTemplate(
    ErrorCode.PERMISSION_DENIED, "To have the campaign run needs campaign.run.", permission=Action.CAMPAIGN_RUN
)
KEPT_FREE = 32 << 20  # bytes, for previews and the tables of what is bad
OF_ONE_USER = 2 / 3  # of the rest: two of the largest, and small ones
FILES_EACH = 100  # of one user that are not over: each is read by a process of its own, for minutes where it is hard
CLOSED = frozenset({CampaignStatus.DRAINING, CampaignStatus.STOPPED, CampaignStatus.FINISHED})


async def start(
    parts: HostParts, stack: AsyncExitStack, *, settings: Imports, rules: DialRules, reader: Reader | None = None
) -> None:
    """Lists can be imported. `reader`: None: in this process."""
    desk = Desk(bus=parts.bus, reader=reader or Here(), rules=rules, turns=UserTurns(settings.at_once))
    service = ImportService(bus=parts.bus, ids=parts.ids, allowed=settings.allowed)

    def prepare(host: Host) -> None:
        host.add_maker(ImportActor.made_by(lambda id, host: ImportActor(id=id, host=host, desk=desk)))
        on_shard = OnShard(host=host, service=service)
        host.serve_beside(IMPORT_ON_SHARD, on_shard.create)
        host.serve_beside(START_IMPORT, on_shard.start)
        host.serve_beside(MAP_COLUMNS, on_shard.map_columns)
        host.serve_beside(PREVIEW_IMPORT, on_shard.preview)

    parts.shards.add(Sharded(actor=ImportActor, prepare=prepare, over=(IMPORT_ENDED,)))
    parts.any_host.append(
        (
            serve(ADMIT_IMPORT, service.admit),
            serve(CREATE_IMPORT, service.create),
            serve(IMPORT_FROM_PATH, service.from_path),
        )
    )


class OnShard:
    """What is asked of imports of one shard that takes longer than an inbox should wait, or makes one."""

    def __init__(self, *, host: Host, service: "ImportService") -> None:
        self._host = host
        self._service = service

    async def create(self, request: ImportOnShard, context: Context) -> ImportView:
        if self._host.get(ImportActor, request.import_id) is None:  # once it is here it is on record
            self._host.written.check(share_of("", context.user))
        await bring_here(self._host, ImportActor, request.import_id)
        return await self._host.order(ImportActor, request.import_id, Create(wanted=request.create), context)

    async def start(self, request: StartImport, context: Context) -> Page:
        """Whoever starts it has the campaign dial as who made it: they see it, and may."""
        state = self._state(request.import_id)
        run, ready = state.run if request.run is None else request.run, state.status is ImportStatus.READY
        if ready:
            await self._service.must_take(state.campaign_id, run=run, context=context)
        return await self._host.order(ImportActor, request.import_id, Start(run=run, checked=ready), context)

    async def map_columns(self, request: MapColumns, context: Context) -> ImportView:
        """Whoever says what is a number decides whom the campaign calls: they have sent the list, or see it."""
        state = self._state(request.import_id)
        if state.by != context.user:
            await self._service.must_see(state.campaign_id, context)
        return await self._host.order(ImportActor, request.import_id, Map(wanted=request), context)

    async def preview(self, request: GetImport, context: Context) -> Page:
        state = self._state(request.import_id)
        if state.status in OVER:
            raise IS_OVER(status=state.status)
        if state.layout is None:
            raise NOT_READY()
        try:
            found = await files.piece(self._host.bus, preview_key(request.import_id))
        except FileGone:
            raise NO_IMPORT() from None
        except BusError:
            raise NOT_NOW() from None
        return Page(body=msgspec.json.decode(found, type=ImportPreview), changed=False)

    def _state(self, id: str) -> Import:
        actor = self._host.get(ImportActor, id)
        if actor is None or actor.state is None:
            raise NO_IMPORT()
        return actor.state


class ImportService:
    """What any host is asked. `allowed`: the folder whose files may be named by their path; None: none."""

    def __init__(self, *, bus: Bus, ids: Ids, allowed: Path | None) -> None:
        self._bus = bus
        self._ids = ids
        self._allowed = allowed

    async def admit(self, request: AdmitImport, context: Context) -> Admitted:
        """Raises Refusal where a file would not be taken, before all of it is sent. Who else sends one by another
        gateway is seen by the bucket, which takes no more than it has room for."""
        await self.must_take(request.campaign_id, run=request.run, context=context)
        try:
            found = next((one for one in await self._bus.usage() if one.stream == files.STREAM), None)
        except BusError:
            raise NOT_NOW() from None
        room = found.limit - KEPT_FREE if found is not None and found.limit else inf
        if found is not None and found.bytes + request.size > room:
            raise NO_ROOM()
        held = await ask(self._bus, HELD_FILES, HeldFiles(by=context.user), context)
        if held.size + request.own > OF_ONE_USER * room or held.count >= FILES_EACH:
            raise NO_ROOM_OF_YOURS()
        return Admitted()

    async def create(self, request: CreateImport, context: Context) -> Page:
        await self.must_take(request.campaign_id, run=request.run, context=context)
        id = derived("imp", context.user, context.command_id)
        wanted = ImportOnShard(shard=shard_of(id), import_id=id, create=request)
        return await forward(self._bus, IMPORT_ON_SHARD, wanted, context)

    async def from_path(self, request: ImportFromPath, context: Context) -> Page:
        if self._allowed is None:
            raise NO_FOLDER()
        wanted = AdmitImport(campaign_id=request.campaign_id, size=LARGEST, own=LARGEST, run=request.run)
        await self.admit(wanted, context)
        stored = await self._copy(self._allowed, request.path)
        create = CreateImport(
            campaign_id=request.campaign_id, name=PurePosixPath(request.path).name, begin=request.begin,
            run=request.run, file=stored,
        )  # fmt: skip
        return await self.create(create, context)

    async def _copy(self, allowed: Path, path: str) -> StoredFile:
        """Put a file of the folder where every host reads it. Raises Refusal."""
        writer = FileWriter(self._bus, self._ids.new())
        try:
            with ExitStack() as stack:  # the folder may be another machine's, which is away
                file = await asyncio.to_thread(stack.enter_context, folder.opened(allowed, path, largest=LARGEST))
                while piece := await asyncio.to_thread(file.read, files.PIECE):
                    if writer.size + len(piece) > LARGEST:  # it grows
                        raise misfit("path", f"larger than {LARGEST >> 20} MB.")
                    await writer.add(piece)
            return await writer.finish()
        except BusError as error:
            await writer.undo()
            raise NO_ROOM() if isinstance(error, BusFull) else NOT_NOW() from None
        except Refusal:
            await writer.undo()
            raise

    async def must_see(self, campaign: str, context: Context) -> CampaignView:
        """The campaign. Raises Refusal where it is none that the asker sees."""
        seeing = Context(
            command_id=self._ids.new(), user=context.user, actions=context.actions | {Action.CAMPAIGN_VIEW},
            after=context.after,
        )  # fmt: skip
        return await ask(self._bus, GET_CAMPAIGN, GetCampaign(campaign_id=campaign), seeing)

    async def must_take(self, campaign: str, *, run: bool, context: Context) -> None:
        """Raise Refusal where the campaign is none that the asker sees and may have dial, or takes no leads now. `run`:
        they make it run."""
        if run and not context.may(Action.CAMPAIGN_RUN):
            raise MAY_NOT_RUN()
        there = await self.must_see(campaign, context)
        if there.status is CampaignStatus.ARCHIVED:
            raise CAMPAIGN_IS_ARCHIVED()
        must_dial_for(there.by, there.settings, context)
        asked = AddOnShard(shard=shard_of(campaign), campaign_id=campaign, leads=())
        found = await ask(self._bus, ADD_ON_SHARD, asked, Context(command_id=self._ids.new(), fresh=True))
        if found.status in CLOSED and (not run or found.status is CampaignStatus.DRAINING):
            raise Refusal(
                ErrorCode.CONFLICT, "The campaign is over, or being stopped: with `run` one that is over runs again.",
                status=found.status,
            )  # fmt: skip
