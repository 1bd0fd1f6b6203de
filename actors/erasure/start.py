"""How erasures start: each lives on its shard until it is done, and any host takes what is asked."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from actors.archive.archive import Archive
from actors.erasure.actor import Begin, ErasureActor
from actors.erasure.desk import Desk, calls_with, delete_files
from actors.erasure.person import Person
from actors.runtime.bus import Bus, BusError, Fenced
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import derived
from actors.runtime.marks import BUCKET, Marks, marks_of
from actors.runtime.parts import HostParts
from actors.runtime.rendezvous import shard_of
from actors.runtime.service import serve
from actors.runtime.shards import NOT_NOW, Sharded, bring_here
from actors.runtime.wire import Page, ask, forward
from actors.telephony.numbers import NotANumber, canonical
from bus_schemas.erasure import (
    BEING_CALLED,
    ERASE_FILES,
    ERASE_ON_SHARD,
    ERASE_PERSON,
    ERASURE_DONE,
    ERASURE_FAILED,
    READ_ANEW,
    EraseFiles,
    EraseOnShard,
    ErasePerson,
    FilesErased,
    ReadAnew,
    WasRead,
)
from bus_schemas.errors import ErrorCode, RefusalTemplate, misfit
from bus_schemas.imports import LIST_IMPORTS, ImportStatus, ListImports
from bus_schemas.permissions import Action

PATIENCE = 20.0  # seconds for a campaign to be there again
IMPORTS_RUN = RefusalTemplate(ErrorCode.CONFLICT, "A list is being imported: ask again when that is over.")


class ErasureService:
    """What users ask, handed on to whoever has the erasure's shard."""

    def __init__(self, *, bus: Bus, marks: Marks, region: str) -> None:
        self._bus = bus
        self._marks = marks
        self._region = region

    async def begin(self, request: ErasePerson, context: Context) -> Page:
        """The id follows from the command, so a repeat finds what it has begun."""
        numbers = frozenset(self._number(place, text) for place, text in enumerate(request.numbers))
        await self._must_not_be_called(numbers, context)
        await self._must_not_be_imported(context)
        erasure = derived("er", context.user, context.command_id)
        person = msgspec.json.encode(Person(numbers=numbers))
        try:
            await self._bus.put(BUCKET, erasure, person, expect=0)
        except Fenced:  # by the first of this command
            pass
        except BusError:
            raise NOT_NOW() from None
        wanted = EraseOnShard(
            shard=shard_of(erasure), erasure=erasure, marks=tuple(sorted(map(self._marks.of, numbers))),
            reason=request.reason,
        )  # fmt: skip
        return await forward(self._bus, ERASE_ON_SHARD, wanted, context)

    def _number(self, place: int, text: str) -> str:
        try:
            return canonical(text, self._region).e164
        except NotANumber as error:
            raise misfit(f"numbers[{place}]", f"not a phone number: {error}.") from None

    async def _must_not_be_called(self, numbers: frozenset[str], context: Context) -> None:
        if calls := await calls_with(self._bus, numbers, Context(command_id=context.command_id)):
            raise BEING_CALLED(calls=calls)

    async def _must_not_be_imported(self, context: Context) -> None:
        """What is on its way into a campaign could bring the person in once more."""
        asking = Context(command_id=context.command_id, actions=frozenset({Action.CAMPAIGN_IMPORT}))
        found = await ask(self._bus, LIST_IMPORTS, ListImports(status=ImportStatus.RUNNING, limit=1), asking)
        if found:
            raise IMPORTS_RUN(import_id=found[0].import_id)


def on_shards(desk: Desk) -> Sharded:
    """The owners of erasures, wherever their shard is."""

    def prepare(host: Host) -> None:
        async def begin(request: EraseOnShard, context: Context) -> Page:
            await bring_here(host, ErasureActor, request.erasure)
            said = await host.order(ErasureActor, request.erasure, Begin(request=request), context)
            actor = host.get(ErasureActor, request.erasure)
            return Page(body=said, seq=actor.seq if actor is not None else 0)

        one_by_one = asyncio.Lock()  # who asks while it reads for another may have changed what it has read already

        async def read_anew(request: ReadAnew, context: Context) -> WasRead:
            async with asyncio.timeout(PATIENCE), one_by_one:
                actor = host.find(request.kind, request.id)
                if actor is not None:
                    host.spawn(host.restart(actor))
                    while host.find(request.kind, request.id) is actor:
                        await host.pause(0.05)
            return WasRead()

        host.add_maker(ErasureActor.made_by(lambda id, host: ErasureActor(id=id, host=host, desk=desk)))
        host.serve_beside(ERASE_ON_SHARD, begin)
        host.serve_beside(READ_ANEW, read_anew)

    return Sharded(actor=ErasureActor, prepare=prepare, over=(ERASURE_DONE, ERASURE_FAILED))


async def start(
    parts: HostParts, stack: AsyncExitStack, *, region: str, folders: Mapping[str, Path], archive: Archive | None = None
) -> None:
    """A person can be erased. `folders`: of recordings, as this machine sees them, by PBX; `archive`: of the site."""
    marks = await marks_of(parts.bus)

    def names() -> list[str]:
        return [parts.host.name, *parts.peers.others()]

    async def files(request: EraseFiles, context: Context) -> FilesErased:
        return FilesErased(files=await asyncio.to_thread(delete_files, dict(folders), request.recordings))

    desk = Desk(bus=parts.bus, marks=marks, hosts=parts.hosts, names=names, archive=archive)
    service = ErasureService(bus=parts.bus, marks=marks, region=region)
    parts.shards.add(on_shards(desk))
    parts.any_host.append((serve(ERASE_PERSON, service.begin),))
    parts.this_host.append((serve(ERASE_FILES, files),))
