"""A site that speaks TLS everywhere, with an authority of its own: HTTP on all four ports, Socket.IO, NATS for programs
and for browsers, and hosts that show each other certificates."""

import asyncio
import json
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import nats
import pytest
import socketio
from nats.aio.client import Client as NatsClient

from actors.adapters.nats_bus import connect
from actors.adapters.tls import client as client_tls
from actors.runtime.settings import Nats
from cli.site.secrets import secrets_of
from tests.support.certificates import Authority
from tests.support.site import ROOT, Client, Site, running_site, until

pytestmark = pytest.mark.sites


class Secured:
    """A site with TLS, and what its certificates are made of."""

    def __init__(self, site: Site, authority: Authority, folder: Path) -> None:
        self.site, self.authority, self._folder = site, authority, folder
        self.trust = ssl.create_default_context(cafile=str(authority.certificate))

    def put(self, name: str, files: tuple[Path, Path]) -> None:
        """Replace the certificate `http` or `bus` and its key, as a renewal does."""
        for file, ending in zip(files, ("pem", "key"), strict=True):
            shutil.copy(file, self._folder / f"{name}.{ending}")

    async def reload(self, said: str) -> None:
        """SIGHUP, until `ottb up` has said it once more."""
        before = self.site.said().count(said)
        self.site.hang_up()

        async def look() -> int:
            return self.site.said().count(said)

        await until(look, lambda count: count > before)

    async def shown(self, port: int, greeting: bytes = b"") -> str:
        """The name in the certificate that a port shows to whoever connects now. On NATS the server speaks first."""
        if greeting:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert (await reader.readline()).startswith(greeting)
            await writer.start_tls(self.trust, server_hostname="127.0.0.1")
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=self.trust)
        name = dict(pair[0] for pair in writer.get_extra_info("peercert")["subject"])["commonName"]
        writer.transport.abort()
        return str(name)

    @asynccontextmanager
    async def user(self, name: str = "op12", password: str = "1234") -> AsyncIterator[Client]:
        connector = aiohttp.TCPConnector(ssl=self.trust)
        async with aiohttp.ClientSession(connector=connector) as session:
            client = Client(self.site, session)
            await client.login(name, password)
            yield client


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder / "authority")
    live = folder / "live certificates"  # a place with a space in it
    live.mkdir()
    shown = {name: (str(live / f"{name}.pem"), str(live / f"{name}.key")) for name in ("http", "bus", "host")}
    for name, files in shown.items():
        for made, file in zip(authority.sign(name), files, strict=True):
            shutil.copy(made, file)
    env = {
        "OTTB_HTTP__CERTIFICATE": shown["http"][0], "OTTB_HTTP__KEY": shown["http"][1],
        "OTTB_NATS__CERTIFICATE": shown["bus"][0], "OTTB_NATS__KEY": shown["bus"][1],
        "OTTB_NATS__CA": str(authority.certificate), "OTTB_NATS__CLIENT_CA": str(authority.certificate),
        "OTTB_NATS__CLIENT_CERTIFICATE": shown["host"][0], "OTTB_NATS__CLIENT_KEY": shown["host"][1],
    }  # fmt: skip
    with running_site(folder, {44: "op12"}, env=env) as site:
        yield Secured(site, authority, live)


async def test_every_http_port_speaks_tls_and_nothing_else(secured: Secured) -> None:
    async with secured.user() as client:
        for part in ("point", "dci", "ottb", "workspace"):
            assert (await client.get("/livez", part=part))[0] == 200
            assert await secured.shown(secured.site.ports[part]) == "http"
            with pytest.raises(aiohttp.ClientError):
                await client.session.get(f"http://127.0.0.1:{secured.site.ports[part]}/livez")


async def test_a_call_is_made_and_heard_of_over_socketio(secured: Secured) -> None:
    async with secured.user() as client:
        await until(lambda: client.get("/api/slots/44"), lambda seen: seen[1]["status"] == "ONLINE")
        heard: list[Any] = []
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=secured.trust))
        live = socketio.AsyncClient(reconnection=False, http_session=session)
        live.on("call.update", heard.append)
        await live.connect(secured.site.url("workspace", ""), auth={"token": client.token})  # polling, then websocket
        assert (await live.call("subscribe:calls"))["error"] is False
        status, started = await client.post("/api/call/start", {"number": "+380991230006", "slot": 44})
        assert status == 201, started

        async def states() -> list[str]:
            return [each["data"]["state"] for each in heard]

        await until(states, lambda seen: seen[-1:] == ["ENDED"])
        await live.disconnect()
        await session.close()


@asynccontextmanager
async def program(secured: Secured, tls: ssl.SSLContext) -> AsyncIterator[NatsClient]:
    """A program of others on the bus, of an operator's. It comes back by itself when it is cut off, as any does."""
    bus = await nats.connect(
        f"tls://127.0.0.1:{secured.site.nats_port}", inbox_prefix="_INBOX.u.op12", tls=tls, reconnect_time_wait=0.1,
        connect_timeout=2, max_reconnect_attempts=-1, user="op12", password="1234",
    )  # fmt: skip
    try:
        yield bus
    finally:
        await bus.close()


def with_certificate(secured: Secured, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(secured.authority.certificate))
    context.load_cert_chain(*map(str, secured.authority.sign(name)))
    return context


