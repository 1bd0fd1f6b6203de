"""Another user of the machine on the port of the bus while its server is away: what they are told. No password."""

import asyncio
import os
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import nats
import psutil
import pytest

from actors.adapters import peer
from actors.adapters.ami import AmiClient
from actors.adapters.ledger.examine import LedgerUnusable, examine_postgresql
from actors.adapters.ledger.postgresql import PostgresLedger
from actors.adapters.nats_bus import NatsBus, Sealed
from actors.adapters.nats_link import Link
from actors.adapters.nats_wire import Refused
from actors.ledger.store import StoreFailed
from actors.runtime.bus import BusUnavailable
from actors.settings import load
from cli.site.children import children
from tests.support.commands import Commands
from tests.support.site import ROOT, free_ports
from tests.support.stranger import NOBODY, STRANGER_USER, as_root

LISTENER = Path(__file__).with_name("machine_listener.py")
PASSWORD = "hunter22"
NATS = 'INFO {"server_id":"m","version":"2.15.1","max_payload":1048576,"headers":true,"auth_required":true}'
US = os.geteuid()
FAMILIES = [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "::1")]
WHERE = pytest.mark.parametrize(("listens", "host"), FAMILIES)  # the stranger, and where we think that our server is


@asynccontextmanager
async def listener(
    port: int, connections: int, greeting: str = NATS, *, at: str
) -> AsyncIterator[asyncio.StreamReader]:
    """A stranger on a port. Gives what they print."""
    process = await asyncio.create_subprocess_exec(
        *STRANGER_USER, sys.executable, "-I", "-", str(port), str(connections), greeting, at,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd="/",
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(LISTENER.read_bytes())
    process.stdin.close()
    try:
        assert await process.stdout.readline() == b"listening\n"
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def heard(printed: asyncio.StreamReader, lines: int) -> bytes:
    async with asyncio.timeout(20):
        return b"".join([await printed.readline() for _ in range(lines)])


@as_root
@WHERE
async def test_the_password_of_the_bus_is_told_to_no_stranger(listens: str, host: str) -> None:
    (port,) = free_ports(1)
    url = f"nats://[{host}]:{port}" if ":" in host else f"nats://{host}:{port}"
    async with listener(port, 3, at=listens) as printed:
        with pytest.raises(BusUnavailable, match="another user"):
            await NatsBus.connect(url, name="core", user="core", password=PASSWORD, owner=US, timeout=5)
        client = Sealed(US)
        with pytest.raises(nats.errors.Error, match="another user"):
            await client.connect(url, user="core", password=PASSWORD, allow_reconnect=False, connect_timeout=2)
        await client.close()
        link = Link(url, name="l", user="core", password=PASSWORD, tls=None, owner=NOBODY)  # whose server it is
        with pytest.raises((OSError, TimeoutError, Refused)):  # no NATS after the greeting
            await link.start()
        await link.close()
        refused, told = await heard(printed, 2), await heard(printed, 1)
    print("ports: the password was told to 0 of 2 strangers, and to 1 of 1 whose server it is")
    assert PASSWORD.encode() not in refused
    assert PASSWORD.encode() in told  # the zero is not had from a listener that hears nothing


@as_root
@WHERE
@pytest.mark.parametrize(("owner", "told"), [(US, False), (NOBODY, True)])
async def test_the_secret_of_the_pbx_is_told_to_no_stranger(owner: int, told: bool, listens: str, host: str) -> None:
    """Asterisk's port is above 1023 too."""
    (port,) = free_ports(1)
    down: list[str] = []
    async with listener(port, 1, "Asterisk Call Manager/11.0.0", at=listens) as printed:
        client = AmiClient(
            host=host, port=port, user="ottb", secret=PASSWORD, prefix="t", owner=owner,
            on_event=lambda event: None, on_up=lambda: None, on_down=down.append,
        )  # fmt: skip
        client.start()
        heard_by_them = await heard(printed, 1)
        await client.stop()
    assert (PASSWORD.encode() in heard_by_them) is told
    assert ("another user" in " ".join(down)) is not told


@as_root
@WHERE
async def test_ottb_user_passwd_says_nothing_to_a_stranger(
    tmp_path: Path, listens: str, host: str, commands: Commands
) -> None:
    (port,) = free_ports(1)
    env = {"OTTB_STATE_DIR": str(tmp_path), "OTTB_HTTP__POINT_PORT": str(port), "OTTB_HTTP__HOST": host}
    given = {"OTTB_PASSWORD": PASSWORD, "OTTB_NEW_PASSWORD": "hunter23"}
    async with listener(port, 1, "", at=listens) as printed:
        done = await asyncio.to_thread(commands.run, "user passwd op12", env | given)
        told = await heard(printed, 1)
    assert told == b"b''\n"
    assert done.returncode == 1 and "another user's" in done.stderr


@as_root
@pytest.mark.parametrize("listens", ["127.0.0.1", "::"])
@pytest.mark.parametrize("command", ["audit head", "audit verify", "events"])
async def test_a_command_says_no_password_to_a_stranger(
    command: str, tmp_path: Path, listens: str, commands: Commands
) -> None:
    """While the site is down."""
    (port,) = free_ports(1)
    async with listener(port, 1, at=listens) as printed:
        given = {"OTTB_STATE_DIR": str(tmp_path), "OTTB_NATS__PORT": str(port)}
        done = await asyncio.to_thread(commands.run, command, given)
        told = await heard(printed, 1)
    assert told == b"b''\n"
    assert done.returncode != 0 and "another user" in done.stderr


def test_everything_that_a_site_starts_is_told_to_look(tmp_path: Path) -> None:
    settings = load(config=ROOT / "config" / "sandbox.toml", environment={"OTTB_STATE_DIR": str(tmp_path)})
    ours = [child for child in children(settings, None) if "OTTB_NATS__URL" in child.env]
    assert len(ours) >= 3 and {child.env["OTTB_NATS__OWNER"] for child in ours} == {str(US)}


ROW = "   0: {} {} 01 00000000:00000000 00:00000000 00000000  {}        0 1 1 0 20 4 30 10 -1\n"
V4, V4_SERVER = "0100007F:9C40", "0100007F:378E"
V6 = "00000000000000000000000001000000"
MAPPED = "0000000000000000FFFF0000"


@pytest.mark.parametrize(("uid", "strange"), [(0, False), (US, False), (4711, False), (US + 1, True), (4712, True)])
@pytest.mark.parametrize(
    ("host", "ours", "theirs"),
    [
        ("127.0.0.1", V4, V4_SERVER),
        ("127.0.0.1", V4, MAPPED + V4_SERVER),  # who listens on `::` takes it too
        ("::ffff:127.0.0.1", MAPPED + V4, V4_SERVER),
        ("::1", f"{V6}:9C40", f"{V6}:378E"),
    ],
)
def test_whose_the_other_end_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, ours: str, theirs: str, uid: int, strange: bool
) -> None:
    """The tables are as those of a machine whose words have their lowest byte first."""
    tables = (tmp_path / "tcp", tmp_path / "tcp6")
    for table in tables:
        table.write_text("head\n")
    for local, remote, whose in ((ours, theirs, US), (theirs, ours, uid)):
        with tables[len(local) > 13].open("a") as table:
            other = remote if len(remote) == len(local) else (MAPPED + remote)[-len(local) :]
            table.write(ROW.format(local, other, whose))
    monkeypatch.setattr(peer, "TABLES", tables)
    assert peer.is_strange((host, 40000), (host, 14222), 4711) is strange


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("theirs", "strange"),
    [
        ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("192.0.2.7", True),
        ("198.51.100.9", False), ("2001:db8::9", False),
    ],
)  # fmt: skip
def test_an_end_here_that_the_kernel_does_not_show_is_a_stranger(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, theirs: str, strange: bool, known: bool
) -> None:
    """`192.0.2.7` is our own end's address, too."""
    table = tmp_path / "tcp"
    table.write_text("head\n" + (ROW.format(V4_SERVER, "0100007F:9C41", 0) if known else ""))
    monkeypatch.setattr(peer, "TABLES", (table, tmp_path / "none"))
    assert peer.is_strange(("192.0.2.7", 40000), (theirs, 14222), 4711) is strange


