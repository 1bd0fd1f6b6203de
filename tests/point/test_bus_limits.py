"""Who does too much on the bus, by what the server counts."""

import math

import pytest
from msgspec import structs

from actors.point.bus_limits import (
    BURST,
    FORGIVEN,
    REFUSALS_AT_ONCE,
    SHUT_FIRST,
    SHUT_LONGEST,
    Connection,
    Cut,
    Meter,
    Refusals,
    Why,
)
from actors.point.settings import BusLimits

SERVER = "N1"
OP1, OP2, TOKENS1 = ("user", "op1"), ("user", "op2"), ("tokens", "op1")
LIMITS = BusLimits(connections=3, messages=100, bytes_in=1000, bytes_out=2000, lines=300, waiting=500)
AT_ONCE = int(BURST * LIMITS.messages)


def one(
    cid: int, user: str = "op1", kind: str = "password", *, msgs: int = 0, into: int = 0, out: int = 0, waits: int = 0
) -> Connection:
    return Connection(
        cid=cid, authorized_user=f"{user}/{kind}/{cid}/m", in_msgs=msgs, in_bytes=into, out_bytes=out,
        pending_bytes=waits,
    )  # fmt: skip


class Watched:
    """A meter that looks once a second. `meter.look` has seen nobody before the first one."""

    def __init__(self, connections: int = LIMITS.connections) -> None:
        self.meter = Meter(structs.replace(LIMITS, connections=connections))
        self.now = 0.0
        self.look()

    def look(self, *connections: Connection) -> list[Cut]:
        self.now += 1.0
        return self.meter.look(SERVER, connections, self.now, self.now)

    def begin(self, cid: int, user: str = "op1") -> None:
        self.meter.began(SERVER, cid, f"{user}/password/{user}")

    def end(self, cid: int, msgs: int, *, uncounted: float = 0) -> None:
        self.meter.ended(SERVER, cid, (msgs, 0, 0), uncounted=uncounted)


def test_a_burst_is_allowed_and_a_flood_is_cut_whole() -> None:
    watched = Watched()
    assert watched.look(one(1, msgs=AT_ONCE), one(2, "op2", msgs=1)) == []
    (cut,) = watched.look(one(1, msgs=AT_ONCE + 301), one(3, msgs=0), one(2, "op2", msgs=1))
    assert (cut.share, cut.why, cut.cids, cut.seconds) == (OP1, Why.MESSAGES, [1, 3], SHUT_FIRST)
    assert watched.meter.is_out(OP1, watched.now) and not watched.meter.is_out(OP2, watched.now)
    assert not watched.meter.is_out(OP1, watched.now + SHUT_FIRST)


def test_what_is_allowed_in_the_long_run_is_never_cut() -> None:
    watched = Watched()
    for second in range(1, 1000):
        share = second * LIMITS.messages // 2
        bytes_in = second * LIMITS.bytes_in // 2
        found = watched.look(
            one(1, msgs=share, into=bytes_in, out=second * 900), one(2, msgs=share, into=bytes_in, out=second * 900)
        )
        assert found == [], second


def test_each_amount_has_its_limit_and_all_connections_count_together() -> None:
    for name, why in (("into", Why.BYTES_IN), ("out", Why.BYTES_OUT)):
        rate = LIMITS.bytes_in if why is Why.BYTES_IN else LIMITS.bytes_out
        half = int(BURST * rate / 2) + rate
        watched = Watched()
        (cut,) = watched.look(one(1, **{name: half}), one(2, **{name: half}))
        assert (cut.why, cut.cids) == (why, [1, 2])


def test_the_service_tokens_of_a_user_count_together_and_apart_from_the_user() -> None:
    """Whoever has stolen one does not keep out its owner, who can end it."""
    half = AT_ONCE // 2 + LIMITS.messages
    watched = Watched()
    for _ in range(LIMITS.connections):
        watched.meter.entered(TOKENS1, watched.now)
    assert watched.meter.is_full(TOKENS1) and not watched.meter.is_full(OP1)
    here = (one(1, kind="token", msgs=half), one(2, kind="token", msgs=half), one(3, kind="session"), one(4))
    (cut,) = watched.look(*here)
    assert (cut.share, cut.cids) == (TOKENS1, [1, 2])
    assert watched.meter.is_out(TOKENS1, watched.now) and not watched.meter.is_out(OP1, watched.now)
    (cut,) = watched.look(one(3, kind="session", msgs=half), one(4, msgs=half))
    assert (cut.share, cut.cids) == (OP1, [3, 4])


