"""Ids for simulations: the same in every run."""


class CountedIds:
    """The `Ids` port: one after another."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count:06d}"