async def test_programs_and_browsers_are_on_the_bus(secured: Secured) -> None:
    async with program(secured, with_certificate(secured, "crm")) as bus:
        answer = await bus.request("ottb.v1.own.op12.qry.slot.list", b"{}", timeout=5)
        assert json.loads(answer.data)
    async with aiohttp.ClientSession() as session:  # what a browser does: it has no certificate
        url = f"wss://127.0.0.1:{secured.site.websocket_port}"
        async with session.ws_connect(url, ssl=secured.trust, protocols=("nats",)) as socket:
            assert (await socket.receive_bytes()).startswith(b"INFO ")
            login = {"user": "op12", "pass": "1234", "verbose": True, "protocol": 1}
            await socket.send_bytes(f"CONNECT {json.dumps(login)}\r\n".encode())
            assert await socket.receive_bytes() == b"+OK\r\n"


async def answered(bus: NatsClient) -> bool:
    try:
        return bool(json.loads((await bus.request("ottb.v1.own.op12.qry.slot.list", b"{}", timeout=2)).data))
    except nats.errors.Error:
        return False


async def test_a_new_certificate_is_shown_and_no_connection_of_ours_is_lost(secured: Secured) -> None:
    """nats-server itself cuts who has logged in with a POINT identity, and takes them back: only where its own one is
    new."""
    site = secured.site
    pids = {name: site.pid(name) for name in ("nats-server", "actors", "gateway")}
    bus_lines = site.logs().count("bus connection lost")
    async with secured.user() as client, program(secured, with_certificate(secured, "crm")) as bus:
        before = [(await client.get("/livez"))[0]]
        secured.put("http", secured.authority.sign("http-2"))
        await secured.reload("certificate of nats: read again")
        await until(lambda: secured.shown(site.ports["ottb"]), lambda name: name == "http-2")
        assert await answered(bus) and bus.stats["reconnects"] == 0
        secured.put("bus", secured.authority.sign("bus-2"))
        await secured.reload("certificate of nats: read again")
        await until(lambda: secured.shown(site.nats_port, b"INFO"), lambda name: name == "bus-2")
        await until(lambda: secured.shown(site.websocket_port), lambda name: name == "bus-2")
        assert [*before, (await client.get("/livez"))[0]] == [200, 200]
        await until(lambda: answered(bus), bool)
    assert {name: site.pid(name) for name in pids} == pids
    assert site.logs().count("bus connection lost") == bus_lines


async def refused(site: Site) -> int:
    """How often the gateway has refused a new certificate."""
    return (site.state / "log" / "gateway.log").read_text().count("the certificate from before is kept")


async def test_a_bad_new_certificate_is_said_and_the_old_one_kept(secured: Secured, tmp_path: Path) -> None:
    site, good = secured.site, secured.authority.sign("kept")
    other = Authority(tmp_path).sign("other")
    cut = tmp_path / "cut.pem"
    cut.write_text(good[0].read_text()[:400])
    bad = {
        "key values mismatch": (good[0], other[1]),
        "no certificate or key in PEM": (cut, good[1]),
        "certificate has expired": secured.authority.sign("expired", days=-1),
    }
    for name, port, greeting in (("http", site.ports["point"], b""), ("bus", site.nats_port, b"INFO")):
        secured.put(name, good)
        await secured.reload("read again")
        await until(lambda: secured.shown(port, greeting), lambda seen: seen == "kept")  # noqa: B023  awaited at once
        for tried, (why, files) in enumerate(bad.items(), start=1):
            secured.put(name, files)
            await secured.reload(why)
            if name == "http":  # the gateway looks by itself, and must have before the files are others again
                await until(lambda: refused(site), lambda count: count == tried)  # noqa: B023  as above
            assert await secured.shown(port, greeting) == "kept"
        secured.put(name, good)
    assert await refused(site) == len(bad)
    assert all(site.pid(name) for name in ("nats-server", "actors", "gateway"))


async def test_a_second_host_comes_with_a_certificate_of_its_own(secured: Secured) -> None:
    """As docs/operations.md has it. What is refused: tests/attacks/test_tls.py."""
    certificate, key = map(str, secured.authority.sign("host-b"))
    settings = Nats(
        url=f"tls://127.0.0.1:{secured.site.nats_port}", user="core", password=secrets_of(secured.site.state)["core"],
        ca=str(secured.authority.certificate), client_certificate=certificate, client_key=key,
    )  # fmt: skip
    bus = await connect(settings, name="host b", tls=client_tls(settings), on_closed=lambda: None)
    assert await bus.last_seq() > 0
    await bus.close()


def test_the_command_line_finds_its_own_site(secured: Secured) -> None:
    """`ottb status` trusts the very certificate of the settings, whatever name is in it."""
    command = [sys.executable, "-m", "cli.main", "status", "--config", str(secured.site.config)]
    env = {**secured.site.env, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert '"status"' in done.stdout


async def test_the_command_line_says_nothing_of_its_connections(secured: Secured) -> None:
    async with secured.user() as client:
        assert (await client.post("/api/auth/logout", part="point"))[0] == 200  # so that the audit has something
    command = [sys.executable, "-m", "cli.main", "audit", "head", "--config", str(secured.site.config)]
    done = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=secured.site.env, stderr=subprocess.PIPE)
    assert (await done.communicate())[1] == b"" and done.returncode == 0
