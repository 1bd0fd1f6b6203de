"""Webhooks on two hosts in simulated time: whoever dies, everything arrives, and of one thing in its order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from random import Random

import msgspec
import pytest

from actors.assembly import serve as serve_host
from actors.assembly import start_host
from actors.runtime.bus import ID
from actors.runtime.context import Context
from actors.runtime.parts import Parts
from actors.runtime.rendezvous import shard_of
from actors.runtime.service import Service, serve
from actors.runtime.signature import EVENT_ID, SIGNATURE, verify
from actors.runtime.wire import ask
from actors.settings import Settings
from actors.webhook.sender import NotSent, Said
from actors.webhook.settings import Webhooks
from actors.webhook.start import start as start_webhooks
from bus_schemas.contract import verb_of
from bus_schemas.errors import Refusal
from bus_schemas.kinds import owners_header
from bus_schemas.note import NOTE_ADDED, NOTE_EDITED, NoteAdded, NoteEdited
from bus_schemas.permissions import Action
from bus_schemas.user import IDENTIFY, Identify, Identity
from bus_schemas.webhook import (
    CHANGE_WEBHOOK,
    COUNT_WEBHOOKS,
    PUT_WEBHOOK,
    ChangeWebhook,
    CountWebhooks,
    CreateWebhook,
    NewWebhook,
    PutWebhook,
    WebhookCount,
)
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from tests.runtime.sharded import Life, Site
from tests.support.depth import seeds

HOOKS = Webhooks(first_pause=1.0, at_once=4, waiting=20, disable_days=1.0)
WANTED = CreateWebhook(url="https://example.com/", events=("note.*",))


class Receiver:
    """Takes what it gets, some time later, unless it is down or chance has it fail."""

    def __init__(self, random: Random, *, fails: float = 0.0) -> None:
        self.random, self.fails, self.down = random, fails, False
        self.asked: list[str] = []
        self.taken: list[str] = []
        self.bodies: list[tuple[bytes, str]] = []
        self.under_way, self.most = 0, 0

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, user: str = "") -> Said:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            self.asked.append(headers[EVENT_ID])
            await asyncio.sleep(self.random.uniform(0.01, 0.5))
            if self.down or self.random.random() < self.fails / 2:
                raise NotSent("nothing listens there")
            if self.random.random() < self.fails / 2:
                return Said(code=500, body=b"")
            self.taken.append(headers[EVENT_ID])
            self.bodies.append((body, headers[SIGNATURE]))
            return Said(code=204, body=b"")
        finally:
            self.under_way -= 1


class HookSite(Site):
    """A broker, hosts that come and go, and a receiver. There is no POINT and no ledger: their lines are answered by
    somebody who knows one user."""

    def __init__(self, loop: SimLoop, receiver: Receiver, settings: Webhooks = HOOKS) -> None:
        super().__init__(loop)
        self.receiver, self.settings = receiver, settings
        self.count = 0  # that the site has
        self.actions = [Action.NOTE_VIEW, Action.WEBHOOK_MANAGE]
        self.notes: dict[str, list[str]] = {}  # the places of its events

    async def _live(self, life: Life, number: int) -> None:
        async with AsyncExitStack() as stack:
            process = Parts(bus=life.bus, clock=self.clock, ids=CountedIds(f"{life.name}{number}-"))
            settings = Settings(host=life.name)
            parts = await start_host(process, stack, settings=settings, on_lost=life.over.set, problems=list)
            await start_webhooks(parts, stack, settings=self.settings, sender=self.receiver)
            await serve_host(parts, stack)
            life.host = parts.host
            await life.over.wait()

    async def answer(self) -> None:
        async def identify(request: Identify, context: Context) -> Identity:
            return Identity(
                kind=request.kind, id=request.id, user="op12", role="operator", actions=self.actions, expires_at=None
            )

        async def count(request: CountWebhooks, context: Context) -> WebhookCount:
            return WebhookCount(count=self.count)

        lines = (serve(IDENTIFY, identify), serve(COUNT_WEBHOOKS, count))
        await Service(bus=self.asker, queue="", handlers=lines).start()

    async def make(self, webhook: str = "wh_1") -> NewWebhook:
        wanted = PutWebhook(shard=shard_of(webhook), webhook=webhook, wanted=WANTED)
        context = Context(command_id=f"make-{webhook}", user="op12")
        return await ask(self.asker, PUT_WEBHOOK, wanted, context)

    async def switch(self, on: bool, webhook: str = "wh_1") -> bool:
        context = Context(command_id=f"switch-{self.now}", user="op12", actions=frozenset({Action.WEBHOOK_MANAGE}))
        return (await ask(self.asker, CHANGE_WEBHOOK, ChangeWebhook(webhook=webhook, enabled=on), context)).enabled

    async def note(self, note: str, owner: str = "op12") -> None:
        """Something more happens to a note."""
        at, places = "2026-01-01T00:00:00.000Z", self.notes.setdefault(note, [])
        topic, event = NOTE_ADDED, NoteAdded(note=note, at=at, by="op12", text="x")
        headers = {ID: f"{note}-{len(places)}", **owners_header({"note": (owner,)})}
        if places:
            edited = NoteEdited(note=note, at=at, by="op12", text="x", version=len(places) + 1)
            subject, data = NOTE_EDITED.subject_for(edited), msgspec.json.encode(edited)
        else:
            subject, data = topic.subject_for(event), msgspec.json.encode(event)
        last = int(places[-1]) if places else 0
        scope = f"ottb.v1.evt.note.{note}.*"
        places.append(str(await self.asker.append(subject, data, headers, scope=scope, expect=last)))

    async def owner_of(self, webhook: str = "wh_1") -> Life:
        while True:
            for life in self.lives:
                if shard_of(webhook) in life.serves:
                    return life
            await asyncio.sleep(0.1)

    def in_order(self) -> None:
        """Of each thing, nothing was posted before all that came before it had been taken, or was known to be."""
        first = {id: at for at, id in reversed(list(enumerate(self.receiver.taken)))}
        for places in self.notes.values():
            assert [first[id] for id in places] == sorted(first[id] for id in places)

    async def until_taken(self, seconds: float = 600.0) -> None:
        wanted = {id for places in self.notes.values() for id in places}
        give_up = self.now + seconds
        while not wanted <= set(self.receiver.taken):
            assert self.now < give_up, sorted(wanted - set(self.receiver.taken))
            await asyncio.sleep(0.1)

    def story(self, webhook: str = "wh_1") -> list[str]:
        found = [verb_of(entry.subject) for entry in self.broker.entries(f"ottb.v1.evt.webhook.{webhook}.*")]
        return [verb for verb in found if verb != "activated"]


def play(
    test: Callable[[HookSite], Awaitable[None]], seed: int = 1, *, fails: float = 0.0, settings: Webhooks = HOOKS
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        site = HookSite(loop, Receiver(Random(seed), fails=fails), settings)
        await site.answer()
        site.start("a"), site.start("b")
        await site.until_right("a", "b")
        await test(site)
        await site.end()
        await asyncio.sleep(0.1)

    run(main, seed)


@pytest.mark.parametrize("seed", seeds(5))
def test_whoever_dies_everything_arrives_in_its_order(seed: int) -> None:
    async def test(site: HookSite) -> None:
        random = Random(seed)
        made = await site.make()
        for step in range(120):
            await site.note(f"n{random.randrange(8)}")
            await asyncio.sleep(random.uniform(0, 0.5))
            if step % 20 == 10:
                await fate(site, random)
        await site.until_taken()
        site.in_order()
        for body, header in site.receiver.bodies:
            assert verify(header, made.secret, body, now=float(header[2:].partition(",")[0]))

    play(test, seed, fails=0.2)


async def fate(site: HookSite, random: Random) -> None:
    """Something happens to whoever has the webhook, and somebody comes in their place."""
    life = await site.owner_of()
    match random.randrange(3):
        case 0:
            site.kill(life)
        case 1:
            await site.leave(life)
        case 2:
            site.pause(life, random.uniform(5, 30))
            return
    await asyncio.sleep(random.uniform(0, 3))
    site.start(life.name)
    await site.until_right("a", "b")


def test_who_leaves_in_good_order_leaves_nothing_to_be_posted_twice() -> None:
    async def test(site: HookSite) -> None:
        await site.make()
        for number in range(60):
            await site.note(f"n{number % 30}")
        await asyncio.sleep(1)
        await site.leave(await site.owner_of())
        await site.until_taken()
        assert len(site.receiver.taken) == 60
        site.in_order()

    play(test)


def test_what_waits_has_a_bound_and_the_rest_is_read_in_its_turn() -> None:
    async def test(site: HookSite) -> None:
        await site.make()
        site.receiver.down = True
        for number in range(100):
            await site.note(f"n{number}")
        await asyncio.sleep(30)
        actors = [host for life in site.lives if life.host for host in life.host.shards.values()]
        [state] = [found.state for host in actors if (found := host.find("webhook", "wh_1")) is not None]
        assert len(state.waiting) == HOOKS.waiting
        assert len(site.receiver.asked) < 40  # one at a time, with rests in between
        site.receiver.down = False
        await site.until_taken()
        site.in_order()
        assert site.receiver.most <= HOOKS.at_once

    play(test)


def test_days_without_an_arrival_switch_it_off_until_it_is_switched_on() -> None:
    async def test(site: HookSite) -> None:
        await site.make()
        site.receiver.down = True
        await site.note("n1")
        await asyncio.sleep(400)
        assert site.story()[-1] == "disabled" and len(site.receiver.asked) < 20
        site.receiver.down = False
        asked = len(site.receiver.asked)
        await site.note("n1")
        await asyncio.sleep(60)
        assert len(site.receiver.asked) == asked
        assert await site.switch(True)
        await site.note("n2")
        await asyncio.sleep(10)
        assert site.receiver.taken == site.notes["n2"]  # what was meanwhile, and had waited, is not posted

    play(test, settings=msgspec.structs.replace(HOOKS, disable_days=120 / 86400))


def test_a_delivery_is_given_up_after_its_time_and_the_next_one_goes() -> None:
    async def test(site: HookSite) -> None:
        await site.make()
        site.receiver.down = True
        await site.note("n1"), await site.note("n1")
        await asyncio.sleep(80)
        site.receiver.down = False
        await asyncio.sleep(80)
        assert site.receiver.taken == site.notes["n1"][1:]

    play(test, settings=msgspec.structs.replace(HOOKS, retry_hours=60 / 3600))


def test_what_may_not_be_seen_any_more_is_withheld() -> None:
    async def test(site: HookSite) -> None:
        await site.make()
        await site.note("other", owner="op21")
        site.receiver.down = True
        await site.note("n1")
        await asyncio.sleep(5)
        site.actions = [Action.WEBHOOK_MANAGE]
        await site.asker.append(
            "ottb.v1.evt.point.directory.role_set", b"{}", {ID: "x"}, scope="ottb.v1.evt.point.directory.*", expect=0
        )
        site.receiver.down = False
        await asyncio.sleep(60)
        assert site.receiver.taken == [] and set(site.receiver.asked) == set(site.notes["n1"])

    play(test)


def test_a_site_that_has_as_many_as_it_may_gets_no_more() -> None:
    async def test(site: HookSite) -> None:
        made = await site.make()
        site.count = HOOKS.per_site
        with pytest.raises(Refusal) as refused:
            await site.make("wh_2")
        assert (refused.value.details or {})["rule"] == "webhooks_per_site"
        assert await site.make() == made  # a repeat is none more, and is told the same

    play(test)
