"""Notes on two hosts: whoever dies, what was written is there once, and whoever comes after goes on from it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from actors.assembly import serve, start_host
from actors.note.actor import KEEP, NoteActor
from actors.note.start import start as start_notes
from actors.runtime.context import Context
from actors.runtime.parts import Parts
from actors.runtime.rendezvous import shard_of
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.contract import verb_of
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.note import CHANGE_NOTE, PUT_NOTE, ChangeNote, NoteChanged, NoteView, PutNote
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from tests.runtime.sharded import Life, Site


class NoteSite(Site):
    """A broker, hosts that come and go, and somebody who writes notes. There is no ledger: shards are asked."""

    async def _live(self, life: Life, number: int) -> None:
        async with AsyncExitStack() as stack:
            process = Parts(bus=life.bus, clock=self.clock, ids=CountedIds(f"{life.name}{number}-"))
            settings = Settings(host=life.name)
            parts = await start_host(process, stack, settings=settings, on_lost=life.over.set, problems=list)
            await start_notes(parts, stack)
            await serve(parts, stack)
            life.host = parts.host
            await life.over.wait()

    def owner_of(self, note: str) -> Life:
        [life] = [life for life in self.lives if shard_of(note) in life.serves]
        return life

    def actors(self) -> list[str]:
        """The notes that are owned anywhere now."""
        hosts = [shard for life in self.lives if not life.ended and life.host for shard in life.host.shards.values()]
        return [actor.id for host in hosts for actor in host.all(NoteActor)]

    async def put(self, note: str, text: str, command: str) -> NoteView:
        wanted = PutNote(shard=shard_of(note), note=note, text=text, call_id="c1", owners=("op12",))
        return await ask(self.asker, PUT_NOTE, wanted, Context(command_id=command, user="op12"))

    async def change(self, note: str, text: str | None, command: str, user: str = "op12") -> NoteChanged:
        wanted = ChangeNote(shard=shard_of(note), note=note, text=text)
        return await ask(self.asker, CHANGE_NOTE, wanted, Context(command_id=command, user=user))

    def story(self, note: str) -> list[str]:
        """What has happened to a note, but for who owned it."""
        found = [verb_of(entry.subject) for entry in self.broker.entries(f"ottb.v1.evt.note.{note}.*")]
        return [verb for verb in found if verb != "activated"]


def simulated(test: Callable[[NoteSite], Awaitable[None]]) -> Callable[[], None]:
    def run_it() -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, SimLoop)
            site = NoteSite(loop)
            site.start("a"), site.start("b")
            await site.until_right("a", "b")
            await test(site)
            await site.end()
            await asyncio.sleep(0.1)

        run(main, 1)

    return run_it


@simulated
async def test_a_repeat_is_one_note_also_after_its_owner_died(site: NoteSite) -> None:
    first = await site.put("n1", "Asked", "k1")
    assert await site.put("n1", "Asked", "k1") == first
    site.kill(site.owner_of("n1"))
    await asyncio.sleep(1)
    assert await site.put("n1", "Asked", "k1") == first
    assert site.story("n1") == ["added"]


@simulated
async def test_who_comes_after_goes_on_from_what_was_written(site: NoteSite) -> None:
    await site.put("n1", "one", "k1")
    assert (await site.change("n1", "two", "k2")).version == 2
    site.kill(site.owner_of("n1"))
    await asyncio.sleep(1)
    assert (await site.change("n1", "two", "k2")).version == 2  # a repeat
    assert (await site.change("n1", "three", "k3")).version == 3
    assert (await site.change("n1", None, "k4")).deleted
    assert site.story("n1") == ["added", "edited", "edited", "deleted"]
    with pytest.raises(Refusal) as refused:
        await site.change("n1", "four", "k5")
    assert refused.value.code is ErrorCode.NOT_FOUND


@simulated
async def test_a_note_that_nobody_changes_costs_no_actor(site: NoteSite) -> None:
    for number in range(20):
        await site.put(f"n{number}", "Asked", f"k{number}")
    assert len(site.actors()) == 20
    await asyncio.sleep(KEEP + 1)
    assert site.actors() == []
    died = site.owner_of("n1")
    site.kill(died)
    await site.until_right("b" if died.name == "a" else "a")
    assert site.actors() == []  # nobody takes what is only read
    assert (await site.change("n1", "again", "k")).version == 2
    assert site.actors() == ["n1"]


@simulated
async def test_a_shard_keeps_strangers_out_by_itself(site: NoteSite) -> None:
    await site.put("n1", "Asked", "k1")
    with pytest.raises(Refusal) as refused:
        await site.change("n1", None, "k2", user="op13")
    assert refused.value.code is ErrorCode.PERMISSION_DENIED and site.story("n1") == ["added"]
