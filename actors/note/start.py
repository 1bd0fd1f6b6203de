"""How notes start: each lives on its shard while it is changed, and any host answers for who asks."""

from contextlib import AsyncExitStack

from actors.note.actor import Change, NoteActor, Put
from actors.note.machine import NOT_YOURS
from actors.note.mentions import mentioned
from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.ids import derived
from actors.runtime.parts import HostParts
from actors.runtime.rendezvous import shard_of
from actors.runtime.service import serve
from actors.runtime.shards import Sharded, bring_here
from actors.runtime.wire import Page, ask, forward
from bus_schemas.errors import ErrorCode, Refusal, misfit
from bus_schemas.note import (
    ADD_NOTE,
    CHANGE_NOTE,
    DELETE_NOTE,
    EDIT_NOTE,
    FIND_NOTED,
    LARGEST,
    NOTE_ADDED,
    PAST_NOTE,
    PUT_NOTE,
    AddNote,
    ChangeNote,
    DeleteNote,
    EditNote,
    FindNoted,
    GetNote,
    PutNote,
)


class NoteService:
    """What users ask, handed on to whoever has the note's shard."""

    def __init__(self, *, bus: Bus) -> None:
        self._bus = bus

    async def add(self, request: AddNote, context: Context) -> Page:
        """The id follows from the command, so a repeat finds what it has written."""
        text = _small(request.text)
        about = FindNoted(call_id=request.call_id, campaign_id=request.campaign_id, lead=request.lead)
        _must_be_one(about)
        noted = await ask(self._bus, FIND_NOTED, about, context)
        note = derived("n", context.user, context.command_id)
        wanted = PutNote(
            shard=shard_of(note), note=note, text=text, call_id=request.call_id, campaign_id=request.campaign_id,
            lead=request.lead, owners=noted.owners, mentions=await mentioned(self._bus, text, context),
        )  # fmt: skip
        return await forward(self._bus, PUT_NOTE, wanted, context)

    async def edit(self, request: EditNote, context: Context) -> Page:
        text = _small(request.text)
        await self._own(request.note, context)
        wanted = ChangeNote(
            shard=shard_of(request.note), note=request.note, text=text,
            mentions=await mentioned(self._bus, text, context),
        )  # fmt: skip
        return await forward(self._bus, CHANGE_NOTE, wanted, context)

    async def delete(self, request: DeleteNote, context: Context) -> Page:
        await self._own(request.note, context)
        wanted = ChangeNote(shard=shard_of(request.note), note=request.note)
        return await forward(self._bus, CHANGE_NOTE, wanted, context)

    async def _own(self, note: str, context: Context) -> None:
        """Raise Refusal unless there is such a note and it is the asker's: a shard is asked of nothing else, so nobody
        has it write of notes that never were."""
        if (await ask(self._bus, PAST_NOTE, GetNote(note=note), context)).author != context.user:
            raise NOT_YOURS()


def _small(text: str) -> str:
    """Raise Refusal(INVALID_PARAMS) for a text that is too large."""
    if (size := len(text.encode())) > LARGEST:
        raise misfit("text", f"at most {LARGEST} bytes in UTF-8; this has {size}.", most=LARGEST)
    return text


def _must_be_one(about: FindNoted) -> None:
    of_lead = about.campaign_id is not None or about.lead is not None
    if (about.call_id is not None) is of_lead or (about.campaign_id is None) is not (about.lead is None):
        raise Refusal(
            ErrorCode.INVALID_PARAMS, "A note is about a call, `call_id`, or about a lead, `campaign_id` and `lead`.",
            field="call_id",
        )  # fmt: skip


def prepare(host: Host) -> None:
    """How a shard has notes."""

    async def put(request: PutNote, context: Context) -> Page:
        await bring_here(host, NoteActor, request.note)
        said = await host.order(NoteActor, request.note, Put(request=request), context)
        return _page(host, request.note, said)

    async def change(request: ChangeNote, context: Context) -> Page:
        await bring_here(host, NoteActor, request.note)
        before = _seq(host, request.note)
        said = await host.order(NoteActor, request.note, Change(request=request), context)
        return _page(host, request.note, said, changed=_seq(host, request.note) != before)

    host.add_maker(NoteActor.made_by(lambda id, host: NoteActor(id=id, host=host)))
    host.serve_beside(PUT_NOTE, put)
    host.serve_beside(CHANGE_NOTE, change)


def _page(host: Host, note: str, said: object, *, changed: bool = True) -> Page:
    return Page(body=said, seq=_seq(host, note), changed=changed)


def _seq(host: Host, note: str) -> int:
    """Up to where the journal is known of it; 0: it has just been let go."""
    actor = host.get(NoteActor, note)
    return actor.seq if actor is not None else 0


async def start(parts: HostParts, stack: AsyncExitStack) -> None:
    """Notes can be added and changed here."""
    service = NoteService(bus=parts.bus)
    parts.shards.add(Sharded(actor=NoteActor, prepare=prepare, over=(NOTE_ADDED,)))
    parts.any_host.append(
        (serve(ADD_NOTE, service.add), serve(EDIT_NOTE, service.edit), serve(DELETE_NOTE, service.delete))
    )
