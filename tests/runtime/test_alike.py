"""Refusals that are alike: told once, then counted; nothing is lost, and nobody makes many records of them."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.alike import KINDS, KINDS_OF_STRANGERS, MINUTE, ROUGH, SPARING, STRANGERS, Alike, times
from bus_schemas.audit import SEVERAL, AuditEntry
from bus_schemas.errors import ErrorCode, Refusal
from simulators.time.clock import SimClock
from simulators.time.loop import SimLoop, run


def refused(number: int, **more: Any) -> AuditEntry:
    common: dict[str, Any] = {"user": "op12", "door": "http", "action": "POST /api/call/start", "result": "SLOT_BUSY"}
    return AuditEntry(at=f"2026-01-01T00:00:{number:02}.000Z", **common | more)


def told(work: Any, *, nearly_full: bool = False) -> list[AuditEntry]:
    """What was put on the audit while `work` went on with an `Alike`."""

    async def main() -> list[AuditEntry]:
        loop, written = asyncio.get_running_loop(), []
        assert isinstance(loop, SimLoop)

        async def write(entry: AuditEntry) -> None:
            written.append(entry)
            if entry.user == "late":
                raise Refusal(ErrorCode.UNAVAILABLE, "It is written later.")

        alike = Alike(clock=SimClock(loop), write=write, nearly_full=lambda: nearly_full)

        def take(entry: AuditEntry, who: str = "op12") -> None:
            if (now := alike.take(entry, who)) is not None:
                written.append(now)

        await work(take)
        await alike.stop()
        return written

    return run(main, 1)


def test_the_first_is_told_at_once_and_the_others_as_one_at_the_minutes_end() -> None:
    async def work(take: Any) -> None:
        for number in range(5):
            take(refused(number, subject={"slot": 44}, request_id=f"r{number}"))
        await asyncio.sleep(MINUTE + 1)
        take(refused(50))  # a new minute

    first, others, next_one = told(work)
    assert (first, next_one) == (refused(0, subject={"slot": 44}, request_id="r0"), refused(50))
    assert others == refused(4, subject={"slot": 44}, request_id="r4", count=4, first="2026-01-01T00:00:01.000Z")
    assert list(map(times, (first, others, next_one))) == [1, 4, 1]


def test_what_is_alone_stays_alone_and_what_differs_is_told_apart() -> None:
    async def work(take: Any) -> None:
        for more in ({}, {"action": "POST /x"}, {"result": "NOT_FOUND"}, {"credential": "token:t"}, {"door": "bus"}):
            take(refused(1, **more))

    assert len(told(work)) == 5
    assert all(times(entry) == 1 for entry in told(work))


def test_it_is_told_apart_what_it_was_about() -> None:
    async def work(take: Any) -> None:
        for user in ("nobody", "admin", "admin", "op34"):
            take(refused(1, action="DELETE /api/users/{user}", result="PERMISSION_DENIED", subject={"user": user}))

    assert [(entry.subject["user"], times(entry)) for entry in told(work)] == [
        ("nobody", 1), ("admin", 1), ("op34", 1), ("admin", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(("who", "kinds"), [("op12", KINDS), (STRANGERS, KINDS_OF_STRANGERS)])
def test_noise_does_not_hide_what_was_tried_for_the_first_time(who: str, kinds: int) -> None:
    """Who has filled the kinds of a minute is told no less of the next thing that they try."""
    tried = refused(2, user=who, action="DELETE /api/users/{user}", subject={"user": "admin"}, address="10.0.0.9")

    async def work(take: Any) -> None:
        for number in range(10 * kinds):
            take(refused(1, user=who, subject={"slot": number}), who)
        take(tried, who)
        for number in range(5):
            take(refused(3, user=who, action=tried.action, subject={"user": f"u{number}"}), who)

    written = told(work)
    assert tried in written
    [others] = [one for one in written if one.action == tried.action and one != tried]
    assert (others.user, others.result, others.subject, others.address, times(others)) == (who, "SLOT_BUSY", {}, "", 5)
    assert SEVERAL not in {one.action for one in written}
    assert len(written) == kinds + 2 + 2


@pytest.mark.parametrize(("who", "kinds"), [("op12", KINDS), (STRANGERS, KINDS_OF_STRANGERS)])
def test_one_asker_has_so_many_kinds_and_one_for_the_rest(who: str, kinds: int) -> None:
    async def work(take: Any) -> None:
        for number in range(10 * kinds):
            take(refused(1, user=who, action=f"POST /{number}"), who)
        take(refused(1, user="op34", action="POST /1"), "op34")  # somebody else has their own

    written = told(work)
    assert len(written) == kinds + ROUGH + 2
    rest = written[-1]
    assert (rest.user, rest.action, rest.result, times(rest)) == (who, SEVERAL, SEVERAL, 9 * kinds - ROUGH)


@pytest.mark.parametrize("who", ["op12", STRANGERS])
def test_of_a_journal_that_is_nearly_full_it_takes_little(who: str) -> None:
    async def work(take: Any) -> None:
        for number in range(1000):
            take(refused(1, user=who, action=f"POST /{number % 50}", subject={"slot": number}), who)

    written = told(work, nearly_full=True)
    assert len(written) == 2 * SPARING + 1 and sum(map(times, written)) == 1000


@given(st.data())
def test_the_counts_add_up_whatever_comes(data: st.DataObject) -> None:
    """Each action, result, subject and asker, in any order and at any time: nothing is lost, nothing told twice."""
    some = st.tuples(
        st.sampled_from(["", "op12", "op34"]), st.integers(0, 60), st.sampled_from(["SLOT_BUSY", "AUTH_FAIL"]),
        st.integers(0, 3), st.sampled_from([0.0, 0.0, 7.0, MINUTE]),
    )  # fmt: skip
    tries = data.draw(st.lists(some, max_size=150))

    async def work(take: Any) -> None:
        for who, action, result, slot, pause in tries:
            more = {"user": who, "action": f"POST /{action % 55}", "result": result, "subject": {"slot": slot}}
            take(refused(1, **more), who)
            await asyncio.sleep(pause)

    written = told(work)
    assert sum(map(times, written)) == len(tries)
    for who in ("", "op12", "op34"):
        mine = [one for one in written if one.user == who]
        assert sum(map(times, mine)) == sum(one[0] == who for one in tries)
        told_apart = {(one.action, one.result) for one in mine}
        firsts = {(f"POST /{action % 55}", result) for whose, action, result, _, _ in tries if whose == who}
        assert told_apart >= firsts or SEVERAL in {one.action for one in mine}


def test_of_strangers_it_is_told_whose_password_was_tried() -> None:
    async def work(take: Any) -> None:
        for name in ("a", "b", "a"):
            take(refused(1, user="", subject={"username": name}), STRANGERS)

    assert [entry.subject["username"] for entry in told(work)] == ["a", "b", "a"]


def test_an_audit_that_is_away_costs_nothing_else() -> None:
    async def work(take: Any) -> None:
        for _ in range(2):
            take(refused(1, user="late"), "late")
            take(refused(1))

    assert len(told(work)) == 4
