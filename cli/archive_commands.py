"""The commands `ottb archive`."""

import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from cli.options import CONFIG, settings_of
from cli.terminal import log_beside


@click.group()
def archive() -> None:
    """The days of the journal that are sealed in files."""


@archive.command()
@CONFIG
def status(config: Path | None) -> None:
    """Print how far the journal is sealed, and where the files are.

    Exits with 0, with 1 when one is missing, with 2 when that could not be read.
    """
    from cli import archive as of

    _exit(of.status(settings_of(config), click.echo))


@archive.command()
@CONFIG
def verify(config: Path | None) -> None:
    """Read each file whole: its checksum, its entries, and whether the days follow each other.

    Exits with 0 when all are whole, 1 when one is not, 2 when that could not be read.
    """
    from cli import archive as of

    _exit(of.verify(settings_of(config), click.echo))


@archive.command()
@click.argument("backup", type=click.Path(exists=True, file_okay=False, path_type=Path))
@CONFIG
def restore(backup: Path, config: Path | None) -> None:
    """Put back the files that are missing or not whole, from the folder BACKUP: a copy of the archive's, or the folder
    that it was in before.

    Exits with 0 when all are whole then, 1 when one is not, 2 when that could not be read.
    """
    from cli import archive as of

    _exit(of.restore(settings_of(config), backup, click.echo))


def _exit(work: Coroutine[Any, Any, int]) -> None:
    """Do it, and end with what it gives."""
    import asyncio

    from actors.archive.archive import NotAnArchive
    from actors.archive.store import NotKept
    from actors.runtime.bus import BusError

    log_beside()
    try:
        code = asyncio.run(work)
    except (BusError, NotAnArchive, NotKept) as error:
        click.echo(f"Error: {error}", err=True)
        code = 2
    sys.exit(code)
