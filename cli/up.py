"""`ottb up`: the whole site on this machine, in the foreground."""

import asyncio
import json
import secrets
import signal
import sys
import sysconfig
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import psutil

from actors.point.callout import new_seed, public_of
from actors.point.keys import write_secret
from actors.settings import Settings
from cli import asterisk
from cli.bus_care import care_for
from cli.processes import Child, GaveUp, Supervisor

ROOT = Path(__file__).resolve().parent.parent
AMI_SECRET = "ami"
USERS = ("core", "gateway", "watch", "auth", "sys")
ISSUER_SEED = "issuer_seed"
MODULES = ("simulators.phone.main", "simulators.pbx.main", "actors.main", "gateway.main")
PROBE_SECONDS = 1.0
ASTERISK_STOP = 0.0  # it can take a minute over its own end, and keeps nothing that we need
GATEWAY_PATIENCE = 40.0


class CannotStart(Exception):
    """The site cannot be started. The message says why and what to do."""


# --- probes -------------------------------------------------------------------------------------------------------


async def _first_bytes(port: int, request: bytes, count: int, host: str = "127.0.0.1") -> bytes:
    """What a server says, at most `count` bytes; empty when it says nothing in time."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request)
                return await reader.read(count)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""


async def nats_answers(port: int) -> bool:
    return b'"jetstream":true' in await _first_bytes(port, b"", 4096)


async def adb_answers(port: int) -> bool:
    return (await _first_bytes(port, b"000chost:version", 4)) == b"OKAY"


async def ami_answers(port: int, host: str = "127.0.0.1") -> bool:
    return (await _first_bytes(port, b"", 21, host)) == b"Asterisk Call Manager"


async def http_is(port: int, path: str, host: str, status: bytes = b" 200 ") -> bool:
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    return status in (await _first_bytes(port, request, 64, host))[:16]


# --- children -----------------------------------------------------------------------------------------------------


def passwords(state: Path) -> Mapping[str, str]:
    """The bus passwords of this site, made at the first start."""
    path = state / "secrets.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = [name for name in (*USERS, ISSUER_SEED, AMI_SECRET) if name not in known]
    if missing:  # at the first start, or of an earlier version
        state.mkdir(parents=True, exist_ok=True)
        known |= {name: new_seed() if name == ISSUER_SEED else f"p{secrets.token_hex(24)}" for name in missing}
        write_secret(path, json.dumps(known).encode())
    return known


def children(settings: Settings, config: Path | None) -> list[Child]:
    """The processes of the site, in the order in which they are started."""
    state = settings.state.resolve()
    keys = passwords(state)
    arguments = ["--config", str(config)] if config else []
    common = {
        "OTTB_STATE_DIR": str(state),
        "PYTHONPATH": str(ROOT),
        "OTTB_NATS__URL": settings.nats.url or f"nats://127.0.0.1:{settings.nats.port}",
    }
    found: list[Child] = []
    if settings.nats.url is None:
        found.append(_nats(settings, state, keys))
    found.append(_adb(settings, state))
    if settings.sandbox.enabled:
        found.append(_python("phones", ["simulators.phone.main", *arguments], common))
    if has_sandbox_pbx(settings):
        children, ami = _sandbox_pbx(settings, state, keys[AMI_SECRET], arguments, common)
        found += children
        common |= ami
    for name, module, user in (("actors", "actors.main", "core"), ("gateway", "gateway.main", "gateway")):
        env = {**common, **_login(settings, user, keys)}
        if user == "core" and settings.nats.url is None:
            env |= {
                "OTTB_BUS_LOGIN__USER": "auth",
                "OTTB_BUS_LOGIN__PASSWORD": keys["auth"],
                "OTTB_BUS_LOGIN__SYS_USER": "sys",
                "OTTB_BUS_LOGIN__SYS_PASSWORD": keys["sys"],
                "OTTB_BUS_LOGIN__ISSUER_SEED": keys[ISSUER_SEED],
            }
        found.append(_python(name, [module, *arguments], env))
    return found


def has_sandbox_pbx(settings: Settings) -> bool:
    """Whether the sandbox brings the PBX of its trunks: nobody has named one (`OTTB_AMI__MAIN__SECRET`)."""
    named = "main" in settings.ami and settings.ami["main"].secret is not None
    return settings.sandbox.enabled and bool(settings.trunks) and not named


def real_asterisk(settings: Settings) -> Path | None:
    """The Asterisk that the sandbox uses, if there is one."""
    return asterisk.find() if settings.sandbox.asterisk else None


def _sandbox_pbx(
    settings: Settings, state: Path, secret: str, arguments: list[str], common: Mapping[str, str]
) -> tuple[list[Child], Mapping[str, str]]:
    """The processes of the sandbox's PBX, and the settings by which the others find it."""
    port, user = settings.sandbox.pbx_port, "ottb"
    root = real_asterisk(settings)
    ami = {
        "OTTB_AMI__MAIN__HOST": "127.0.0.1",
        "OTTB_AMI__MAIN__PORT": str(port),
        "OTTB_AMI__MAIN__USER": user,
        "OTTB_AMI__MAIN__SECRET": secret,
        "OTTB_AMI__MAIN__RECORDINGS": str(state / "recordings"),
    }
    if root is None:
        virtual = _python("pbx", ["simulators.pbx.main", *arguments], {**common, **ami})
        return [virtual], ami
    sip = settings.sandbox.sip_port
    far = asterisk.carrier(root, state, sip_port=sip + 1, scale=settings.sandbox.time_scale)
    near = asterisk.pbx(
        root, state, user=user, secret=secret, ami_port=port, sip_port=sip, far_port=sip + 1,
        endpoints=[trunk.endpoint for trunk in settings.trunks if trunk.pbx == "main"],
    )  # fmt: skip
    ami["OTTB_AMI__MAIN__RECORDINGS"] = str(near.recordings)
    return [
        Child(name="carrier", argv=far.argv, stop_seconds=ASTERISK_STOP),
        Child(name="asterisk", argv=near.argv, ready=lambda: ami_answers(port), stop_seconds=ASTERISK_STOP),
    ], ami


