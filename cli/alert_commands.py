"""The commands `ottb alerts` and `ottb top`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from cli.options import AS, CONFIG, JSON, logged_in, settings_of
from cli.terminal import say, show

STATES, SEVERITIES = ("pending", "firing", "resolved"), ("critical", "warning", "info")


@click.group()
def alerts() -> None:
    """What somebody should look at. The password is asked for, or taken from OTTB_PASSWORD."""


@alerts.command("list")
@CONFIG
@AS
@JSON
@click.option("--state", type=click.Choice(STATES), default="firing", show_default=True)
@click.option("--severity", type=click.Choice(SEVERITIES))
@click.option("--kind", help="Of things of this kind: slot, hub, host, trunk.")
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True)
def list_alerts(
    config: Path | None, user: str, as_json: bool, state: str, severity: str | None, kind: str | None, limit: int
) -> None:
    """List alerts, the newest first."""
    from bus_schemas.alert import AlertSeverity, AlertState, AlertView
    from cli.alerts import rows

    wanted = AlertSeverity(severity) if severity is not None else None
    with logged_in(settings_of(config), user) as session:

        async def ask() -> list[AlertView]:
            asked = session.api.list_alerts(state=AlertState(state), severity=wanted, kind=kind, limit=limit)
            return [*await asked]

        found = session.done(ask())
    show(found, rows(found) if found else [f"nothing is {state}"], as_json=as_json)


@alerts.command("ack")
@CONFIG
@AS
@click.argument("alert")
@click.option("--note", default="", help="What others should know.")
def acknowledge(config: Path | None, user: str, alert: str, note: str) -> None:
    """Say that you look after ALERT: it is not told again while it lasts."""
    with logged_in(settings_of(config), user) as session:
        seen = session.done(session.api.acknowledge_alert(alert, note=note))
    say(f"{seen.alert}: {seen.acknowledged_by} looks after it: {seen.words}")


@alerts.command("silence")
@CONFIG
@AS
@click.option("--rule", help="Alerts of this rule.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Of this severity.")
@click.option("--slot", type=click.IntRange(1, 99_999), help="Of this slot.")
@click.option("--hub", help="Of this hub and the slots on it.")
@click.option("--host", help="Of this host.")
@click.option("--for", "span", required=True, help="For how long: 30m, 2h, 3d; at most 30d.")
@click.option("--why", required=True, help="What others should know.")
def silence(
    config: Path | None, user: str, rule: str | None, severity: str | None, slot: int | None, hub: str | None,
    host: str | None, span: str, why: str,
) -> None:  # fmt: skip
    """Have alerts told to nobody by webhook or e-mail for a while. What is given must all be so."""
    from cli.alerts import matcher, silences, until
    from cli.gateway import NotDone

    try:
        wanted = matcher(rule=rule, severity=severity, slot=slot, hub=hub, host=host)
        end = until(span, datetime.now(UTC))
    except NotDone as error:
        raise click.ClickException(str(error)) from None
    with logged_in(settings_of(config), user) as session:
        made = session.done(session.api.make_silence(matcher=wanted, until=end, why=why))
    say(*silences([made]))


@alerts.command("silences")
@CONFIG
@AS
@JSON
def list_silences(config: Path | None, user: str, as_json: bool) -> None:
    """List the silences that hold now."""
    from cli.alerts import silences

    with logged_in(settings_of(config), user) as session:
        found = session.done(session.api.list_silences())
    show(found, silences(found) if found else ["none"], as_json=as_json)


@alerts.command("unsilence")
@CONFIG
@AS
@click.argument("silence")
def unsilence(config: Path | None, user: str, silence: str) -> None:
    """End SILENCE: what fires still is told."""
    with logged_in(settings_of(config), user) as session:
        ended = session.done(session.api.end_silence(silence))
    click.echo(f"{ended.silence} is over")


@click.command()
@CONFIG
@AS
@click.option("--every", type=click.FloatRange(0.5, 60), default=2.0, show_default=True, help="Seconds.")
@click.option("--once", is_flag=True, help="Print the board once; so it is without a terminal, too.")
def top(config: Path | None, user: str, every: float, once: bool) -> None:
    """Show hosts, hubs, slots and alerts, the worst first, until `q`."""
    from cli.top import show as board

    with logged_in(settings_of(config), user) as session:
        session.done(board(session.api, every=every, once=once))
