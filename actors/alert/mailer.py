"""The port to whoever takes e-mails."""

from typing import Protocol


class NotTaken(Exception):
    """The server has not taken it, or nobody knows that it has. The message says why."""


class Mailer(Protocol):
    """Sends e-mails."""

    async def send(self, *, to: tuple[str, ...], subject: str, text: str, id: str) -> None:
        """Have one taken, in bounded time. `id`: the same for the same mail, so that whoever gets it twice can tell.
        Raises NotTaken."""
