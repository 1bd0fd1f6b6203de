"""A whole site for tests: `ottb up` as its own process, on free ports, with its own state and its own phones."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bench.parts import free_port
from cli.site.secrets import CONTROL_HEADER

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0
# Seconds in which what a test waits for comes on the busiest machine. They are there for what never comes: a wait ends
# at once when it comes, so that they cost nothing where all is well.
PATIENCE = 30.0
MODULES = {
    "adb-2": "localfilesystem:server-2.sock",
    "actors": "actors.main",
    "gateway": "gateway.main",
    "phones": "simulators.phone.main",
    "pbx": "simulators.pbx.main",
}


def free_ports(count: int) -> list[int]:
    """So many of them, all different."""
    return [free_port() for _ in range(count)]


def config_for(
    slots: dict[int, str | None], ports: list[int], more: str, hosts: Mapping[int, str] | None = None
) -> str:
    """A settings file with these slots (number: owner) on these ports. `hosts`: the host of each slot, if several."""
    rows = [
        f'[[slots]]\nid = {slot}\nserial = "127.0.0.1:{port}"\nhub = "HUB1"\nport = {place}\nregion = "UA"\n'
        + (f'user = "{user}"\ntrunk = "trunk-1"\n' if user else "")
        + (f'host = "{hosts[slot]}"\n' if hosts else "")
        for place, ((slot, user), port) in enumerate(zip(slots.items(), ports, strict=True), 1)
    ]
    return more + "\n" + "\n".join(rows)


class Site:
    """A running site. Its processes are found by what they run, as children of the supervisor. `hosts`: the host of
    each slot, where there are several; this one runs the first of them (`beside.py` runs another)."""

    def __init__(
        self,
        *,
        folder: Path,
        slots: dict[int, str | None],
        more: str = "",
        asterisk: bool = False,
        hosts: Mapping[int, str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        point, dci, ottb, workspace, nats, self.control_port, websocket, pbx, self.pbx_port, *phones = free_ports(
            9 + len(slots)
        )
        self.ports = {"point": point, "dci": dci, "ottb": ottb, "workspace": workspace}
        self.nats_port, self.websocket_port = nats, websocket
        self.serials = {slot: f"127.0.0.1:{port}" for slot, port in zip(slots, phones, strict=True)}
        self.folder = folder
        self.state = folder / "state"
        self.config = config = folder / "site.toml"
        config.write_text(config_for(slots, phones, more, hosts))
        self.env = {
            **({"OTTB_HOST": min(hosts.values())} if hosts else {}),
            "OTTB_STATE_DIR": str(self.state),
            "OTTB_NATS__PORT": str(nats),
            "OTTB_NATS__WEBSOCKET_PORT": str(websocket),
            "OTTB_SANDBOX__CONTROL_PORT": str(self.control_port),
            "OTTB_SANDBOX__PBX_PORT": str(pbx),
            "OTTB_SANDBOX__PBX_CONTROL_PORT": str(self.pbx_port),
            "OTTB_SANDBOX__SIP_PORT": str(pbx),
            "OTTB_SANDBOX__ASTERISK": "true" if asterisk else "false",
            "OTTB_HTTP__POINT_PORT": str(point),
            "OTTB_HTTP__DCI_PORT": str(dci),
            "OTTB_HTTP__OTTB_PORT": str(ottb),
            "OTTB_HTTP__WORKSPACE_PORT": str(workspace),
            **(env or {}),
        }
        self._scheme = "https" if "OTTB_HTTP__CERTIFICATE" in self.env else "http"
        self._command = [sys.executable, "-m", "cli.main", "up", "--config", str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it says that it is up."""
        output = self.folder / "up.log"
        with output.open("ab") as log:
            self._process = subprocess.Popen(self._command, cwd=ROOT, env=os.environ | self.env, stdout=log, stderr=log)
        before = output.read_text().count("is up in")
        give_up = time.monotonic() + START_SECONDS
        while output.read_text().count("is up in") <= before:
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.stop()
                raise AssertionError(f"the site did not start:\n{output.read_text()}\n{self.logs()}")
            time.sleep(0.05)

    def hang_up(self) -> None:
        """SIGHUP: read the certificates again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def said(self) -> str:
        """What `ottb up` has printed."""
        return (self.folder / "up.log").read_text()

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ended(self) -> int:
        """Wait until it ends by itself. Returns its exit code."""
        assert self._process is not None
        return self._process.wait(timeout=PATIENCE)

    def logs(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted((self.state / "log").glob("*.log"))
        )

    # --- its processes

    def pid(self, name: str) -> int | None:
        """The process id of `nats-server`, `adb`, `phones`, `actors` or `gateway`, if it runs."""
        assert self._process is not None
        for child in psutil.Process(self._process.pid).children():
            with contextlib.suppress(psutil.Error):
                command = child.cmdline()
                if name == "asterisk":  # the one that is the PBX, not the carrier
                    if any(word.endswith("/pbx/etc/asterisk.conf") for word in command):
                        return child.pid
                    continue
                wanted = MODULES.get(name)
                if wanted in command if wanted else command[:1] and Path(command[0]).name == name:
                    return child.pid
        return None

    def kill(self, name: str) -> None:
        """kill -9, and no mercy for what it was doing."""
        pid = self.pid(name)
        assert pid is not None, f"{name} does not run"
        os.kill(pid, signal.SIGKILL)

    # --- its doors

    def url(self, part: str, path: str) -> str:
        return f"{self._scheme}://127.0.0.1:{self.ports[part]}{path}"

    @property
    def control_headers(self) -> dict[str, str]:
        """What the control ports of the simulators ask for."""
        name, _, value = (self.state / CONTROL_HEADER).read_text().strip().partition(": ")
        return {name: value}

    @property
    def admin_password(self) -> str:
        return (self.state / "admin-password").read_text().strip()


class Client:
    """One user's HTTP client. Every call gives the status and the decoded body."""

    def __init__(self, site: Site, session: aiohttp.ClientSession, token: str | None = None) -> None:
        self.site = site
        self.session = session
        self.token = token

    async def call(
        self, method: str, path: str, body: Any = None, *, part: str = "ottb", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        all_headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = self.site.url(part, path)
        async with self.session.request(method, url, json=body, headers=all_headers | (headers or {})) as answer:
            text = await answer.read()
            self.last_headers = answer.headers
            return answer.status, json.loads(text) if text else None

    async def get(self, path: str, **more: Any) -> tuple[int, Any]:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        return await self.call("POST", path, body, **more)

    async def login(self, user: str, password: str) -> dict[str, Any]:
        answer: dict[str, Any]
        status, answer = await self.post("/api/auth/login", {"username": user, "password": password}, part="point")
        assert status == 200, answer
        self.token = answer["token"]
        return dict(answer)

    async def phones(self, method: str, path: str, body: Any = None) -> Any:
        """The control API of the virtual phones: faults, and the judge's log."""
        return await self._control(method, f"http://127.0.0.1:{self.site.control_port}{path}", body)

    async def pbx(self, method: str, path: str, body: Any = None) -> Any:
        """The control API of the virtual PBX."""
        return await self._control(method, f"http://127.0.0.1:{self.site.pbx_port}{path}", body)

    async def _control(self, method: str, url: str, body: Any) -> Any:
        async with self.session.request(method, url, json=body, headers=self.site.control_headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def call_until(self, call_id: str, accept: Callable[[Any], bool], seconds: float = PATIENCE) -> Any:
        """The call once it is as wanted."""
        return await until(lambda: self._view(call_id), accept, seconds)

    async def audit(self, query: str, count: int = 1) -> list[dict[str, Any]]:
        """The entries of the audit that match, once there are so many: they are listed a moment after the answer."""
        status, rows = await until(
            lambda: self.get(f"/api/audit?{query}", part="point"), lambda seen: len(seen[1]) >= count
        )
        assert status == 200, rows
        return rows  # type: ignore[no-any-return]

    async def _view(self, call_id: str) -> Any:
        return (await self.get(f"/api/call/{call_id}"))[1]


async def until(look: Callable[[], Any], accept: Callable[[Any], bool], seconds: float = PATIENCE) -> Any:
    """Look again until it is as wanted. Fails with what was seen last."""
    give_up = asyncio.get_running_loop().time() + seconds
    while True:
        seen = await look()
        if accept(seen):
            return seen
        assert asyncio.get_running_loop().time() < give_up, f"after {seconds} s still: {seen}"
        await asyncio.sleep(0.05)


@contextlib.contextmanager
def running_site(
    folder: Path,
    slots: dict[int, str | None],
    more: str = "",
    *,
    asterisk: bool = False,
    hosts: Mapping[int, str] | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Site]:
    site = Site(folder=folder, slots=slots, more=more, asterisk=asterisk, hosts=hosts, env=env)
    site.start()
    try:
        yield site
    finally:
        site.stop()


@contextlib.asynccontextmanager
async def admin_of(site: Site) -> AsyncIterator[Client]:
    """Its administrator, once somebody carries pipelines out there."""
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        await client.login("admin", site.admin_password)
        await until(lambda: client.get("/api/dci/status", part="dci"), lambda seen: seen[1].get("runners"))
        yield client
