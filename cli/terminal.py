"""What `ottb` says to people."""

import json
import sys
from collections.abc import Iterable

import click
import msgspec

from actors.log.harmless import harmless

__all__ = ["harmless", "in_json", "log_beside", "say", "show"]


def log_beside() -> None:
    """What is printed is the result alone; the log goes beside it."""
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def say(*lines: str) -> None:
    """Each as one line that does nothing but show: in it may stand what a phone, an app or a device says of itself."""
    click.echo("\n".join(map(harmless, lines)))


def in_json(found: object) -> str:
    """As programs read it, and nothing in it that a terminal would obey: such letters stand there by their numbers."""
    return json.dumps(msgspec.to_builtins(found)).replace("\x7f", "\\u007f")


def show(found: object, lines: Iterable[str], *, as_json: bool) -> None:
    """What was found: as the API tells it, for programs, or as lines."""
    if as_json:
        click.echo(in_json(found))
    else:
        say(*lines)
