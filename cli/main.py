"""The `ottb` command. Each subcommand imports what it needs, so that `ottb --help` is quick."""

import json
import os
import sys
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeVar

import click

from actors.runtime.secret_files import UMASK
from cli.alert_commands import alerts, top
from cli.archive_commands import archive
from cli.options import AS, CONFIG, JSON, begun, logged_in, password_of, secret, settings_of
from cli.pipeline import pipeline
from cli.terminal import log_beside, say, show

if TYPE_CHECKING:
    from bus_schemas.campaign import CampaignRun
    from bus_schemas.lead import GivenLead
    from bus_schemas.usb import HubDetails
    from cli.gateway import Session

Answer = TypeVar("Answer")


@click.group()
def main() -> None:
    """OTTB: an open call platform that dials from real phones."""
    os.umask(UMASK)


@main.command()
@CONFIG
def up(config: Path | None) -> None:
    """Start the whole site on this machine, in the foreground."""
    from cli.site.up import start

    sys.exit(start(settings_of(config), config))


@main.command()
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor(config: Path | None, as_json: bool) -> None:
    """Name what is wrong and what to do about it."""
    from cli.doctor import examine

    findings = examine(settings_of(config))
    if as_json:
        click.echo(json.dumps([finding.__dict__ for finding in findings]))
    else:
        for finding in findings:
            say(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name}: {finding.said}")
            if finding.todo:
                say(f"      {finding.todo}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


@main.command()
@CONFIG
def status(config: Path | None) -> None:
    """Ask the running gateway whether everything is ready."""
    import urllib.error
    import urllib.request

    from actors.adapters.tls import BadCertificate, trusting

    http = settings_of(config).http
    url = f"{http.url(http.ottb_port)}/readyz?verbose"
    try:
        tls = trusting(http.certificate) if http.certificate else None
        with urllib.request.urlopen(url, timeout=5, context=tls) as answer:  # an address of our own settings
            say(answer.read().decode())
    except urllib.error.HTTPError as error:
        say(error.read().decode())
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
    import asyncio

    from actors.runtime.bus import BusError
    from cli.events import NotHeard, watch

    log_beside()
    try:
        asyncio.run(watch(settings_of(config), subject, click.echo))
    except (BusError, NotHeard) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        sys.exit(130)


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@CONFIG
@click.option("--server", type=click.IntRange(min=1), default=1, help="Which one, where the site has several.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def adb(config: Path | None, server: int, arguments: tuple[str, ...]) -> None:
    """Run our adb with these arguments, at the site's adb server: `ottb adb --config FILE devices`."""
    from cli.site.adb import NoServer, become

    try:
        become(settings_of(config), arguments, server)
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
    sys.exit(_of_audit(check(settings_of(config), noted, heads, key, say)))


@audit.command()
@CONFIG
@click.option("--public", "only_key", is_flag=True, help="Print the public key alone.")
def head(config: Path | None, only_key: bool) -> None:
    """Print the newest head of the audit, signed: one line, to be kept where nobody of this machine can change it.

    Exits with 2 when there is none, or when it could not be read.
    """
    from cli.audit import public_key, sign

    settings = settings_of(config)
    line = _of_audit(public_key(settings) if only_key else sign(settings))
    click.echo(line or "Error: there is nothing on the audit yet.", err=line is None)
    sys.exit(0 if line else 2)


def _of_audit(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do it."""
    import asyncio

    from actors.audit.heads import BadHead
    from actors.runtime.bus import BusError

    log_beside()
    try:
        return asyncio.run(work)
    except (BusError, BadHead) as error:
        click.echo(f"Error: the audit's head {error}" if isinstance(error, BadHead) else f"Error: {error}", err=True)
        sys.exit(2)


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

    state = settings_of(config).state
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
    from cli.user import set_password

    settings = settings_of(config)
    given, new = password_of(admin), secret("OTTB_NEW_PASSWORD", f"New password of {name}", twice=True)
    with begun(settings, settings.http.point_port, admin, given) as session:
        left = set_password(session, user=name, new=new, admin=admin, password=given, end_tokens=end_tokens)
    click.echo(f"password of {name} changed")
    if left:
        click.echo(f"service tokens of {name} that stay good: {left} (--end-tokens ends them)")


@main.group()
def campaign() -> None:
    """Campaigns, over the HTTP API. The password is asked for, or taken from OTTB_PASSWORD."""


@campaign.command()
@CONFIG
@AS
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--id", "name", help="The campaign's id; else the file's name.")
@click.option("--columns", help="What is in the columns, if it cannot be guessed: number,name,,custom:city")
@click.option("--skip", type=click.IntRange(min=0), help="So many rows at the top are titles; else it is guessed.")
@click.option("--no-header", is_flag=True, help="The first row is one of the list, and names no columns.")
@click.option("--watch", "watched", is_flag=True, help="Show a live board until the campaign is over.")
def run(
    config: Path | None, user: str, file: Path, name: str | None, columns: str | None, skip: int | None,
    no_header: bool, watched: bool,
) -> None:  # fmt: skip
    """Run a campaign with the leads of a list (CSV, XLSX). A lead that it has already is no second one."""
    from actors.dialing.site_rules import rules_of
    from cli import campaign

    settings = settings_of(config)
    with logged_in(settings, user) as session:
        id = name or campaign.id_for(file)
        fields = columns.split(",") if columns is not None else None
        header = False if no_header else None

        def send(leads: Sequence["GivenLead"], goes_on: bool) -> "CampaignRun":
            return session.done(session.api.run_campaign(campaign_id=id, leads=leads, goes_on=goes_on))

        campaign.run(send, file, rules_of(settings.dial), say, fields, skip=skip, header=header)
        if watched:
            _watch(session, id)


@campaign.command("watch")
@CONFIG
@AS
@click.argument("id")
def watch_campaign(config: Path | None, user: str, id: str) -> None:
    """Show a live board until the campaign is over."""
    with logged_in(settings_of(config), user) as session:
        _watch(session, id)


def _watch(session: "Session", id: str) -> None:
    from rich.console import Console

    from cli import campaign
    from cli.board import watch

    try:
        watch(Console(), lambda: campaign.found(session, id), lambda: campaign.explained(session, id))
    except KeyboardInterrupt:
        click.echo(f"{id} goes on. It stops with: ottb campaign stop {id}")


@campaign.command()
@CONFIG
@AS
@JSON
@click.argument("id")
@click.argument("lead", required=False)
def explain(config: Path | None, user: str, as_json: bool, id: str, lead: str | None) -> None:
    """Say why a campaign does not dial, or why one LEAD of it is not called."""
    from rich.console import Console

    from cli.board import explanation, reasons
    from cli.campaign import explained

    with logged_in(settings_of(config), user) as session:
        why = explained(session, id, lead)
    if as_json:
        click.echo(json.dumps(why))
    else:
        Console().print(explanation(why) if lead is None else reasons({"reasons": [{**why, "leads": 1}]}))


@campaign.command()
@CONFIG
@AS
@click.option("--hangup", is_flag=True, help="Hang up the calls in progress, too.")
@click.argument("id")
def stop(config: Path | None, user: str, hangup: bool, id: str) -> None:
    """Begin no attempt any more. Calls in progress go on to their end."""
    from bus_schemas.campaign import StopMode

    mode = StopMode.HANGUP if hangup else StopMode.DRAIN
    with logged_in(settings_of(config), user) as session:
        stopped = session.done(session.api.stop_campaign(campaign_id=id, mode=mode))
    click.echo(f"{id}: {stopped.status}, {stopped.in_progress} calls in progress")


@main.group()
def webhook() -> None:
    """Webhooks: what happens, posted to an address."""


@webhook.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9099, show_default=True)
@click.option("--status", type=click.IntRange(200, 599), default=204, show_default=True, help="What it answers.")
def listen(port: int, status: int) -> None:
    """Receive webhooks on this machine and print them, each with `ok` where it is signed.

    OTTB_WEBHOOK_SECRET is the secret that was shown when the webhook was made; without it nothing is verified (`?`).
    """
    from aiohttp import web

    from cli.webhook import receiver

    app = receiver(os.environ.get("OTTB_WEBHOOK_SECRET") or None, status, click.echo)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


@main.group()
def script() -> None:
    """Scripts that drive apps on phones (docs/scripts.md)."""


@script.command("check")
@click.argument("files", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1, required=True)
def check_scripts(files: tuple[Path, ...]) -> None:
    """Say all that is wrong with FILES, with line and column. Exits with 1 if anything is."""
    from cli.script import checked

    sys.exit(0 if checked(files, say) else 1)


@script.command("run")
@CONFIG
@AS
@click.argument("name")
@click.argument("params", nargs=-1)
@click.option("--slot", type=int, required=True, help="On whose phone.")
@click.option("--queue", is_flag=True, help="Wait for the slot where it is busy.")
@click.option("--follow", is_flag=True, help="Say what it does until it is over; exits with 1 unless it succeeds.")
def run_script(
    config: Path | None, user: str, name: str, params: tuple[str, ...], slot: int, queue: bool, follow: bool
) -> None:
    """Run the script NAME with PARAMS, each as `number=+380991234567`."""
    from cli import scripts

    with logged_in(settings_of(config), user) as session:
        script_id = scripts.begin(session, name, slot, params, queue=queue)
        click.echo(script_id)
        if follow:
            sys.exit(0 if scripts.follow(session, script_id, say) else 1)


@script.command("list")
@CONFIG
@AS
def list_scripts(config: Path | None, user: str) -> None:
    """Say which scripts there are, and what they are given."""
    from cli import scripts

    with logged_in(settings_of(config), user) as session:
        scripts.show_all(session, say)


@script.command("status")
@CONFIG
@AS
@click.argument("script_id")
def script_status(config: Path | None, user: str, script_id: str) -> None:
    """Say how the run SCRIPT_ID stands."""
    from cli import scripts

    with logged_in(settings_of(config), user) as session:
        say(scripts.in_words(session.done(session.api.get_run(script_id))))


@script.command("stop")
@CONFIG
@AS
@click.argument("script_id")
def stop_script(config: Path | None, user: str, script_id: str) -> None:
    """Stop the run SCRIPT_ID: a call that it is in ends, and its phone is left at the home screen."""
    from cli import scripts

    with logged_in(settings_of(config), user) as session:
        say(scripts.in_words(session.done(session.api.stop_run(script_id))))


SINCE = click.option("--from", "since", help="A moment, as `2026-01-31T10:00:00Z`; a day ago unless it is given.")
UNTIL = click.option("--to", "until", help="A moment; now unless it is given.")
PLOT = click.option("--plot", "as_plot", is_flag=True, help="As a plot of the means.")


@main.group()
def slot() -> None:
    """Slots and their phones."""


@slot.command("screenshot")
@CONFIG
@AS
@click.argument("number", type=click.IntRange(1, 99_999))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="PNG, or JPEG as its name says.")
def take_screenshot(config: Path | None, user: str, number: int, output: Path | None) -> None:
    """Write what is on the screen of slot NUMBER to a file, `slot-NUMBER.png` unless another is named."""
    from cli.slot import screenshot

    file = output or Path(f"slot-{number}.png")
    with logged_in(settings_of(config), user) as session:
        size = screenshot(session, number, file)
    click.echo(f"{file}: {size:,} bytes")


@slot.command("history")
@CONFIG
@AS
@JSON
@click.argument("number", type=click.IntRange(1, 99_999))
@click.argument("metric")
@SINCE
@UNTIL
@PLOT
def slot_history(
    config: Path | None, user: str, as_json: bool, number: int, metric: str, since: str | None, until: str | None,
    as_plot: bool,
) -> None:
    """Show METRIC (temperature, battery ...: docs/monitoring.md) of slot NUMBER over time."""
    from cli.history import shown

    with logged_in(settings_of(config), user) as session:
        found = session.done(session.api.slot_history(number, metric=metric, since=since, until=until))
    click.echo(shown(found, as_json=as_json, as_plot=as_plot))


@main.group()
def hub() -> None:
    """USB hubs, and which phone is on which port. The password is asked for, or taken from OTTB_PASSWORD."""


HOST = click.option("--host", help="The host, where several have a hub of this name.")


@hub.command("list")
@CONFIG
@AS
@JSON
def list_hubs(config: Path | None, user: str, as_json: bool) -> None:
    """List the hubs, and how many of their phones are online."""
    from cli.hub import rows

    with logged_in(settings_of(config), user) as session:
        found = session.done(session.api.list_hubs())
    show(found, rows(found), as_json=as_json)


@hub.command("show")
@CONFIG
@AS
@JSON
@HOST
@click.argument("name")
def show_hub(config: Path | None, user: str, as_json: bool, host: str | None, name: str) -> None:
    """Show the ports of a hub and what is on them."""
    from cli.hub import shown

    with logged_in(settings_of(config), user) as session:
        found = session.done(session.api.get_hub(name, host=host))
    show(found, shown(found), as_json=as_json)


@hub.command("history")
@CONFIG
@AS
@JSON
@HOST
@click.argument("name")
@click.argument("metric")
@SINCE
@UNTIL
@PLOT
def hub_history(
    config: Path | None, user: str, as_json: bool, host: str | None, name: str, metric: str, since: str | None,
    until: str | None, as_plot: bool,
) -> None:
    """Show METRIC (online, offline ...: docs/monitoring.md) of a hub over time."""
    from cli.history import shown

    with logged_in(settings_of(config), user) as session:
        found = session.done(session.api.hub_history(name, metric=metric, host=host, since=since, until=until))
    click.echo(shown(found, as_json=as_json, as_plot=as_plot))


@hub.command("power")
@CONFIG
@AS
@HOST
@click.argument("name")
@click.argument("port", type=click.IntRange(1, 99))
@click.argument("action", type=click.Choice(["cycle", "off", "on"]), default="cycle")
@click.option("--seconds", type=click.FloatRange(0.5, 10), default=3.0, show_default=True, help="How long it is off.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def power_port(
    config: Path | None, user: str, host: str | None, name: str, port: int, action: Literal["cycle", "off", "on"],
    seconds: float, yes: bool,
) -> None:  # fmt: skip
    """Switch a port off and on again, once it was said which phones go with it. Never during a call."""
    from cli.hub import switched

    with logged_in(settings_of(config), user) as session:
        power = partial(session.api.power_port, name, port, host=host, action=action, seconds=seconds)
        say(*switched(session.done(power(dry=True))))
        if yes or click.confirm("Do it?"):
            say(*switched(session.done(power(dry=False))))


@hub.command("learn")
@CONFIG
@AS
@HOST
@click.argument("name")
@click.option("--ports", type=click.IntRange(1, 99), help="So many ports are printed on it; else as many as it has.")
@click.option("--call", "called", help="The hub's name in the settings, if it is to have another one.")
@click.option("--write", "file", type=click.Path(dir_okay=False, path_type=Path), help="Add it to this settings file.")
def learn_hub(
    config: Path | None, user: str, host: str | None, name: str, ports: int | None, called: str | None,
    file: Path | None,
) -> None:  # fmt: skip
    """Find out which printed port is which, while somebody plugs a phone in and out. Prints it as settings.

    NAME is the hub's in the settings, or the one that `ottb hub list` shows of a hub that is not in them (usb-1-2).
    """
    from cli import hub

    with logged_in(settings_of(config), user) as session:

        def look() -> "HubDetails":
            return session.done(session.api.get_hub(name, host=host))

        ways = hub.learn(look, hub.typed, partial(click.echo, err=True), ports=ports)
        block = hub.as_toml(called or name, look(), ways)
        click.echo(block)
        if file is not None:
            hub.write(file, called or name, block)
            click.echo(f"{file} has it. Hosts read their settings at the start.", err=True)


main.add_command(alerts)
main.add_command(archive)
main.add_command(top)
main.add_command(pipeline)


@main.command()
def version() -> None:
    """Print the version."""
    from actors.runtime.version import version as of_package

    click.echo(of_package())


if __name__ == "__main__":
    main()
