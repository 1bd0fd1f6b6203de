"""What every bus must do: the same cases for NATS and for the one in memory."""

import asyncio
from collections.abc import Callable

import pytest

from actors.runtime.bus import Bus, Fenced, Message, NoAnswer, NobodyThere, Recorded, Size

SCOPE = "ottb.v1.evt.call.c1.*"


def _subject(past: str, call: str = "c1") -> str:
    return f"ottb.v1.evt.call.{call}.{past}"


async def _append(bus: Bus, past: str, expect: int, *, id: str, call: str = "c1") -> int:
    scope = f"ottb.v1.evt.call.{call}.*"
    return await bus.append(_subject(past, call), past.encode(), {"Nats-Msg-Id": id}, scope=scope, expect=expect)


class BusContract:
    """Subclasses give the fixtures `bus` and `other`: two clients of one bus."""

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
        with pytest.raises(NobodyThere):
            await bus.request("ottb.v1.cmd.nobody.x.y", b"", {}, timeout=5)
        assert asyncio.get_running_loop().time() - began < 1

    async def test_silence_is_no_answer(self, bus: Bus, other: Bus) -> None:
        async def keep_silent(message: Message) -> None:
            return None

        await other.subscribe("ottb.v1.cmd.silent.*", keep_silent)
        await asyncio.sleep(0.05)
        with pytest.raises(NoAnswer):
            await bus.request("ottb.v1.cmd.silent.x", b"", {}, timeout=0.2)

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

    async def test_unsubscribing_ends_it(self, bus: Bus, other: Bus) -> None:
        async def answer(message: Message) -> None:
            assert message.reply is not None
            await message.reply(b"", {})

        stop = await other.subscribe("ottb.v1.cmd.once.x", answer)
        await asyncio.sleep(0.05)
        await bus.request("ottb.v1.cmd.once.x", b"", {}, timeout=2)
        await stop()
        await asyncio.sleep(0.05)
        with pytest.raises(NobodyThere):
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

    async def test_a_repeated_write_is_one_write(self, bus: Bus) -> None:
        first = await _append(bus, "dialing", 0, id="same")
        assert await _append(bus, "dialing", 0, id="same") == first
        assert len([entry async for entry in bus.replay(SCOPE)]) == 1

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
        async with asyncio.timeout(5):
            await enough.wait()
        assert heard == seqs
        await stop()

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

    async def test_a_key_with_a_time_to_live_runs_out(self, bus: Bus, other: Bus) -> None:
        await bus.put("OTTB_OWN", "host.b", b"me", expect=0, ttl=1.0)
        async with asyncio.timeout(5):
            while (entry := await other.get("OTTB_OWN", "host.b")) is not None and entry.data is not None:
                await asyncio.sleep(0.05)
        await other.put("OTTB_OWN", "host.b", b"you", expect=entry.revision if entry else 0)