def _login(settings: Settings, user: str, keys: Mapping[str, str]) -> Mapping[str, str]:
    if settings.nats.url is not None:  # somebody else's server: its user is in the settings
        given = {"OTTB_NATS__USER": settings.nats.user, "OTTB_NATS__PASSWORD": settings.nats.password}
        return {name: value for name, value in given.items() if value is not None}
    return {"OTTB_NATS__USER": user, "OTTB_NATS__PASSWORD": keys[user]}


def _python(name: str, arguments: list[str], env: Mapping[str, str]) -> Child:
    return Child(name=name, argv=[sys.executable, "-m", *arguments], env=env)


def _nats(settings: Settings, state: Path, keys: Mapping[str, str]) -> Child:
    binary = Path(sysconfig.get_path("scripts")) / "nats-server"
    env = {f"OTTB_NATS_{user.upper()}_PASSWORD": keys[user] for user in USERS}
    env["OTTB_NATS_HOST"] = json.dumps(settings.nats.host)
    env["OTTB_NATS_WEBSOCKET_PORT"] = str(settings.nats.websocket_port)
    env["OTTB_NATS_ISSUER"] = json.dumps(public_of(keys[ISSUER_SEED]))
    env["OTTB_NATS_PORT"] = str(settings.nats.port)
    env["OTTB_NATS_STORE"] = json.dumps(str(state / "nats"), ensure_ascii=False)  # quoted: a path may have spaces
    return Child(
        name="nats-server",
        argv=[str(binary), "-c", str(ROOT / "nats.conf")],
        env=env,
        ready=lambda: nats_answers(settings.nats.port),
    )


def adb_binary() -> str:
    """The adb that we use, everywhere the same one."""
    import adbutils  # slow to import, and only needed here

    return str(adbutils.adb_path())


def _adb(settings: Settings, state: Path) -> Child:
    home = state / "adb"
    home.mkdir(parents=True, exist_ok=True)
    return Child(
        name="adb",
        argv=[adb_binary(), "-P", str(settings.adb.port), "nodaemon", "server"],
        env={
            "ADB_EMU": "0",  # else whatever listens on 5555-5585 becomes a phone
            "ADB_MDNS": "0",
            "ADB_LIBUSB": "0",  # Linux's own back end: up at once instead of after 3 s, and no crash on a reboot
            "ADB_REJECT_KILL_SERVER": "1",
            "ANDROID_USER_HOME": str(home),
            "HOME": str(home),
        },
        ready=lambda: adb_answers(settings.adb.port),
    )


# --- ports --------------------------------------------------------------------------------------------------------


