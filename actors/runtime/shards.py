"""The shards that this host holds. A shard is a small host of its own, with its own claim, barrier and end, and every
actor whose id falls into it lives there.

Every host looks again and again who is there and who has what, in one read of the leases: a host is there while it has
joined and its lease lives, and which shards belong to which host everybody computes alike (`rendezvous.py`). Who has a
shard that belongs to another one drains it, lets go of it and says so; the other one, who hears that, takes it. What a
host held that is no longer there is taken by those to whom it belongs now. Nobody takes what a living host holds.

A new owner writes a barrier (`SHARD_TAKEN`) and reads then what is on record. Each actor's own barrier shuts out its
former owner as ever; that of the shard does so for actors that nothing is on record of yet: their first write, itself a
barrier, names the shard's (`Host.fence`). So whatever was acknowledged is found by who comes after.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import msgspec
import structlog
from msgspec import Struct

from actors.runtime.activation import activate_all
from actors.runtime.actor import AnyActor
from actors.runtime.bus import ID, BusError, BusUnavailable, Entry
from actors.runtime.clock import moment
from actors.runtime.effects import Work
from actors.runtime.host import Host
from actors.runtime.journalled import Unreadable
from actors.runtime.ownership import BUCKET, LEASES, Claim, Ghosts, Lease, end_ghosts, lease_in, lives
from actors.runtime.peers import Peers
from actors.runtime.rendezvous import all_shards, shard_of, shards_of
from bus_schemas.contract import ROOT, AnyTopic, id_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.host import SHARD_TAKEN, ShardTaken

log = structlog.get_logger()

LOOK = 0.5  # seconds between two looks when nobody says anything
AT_ONCE = 16  # shards that are taken or restored at once
JOINED, SHARD = "joined", "shard"  # the keys, with the name of a host or the number of a shard

NOT_NOW = RefusalTemplate(ErrorCode.UNAVAILABLE, "The journal cannot be reached now. Try again.")

OnRecord = Mapping[int, Iterable[tuple["Sharded", str]]]  # the ids on record of each kind, by shard


class Sharded(Struct, frozen=True, kw_only=True):
    """A kind whose actors live on shards. `prepare`: tells the host of a shard how they are made, and what it answers
    beside (`ottb.v1.cmd.shard.<shard>.<verb>`, `Host.serve_beside`). `over`: the events after any of which an actor
    need not be there until it is asked for, also where others follow. What is on record of an actor is found by its
    subject, `ottb.v1.evt.<kind>.<id>.<verb>`; TypeError for a kind with another one, as calls have with their line."""

    actor: type[AnyActor]
    prepare: Callable[[Host], None]
    over: tuple[AnyTopic, ...] = ()

    def __post_init__(self) -> None:
        kind = self.actor.kind
        for topic in (*self.actor.topics, *self.over):
            if topic.kept and topic.pattern != f"{ROOT}.evt.{kind}.*.{topic.verb}":
                raise TypeError(f"{kind}: {topic.subject} would not be found by {ROOT}.evt.{kind}.*.*")


async def bring_here(host: Host, kind: type[AnyActor], id: str) -> None:
    """Have an actor at the host of its shard, also one that nothing is on record of. Raises Refusal(UNAVAILABLE)."""
    try:
        await host.activate(kind, id)
    except Unreadable as error:
        raise Refusal(ErrorCode.UNAVAILABLE, f"The {kind.kind} is quarantined: {error}") from None
    except BusError:
        raise NOT_NOW() from None


def owned(host: Host, id: str) -> Host | None:
    """The host of the shard of an id, where this process has that for certain now: then nobody else writes what belongs
    there, and what was acknowledged is known here. None: ask the record."""
    shard = host.shards.get(shard_of(id))
    return shard if shard is not None and shard.serving and shard.may_act else None


@dataclass(eq=False)
class Shard:
    """One shard that is held."""

    number: int
    claim: Claim
    host: Host


class Shards:
    """The shards of one host."""

    def __init__(self, *, host: Host, lease: Lease, peers: Peers) -> None:
        self._host = host
        self._lease = lease
        self._ghosts = Ghosts(host.clock, lease.ttl)
        self._peers = peers
        self._kinds: list[Sharded] = []
        self._held: dict[int, Shard] = {}
        self._joined = Claim(bus=host.bus, lease=lease, key=f"{JOINED}.{host.name}")
        self._moving: set[int] = set()  # what is being taken, confirmed or let go
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._news = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def add(self, kind: Sharded) -> None:
        """From the start on, actors of this kind live on shards. All hosts of a site must have the same kinds."""
        self._kinds.append(kind)

    async def start(self) -> None:
        """Take part, if there is anything that lives on shards."""
        if self._kinds:
            self._peers.on_shards = self._news.set
            self._running = self._host.spawn(self._run())

    async def stop(self) -> None:
        """Leave in good order: each shard is let go as soon as it is drained."""
        if self._running is None:
            return
        tasks = [self._running, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(BusError):
            await self._joined.release()
        await asyncio.gather(*(self._release(shard) for shard in list(self._held.values())))
        await self._peers.say()

    async def _run(self) -> None:
        while True:
            self._news.clear()
            try:
                await self._look()
            except BusError as error:
                log.debug("shards not looked at", error=repr(error))
            except Exception:
                log.exception("shards not looked at")
            due = self._host.clock.call_later(LOOK, self._news.set)
            try:
                await self._news.wait()
            finally:
                due.cancel()

    # --- who has what

    async def _look(self) -> None:
        """See who is there, and begin to take and to let go what follows from that. Raises BusError."""
        entries = await self._host.bus.entries(BUCKET)
        leases = {key: entry for key, entry in entries.items() if key.startswith(LEASES) and entry.data is not None}
        await end_ghosts(self._host.bus, self._ghosts.among(leases))
        if not self._lease.held or not lives(self._lease.name, entries):  # another one of this name may have joined
            return
        if not self._joined.held and await self._joined.take(_revision(entries.get(f"{JOINED}.{self._host.name}"))):
            self._peers.say_soon()
        mine = shards_of(self._host.name, {self._host.name, *_joined(entries)})
        wanted = await self._wanted(entries, mine)
        for shard in [shard for number, shard in self._held.items() if number not in self._moving]:
            if not shard.claim.held:
                self._move((shard.number,), self._confirm(shard, entries.get(_key(shard.number))))
            elif shard.number not in mine:
                self._move((shard.number,), self._release(shard))
        if wanted:
            self._move(wanted, self._take(wanted))

    async def _wanted(self, entries: Mapping[str, Entry], mine: Collection[int]) -> dict[int, int]:
        """The shards that are to be taken: those of ours that nobody who lives holds, and what is in our name without
        being here (a write that was not answered, and came late). With the revisions of their keys. Raises BusError."""
        wanted: dict[int, int] = {}
        dead: dict[bytes, bool] = {}
        for number in all_shards() - self._held.keys() - self._moving:
            found = entries.get(_key(number))
            holder = found.data if found is not None else None
            ours = holder == self._lease.name
            if number in mine and holder is not None and not ours and holder not in dead:
                dead[holder] = not lives(holder, entries) and await self._is_dead(holder)
            if ours or (number in mine and (holder is None or dead[holder])):
                wanted[number] = _revision(found)
        return wanted

    async def _is_dead(self, holder: bytes) -> bool:
        """The same by the word of the leader: a lease that is renewed while all keys are read may be missing there."""
        key = lease_in(holder)
        found = await self._host.bus.get(BUCKET, key, certain=True)
        return found is None or not lives(holder, {key: found})

    def _move(self, numbers: Collection[int], work: Work[None]) -> None:
        """Take, confirm or let go of some shards in a task of its own."""
        self._moving.update(numbers)
        task = self._host.spawn(work)
        self._tasks[task] = None

        def over(task: "asyncio.Task[None]") -> None:
            del self._tasks[task]
            self._moving.difference_update(numbers)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("shards not moved", shards=sorted(numbers), exc_info=error)

        task.add_done_callback(over)

    # --- taking

    async def _take(self, wanted: Mapping[int, int]) -> None:
        """Take shards as they were at these revisions, and own what is on record of them: one read for all."""
        found = await asyncio.gather(*(self._claim(number, revision) for number, revision in wanted.items()))
        taken = [shard for shard in found if shard is not None]
        try:
            on_record = await self._on_record() if taken else {}
        except BusError as error:
            log.warning("shards not taken", shards=[shard.number for shard in taken], error=repr(error))
            await asyncio.gather(*(self._release(shard) for shard in taken))
            return
        await asyncio.gather(*(self._restore(shard, on_record) for shard in taken))

    async def _claim(self, number: int, revision: int) -> Shard | None:
        """Take one shard and shut out whoever had it. None: somebody else was faster, or the bus does not do it."""
        near = self._host
        claim = Claim(bus=near.bus, lease=self._lease, key=_key(number))
        host = Host(
            name=f"{SHARD}-{number:02}", bus=near.bus, clock=near.clock, ids=near.ids, ownership=claim,
            step_over=near.step_over, written=near.written, recall=near.recall, audience=near.feeds.audience,
        )  # fmt: skip
        shard = self._held[number] = Shard(number, claim, host)
        try:
            async with self._gate:
                if await claim.take(revision):
                    host.fence = await self._shut_out(shard)
                    return shard
        except BusError as error:
            log.warning("shard not taken", shard=number, error=repr(error))
        await self._release(shard)
        return None

    async def _shut_out(self, shard: Shard) -> tuple[str, int]:
        """Write the barrier of a shard. Gives its subject and its place. Raises BusError."""
        at = moment(self._host.clock).at
        event = ShardTaken(shard=shard.number, at=at, host=self._host.name, epoch=shard.claim.epoch)
        subject, data = SHARD_TAKEN.subject_for(event), msgspec.json.encode(event)
        last = await self._host.bus.last(subject, certain=True)
        if not shard.claim.held:  # this read may have found the barrier of who has it now: theirs must stay the last
            raise BusUnavailable("the lease has run out")
        headers, before = {ID: self._host.ids.new()}, last.seq if last is not None else 0
        return subject, await self._host.append(subject, data, headers, scope=subject, expect=before)

    async def _on_record(self) -> OnRecord:
        """The actors that are to be there, of all shards. Raises BusError."""
        found: defaultdict[int, list[tuple[Sharded, str]]] = defaultdict(list)
        for kind in self._kinds:
            ids = {id_of(subject) for subject in await self._host.bus.ids(f"{ROOT}.evt.{kind.actor.kind}.*.*")}
            for topic in kind.over:
                ids -= {id_of(subject) for subject in await self._host.bus.ids(topic.pattern)}
            for id in sorted(ids):
                found[shard_of(id)].append((kind, id))
        return found

    async def _restore(self, shard: Shard, on_record: OnRecord) -> None:
        """Own the actors of a shard, and answer."""
        host, number = shard.host, shard.number
        try:
            async with self._gate:
                for kind in self._kinds:
                    kind.prepare(host)
                await host.listen(SHARD, str(number))
                for kind in self._kinds:
                    ids = [id for of, id in on_record.get(number, ()) if of is kind]
                    await activate_all(host, kind.actor, ids)
        except BusError as error:
            log.warning("shard not restored", shard=number, error=repr(error))
            await self._release(shard)
            return
        host.serving = True
        self._host.shards[number] = host
        self._peers.say_soon()

    # --- keeping and letting go

    async def _confirm(self, shard: Shard, found: Entry | None) -> None:
        """The lease had run out and is ours again: is the shard, too? If so, nobody has had it in between."""
        try:
            ours = await shard.claim.confirm(found)
        except BusError as error:  # the next look tries again
            log.info("shard not confirmed yet", shard=shard.number, error=repr(error))
            return
        if not ours:
            log.warning("another host has taken a shard", shard=shard.number)
            await self._release(shard)

    async def _release(self, shard: Shard) -> None:
        """Finish what has begun, and let the next one have it at once."""
        await shard.host.drain()
        with contextlib.suppress(BusError):
            await shard.claim.release()
        del self._held[shard.number]
        self._host.shards.pop(shard.number, None)  # others hear of it, so not before they can take it
        self._peers.say_soon()


def _key(shard: int) -> str:
    return f"{SHARD}.{shard}"


def _revision(found: Entry | None) -> int:
    return found.revision if found is not None else 0


def _joined(entries: Mapping[str, Entry]) -> set[str]:
    """The hosts that take part and live."""
    return {
        key.removeprefix(f"{JOINED}.")
        for key, found in entries.items()
        if key.startswith(f"{JOINED}.") and found.data is not None and lives(found.data, entries)
    }