def test_an_address_of_this_machine_is_here() -> None:
    own = {each.address for all in psutil.net_if_addrs().values() for each in all if each.family == socket.AF_INET}
    assert own
    for address in own:
        assert peer.is_strange(("198.51.100.9", 9), (address, 9), US)


@pytest.mark.parametrize("gone", [(None, None), (("127.0.0.1", 1), None)])
def test_an_end_that_is_gone_is_a_stranger_and_a_socket_file_is_none(gone: tuple[object, object]) -> None:
    assert peer.is_strange(*gone, US)
    assert not peer.is_strange("", "/run/socket", US)


@pytest.mark.parametrize(("listens", "host"), [*FAMILIES, ("::", "::1")])
async def test_the_kernel_says_whose_it_is(listens: str, host: str) -> None:
    """The tables above are as the kernel writes them."""
    taken = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.set()

    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    listening = socket.create_server((listens, 0), family=family, dualstack_ipv6=listens == "::")
    async with await asyncio.start_server(take, sock=listening):
        _, writer = await asyncio.open_connection(host, listening.getsockname()[1])
        await taken.wait()
        known = writer.get_extra_info
        ours, theirs = known("sockname"), known("peername")
        assert [int(row[7]) for row in peer._rows(ours, theirs)] == [US]
        assert not peer.is_strange(ours, theirs, US)
        writer.close()


