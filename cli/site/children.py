"""The processes of a site: what each is started with."""

import json
import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from actors.adapters.adb_place import FRONT, AdbFile, place_of
from actors.point.callout import public_of
from actors.runtime.settings import BUS_PATIENCE
from actors.settings import Settings
from actors.slot.adb_servers import AdbServer
from actors.slot.settings import Adb
from cli.site.nats_conf import nats_conf
from cli.site.probes import adb_answers, nats_answers
from cli.site.sandbox_pbx import has_sandbox_pbx, sandbox_pbx
from cli.site.secrets import CONTROL, ISSUER_SEED, USERS, secrets_of
from cli.site.supervisor import Child, python
from cli.site.usb_buses import with_buses

ROOT = Path(__file__).resolve().parents[2]


def children(settings: Settings, config: Path | None) -> list[Child]:
    """The processes of the site, in the order in which they are started."""
    state = settings.state.resolve()
    secrets = secrets_of(state)
    arguments = ["--config", str(config)] if config else []
    env: Mapping[str, str] = {
        "OTTB_STATE_DIR": str(state),
        "PYTHONPATH": str(ROOT),
        "OTTB_NATS__URL": settings.nats.address,
    }
    found = []
    if settings.nats.url is None:
        env = {**env, "OTTB_NATS__OWNER": str(os.geteuid())}
        found.append(_nats(settings, state, secrets))
    if not settings.adb.host:
        found += adb_servers(settings, state)
    if settings.sandbox.enabled:
        sandbox = {"OTTB_SANDBOX__CONTROL_SECRET": secrets[CONTROL]}
        if not settings.adb.host:
            sandbox["OTTB_SANDBOX__ADB_KEY"] = str(state / "adb" / ".android" / "adbkey.pub")
        found.append(python("phones", ["simulators.phone.main", *arguments], {**env, **sandbox}))
    if has_sandbox_pbx(settings):
        pbx, ami = sandbox_pbx(settings, state, secrets, arguments, env)
        found += pbx
        env = {**env, **ami}
    core = {**env, **_login(settings, "core", secrets), **_bus_login(settings, secrets)}
    if settings.sandbox.enabled and not settings.adb.host:
        core["OTTB_ADB__SOCKET"] = FRONT
    found.append(python("actors", ["actors.main", *arguments], core))
    found.append(python("gateway", ["gateway.main", *arguments], {**env, **_login(settings, "gateway", secrets)}))
    return found


def adb_binary() -> str:
    """The adb that we use, everywhere the same one."""
    import adbutils  # slow to import, and only needed here

    return str(adbutils.adb_path())


def _login(settings: Settings, user: str, secrets: Mapping[str, str]) -> Mapping[str, str]:
    """As whom a process of ours logs in to the bus."""
    if settings.nats.url is not None:  # somebody else's server: its user is in the settings
        given = {"OTTB_NATS__USER": settings.nats.user, "OTTB_NATS__PASSWORD": settings.nats.password}
        return {name: value for name, value in given.items() if value is not None}
    return {"OTTB_NATS__USER": user, "OTTB_NATS__PASSWORD": secrets[user]}


def _bus_login(settings: Settings, secrets: Mapping[str, str]) -> Mapping[str, str]:
    """What the actors need to let other systems log in to our own server."""
    if settings.nats.url is not None:
        return {}
    return {
        "OTTB_BUS_LOGIN__USER": "auth",
        "OTTB_BUS_LOGIN__PASSWORD": secrets["auth"],
        "OTTB_BUS_LOGIN__SYS_USER": "sys",
        "OTTB_BUS_LOGIN__SYS_PASSWORD": secrets["sys"],
        "OTTB_BUS_LOGIN__ISSUER_SEED": secrets[ISSUER_SEED],
    }


def _nats(settings: Settings, state: Path, secrets: Mapping[str, str]) -> Child:
    binary = Path(sysconfig.get_path("scripts")) / "nats-server"
    env = {f"OTTB_NATS_{user.upper()}_PASSWORD": secrets[user] for user in USERS}
    env["OTTB_NATS_HOST"] = json.dumps(settings.nats.host)
    env["OTTB_NATS_WEBSOCKET_PORT"] = str(settings.nats.websocket_port)
    env["OTTB_NATS_ISSUER"] = json.dumps(public_of(secrets[ISSUER_SEED]))
    env["OTTB_NATS_PORT"] = str(settings.nats.port)
    env["OTTB_NATS_LOG"] = json.dumps(str(state / "log" / "nats-server.log"), ensure_ascii=False)
    env["OTTB_NATS_STORE"] = json.dumps(str(state / "nats"), ensure_ascii=False)  # quoted: a path may have spaces
    return Child(
        name="nats-server",
        argv=[str(binary), "-c", str(nats_conf(settings.nats, state))],
        env=env,
        ready=lambda: nats_answers(settings.nats.port),
        ready_timeout=BUS_PATIENCE,
        awaited=False,
    )


def adb_servers(settings: Settings, state: Path) -> list[Child]:
    """The adb servers of the site, in the order of their numbers."""
    return [adb_server(state, number, server) for number, server in enumerate(settings.adb_servers)]


def adb_server(state: Path, number: int, server: AdbServer) -> Child:
    place = place_of(Adb(), state, number)
    assert isinstance(place, AdbFile)
    home = place.path.parent
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)  # its rights are those of the phones
    argv = [adb_binary(), "-L", f"localfilesystem:{place.path.name}", "nodaemon", "server"]
    return Child(
        name=f"adb-{number + 1}" if number else "adb",
        argv=with_buses(argv, server.buses) if server.buses else argv,
        cwd=home,  # the whole name may be too long for the kernel
        env={
            "ADB_EMU": "0",  # else whatever listens on 5555-5585 becomes a phone
            "ADB_MDNS": "0",
            "ADB_LIBUSB": "0",  # Linux's own back end: up at once instead of after 3 s, and no crash on a reboot
            "ADB_USB": "1" if server.usb else "0",
            "ADB_REJECT_KILL_SERVER": "1",
            "ANDROID_USER_HOME": str(home),
            "HOME": str(home),
        },
        ready=lambda: adb_answers(place),
    )
