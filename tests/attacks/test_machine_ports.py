"""Another user of the machine on the port of the bus while its server is away: what they are told. No password."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest

from actors.adapters import peer
from actors.adapters.ami import AmiClient
from actors.adapters.nats_bus import NatsBus, Sealed
from actors.adapters.nats_link import Link
from actors.adapters.nats_wire import Refused
from actors.runtime.bus import BusUnavailable
from actors.settings import load
from cli.site.children import children
from tests.support.site import ROOT, free_ports
from tests.support.stranger import NOBODY, STRANGER_USER, as_root

LISTENER = Path(__file__).with_name("machine_listener.py")
PASSWORD = "hunter22"
NATS = 'INFO {"server_id":"m","version":"2.15.1","max_payload":1048576,"headers":true,"auth_required":true}'
US = os.geteuid()


@asynccontextmanager
async def listener(port: int, connections: int, greeting: str = NATS) -> AsyncIterator[asyncio.StreamReader]:
    """A stranger on a port. Gives what they print."""
    process = await asyncio.create_subprocess_exec(
        *STRANGER_USER, sys.executable, "-I", "-", str(port), str(connections), greeting,
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
async def test_the_password_of_the_bus_is_told_to_no_stranger() -> None:
    (port,) = free_ports(1)
    url = f"nats://127.0.0.1:{port}"
    async with listener(port, 3) as printed:
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
@pytest.mark.parametrize(("owner", "told"), [(US, False), (NOBODY, True)])
async def test_the_secret_of_the_pbx_is_told_to_no_stranger(owner: int, told: bool) -> None:
    """Asterisk's port is above 1023 too."""
    (port,) = free_ports(1)
    down: list[str] = []
    async with listener(port, 1, "Asterisk Call Manager/11.0.0") as printed:
        client = AmiClient(
            host="127.0.0.1", port=port, user="ottb", secret=PASSWORD, prefix="t", owner=owner,
            on_event=lambda event: None, on_up=lambda: None, on_down=down.append,
        )  # fmt: skip
        client.start()
        heard_by_them = await heard(printed, 1)
        await client.stop()
    assert (PASSWORD.encode() in heard_by_them) is told
    assert ("another user" in " ".join(down)) is not told


@as_root
async def test_ottb_user_passwd_says_nothing_to_a_stranger(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    env = {"OTTB_STATE_DIR": str(tmp_path), "OTTB_HTTP__POINT_PORT": str(port)}
    given = {"OTTB_PASSWORD": PASSWORD, "OTTB_NEW_PASSWORD": "hunter23"}
    async with listener(port, 1):
        command = [sys.executable, "-m", "cli.main", "user", "passwd", "op12"]
        done = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=os.environ | env | given, stderr=asyncio.subprocess.PIPE
        )
        _, said = await done.communicate()
    assert done.returncode == 1 and b"another user's" in said


def test_everything_that_a_site_starts_is_told_to_look(tmp_path: Path) -> None:
    settings = load(config=ROOT / "config" / "sandbox.toml", environment={"OTTB_STATE_DIR": str(tmp_path)})
    ours = [child for child in children(settings, None) if "OTTB_NATS__URL" in child.env]
    assert len(ours) >= 3 and {child.env["OTTB_NATS__OWNER"] for child in ours} == {str(US)}


ROW = "   0: {} {} 01 00000000:00000000 00:00000000 00000000  {}        0 1 1 0 20 4 30 10 -1\n"


@pytest.mark.parametrize(("uid", "strange"), [(0, False), (US, False), (4711, False), (US + 1, True), (4712, True)])
def test_whose_the_other_end_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uid: int, strange: bool) -> None:
    here, there = ("127.0.0.1", 40000), ("127.0.0.1", 14222)
    table = tmp_path / "tcp"
    table.write_text(
        "head\n" + ROW.format("0100007F:9C40", "0100007F:378E", US) + ROW.format("0100007F:378E", "0100007F:9C40", uid)
    )
    monkeypatch.setattr(peer, "TABLE", table)
    assert peer.is_strange(here, there, 4711) is strange
    assert not peer.is_strange(here, ("127.0.0.1", 14223), 4711)  # nobody of this machine
    assert not peer.is_strange(("::1", 40000, 0, 0), ("::1", 14222, 0, 0), 4711)


async def test_the_kernel_says_whose_it_is() -> None:
    """The table above is as the kernel writes it."""
    taken = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.set()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await taken.wait()
        known = writer.get_extra_info
        wanted = (peer._hex(known("peername")), peer._hex(known("sockname")))
        rows = [line.split() for line in peer.TABLE.read_text().splitlines()]
        assert [int(row[7]) for row in rows if tuple(row[1:3]) == wanted] == [US]
        writer.close()