def postgresql_of_a_stranger(listening: socket.socket, heard: list[bytes]) -> None:
    """One connection: no TLS, and the password, please."""
    connection, _ = listening.accept()
    with connection:
        connection.settimeout(5)
        while data := connection.recv(4096):
            heard.append(data)
            if data.startswith(b"p"):
                return
            connection.sendall(b"N" if data[4:8] == bytes.fromhex("04d2162f") else b"R\0\0\0\x08\0\0\0\x03")


@pytest.mark.parametrize(("more", "told"), [("", False), ("?require_auth=password", True)])
@pytest.mark.parametrize(("listens", "host"), [*FAMILIES, ("127.0.0.1", "localhost"), ("127.0.0.1", "")])
@pytest.mark.parametrize("by", ["doctor", "ledger"])
def test_the_password_of_postgresql_is_not_told_in_the_clear(
    listens: str, host: str, by: str, more: str, told: bool
) -> None:
    """Whoever is on its port while it is away may ask for it so. Whose it should be we do not know."""
    heard: list[bytes] = []
    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    with socket.create_server((listens, 0), family=family, dualstack_ipv6=listens == "::") as listening:
        thread = threading.Thread(target=postgresql_of_a_stranger, args=(listening, heard))
        thread.start()
        port = listening.getsockname()[1]
        url = f"postgresql://me:{PASSWORD}@{f'[{host}]' if ':' in host else host}:{port}/db{more}"
        if not host:  # the address is where a URL may have it too
            url += f"{'&' if more else '?'}hostaddr=127.0.0.1"
        with pytest.raises((LedgerUnusable, StoreFailed)):
            if by == "doctor":
                examine_postgresql(url, "ottb_local")
            else:
                PostgresLedger(url, "ottb_local").sequence()
        thread.join()
    assert heard
    assert (PASSWORD.encode() in b"".join(heard)) is told


FILES = [("1777", "", False), ("1777", "&require_auth=password", True), ("2775", "", True)]


@pytest.mark.parametrize(("mode", "more", "told"), FILES)
def test_nor_through_a_socket_file_that_anybody_could_have_made(mode: str, more: str, told: bool) -> None:
    """In `/tmp`, where PostgreSQL has it by itself."""
    heard: list[bytes] = []
    with tempfile.TemporaryDirectory(prefix="ottb-") as folder, socket.socket(socket.AF_UNIX) as listening:
        Path(folder).chmod(int(mode, 8))
        listening.bind(f"{folder}/.s.PGSQL.5432")
        listening.listen()
        thread = threading.Thread(target=postgresql_of_a_stranger, args=(listening, heard))
        thread.start()
        with pytest.raises(LedgerUnusable):
            examine_postgresql(f"postgresql://me:{PASSWORD}@/db?host={quote(folder, safe='')}{more}", "ottb_local")
        thread.join()
    assert heard
    assert (PASSWORD.encode() in b"".join(heard)) is told
