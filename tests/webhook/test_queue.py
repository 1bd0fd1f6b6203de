"""The order of deliveries, whatever arrives and fails in between."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from actors.webhook.queue import BROKEN, Item, Queue


def item(n: int, key: str = "call.c1", due: float = 0.0) -> Item:
    return Item(n=n, seq=n, about=f"{key}.ended", key=key, due=due)


KEYS = st.sampled_from(["call.c1", "call.c2", "slot.44", "slot.45"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "arrived", "failed", "dropped", "released", "time"]), KEYS, st.integers(0, 9)),
    max_size=120,
)


class Play:
    """A queue, and what is seen of it from outside."""

    def __init__(self, at_once: int) -> None:
        self.queue, self.at_once, self.now, self.n = Queue(at_once=at_once), at_once, 0.0, 0
        self.flying: dict[int, Item] = {}
        self.waiting: dict[str, list[int]] = defaultdict(list)

    def send(self) -> None:
        for one in self.queue.ready(self.now):
            assert one.due <= self.now
            assert self.waiting[one.key][0] == one.n  # nothing overtakes what is about the same
            assert one.n not in self.flying
            self.queue.begin(one.n)
            self.flying[one.n] = one
        assert len(self.flying) <= self.at_once
        keys = [one.key for one in self.flying.values()]
        assert len(keys) == len(set(keys))

    def step(self, what: str, key: str, number: int) -> None:
        if what == "add":
            self.n += 1
            self.queue.add(item(self.n, key))
            self.waiting[key].append(self.n)
        elif what == "time":
            self.now += number
        elif self.flying:
            one = self.flying.pop(sorted(self.flying)[number % len(self.flying)])
            self.end(what, one, number)
        self.send()

    def end(self, what: str, one: Item, number: int) -> None:
        if what == "failed":
            self.queue.failed(Item(**{name: getattr(one, name) for name in one.__struct_fields__} | {
                "attempts": one.attempts + 1, "due": self.now + number}), rests_until=self.now + number)  # fmt: skip
        elif what == "released":
            self.queue.release(one.n, self.now + number)
        else:
            self.waiting[one.key].pop(0)
            (self.queue.arrived if what == "arrived" else self.queue.drop)(one.n)


@given(st.integers(1, 4), STEPS)
def test_of_one_thing_nothing_overtakes_and_one_is_under_way(at_once: int, steps: list[tuple[str, str, int]]) -> None:
    play = Play(at_once)
    for what, key, number in steps:
        play.step(what, key, number)
    while len(play.queue):  # and all of it comes to its end
        if not play.flying:
            due = play.queue.next_due()
            assert due is not None
            play.now = max(play.now, due)
            play.send()
            assert play.flying
        play.step("arrived", "", 0)
    assert not any(play.waiting.values())


@given(st.integers(1, 4), STEPS)
def test_who_waits_until_next_due_misses_nothing(at_once: int, steps: list[tuple[str, str, int]]) -> None:
    play = Play(at_once)
    for what, key, number in steps:
        play.step(what, key, number)
        due = play.queue.next_due()
        if due is None:
            assert not play.queue.ready(play.now + 10**6)
        elif due > play.now:
            assert not play.queue.ready(play.now) and not play.queue.ready((play.now + due) / 2)
            assert play.queue.ready(due)


def test_a_thing_that_fails_holds_up_no_other() -> None:
    queue = Queue(at_once=2)
    for one in (item(1), item(2), item(3, "call.c2"), item(4, "call.c2")):
        queue.add(one)
    assert [one.n for one in queue.ready(0)] == [1, 3]
    queue.begin(1), queue.begin(3)
    queue.failed(item(1, due=60), rests_until=60)
    queue.arrived(3)
    assert [one.n for one in queue.ready(0)] == [4]
    queue.begin(4)
    queue.arrived(4)
    assert queue.ready(59) == [] and queue.next_due() == 60
    assert [one.n for one in queue.ready(60)] == [1]


def test_a_receiver_that_takes_nothing_gets_one_at_a_time() -> None:
    queue = Queue(at_once=8)
    for n in range(1, 20):
        queue.add(item(n, f"call.c{n}"))
    for n in range(1, BROKEN + 1):
        queue.begin(n)
    for n in range(1, BROKEN + 1):
        queue.failed(item(n, f"call.c{n}", due=1000), rests_until=100)
    assert queue.ready(99) == [] and queue.next_due() == 100
    [one] = queue.ready(100)
    queue.begin(one.n)
    assert queue.ready(100) == [] and queue.next_due() is None
    queue.arrived(one.n)
    assert len(queue.ready(100)) == 8  # it takes them again