def ports(settings: Settings) -> Mapping[str, int]:
    """Every port that `ottb up` listens on, by the setting that names it."""
    http = settings.http
    wanted = {
        "http.point_port": http.point_port,
        "http.dci_port": http.dci_port,
        "http.ottb_port": http.ottb_port,
        "http.workspace_port": http.workspace_port,
        "adb.port": settings.adb.port,
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


def holder_of(port: int) -> str | None:
    """Who listens on a port of this machine, for people."""
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr[1] == port:
            return _shown(connection.pid) if connection.pid else "another user's process"
    return None


def _shown(pid: int) -> str:
    """A process for people; ours by the module that it runs, for any program may be called python."""
    try:
        process = psutil.Process(pid)
        ours = [word for word in process.cmdline() if word in MODULES]
        return f"ottb {ours[0]} (pid {pid})" if ours else f"{process.name()} (pid {pid})"
    except psutil.Error:
        return f"a process (pid {pid})"


def check_ports(settings: Settings) -> None:
    """Raise CannotStart when a port is taken, naming who has it and the setting that moves us."""
    for setting, port in ports(settings).items():
        holder = holder_of(port)
        if holder is not None:
            variable = "OTTB_" + setting.upper().replace(".", "__")
            raise CannotStart(f"port {port} is taken by {holder}. Stop it, or set {variable} to another port.")


# --- running ------------------------------------------------------------------------------------------------------


async def run(settings: Settings, config: Path | None, say: Callable[[str], None]) -> None:
    """Start everything, say how to use it, and keep it running until SIGINT or SIGTERM."""
    began = time.monotonic()
    asterisk.end_stale(settings.state)
    check_ports(settings)
    first_start = not (settings.state / "secrets.json").exists()
    supervisor = Supervisor(folder=settings.state / "log", say=say)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    care = asyncio.ensure_future(_care_for_bus(settings, supervisor, say))
    try:
        for child in children(settings, config):
            say(f"starting {child.name}")
            await supervisor.start(child)
        ready = _until_ready(settings)
        if await _before_the_end(ready, supervisor, stopped):
            for line in banner(settings, time.monotonic() - began, first_start=first_start):
                say(line)
            await _before_the_end(asyncio.Event().wait(), supervisor, stopped)
        say("stopping; calls in progress go on and are taken over at the next start")
    finally:
        care.cancel()
        await asyncio.gather(care, return_exceptions=True)
        await supervisor.stop()


async def _care_for_bus(settings: Settings, supervisor: Supervisor, say: Callable[[str], None]) -> None:
    if settings.nats.url is None:  # otherwise it is somebody else's
        password = passwords(settings.state)["sys"]
        await care_for(settings, password, pid=lambda: supervisor.pid("nats-server"), say=say)


async def _before_the_end(work: Coroutine[Any, Any, object], supervisor: Supervisor, stopped: asyncio.Event) -> bool:
    """Whether the work was done before somebody stopped the site. Raises GaveUp, the work's or the supervisor's."""
    tasks = [asyncio.ensure_future(each) for each in (work, stopped.wait(), supervisor.wait())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return not stopped.is_set()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_ready(settings: Settings) -> None:
    http = settings.http
    waiting = [http.point_port, http.dci_port, http.ottb_port, http.workspace_port]
    give_up = asyncio.get_running_loop().time() + GATEWAY_PATIENCE
    while waiting:
        waiting = [port for port in waiting if not await http_is(port, "/readyz", http.host)]
        if asyncio.get_running_loop().time() >= give_up:
            raise GaveUp(f"not ready after {GATEWAY_PATIENCE:g} s; see {settings.state / 'log'} and `ottb doctor`")
        await asyncio.sleep(0.05)


def banner(settings: Settings, seconds: float, *, first_start: bool) -> list[str]:
    """What a person wants to know when everything is up."""
    http, host = settings.http, settings.http.host
    kind = "sandbox" if settings.sandbox.enabled else "site"
    admin = settings.state / "admin-password"
    lines = [
        "",
        f"OTTB {kind} is up in {seconds:.1f} s.",
        "",
        f"  POINT      http://{host}:{http.point_port}   login, users",
        f"  DCI        http://{host}:{http.dci_port}   pipelines",
        f"  OTTB       http://{host}:{http.ottb_port}   slots, calls, trunks   (reference: /docs)",
        f"  WORKSPACE  http://{host}:{http.workspace_port}   Socket.IO, and all of the above",
        f"  Bus        nats://{settings.nats.host}:{settings.nats.port}   events for other systems: docs/bus.md",
        "",
    ]
    if first_start and admin.exists():
        lines.append(f"  Log in as  admin / {admin.read_text().strip()}   (kept in {admin})")
    else:
        lines.append(f"  Log in as  admin; the password is in {admin}")
    if settings.sandbox.enabled:
        lines.append("             op12 / 1234   (an operator, in the sandbox only)")
        lines.append(f"  Phones     {len(settings.slots)} virtual ones; what a number does: docs/sandbox.md")
    if has_sandbox_pbx(settings):
        pbx = "a real Asterisk" if real_asterisk(settings) else "a virtual PBX (`make asterisk`: a real one)"
        lines.append(f"  Trunks     {len(settings.trunks)} on {pbx}")
    return [*lines, "", "  Place a call: see README.md. Something wrong: ottb doctor. Stop: Ctrl-C.", ""]


def start(settings: Settings, config: Path | None) -> int:
    """Run in the foreground. Returns the exit code."""

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        asyncio.run(run(settings, config, say))
    except (CannotStart, GaveUp) as error:
        print(f"ottb: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
