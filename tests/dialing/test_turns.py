"""Of the starts of a line that is asked to dial too fast, those who were refused get theirs."""

from collections import Counter

from actors.dialing.turns import REMEMBERED, Turns

LINE = "trunk-t"


class Window:
    """One window of a line, with `most` starts in it."""

    def __init__(self, most: int) -> None:
        self.turns = Turns()
        self.most = most
        self.now = 0.0
        self.begun = Counter[str]()

    def asks(self, user: str, *, campaign: bool = False) -> bool:
        """Whether they begin a call; who does not comes back within two seconds."""
        left = self.most - self.begun.total()
        others = self.turns.others(LINE, user, self.now, lambda: self.begun, campaign=campaign)
        if left > others:
            self.begun[user] += 1
            self.turns.had(LINE, user, self.now)
            return True
        self.turns.refused(LINE, user, self.now + 2.0, self.now, campaign=campaign)
        return False

    def next(self) -> None:
        self.now += 1.0
        self.begun.clear()


def test_who_is_alone_has_all_of_it() -> None:
    window = Window(3)
    for _ in range(5):
        assert [window.asks("a") for _ in range(5)] == [True, True, True, False, False]
        window.next()


def test_who_was_refused_is_next_however_often_another_asks() -> None:
    window = Window(1)
    had = Counter[str]()
    for _ in range(10):
        had["a"] += any(window.asks("a") for _ in range(20))
        had["b"] += window.asks("b")  # always too late
        window.next()
    assert had["a"] == had["b"] == 5


def test_of_many_starts_each_has_as_many_as_they_were_refused() -> None:
    window = Window(10)
    assert sum(window.asks("a") for _ in range(20)) == 10
    assert not any(window.asks("b") for _ in range(3))
    window.next()
    assert sum(window.asks("a") for _ in range(20)) == 7
    assert sum(window.asks("b") for _ in range(20)) == 3
    window.next()
    assert sum(window.asks("a") for _ in range(20)) == 5  # they were refused seventeen more
    assert sum(window.asks("b") for _ in range(20)) == 5


def test_nobody_is_waited_for_longer_than_a_moment() -> None:
    window = Window(1)
    assert window.asks("a") and not window.asks("b")
    window.next()
    assert not window.asks("a")
    window.next()
    assert window.asks("a")


def test_campaigns_are_waited_for_by_hand_and_not_by_each_other() -> None:
    window = Window(1)
    assert window.asks("c", campaign=True)
    window.next()
    assert window.asks("a") and not window.asks("b", campaign=True)
    window.next()
    assert not window.asks("a")
    assert window.asks("c", campaign=True)  # whose turn it is among campaigns is not asked here
    window.turns.refused(LINE, "b", window.now + 2.0, window.now, campaign=True)
    window.next()
    assert not window.asks("a") and window.asks("b", campaign=True)
    window.next()
    assert not window.asks("b", campaign=True) and window.asks("a")


def test_what_a_campaign_wants_is_not_added_up() -> None:
    turns = Turns()
    for _ in range(9):
        turns.refused(LINE, "b", 2.0, 0.0, starts=2, campaign=True)
    assert turns.others(LINE, "a", 0.0, lambda: {"a": 8}) == 2
    turns.had("trunk-u", "b", 0.0)  # they had one elsewhere
    assert turns.others(LINE, "a", 0.0, lambda: {"a": 8}) == 1


def test_who_had_none_for_long_is_forgotten() -> None:
    turns = Turns()
    for number in range(100):
        turns.had(LINE, f"u{number}", float(number))
    turns.had(LINE, "a", REMEMBERED + 49.0)
    turns.refused(LINE, "u99", REMEMBERED + 60.0, REMEMBERED + 50.0)
    assert turns.others(LINE, "a", REMEMBERED + 50.0, dict) == 1
    assert len(turns._last[LINE]) == 51


def test_who_never_comes_is_waited_for_less_and_less() -> None:
    window = Window(1)
    had = 0
    for _ in range(600):
        if window.asks("a"):
            had += 1
            window.turns.refused(LINE, "b", window.now + 2.0, window.now)  # asks when nothing is left, and only then
        window.next()
    print(f"600 starts beside somebody who asks to be refused: {had} used")
    assert had > 580


def test_who_calls_elsewhere_is_waited_for_no_more_often() -> None:
    """They ask only to be refused, and begin a call on another line every two seconds."""
    for often in (1, 10):
        window = Window(1)
        had = 0
        for second in range(600):
            if second % 2 == 0:
                window.turns.had("trunk-u", "b", window.now)
            if window.asks("a"):
                had += 1
                for _ in range(often):
                    window.turns.refused(LINE, "b", window.now + 3.0, window.now)
            window.next()
        print(f"600 starts beside somebody who asks {often} times to be refused, and calls elsewhere: {had} used")
        assert had > 580


def test_who_did_not_come_once_is_waited_for_again_when_they_call() -> None:
    window = Window(1)
    window.turns.refused(LINE, "b", window.now + 2.0, window.now)
    began = []
    for _ in range(4):
        began.append(window.asks("a"))
        window.next()
    assert began == [True, False, True, True]  # the first is before any of them, the second is left to b
    assert window.asks("b")  # there was room
    assert not window.asks("b")
    window.next()
    assert window.asks("a")  # b was last
    assert not window.asks("b")
    window.next()
    assert not window.asks("a")
    assert window.asks("b")


def test_who_never_comes_is_known_for_as_long_as_they_go_on_so() -> None:
    """A program that asks now and then, is refused, and asks again when it likes: in weeks that is a thousand times."""
    turns = Turns()
    for hour in range(1, 2_400):
        now = hour * (REMEMBERED - 10.0)
        turns.refused(LINE, "b", now + 2.0, now)
        assert turns.others(LINE, "a", now + 3.0, Counter[str]) == 0
    assert turns.others(LINE, "a", now + 4.0, Counter[str]) == 0
