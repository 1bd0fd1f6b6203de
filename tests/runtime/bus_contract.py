"""What every bus must do: the same cases for NATS and for the one in memory."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import pytest

from actors.runtime.bus import (
    FULL,
    ID,
    Bus,
    BusFull,
    BusUnavailable,
    Fenced,
    Message,
    NoResponders,
    Recorded,
    RequestTimeout,
    Size,
)
from actors.runtime.context import FRESH_HEADER
from actors.runtime.repeats import AT_ONCE, SHARE
from tests.support.site import PATIENCE

SCOPE = "ottb.v1.evt.call.c1.*"


class Lab(Protocol):
    """What can be done to the buses under test. `bus` is the client that it happens to."""

    async def raw_write(self, subject: str, id: str, *, scope: str, expect: int) -> tuple[int, bool] | None:
        """One write past the port: (sequence, duplicate) of its acknowledgement, None when it was refused (10071)."""

    def cut_after_next_write(self, seconds: float) -> None:
        """The next write of `bus` arrives, its answer is lost, and the connection is gone for a while."""

    def cut_for(self, seconds: float) -> None:
        """`bus` has no connection for a while."""

    async def fill(self) -> None:
        """From now on there is no space."""

    async def free(self) -> None:
        """There is space again."""

    def few_may_wait(self, limit: int) -> None:
        """So many messages may wait for one subscriber. Before anybody subscribes."""


def _subject(past: str, call: str = "c1") -> str:
    return f"ottb.v1.evt.call.{call}.{past}"


async def _append(bus: Bus, past: str, expect: int, *, id: str, call: str = "c1") -> int:
    scope = f"ottb.v1.evt.call.{call}.*"
    return await bus.append(_subject(past, call), past.encode(), {"Nats-Msg-Id": id}, scope=scope, expect=expect)


async def _append_surely(bus: Bus, past: str, expect: int, *, id: str) -> int:
    """As a host writes: the same write again until it is answered."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await _append(bus, past, expect, id=id)
            except (RequestTimeout, BusUnavailable):
                await asyncio.sleep(0.05)


