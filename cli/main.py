"""The `ottb` command. Each subcommand imports what it needs, so that `ottb --help` is quick."""

import asyncio
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from actors.runtime.settings import SettingsError
from actors.settings import UMASK, Settings, load

Answer = TypeVar("Answer")

CONFIG = click.option(
    "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Settings file (TOML)."
)


def _settings(config: Path | None) -> Settings:
    try:
        return load(config=config, environment=os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


@click.group()
def main() -> None:
    """OTTB: an open call platform that dials from real phones."""
    os.umask(UMASK)


@main.command()
@CONFIG
def up(config: Path | None) -> None:
    """Start the whole site on this machine, in the foreground."""
    from cli.site.up import start

    sys.exit(start(_settings(config), config))


@main.command()
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor(config: Path | None, as_json: bool) -> None:
    """Name what is wrong and what to do about it."""
    from cli.doctor import examine

    findings = examine(_settings(config))
    if as_json:
        click.echo(json.dumps([finding.__dict__ for finding in findings]))
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name}: {finding.said}")
            if finding.todo:
                click.echo(f"      {finding.todo}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


@main.command()
@CONFIG
def status(config: Path | None) -> None:
    """Ask the running gateway whether everything is ready."""
    from actors.adapters.tls import BadCertificate, trusting

    http = _settings(config).http
    url = f"{http.url(http.ottb_port)}/readyz?verbose"
    try:
        tls = trusting(http.certificate) if http.certificate else None
        with urllib.request.urlopen(url, timeout=5, context=tls) as answer:  # an address of our own settings
            click.echo(answer.read().decode())
    except urllib.error.HTTPError as error:
        click.echo(error.read().decode())
        sys.exit(1)
    except BadCertificate as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"no gateway at {url}: {error}. Start it with `make run`.") from None


@main.command()
@CONFIG
@click.argument("subject", default="ottb.v1.evt.call.>")
def events(config: Path | None, subject: str) -> None:
    """Print the bus's events as JSON lines, as another system would hear them."""
    from actors.runtime.bus import BusError
    from cli.events import NotHeard, watch

    _log_beside()
    try:
        asyncio.run(watch(_settings(config), subject, click.echo))
    except (BusError, NotHeard) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        sys.exit(130)


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@CONFIG
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def adb(config: Path | None, arguments: tuple[str, ...]) -> None:
    """Run our adb with these arguments, at the site's adb server: `ottb adb --config FILE devices`."""
    from cli.site.adb import NoServer, become

    try:
        become(_settings(config), arguments)
    except (NoServer, OSError) as error:
        raise click.ClickException(str(error)) from None


@main.group()
def audit() -> None:
    """Who did what: the audit and its chain."""


@audit.command()
@CONFIG
@click.option("--head", metavar="NUMBER:HASH", help="A head noted earlier, which the chain must still have.")
@click.option("--heads", type=click.File(errors="replace"), help="Lines of `ottb audit head`; `-`: standard input.")
@click.option("--key", metavar="PUBLIC", help="The key of those heads, also kept elsewhere; else this site's own.")
def verify(config: Path | None, head: str | None, heads: TextIO | None, key: str | None) -> None:
    """Check that nothing on the audit was changed, left out or cut off, in the journal and in the ledger.

    Exits with 0 when it is whole, 1 when it is broken, 2 when it could not be read, or not compared with the ledger, or
    when there is no head in what `--heads` names.
    """
    from cli.audit import Head
    from cli.audit import verify as check

    noted = Head().convert(head, None, None) if head is not None else None
    sys.exit(_of_audit(check(_settings(config), noted, heads, key, click.echo)))


@audit.command()
@CONFIG
@click.option("--public", "only_key", is_flag=True, help="Print the public key alone.")
def head(config: Path | None, only_key: bool) -> None:
    """Print the newest head of the audit, signed: one line, to be kept where nobody of this machine can change it.

    Exits with 2 when there is none, or when it could not be read.
    """
    from cli.audit import public_key, sign

    settings = _settings(config)
    line = _of_audit(public_key(settings) if only_key else sign(settings))
    click.echo(line or "Error: there is nothing on the audit yet.", err=line is None)
    sys.exit(0 if line else 2)


def _of_audit(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do it."""
    from actors.audit.heads import BadHead
    from actors.runtime.bus import BusError

    _log_beside()
    try:
        return asyncio.run(work)
    except (BusError, BadHead) as error:
        click.echo(f"Error: the audit's head {error}" if isinstance(error, BadHead) else f"Error: {error}", err=True)
        sys.exit(2)


def _log_beside() -> None:
    """What is printed is the result alone; the log goes beside it."""
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


@main.group()
def keys() -> None:
    """The keys that sign tokens."""


@keys.command()
@CONFIG
@click.option("--drop-old", is_flag=True, help="A key has leaked: believe no other one. Everybody logs in again.")
def rotate(config: Path | None, drop_old: bool) -> None:
    """Sign with a new key from now on. Nobody is logged out: what the old keys signed stays good until it ends."""
    from actors.point.keys import drop_others
    from actors.point.keys import rotate as make

    state = _settings(config).state
    try:
        name = make(state)
    except OSError as error:
        said = f"no key is made in {state}: {error.strerror}. Run this as the site's user."
        raise click.ClickException(said) from None
    click.echo(f"key {name} signs from now on")
    if drop_old:
        click.echo(f"nothing is believed any more that was signed with {', '.join(drop_others(state, name))}")


@main.group()
def user() -> None:
    """Users, over the HTTP API."""


@user.command()
@CONFIG
@click.argument("name")
@click.option("--as", "admin", default="admin", show_default=True, help="Log in as this user.")
@click.option("--end-tokens", is_flag=True, help="End the user's service tokens too.")
def passwd(config: Path | None, name: str, admin: str, end_tokens: bool) -> None:
    """Set a user's password. All sessions of the user end; service tokens go on working unless they are ended too.

    Both passwords are asked for, or taken from OTTB_PASSWORD and OTTB_NEW_PASSWORD: an option would show them to every
    user of the machine, in its list of processes.
    """
    from cli.site.ports import CannotStart
    from cli.site.private import owner_of
    from cli.user import Gateway, NotDone, set_password

    settings = _settings(config)
    state = settings.state
    try:
        owner = owner_of(state) if state.exists() else os.geteuid()
    except CannotStart as error:
        raise click.ClickException(str(error)) from None

    def ask(variable: str, question: str, *, twice: bool) -> str:
        return os.environ.get(variable) or click.prompt(question, hide_input=True, confirmation_prompt=twice)

    given = ask("OTTB_PASSWORD", f"Password of {admin}", twice=False)
    new = ask("OTTB_NEW_PASSWORD", f"New password of {name}", twice=True)
    try:
        gateway = Gateway(settings.http, owner)
        left = set_password(gateway, user=name, new=new, admin=admin, password=given, end_tokens=end_tokens)
    except NotDone as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"password of {name} changed")
    if left:
        click.echo(f"service tokens of {name} that stay good: {left} (--end-tokens ends them)")


@main.command()
def version() -> None:
    """Print the version."""
    from actors.runtime.version import version as of_package

    click.echo(of_package())


if __name__ == "__main__":
    main()
