"""What `ottb` says to people."""

import sys
from collections.abc import Iterable

import click
import msgspec

from actors.log.harmless import harmless

__all__ = ["harmless", "log_beside", "say", "show"]


def log_beside() -> None:
    """What is printed is the result alone; the log goes beside it."""
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def say(*lines: str) -> None:
    """Each as one line that does nothing but show: in it may stand what a phone, an app or a device says of itself."""
    click.echo("\n".join(map(harmless, lines)))


def show(found: object, lines: Iterable[str], *, as_json: bool) -> None:
    """What was found: as the API tells it, for programs, or as lines."""
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        say(*lines)
