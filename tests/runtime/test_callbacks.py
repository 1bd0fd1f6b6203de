from collections.abc import Callable

from actors.runtime.callbacks import Callbacks


def test_a_subscription_ends_alone_and_while_it_is_called() -> None:
    heard: list[str] = []
    subscribers: Callbacks[Callable[[], None]] = Callbacks()

    def first() -> None:
        heard.append("first")
        end_first()

    end_first = subscribers.add(first)
    end_second = subscribers.add(lambda: heard.append("second"))
    subscribers.add(lambda: heard.append("third"))
    for _ in range(2):
        for call in subscribers:
            call()
    end_second()
    end_second()
    for call in subscribers:
        call()
    assert heard == ["first", "second", "third", "second", "third", "third"]
