"""The ports of a site, and who else listens on one."""

from collections.abc import Mapping

import psutil

from actors.settings import Settings
from cli.site.sandbox_pbx import has_sandbox_pbx, real_asterisk

MODULES = ("simulators.phone.main", "simulators.pbx.main", "actors.main", "gateway.main")


class CannotStart(Exception):
    """The site cannot be started. The message says why and what to do."""


def ports(settings: Settings) -> Mapping[str, int]:
    """Every port that `ottb up` listens on, by the setting that names it."""
    http = settings.http
    wanted = {
        "http.point_port": http.point_port,
        "http.dci_port": http.dci_port,
        "http.ottb_port": http.ottb_port,
        "http.workspace_port": http.workspace_port,
    }
    if settings.nats.url is None:
        wanted["nats.port"] = settings.nats.port
        wanted["nats.websocket_port"] = settings.nats.websocket_port
    if settings.sandbox.enabled:
        wanted["sandbox.control_port"] = settings.sandbox.control_port
    if has_sandbox_pbx(settings):
        wanted["sandbox.pbx_port"] = settings.sandbox.pbx_port
        if real_asterisk(settings) is None:
            wanted["sandbox.pbx_control_port"] = settings.sandbox.pbx_control_port
    return wanted


def variable_of(setting: str) -> str:
    """The environment variable that moves a port."""
    return "OTTB_" + setting.upper().replace(".", "__")


def holder_of(port: int) -> str | None:
    """Who listens on a port of this machine, for people."""
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr[1] == port:
            return _name_of(connection.pid) if connection.pid else "another user's process"
    return None


def check_ports(settings: Settings) -> None:
    """Raise CannotStart when a port is taken, naming who has it and the setting that moves us."""
    for setting, port in ports(settings).items():
        holder = holder_of(port)
        if holder is not None:
            way_out = f"Stop it, or set {variable_of(setting)} to another port."
            raise CannotStart(f"port {port} is taken by {holder}. {way_out}")


def _name_of(pid: int) -> str:
    """A process for people; ours by the module that it runs, for any program may be called python."""
    try:
        process = psutil.Process(pid)
        ours = [word for word in process.cmdline() if word in MODULES]
        return f"ottb {ours[0]} (pid {pid})" if ours else f"{process.name()} (pid {pid})"
    except psutil.Error:
        return f"a process (pid {pid})"
