"""Who is called when something happens here."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Callback = TypeVar("Callback")


class Callbacks(Generic[Callback]):
    """The subscribers of one thing, called in the order in which they came."""

    def __init__(self) -> None:
        self._callbacks: dict[object, Callback] = {}

    def add(self, callback: Callback) -> Callable[[], None]:
        """Subscribe. Gives the end of the subscription, which may be called more than once."""
        key = object()
        self._callbacks[key] = callback

        def end() -> None:
            self._callbacks.pop(key, None)

        return end

    def __iter__(self) -> Iterator[Callback]:
        """Those who are subscribed now; they may end it while they are called."""
        return iter(tuple(self._callbacks.values()))
