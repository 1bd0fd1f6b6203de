"""How alerts start on a host: it looks out, any host answers, and the board is where its shard is."""

from collections.abc import Callable

from actors.alert.actor import AlertBoard
from actors.alert.desk import Desk
from actors.alert.lookout import Lookout
from actors.alert.machine import Heard
from actors.alert.mailer import Mailer
from actors.alert.rules import Rules
from actors.alert.settings import Alerts
from actors.monitor.watcher import Watcher
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.parts import HostParts
from actors.runtime.service import serve
from actors.runtime.shards import Sharded, bring_here
from actors.usb.hubs import Hubs
from bus_schemas.alert import BOARD, GET_ALERT, LIST_ALERTS, REPORT_SIGHTINGS, ReportSightings, SightingsHeard


async def start(
    parts: HostParts, *, settings: Alerts, watcher: Watcher, hubs: Hubs, mailer: Mailer | None,
    no_runner: Callable[[], str | None],
) -> None:  # fmt: skip
    """Alerts can be asked for, and what this host sees is told. `no_runner`: why no runs of pipelines are carried out
    here now, though they should be. Raises SettingsError."""
    rules = settings.read()
    desk = Desk(bus=parts.bus)
    parts.any_host.append((serve(LIST_ALERTS, desk.list_alerts), serve(GET_ALERT, desk.get_alert)))
    parts.shards.add(on_shards(rules, mailer))
    if settings.enabled:
        lookout = Lookout(host=parts.host, ids=parts.ids, hubs=hubs, rules=rules, no_runner=no_runner)
        watcher.hearers.append(lookout.hear)
        parts.background.append(lookout.run)


def on_shards(rules: Rules, mailer: Mailer | None) -> Sharded:
    """The board, wherever its shard is: there is one as soon as any host tells what it sees."""

    def prepare(host: Host) -> None:
        async def sighted(request: ReportSightings, context: Context) -> SightingsHeard:
            await bring_here(host, AlertBoard, BOARD)
            host.tell(AlertBoard, BOARD, Heard(host=request.host, sightings=request.sightings))
            return SightingsHeard()

        host.add_maker(
            AlertBoard.made_by(lambda id, host: AlertBoard(id=id, host=host, rules=rules, mailer=mailer))
        )
        host.serve_beside(REPORT_SIGHTINGS, sighted)

    return Sharded(actor=AlertBoard, prepare=prepare)