def test_who_is_gone_before_a_look_is_counted_once() -> None:
    watched = Watched()
    for cid in range(1, 5):
        watched.begin(cid)
        watched.end(cid, AT_ONCE // 4)
    assert watched.look(one(4, msgs=AT_ONCE // 4)) == []  # the list is older than the news of its end
    watched.look(one(9, msgs=90))
    watched.end(9, 100)
    assert watched.look() == []
    watched.begin(10)
    watched.end(10, AT_ONCE + 200)
    (cut,) = watched.look()
    assert (cut.share, cut.cids) == (OP1, [])


def test_whose_a_connection_is_was_said_when_it_was_let_in() -> None:
    """A client can call itself something else at any time."""
    watched = Watched()
    watched.begin(1)
    (cut,) = watched.look(one(1, "op2", msgs=2 * AT_ONCE))
    assert (cut.share, cut.cids) == (OP1, [1]) and not watched.meter.is_out(OP2, watched.now)
    watched.begin(2, "op3")
    watched.begin(2, "op2")  # logged in again, rightly
    watched.end(2, 2 * AT_ONCE)
    assert [cut.share for cut in watched.look()] == [OP2]


def test_who_takes_a_connection_off_the_books_is_out() -> None:
    """A second login that is wrong ends it elsewhere, and what it did last is in no count."""
    watched = Watched()
    watched.begin(1)
    watched.look(one(1), one(2))
    for _ in range(13):  # the server waits for the answer to the second login, and lists it nowhere meanwhile
        watched.look(one(2))
    watched.end(1, 1, uncounted=math.inf)
    (cut,) = watched.look(one(2))
    assert (cut.share, cut.why, cut.cids, cut.seconds) == (OP1, Why.UNCOUNTED, [2], SHUT_FIRST)


def test_a_connection_that_logs_in_again_and_again_is_not_forgotten() -> None:
    """While a login on it waits for its answer the server lists it nowhere, so no look may find it."""
    for times in range(1, 9):
        watched = Watched()
        for _ in range(times):
            watched.begin(1)
            for _ in range(13):
                watched.look()
        watched.end(1, 2 * AT_ONCE, uncounted=math.inf)
        assert [cut.share for cut in watched.look()] == [OP1], times


def test_who_was_never_let_in_shuts_nobody_out() -> None:
    watched = Watched()
    watched.end(1, 0, uncounted=math.inf)
    assert watched.look() == []


@pytest.mark.parametrize(("connections", "at_once"), [(1, 32), (3, 32), (32, 32), (40, 40)])
def test_ends_that_may_hide_something_have_a_limit(connections: int, at_once: int) -> None:
    """All of one's pages may close at once, and be loaded anew where few are allowed; no more than that soon after."""
    watched = Watched(connections)
    for cid in range(at_once):
        watched.begin(cid)
        watched.end(cid, 1, uncounted=1)
    assert watched.look() == []
    for cid in (100, 101):
        watched.begin(cid)
        watched.end(cid, 1, uncounted=1)
    (cut,) = watched.look()
    assert (cut.share, cut.why) == (OP1, Why.UNCOUNTED)


def test_a_server_that_starts_anew_counts_connections_anew() -> None:
    watched = Watched()
    watched.begin(1)
    watched.end(1, 5)
    watched.meter.began("N2", 1, "op1/password/op1")
    watched.now += 1
    here = [one(cid, msgs=AT_ONCE) for cid in range(1, 6)]
    (cut,) = watched.meter.look("N2", here, watched.now, watched.now)
    assert (cut.why, cut.cids) == (Why.MESSAGES, [1, 2, 3, 4, 5])


def test_what_was_there_before_the_first_look_is_no_flood() -> None:
    meter = Meter(LIMITS)
    assert meter.look(SERVER, [one(1, msgs=10**6)], 1.0, 1.0) == []
    assert meter.look(SERVER, [one(1, msgs=10**6 + 50)], 2.0, 2.0) == []


def test_after_a_time_without_looks_the_time_is_taken_into_account() -> None:
    watched = Watched()
    watched.look(one(1))
    watched.now += 60
    assert watched.look(one(1, msgs=60 * LIMITS.messages)) == []


def test_who_comes_back_for_more_stays_out_longer_and_is_forgiven_in_the_end() -> None:
    watched = Watched()
    seconds = []
    for cid in range(1, 9):
        (cut,) = watched.look(one(cid, msgs=10 * AT_ONCE))
        seconds.append(cut.seconds)
        watched.now += cut.seconds
        watched.look()
    assert seconds[:3] == [SHUT_FIRST, 2 * SHUT_FIRST, 4 * SHUT_FIRST] and seconds[-1] == SHUT_LONGEST
    watched.now += FORGIVEN
    watched.look()
    (cut,) = watched.look(one(99, msgs=10 * AT_ONCE))
    assert cut.seconds == SHUT_FIRST


def test_connections_that_the_server_does_not_list_yet_are_counted_too() -> None:
    watched = Watched()
    watched.look(one(1), one(2))
    assert not watched.meter.is_full(OP1)
    watched.meter.entered(OP1, watched.now + 0.9)
    assert watched.meter.is_full(OP1) and not watched.meter.is_full(OP2)
    watched.look(one(1), one(2))
    assert watched.meter.is_full(OP1)  # it was let in a moment before the server was asked
    watched.look(one(1), one(2))
    assert not watched.meter.is_full(OP1)


def test_the_newest_connections_beyond_the_limit_are_cut_for_once() -> None:
    watched = Watched()
    (cut,) = watched.look(*(one(cid) for cid in (5, 1, 4, 2)))
    assert (cut.why, cut.cids, cut.seconds) == (Why.CONNECTIONS, [5], 0.0)
    assert not watched.meter.is_out(OP1, watched.now)


def test_who_reads_too_slowly_is_cut_alone() -> None:
    watched = Watched()
    (cut,) = watched.look(one(1, waits=501), one(2, waits=500))
    assert (cut.why, cut.cids) == (Why.WAITING, [1])


def test_logins_cost_something() -> None:
    watched = Watched()
    for _ in range(200):
        watched.meter.entered(OP1, watched.now)
    (cut,) = watched.look()
    assert (cut.share, cut.why) == (OP1, Why.MESSAGES)


def test_the_platforms_own_connections_are_nobodys() -> None:
    watched = Watched()
    own = Connection(cid=1, authorized_user="core", in_msgs=10**9)
    assert watched.look(own, Connection(cid=2, in_msgs=10**9)) == []


def test_what_is_no_message_has_a_limit_of_its_own() -> None:
    """Pings, and subscribing in a loop: no messages, but bytes."""
    watched = Watched()
    at_once, name = int(BURST * LIMITS.lines), ("nats", "10.0.0.1", 7)

    def look(taken: int, into: int) -> list[Cut]:
        watched.now += 1.0
        here = Connection(cid=1, type="nats", ip="10.0.0.1", port=7, authorized_user="op1/p/op1", in_bytes=into)
        received = {name: taken, ("websocket", "10.0.0.1", 7): 10**9, ("nats", "10.0.0.1", 8): 10**9}
        return watched.meter.look(SERVER, [here], watched.now, watched.now, received if taken else {})

    assert look(at_once + 900, into=900) == []  # the content of messages is counted elsewhere
    assert look(0, into=900) == []  # the kernel was not asked: nothing is taken back, or counted twice
    (cut,) = look(2 * at_once + 900, into=900)
    assert (cut.share, cut.why, cut.cids) == (OP1, Why.LINES, [1])


def test_refusals_are_answered_as_long_as_they_are_few() -> None:
    refusals = Refusals()
    assert sum(refusals.answers("10.0.0.1", 0.0) for _ in range(100)) == REFUSALS_AT_ONCE
    assert refusals.answers("10.0.0.2", 0.0)
    assert [refusals.answers("10.0.0.1", 1.5) for _ in range(2)] == [True, False]
    assert sum(refusals.answers("10.0.0.1", 1000.0) for _ in range(100)) == REFUSALS_AT_ONCE