class BusContract:
    """Subclasses give the fixtures `bus` and `other`, two clients of one bus, and `lab`."""

    async def test_a_request_is_answered_with_headers(self, bus: Bus, other: Bus) -> None:
        async def answer(message: Message) -> None:
            assert message.reply is not None and message.headers["who"] == "me"
            await message.reply(message.data.upper(), {"said": "yes"})

        await other.subscribe("ottb.v1.cmd.test.*.shout", answer)
        await asyncio.sleep(0.05)  # a subscription is known to the server a moment later
        got = await bus.request("ottb.v1.cmd.test.a.shout", b"hello", {"who": "me"}, timeout=2)
        assert (got.data, got.headers["said"]) == (b"HELLO", "yes")

    async def test_nobody_there_is_told_at_once(self, bus: Bus) -> None:
        began = asyncio.get_running_loop().time()
        with pytest.raises(NoResponders):
            await bus.request("ottb.v1.cmd.nobody.x.y", b"", {}, timeout=5)
        assert asyncio.get_running_loop().time() - began < 1

    async def test_silence_is_no_answer(self, bus: Bus, other: Bus) -> None:
        async def keep_silent(message: Message) -> None:
            return None

        await other.subscribe("ottb.v1.cmd.silent.*", keep_silent)
        await asyncio.sleep(0.05)
        with pytest.raises(RequestTimeout):
            await bus.request("ottb.v1.cmd.silent.x", b"", {}, timeout=0.2)

    async def test_what_is_asked_again_has_the_first_answer(self, bus: Bus, other: Bus) -> None:
        heard, places = list[bytes](), set[str]()

        async def answer_the_second(message: Message) -> None:
            places.add(message.reply_to)
            heard.append(message.data + message.headers["who"].encode())
            if len(heard) == 2:
                assert message.reply is not None
                await message.reply(b"second", {})
                await message.reply(b"another", {})

        await other.subscribe("ottb.v1.qry.slow.*", answer_the_second)
        await asyncio.sleep(0.05)
        got = await bus.request("ottb.v1.qry.slow.x", b"it is ", {"who": "me"}, timeout=5, again=0.1)
        assert got.data == b"second" and heard == [b"it is me"] * 2 and len(places) == 1 and "" not in places

    async def test_what_is_asked_again_is_not_fresh_any_more(self, bus: Bus, other: Bus) -> None:
        heard = list[str | None]()

        async def answer_the_second(message: Message) -> None:
            assert message.headers["who"] == "me"
            heard.append(message.headers.get(FRESH_HEADER))
            if len(heard) == 2:
                assert message.reply is not None
                await message.reply(b"", {})

        await other.subscribe("ottb.v1.cmd.slow.*", answer_the_second)
        await asyncio.sleep(0.05)
        await bus.request("ottb.v1.cmd.slow.x", b"", {FRESH_HEADER: "1", "who": "me"}, timeout=5, again=0.1)
        assert heard == ["1", None]

    async def test_what_is_asked_again_is_sent_twice_at_most(self, bus: Bus, other: Bus) -> None:
        heard = list[str]()

        async def keep_silent(message: Message) -> None:
            heard.append(message.subject)

        await other.subscribe("ottb.v1.qry.silent.*", keep_silent)
        await asyncio.sleep(0.05)
        for again in (0.1, None):
            with pytest.raises(RequestTimeout):
                await bus.request(f"ottb.v1.qry.silent.{again is None}", b"", {}, timeout=1.0, again=again)
        assert Counter(heard) == {"ottb.v1.qry.silent.False": 2, "ottb.v1.qry.silent.True": 1}

    async def test_what_is_asked_again_hears_that_nobody_is_there(self, bus: Bus, other: Bus) -> None:
        async def keep_silent(message: Message) -> None:
            leaving.set()

        leaving = asyncio.Event()
        stop = await other.subscribe("ottb.v1.qry.gone.x", keep_silent)
        await asyncio.sleep(0.05)
        asked = asyncio.ensure_future(bus.request("ottb.v1.qry.gone.x", b"", {}, timeout=10, again=0.3))
        await leaving.wait()
        await stop()
        with pytest.raises(NoResponders):
            async with asyncio.timeout(PATIENCE):
                await asked

    async def test_few_are_asked_again_where_all_is_slow(self, bus: Bus, other: Bus) -> None:
        heard = itertools.count()

        async def keep_silent(message: Message) -> None:
            next(heard)

        async def ask() -> None:
            with pytest.raises(RequestTimeout):
                await bus.request("ottb.v1.qry.all.slow", b"", {}, timeout=1, again=0.1)

        await other.subscribe("ottb.v1.qry.all.*", keep_silent)
        await asyncio.sleep(0.05)
        for _ in range(2):
            await asyncio.gather(*(ask() for _ in range(500)))
        assert 1000 + 0.9 * AT_ONCE <= next(heard) <= 1000 + 1000 * SHARE + AT_ONCE

    async def test_one_of_a_queue_group_answers(self, bus: Bus, other: Bus) -> None:
        answered = []

        def answering(name: str) -> Callable[[Message], object]:
            async def answer(message: Message) -> None:
                answered.append(name)
                assert message.reply is not None
                await message.reply(b"", {})

            return answer

        for name, client in (("a", bus), ("b", other)):
            await client.subscribe("ottb.v1.qry.test.list", answering(name), queue="q")  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        for _ in range(20):
            await bus.request("ottb.v1.qry.test.list", b"", {}, timeout=2)
        assert len(answered) == 20

    async def test_who_unsubscribes_leaves_nobody_without_an_answer(self, bus: Bus, other: Bus) -> None:
        heard, count = asyncio.Event(), itertools.count()

        async def answer(message: Message) -> None:
            next(count)
            heard.set()
            await asyncio.sleep(0.002)
            assert message.reply is not None
            await message.reply(b"", {})

        async def ask() -> bool:
            try:
                await bus.request("ottb.v1.cmd.once.x", b"", {}, timeout=2)
            except NoResponders:
                return False
            return True

        stop = await other.subscribe("ottb.v1.cmd.once.x", answer)
        await asyncio.sleep(0.05)
        before = [asyncio.ensure_future(ask()) for _ in range(50)]
        await heard.wait()
        during = [asyncio.ensure_future(ask()) for _ in range(50)]
        await stop()
        assert not await ask()
        answered = await asyncio.gather(*before, *during)  # which raises where somebody waits in vain
        assert sum(answered) == next(count)  # only who was not heard is told that nobody is there

    async def test_unsubscribing_ends_it(self, bus: Bus, other: Bus) -> None:
        async def answer(message: Message) -> None:
            assert message.reply is not None
            await message.reply(b"", {})

        stop = await other.subscribe("ottb.v1.cmd.once.x", answer)
        await asyncio.sleep(0.05)
        await bus.request("ottb.v1.cmd.once.x", b"", {}, timeout=2)
        await stop()
        await asyncio.sleep(0.05)
        with pytest.raises(NoResponders):
            await bus.request("ottb.v1.cmd.once.x", b"", {}, timeout=2)

    # --- the journal

    async def test_writes_in_turn_are_kept_in_order(self, bus: Bus) -> None:
        first = await _append(bus, "dialing", 0, id="1")
        second = await _append(bus, "ended", first, id="2")
        found = [entry async for entry in bus.replay(SCOPE)]
        assert [(entry.subject, entry.data, entry.seq) for entry in found] == [
            (_subject("dialing"), b"dialing", first),
            (_subject("ended"), b"ended", second),
        ]
        last = await bus.last(SCOPE)
        assert last is not None and last.seq == second and await bus.last_seq() == second
        assert [entry.seq async for entry in bus.replay(SCOPE, after=first)] == [second]

    async def test_one_entry_is_found_by_its_place(self, bus: Bus) -> None:
        first = await _append(bus, "dialing", 0, id="1")
        second = await _append(bus, "ended", first, id="2")
        found = await bus.entry(first)
        assert found is not None and (found.seq, found.subject, found.data) == (first, _subject("dialing"), b"dialing")
        assert await bus.entry(second + 1) is None

    async def test_a_replay_begins_where_it_is_told_by_time(self, bus: Bus) -> None:
        seqs = []
        for number in range(4):
            seqs.append(await _append(bus, f"e{number}", expect=seqs[-1] if seqs else 0, id=f"s{number}"))
            await asyncio.sleep(0.02)
        at = [entry.at async for entry in bus.replay(SCOPE)]
        for place, since in enumerate(at):
            assert [entry.seq async for entry in bus.replay(SCOPE, since=since - 0.001)] == seqs[place:]
        assert [entry.seq async for entry in bus.replay(SCOPE, after=seqs[2], since=at[0])] == seqs[3:]
        assert [entry async for entry in bus.replay(SCOPE, since=at[-1] + 1.0)] == []

    async def test_the_journal_counts_itself(self, bus: Bus) -> None:
        before = await bus.size()
        first = await _append(bus, "dialing", 0, id="1")
        await _append(bus, "ended", first, id="2")
        assert await bus.size() == Size(entries=before.entries + 2, last_seq=before.last_seq + 2)

    async def test_a_stale_owner_is_fenced(self, bus: Bus, other: Bus) -> None:
        first = await _append(bus, "dialing", 0, id="1")
        await _append(other, "adopted", first, id="2")
        with pytest.raises(Fenced):
            await _append(bus, "ended", first, id="3")
        with pytest.raises(Fenced):
            await _append(bus, "dialing", 0, id="4")
        assert [entry.subject async for entry in bus.replay(SCOPE)] == [_subject("dialing"), _subject("adopted")]

    async def test_an_id_that_was_used_before_is_never_a_fresh_write(self, bus: Bus, other: Bus) -> None:
        first = await _append(bus, "dialing", 0, id="same")
        for client, call in ((bus, "c1"), (other, "c1"), (bus, "c2"), (other, "c2")):
            with pytest.raises(Fenced):
                await _append(client, "dialing", 0, id="same", call=call)
        with pytest.raises(Fenced):
            await _append(other, "ended", first, id="same")
        assert [entry.seq async for entry in bus.replay("ottb.v1.evt.>")] == [first]

    async def test_a_duplicate_is_acknowledged_with_the_first_sequence(self, bus: Bus, lab: Lab) -> None:
        """As one server does it: the expectation is looked at first, then the id, over the whole stream."""
        one, two = "ottb.v1.evt.call.*.c1.*", "ottb.v1.evt.call.*.c2.*"
        assert await lab.raw_write("ottb.v1.evt.call.slot-1.c1.dialing", "id", scope=one, expect=0) == (1, False)
        assert await lab.raw_write("ottb.v1.evt.call.slot-1.c1.dialing", "id", scope=one, expect=0) is None
        assert await lab.raw_write("ottb.v1.evt.call.slot-1.c1.dialing", "id", scope=one, expect=1) == (1, True)
        assert await lab.raw_write("ottb.v1.evt.call.slot-2.c2.dialing", "id", scope=two, expect=0) == (1, True)
        # What was refused leaves no id behind.
        assert await lab.raw_write("ottb.v1.evt.call.slot-2.c2.dialing", "new", scope=two, expect=7) is None
        assert await lab.raw_write("ottb.v1.evt.call.slot-2.c2.dialing", "new", scope=two, expect=0) == (2, False)

    async def test_one_write_claims_a_call_over_all_lines(self, bus: Bus, other: Bus) -> None:
        claim = "ottb.v1.evt.call.*.c1.*"
        first = await bus.append("ottb.v1.evt.call.slot-1.c1.dialing", b"", {ID: "a"}, scope=claim, expect=0)
        await bus.append(
            "ottb.v1.evt.call.slot-1.c2.dialing", b"", {ID: "b"}, scope="ottb.v1.evt.call.*.c2.*", expect=0
        )
        with pytest.raises(Fenced):
            await other.append("ottb.v1.evt.call.slot-2.c1.dialing", b"", {ID: "c"}, scope=claim, expect=0)
        third = await bus.append("ottb.v1.evt.call.slot-1.c1.ended", b"", {ID: "d"}, scope=claim, expect=first)
        found = [entry.subject async for entry in bus.replay(claim)]
        assert found == ["ottb.v1.evt.call.slot-1.c1.dialing", "ottb.v1.evt.call.slot-1.c1.ended"]
        for certain in (False, True):
            last = await other.last("ottb.v1.evt.call.*.c1.*", certain=certain)
            assert last is not None and (last.seq, last.subject) == (third, found[1])
            assert last.headers[ID] == "d" and last.at > 0
            assert await other.last("ottb.v1.evt.call.*.c9.*", certain=certain) is None

    # --- answers that are lost, and connections

    async def test_a_lost_acknowledgement_is_one_entry(self, bus: Bus, other: Bus, lab: Lab) -> None:
        lab.cut_after_next_write(0.0)
        seq = await _append_surely(bus, "dialing", 0, id="1")
        assert [entry.seq async for entry in other.replay(SCOPE)] == [seq]
        assert await _append(bus, "ended", seq, id="2") == seq + 1

    async def test_a_lost_acknowledgement_after_which_somebody_else_wrote(
        self, bus: Bus, other: Bus, lab: Lab
    ) -> None:
        """The write had happened, so that is its answer; the next one is fenced."""
        lab.cut_after_next_write(0.5)
        ours = asyncio.ensure_future(_append_surely(bus, "dialing", 0, id="1"))
        async with asyncio.timeout(PATIENCE):
            while (last := await other.last(SCOPE)) is None:
                await asyncio.sleep(0.01)
        theirs = await _append(other, "adopted", last.seq, id="2")
        seq = await ours
        assert [entry.seq async for entry in other.replay(SCOPE)] == [seq, theirs]
        with pytest.raises(Fenced):
            await _append(bus, "ended", seq, id="3")

    @pytest.mark.parametrize("seconds", [0.3, 7.0])
    async def test_an_outage_in_the_middle_of_a_write(self, bus: Bus, other: Bus, lab: Lab, seconds: float) -> None:
        lab.cut_after_next_write(seconds)
        if seconds > 5:
            with pytest.raises(RequestTimeout):  # never BusUnavailable: that would mean that nothing was sent
                await _append(bus, "dialing", 0, id="1")
        seq = await _append_surely(bus, "dialing", 0, id="1")
        assert [entry.seq async for entry in other.replay(SCOPE)] == [seq]

    async def test_without_a_connection_nothing_is_sent(self, bus: Bus, other: Bus, lab: Lab) -> None:
        assert bus.healthy() is None
        heard: list[int] = []

        async def hear(entry: Recorded) -> None:
            heard.append(entry.seq)

        await bus.follow("ottb.v1.evt.>", hear, after=0)
        seqs = [await _append(other, "dialing", 0, id="1")]
        lab.cut_for(1.0)
        async with asyncio.timeout(PATIENCE):
            while bus.healthy() is None:
                await asyncio.sleep(0.01)
        for call in (
            lambda: _append(bus, "lost", seqs[0], id="2"),
            lambda: bus.put("OTTB_OWN", "key", b"", expect=0),
            lambda: bus.request("ottb.v1.cmd.x.y", b"", {}, timeout=1),
            lambda: bus.last(SCOPE, certain=True),
            lambda: bus.get("OTTB_OWN", "key"),
            lambda: bus.publish("ottb.v1.tel.x.y", b"", {}),
        ):
            with pytest.raises(BusUnavailable):
                await call()
        seqs.append(await _append(other, "alerting", seqs[-1], id="3"))
        async with asyncio.timeout(PATIENCE):
            while bus.healthy() is not None:
                await asyncio.sleep(0.01)
        seqs.append(await _append(bus, "ended", seqs[-1], id="4"))
        async with asyncio.timeout(PATIENCE):
            while len(heard) < len(seqs):
                await asyncio.sleep(0.01)
        assert heard == seqs and [entry.seq async for entry in other.replay(SCOPE)] == seqs

    async def test_a_key_whose_acknowledgement_was_lost_is_ours(self, bus: Bus, other: Bus, lab: Lab) -> None:
        lab.cut_after_next_write(0.3)
        revision = await bus.put("OTTB_IDEM", "key", b"me", expect=0)
        entry = await other.get("OTTB_IDEM", "key")
        assert entry is not None and (entry.data, entry.revision) == (b"me", revision)
        with pytest.raises(Fenced):
            await other.put("OTTB_IDEM", "key", b"me", expect=0)

    # --- no space

    async def test_a_full_bus_says_so_and_goes_on_when_there_is_space(self, bus: Bus, other: Bus, lab: Lab) -> None:
        first = await _append(bus, "dialing", 0, id="1")
        await lab.fill()
        with pytest.raises(BusFull):
            await _append(bus, "ended", first, id="2")
        with pytest.raises(BusFull):
            await bus.put("OTTB_OWN", "key", b"x", expect=0)
        assert bus.full and bus.healthy() == FULL
        with pytest.raises(Fenced):  # what would not be stored anyway is answered as ever
            await _append(other, "ended", 0, id="3")
        last = await bus.last(SCOPE, certain=True)
        assert last is not None and last.seq == first
        await lab.free()
        assert await _append(bus, "ended", first, id="2") == first + 1
        await bus.put("OTTB_OWN", "key", b"x", expect=0)
        assert not bus.full and bus.healthy() is None

    async def test_actors_do_not_fence_each_other(self, bus: Bus) -> None:
        await _append(bus, "dialing", 0, id="1")
        await _append(bus, "dialing", 0, id="2", call="c2")
        assert await bus.ids("ottb.v1.evt.call.*.dialing") == [_subject("dialing"), _subject("dialing", "c2")]

    async def test_long_replays_are_whole(self, bus: Bus) -> None:
        seq = 0
        for number in range(600):
            seq = await _append(bus, "alerting", seq, id=str(number))
        found = [entry.seq async for entry in bus.replay(SCOPE)]
        assert len(found) == 600 and found == sorted(found)

    async def test_a_follower_hears_old_and_new_in_order(self, bus: Bus, other: Bus) -> None:
        heard: list[int] = []
        enough = asyncio.Event()

        async def hear(entry: Recorded) -> None:
            heard.append(entry.seq)
            if len(heard) == 20:
                enough.set()

        seqs, seq = [], 0
        for number in range(10):
            seqs.append(seq := await _append(bus, "alerting", seq, id=f"old{number}"))
        stop = await other.follow("ottb.v1.evt.>", hear, after=0)
        for number in range(10):
            seqs.append(seq := await _append(bus, "alerting", seq, id=f"new{number}"))
        async with asyncio.timeout(PATIENCE):
            await enough.wait()
        assert heard == seqs
        await stop()

    async def test_replays_of_large_entries_are_whole(self, bus: Bus) -> None:
        data, seqs, seq = b"x" * 20_000, [], 0
        for number in range(600):
            subject, headers = _subject("alerting"), {ID: str(number)}
            seqs.append(seq := await bus.append(subject, data, headers, scope=SCOPE, expect=seq))
        assert [entry.seq async for entry in bus.replay(SCOPE)] == seqs
        assert [entry.seq async for entry in bus.replay(SCOPE, after=seqs[500])] == seqs[501:]

    async def test_a_follower_goes_on_after_an_entry_that_it_cannot_digest(self, bus: Bus) -> None:
        heard: list[int] = []

        async def hear(entry: Recorded) -> None:
            heard.append(entry.seq)
            if entry.subject.endswith(".bad"):
                raise ValueError("bad")

        await bus.follow("ottb.v1.evt.>", hear, after=0)
        seqs, seq = [], 0
        for number, past in enumerate(("dialing", "bad", "alerting", "bad", "ended")):
            seqs.append(seq := await _append(bus, past, seq, id=str(number)))
        async with asyncio.timeout(PATIENCE):
            while len(heard) < len(seqs):
                await asyncio.sleep(0.01)
        assert heard == seqs

    async def test_a_slow_subscriber_loses_messages_and_is_served_on(self, bus: Bus, other: Bus, lab: Lab) -> None:
        lab.few_may_wait(10)
        heard: list[bytes] = []
        go_on = asyncio.Event()

        async def hear(message: Message) -> None:
            await go_on.wait()
            heard.append(message.data)

        await bus.subscribe("ottb.v1.tel.slot.1", hear)
        await asyncio.sleep(0.05)
        for number in range(40):
            await other.publish("ottb.v1.tel.slot.1", str(number).encode(), {})
        await asyncio.sleep(0.3)
        go_on.set()
        await asyncio.sleep(0.1)
        assert 10 <= len(heard) <= 12
        await other.publish("ottb.v1.tel.slot.1", b"later", {})
        async with asyncio.timeout(PATIENCE):
            while heard[-1] != b"later":
                await asyncio.sleep(0.01)

    # --- keys

    async def test_keys_change_by_compare_and_set(self, bus: Bus, other: Bus) -> None:
        assert await bus.get("OTTB_OWN", "host.a") is None
        first = await bus.put("OTTB_OWN", "host.a", b"me", expect=0)
        with pytest.raises(Fenced):
            await other.put("OTTB_OWN", "host.a", b"you", expect=0)
        second = await bus.put("OTTB_OWN", "host.a", b"me again", expect=first)
        entry = await other.get("OTTB_OWN", "host.a")
        assert entry is not None and (entry.data, entry.revision) == (b"me again", second)
        await bus.delete("OTTB_OWN", "host.a", expect=second)
        gone = await other.get("OTTB_OWN", "host.a")
        assert gone is not None and gone.data is None
        await other.put("OTTB_OWN", "host.a", b"you", expect=gone.revision)

    async def test_a_bucket_is_read_whole(self, bus: Bus, other: Bus) -> None:
        assert await other.entries("OTTB_OWN") == {}
        revisions = {f"shard.{n}": await bus.put("OTTB_OWN", f"shard.{n}", b"me", expect=0) for n in range(300)}
        revisions["shard.7"] = await other.put("OTTB_OWN", "shard.7", b"you", expect=revisions["shard.7"])
        await bus.delete("OTTB_OWN", "shard.8")
        found = await other.entries("OTTB_OWN")
        assert found["shard.7"].data == b"you" and found["shard.8"].data is None
        del revisions["shard.8"]
        assert {key: entry.revision for key, entry in found.items() if entry.data is not None} == revisions
        assert await other.get("OTTB_OWN", "shard.7", certain=True) == found["shard.7"]
        assert await other.get("OTTB_OWN", "none", certain=True) is None

    async def test_a_key_with_a_time_to_live_runs_out(self, bus: Bus, other: Bus) -> None:
        await bus.put("OTTB_OWN", "host.b", b"me", expect=0, ttl=1.0)
        async with asyncio.timeout(PATIENCE):
            while (entry := await other.get("OTTB_OWN", "host.b")) is not None and entry.data is not None:
                await asyncio.sleep(0.05)
        await other.put("OTTB_OWN", "host.b", b"you", expect=entry.revision if entry else 0)

    # --- what is to be forgotten

    async def test_a_redacted_entry_says_something_else_wherever_it_is_read(self, bus: Bus, other: Bus) -> None:
        seqs, seq = list[int](), 0
        for past in ("dialing", "ended", "x"):
            seqs.append(seq := await _append(bus, past, seq, id=f"r{past}"))
        heard, late = list[Recorded](), list[Recorded]()

        async def hear(entry: Recorded) -> None:
            heard.append(entry)

        async def hear_late(entry: Recorded) -> None:
            late.append(entry)

        stop = await other.follow(SCOPE, hear, after=0)
        await _until(lambda: len(heard) == 3)
        entry = await bus.entry(seqs[1])
        assert entry is not None and entry.data == b"ended"
        for _ in range(2):  # again changes nothing
            await bus.redact(entry, b"...", {"Why": "asked"})
        for reader in (bus, other):
            read = [one async for one in reader.replay(SCOPE)]
            assert [(one.seq, one.data) for one in read] == list(zip(seqs, (b"dialing", b"...", b"x"), strict=True))
            assert (read[1].subject, read[1].at, dict(read[1].headers)) == (entry.subject, entry.at, {"Why": "asked"})
            assert [one.seq async for one in reader.replay(SCOPE, after=seqs[0])] == seqs[1:]
            assert [one.seq async for one in reader.replay(SCOPE, since=entry.at)][-2:] == seqs[1:]
            found = await reader.entry(seqs[1])
            assert found is not None and found.data == b"..."
            last = await reader.last("ottb.v1.evt.call.*.ended", certain=True)
            assert last is not None and (last.seq, last.data) == (seqs[1], b"...")
            assert await reader.ids(SCOPE) == sorted(_subject(past) for past in ("dialing", "ended", "x"))
        stop_late = await bus.follow(SCOPE, hear_late, after=0)
        await _until(lambda: len(late) == 3)
        assert [one.data for one in late] == [b"dialing", b"...", b"x"] and len(heard) == 3
        await _append(bus, "y", seqs[2], id="ry")
        await _until(lambda: len(late) == len(heard) == 4)
        await stop()
        await stop_late()

    async def test_what_was_redacted_last_is_still_the_last_to_write_after(self, bus: Bus, other: Bus) -> None:
        first = await _append(bus, "dialing", 0, id="l0")
        last = await _append(bus, "ended", first, id="l1")
        for seq in (first, last):
            entry = await bus.entry(seq)
            assert entry is not None
            await bus.redact(entry, b"...", {})
        for expect in (0, first):
            with pytest.raises(Fenced):
                await _append(other, "late", expect, id=f"l{expect}x")
        heard: list[bytes] = []

        async def hear(entry: Recorded) -> None:
            heard.append(entry.data)

        stop = await other.follow(SCOPE, hear, after=0)  # nothing comes after it
        await _until(lambda: heard == [b"...", b"..."])
        after = await _append(other, "enriched", last, id="l2")
        assert after > last and await _append(bus, "more", after, id="l3") > after
        await _until(lambda: heard == [b"...", b"...", b"enriched", b"more"])
        with pytest.raises(Fenced):
            await _append(other, "late", last, id="l4")
        await stop()

    async def test_a_removed_entry_is_nowhere_and_its_number_is_nobodys(self, bus: Bus, other: Bus) -> None:
        seqs, seq = list[int](), 0
        for past in ("dialing", "alerting", "ended", "enriched"):
            seqs.append(seq := await _append(bus, past, seq, id=f"g{past}"))
        redacted = await bus.entry(seqs[1])
        assert redacted is not None
        await bus.redact(redacted, b"...", {})
        assert [one.data async for one in other.replay(SCOPE)][1] == b"..."
        before = await other.size()
        for seq, overwrite in ((seqs[0], True), (seqs[1], True), (seqs[1], False), (seqs[3], False)):
            await bus.remove(seq, overwrite=overwrite)
        after = await other.size()
        assert after.last_seq == before.last_seq and after.entries < before.entries
        heard: list[int] = []

        async def hear(entry: Recorded) -> None:
            heard.append(entry.seq)

        for reader in (bus, other):
            assert [one.seq async for one in reader.replay(SCOPE)] == [seqs[2]]
            assert [one.seq async for one in reader.replay("ottb.v1.evt.>", after=seqs[0] - 1)] == [seqs[2]]
            assert [await reader.entry(seq) for seq in (seqs[0], seqs[1], seqs[3])] == [None] * 3
            last = await reader.last(SCOPE, certain=True)
            assert last is not None and last.seq == seqs[2]
            assert await reader.last("ottb.v1.evt.call.*.dialing", certain=True) is None
        assert await bus.ids(SCOPE) == [_subject("ended")]
        stop = await other.follow(SCOPE, hear, after=0)
        await _until(lambda: len(heard) == 1)
        assert await _append(bus, "more", seqs[2], id="gm") == seqs[3] + 1
        await _until(lambda: heard == [seqs[2], seqs[3] + 1])
        await stop()

    async def test_what_is_removed_before_it_is_redacted_stays_gone(self, bus: Bus, other: Bus) -> None:
        first = await _append(bus, "dialing", 0, id="w0")
        last = await _append(bus, "ended", first, id="w1")
        entry = await bus.entry(first)
        assert entry is not None
        await other.remove(first)
        await bus.redact(entry, b"...", {})
        for reader in (bus, other):
            assert [one.seq async for one in reader.replay(SCOPE)] == [last]
            assert await reader.entry(first) is None

    async def test_keys_are_erased_and_buckets_wiped(self, bus: Bus, other: Bus) -> None:
        await bus.put("OTTB_IDEM", "one", b"secret", expect=0)
        await bus.put("OTTB_IDEM", "two", b"other", expect=0)
        await bus.erase("OTTB_IDEM", "one")
        await bus.erase("OTTB_IDEM", "never")
        assert await other.get("OTTB_IDEM", "one", certain=True) is None
        await bus.wipe("OTTB_IDEM")
        assert await other.entries("OTTB_IDEM") == {}
        assert await other.put("OTTB_IDEM", "two", b"anew", expect=0) > 0

    async def test_an_entry_of_the_log_is_erased(self, bus: Bus, other: Bus) -> None:
        written = [await bus.log.write("ottb.v1.log.x.info", b"%d" % n, {ID: f"log{n}"}) for n in range(3)]
        before = await other.log.size()
        for _ in range(2):
            await bus.log.erase_entry(written[1].seq)
        after = await other.log.size()
        assert (after.entries, after.last_seq) == (before.entries - 1, before.last_seq)
        assert [one.data async for one in other.log.replay("ottb.v1.log.>")] == [b"0", b"2"]


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not done():
            await asyncio.sleep(0.02)
