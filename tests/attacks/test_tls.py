"""Who comes without TLS, with the wrong certificate or with none at all, and who stands on the way."""

import asyncio
import contextlib
import ctypes
import ctypes.util
import gc
import json
import os
import shutil
import ssl
import subprocess
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import nats
import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from actors.adapters import tls
from actors.adapters.nats_bus import NatsBus, Sealed
from actors.adapters.nats_link import Link
from actors.runtime.bus import BusUnavailable
from actors.runtime.settings import Nats
from actors.settings import Sandbox, Settings
from cli.site.children import children
from cli.site.probes import nats_answers
from cli.site.secrets import USERS, secrets_of
from gateway.greeter import PER_ADDRESS
from gateway.pace import RECORD_BYTES, SENT_BYTES, TURN_BYTES
from gateway.server import Connections, Listener
from tests.support.certificates import ED, NAMES, Authority
from tests.support.site import free_ports, until
from tests.support.turns import Others

LONG = 8 * 1024 * 1024  # bytes of an answer; the kernel takes half of it
SILENT = 400  # connections that say nothing


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Settings]:
    """The bus of a site whose hosts must show certificates."""
    port, websocket = free_ports(2)
    certificate, key = map(str, authority.sign("bus"))
    given = Nats(
        port=port, websocket_port=websocket, certificate=certificate, key=key,
        ca=str(authority.certificate), client_ca=str(authority.certificate),
    )  # fmt: skip
    state = tmp_path_factory.mktemp("bus") / "a place für it"
    made = Settings(state_dir=str(state), nats=given, sandbox=Sandbox(enabled=False))
    child = children(made, None)[0]
    (state / "log").mkdir(exist_ok=True)
    with (state / "server.log").open("wb") as log:
        server = subprocess.Popen(child.argv, env={**os.environ, **child.env}, stdout=log, stderr=log)
    try:
        asyncio.run(until(lambda: nats_answers(port), bool))
        yield made
    finally:
        server.terminate()
        server.wait(timeout=10)


def client(trusted: Authority, shown: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """What somebody connects with, who does not look at what it shows."""
    context = ssl.create_default_context(cafile=str(trusted.certificate))
    if shown is not None:
        context.load_cert_chain(*map(str, shown))
    return context


async def come(bus: Settings, context: ssl.SSLContext) -> None:
    """Log in as the core of the platform, with its password. Raises BusUnavailable."""
    password = secrets_of(bus.state)["core"]
    url = f"tls://127.0.0.1:{bus.nats.port}"
    made = await NatsBus.connect(
        url, name="host", user="core", password=password, tls=tls.ClientTls(context), timeout=5
    )
    await made.close()


async def test_a_host_without_a_certificate_of_the_site_is_refused(
    bus: Settings, authority: Authority, stranger: Authority
) -> None:
    """It has the password all the same."""
    bad = {
        "none": client(authority),
        "of another authority": client(authority, stranger.sign("host")),
        "expired": client(authority, authority.sign("expired", days=-1)),
        "signed by itself": client(authority, (stranger.certificate, stranger.certificate.with_suffix(".key"))),
    }
    let_in = []
    for name, context in bad.items():
        try:
            await come(bus, context)
            let_in.append(name)
        except BusUnavailable:
            continue
    print(f"hosts: {len(let_in)} of {len(bad)} without a certificate of the site were let in")
    assert let_in == []
    await come(bus, client(authority, authority.sign("host-b")))  # the zero is not had from a server that is away


async def test_no_part_of_the_platform_comes_by_websocket(bus: Settings, authority: Authority) -> None:
    """It is for browsers, which are asked for no certificate: a password of ours must not be enough there."""
    let_in = []
    async with aiohttp.ClientSession() as session:
        for name in USERS:
            url, login = f"wss://127.0.0.1:{bus.nats.websocket_port}", secrets_of(bus.state)[name]
            async with session.ws_connect(url, ssl=client(authority), protocols=("nats",)) as wire:
                assert (await wire.receive_bytes()).startswith(b"INFO ")
                said = {"user": name, "pass": login, "verbose": True, "protocol": 1}
                await wire.send_bytes(f"CONNECT {json.dumps(said)}\r\n".encode())
                if (await wire.receive()).data == b"+OK\r\n":
                    let_in.append(name)
    print(f"websocket: {len(let_in)} of {len(USERS)} parts of the platform were let in")
    assert let_in == []


async def test_nobody_speaks_in_the_clear(bus: Settings) -> None:
    password = secrets_of(bus.state)["core"]
    for port in (bus.nats.port, bus.nats.websocket_port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f'CONNECT {{"user": "core", "pass": "{password}", "verbose": true}}\r\nPING\r\n'.encode())
        heard = b"".join([line async for line in reader])
        writer.close()
        assert b"+OK" not in heard and b"PONG" not in heard


class Man:
    """A server in the middle: says what a nats-server says, and notes what it hears."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self.met = 0
        self.heard = b""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.met += 1
        required = b"true" if self._context is not None else b"false"
        writer.write(
            b'INFO {"server_id": "m", "version": "2.15.1", "max_payload": 1048576, "headers": true,'
            b'"auth_required": true, "tls_required": ' + required + b"}\r\n"
        )
        try:
            if self._context is not None:
                await writer.start_tls(self._context)
            async with asyncio.timeout(3):
                while data := await reader.read(4096):
                    self.heard += data
                    if b"PING" in data:
                        writer.write(b"PONG\r\n")
        except (OSError, TimeoutError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def man(context: ssl.SSLContext | None) -> AsyncIterator[Man]:
    made = Man(context)
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as listening:
        made.port = listening.sockets[0].getsockname()[1]
        yield made


async def test_who_stands_on_the_way_hears_no_password(authority: Authority, stranger: Authority) -> None:
    """Neither by saying that this server speaks no TLS, nor with a certificate of somebody else, nor with one of the
    site's that is for another name; on both connections that a process of ours has."""
    password = "hunter2-of-the-bus"
    contexts = {
        "no TLS": None,
        "of another authority": tls.server(tls.KeyPair(*map(str, stranger.sign("bus")))),
        "for another name": tls.server(tls.KeyPair(*map(str, authority.sign("elsewhere", "subjectAltName=DNS:x.y")))),
    }
    trust = tls.client(Nats(ca=str(authority.certificate)))
    met = 0
    for name, context in contexts.items():
        async with man(context) as there:
            url = f"tls://127.0.0.1:{there.port}"
            link = Link(url, name="l", user="core", password=password, tls=trust)
            with pytest.raises((OSError, TimeoutError)):
                await link.start()
            await link.close()
            with pytest.raises((OSError, TimeoutError, nats.errors.Error)):
                await _their_client(url, password, trust)
            met += there.met
            assert there.met >= 2 and password.encode() not in there.heard, name
    print(f"men in the middle: 0 of {met} connections said the password")


async def _their_client(url: str, password: str, trust: tls.ClientTls) -> None:
    """nats-py's half of a bus, which is made by `NatsBus.connect` after the link, and comes back by itself."""
    made = Sealed()
    async with asyncio.timeout(4):
        await made.connect(
            url, user="core", password=password, tls=trust.context, allow_reconnect=False, connect_timeout=1
        )


async def test_nats_py_alone_would_say_it(authority: Authority) -> None:
    """Why there is a class around it: the test above could not fail otherwise."""
    trust = tls.client(Nats(ca=str(authority.certificate)))
    async with man(None) as there:
        made = nats.aio.client.Client()
        await made.connect(
            f"tls://127.0.0.1:{there.port}", user="core", password="hunter2", tls=trust.context, allow_reconnect=False
        )
        await made.close()
        assert b"hunter2" in there.heard


@pytest.fixture
async def https(authority: Authority) -> AsyncIterator[int]:
    """An HTTP port of a gateway, with one path."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="here")

    app = web.Application()
    async def long(request: web.Request) -> web.Response:
        return web.Response(body=LONG * b"x")

    app.router.add_get("/", answer)
    app.router.add_get("/long", long)
    shown = tls.ServerTls(tls.KeyPair(*map(str, authority.sign("http", NAMES))))
    listener = Listener(app=app, host="127.0.0.1", port=0, connections=Connections(), tls=lambda: shown.context)
    await listener.start()
    yield listener.port
    await listener.stop()


async def get(port: int, context: ssl.SSLContext) -> bytes:
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        said = await reader.read()
        writer.close()
    return said


async def test_connections_that_say_nothing_are_counted_and_end(
    https: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.greeter.HANDSHAKE_SECONDS", 2.0)
    wires = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", https) for _ in range(SILENT)))

    async def open_ones() -> int:
        return sum(not reader.at_eof() and reader.exception() is None for reader, _ in wires)

    kept = await until(open_ones, lambda count: count <= PER_ADDRESS)
    assert (await get(https, client(authority))).endswith(b"here")  # while all others of the address say nothing
    left = await until(open_ones, lambda count: count == 0)
    print(f"silent connections: {kept} of {SILENT} were kept at once, {left} in the end")
    assert (kept, left) == (PER_ADDRESS, 0)  # the others are closed long before a handshake's time is over
    for _, writer in wires:
        writer.close()
    assert (await get(https, client(authority))).endswith(b"here")


async def test_http_in_the_clear_is_answered_by_nobody(https: int, authority: Authority) -> None:
    sent = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 512, b"PRI * HTTP/2.0\r\n\r\n", b"\x16\x03\x01\xff\xff"]
    answers = []
    for data in sent:
        reader, writer = await asyncio.open_connection("127.0.0.1", https)
        writer.write(data)
        writer.write_eof()
        try:
            answers.append(await reader.read())
        except ConnectionError:
            answers.append(b"")
        writer.close()
    assert not any(b"HTTP" in answer or b"here" in answer for answer in answers)
    assert (await get(https, client(authority))).endswith(b"here")


async def test_little_of_a_connection_is_read_at_once(
    https: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body of nothing but frames is cut for the first of them: of a whole write it would be a tenth of a second."""
    taken, take = [], RequestHandler.data_received

    def note(self: RequestHandler, data: bytes) -> None:
        taken.append(len(data))
        take(self, data)

    monkeypatch.setattr(RequestHandler, "data_received", note)
    sent = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + 40_000 * b"1\r\nx\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", https, ssl=client(authority))
    writer.write(sent)
    with contextlib.suppress(ConnectionError):
        await reader.read()
    writer.close()
    print(f"frames over TLS: {sum(taken)} of {len(sent)} bytes were taken, {max(taken)} at once")
    assert max(taken) <= TURN_BYTES and sum(taken) < 3 * 16 * 1024  # of which a record may have so many


def new_keys(context: ssl.SSLContext, count: int) -> Generator[bytes, bytes, None]:
    """What a client of TLS 1.3 says that changes its keys on end; what it is answered is to be sent to it. Python has
    no word for that (`SSL_key_update`), so the place of OpenSSL's own in its object is said here."""
    library = ctypes.CDLL(ctypes.util.find_library("ssl"))
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    made = context.wrap_bio(came, goes, server_hostname="127.0.0.1")
    while True:
        with contextlib.suppress(ssl.SSLWantReadError):
            made.do_handshake()
            break
        came.write((yield goes.read()) or b"")
    own = ctypes.c_void_p.from_address(id(made._sslobj) + 3 * ctypes.sizeof(ctypes.c_void_p))  # type: ignore[attr-defined]
    for _ in range(count):
        assert library.SSL_key_update(own, 1) == 1
        library.SSL_do_handshake(own)
    yield goes.read()


async def test_new_keys_without_end_take_nobodys_turn(https: int, authority: Authority) -> None:
    """16 kB of them were 10 ms of the gateway's loop for each connection, of which one address may have hundreds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", https)
    keys = new_keys(client(authority), 3_000)
    sent = next(keys)
    while len(sent) < 3_000:  # of the handshake
        writer.write(sent)
        sent = keys.send(await reader.read(65536))
    others = Others()
    writer.write(sent)
    for _ in range(200):
        await asyncio.sleep(0)
    others.end()
    writer.close()
    print(f"{len(sent)} bytes of new keys: {others}")
    assert others.longest < 0.009


async def test_a_connection_that_says_nothing_takes_little_memory(https: int) -> None:
    wires = [await asyncio.open_connection("127.0.0.1", https) for _ in range(PER_ADDRESS // 2)]
    gc.collect()
    kept = [len(one._ssl_buffer) for one in gc.get_objects() if isinstance(one, SSLProtocol)]
    for _, writer in wires:
        writer.close()
    assert len(kept) >= len(wires) and max(kept) <= RECORD_BYTES


async def test_little_is_kept_of_an_answer_that_nobody_reads(https: int, authority: Authority) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", https, ssl=client(authority), limit=1)
    writer.write(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.readexactly(1) == b"H"

    async def kept() -> int:
        ours = [one for one in gc.get_objects() if isinstance(one, SSLProtocol) and one._transport is not None]
        return max(one._outgoing.pending + one._transport.get_write_buffer_size() for one in ours)

    seen = [await kept() for _ in range(10) if not await asyncio.sleep(0.02)]
    writer.transport.abort()
    print(f"an answer over TLS that nobody reads: {max(seen)} of {LONG} bytes were kept")
    assert 0 < max(seen) <= 4 * SENT_BYTES


async def test_a_key_of_another_sort_takes_the_place_of_the_one_before(authority: Authority, tmp_path: Path) -> None:
    """OpenSSL keeps one of each sort, and shows the one that the client likes best."""
    pair = tls.KeyPair(str(tmp_path / "pem"), str(tmp_path / "key"))

    def put(files: tuple[Path, Path]) -> bytes:
        for file, place in zip(files, (pair.certificate, pair.key), strict=True):
            shutil.copy(file, place)
        return ssl.PEM_cert_to_DER_cert(files[0].read_text())

    put(authority.sign("before"))
    shown, host = tls.ServerTls(pair), tls.client(Nats(client_certificate=pair.certificate, client_key=pair.key))
    new = put(authority.sign("after", sort=ED))
    shown.reload()
    host.reload()
    seen = [shake(client(authority), shown.context)]
    asking = tls.server(tls.KeyPair(*map(str, authority.sign("bus"))))
    asking.load_verify_locations(cafile=str(authority.certificate))
    asking.verify_mode = ssl.CERT_REQUIRED
    host.context.load_verify_locations(cafile=str(authority.certificate))
    seen.append(shake(host.context, asking, of_client=True))
    assert seen == [new, new]
    made = Sealed(tls=host)
    made.options["tls"] = None  # what it was given at first
    assert made.ssl_context is host.context


def shake(asks: ssl.SSLContext, answers: ssl.SSLContext, *, of_client: bool = False) -> bytes | None:
    """Shake hands in memory. Gives the certificate that was shown."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = asks.wrap_bio(back, there, server_hostname="localhost"), answers.wrap_bio(there, back, server_side=True)
    for _ in range(tls.TURNS):
        for side in sides:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return sides[of_client].getpeercert(binary_form=True)


SERVED_GROUPS, SHARES = 10, 51  # extensions (RFC 8446, 4.2)
P256, FFDHE8192 = 0x17, 0x104


def sized(data: bytes, size: int = 2) -> bytes:
    return len(data).to_bytes(size, "big") + data


def hello(group: int, share: bytes) -> bytes:
    """What a client says first that has one group alone (RFC 8446, 4.1.2)."""
    name = group.to_bytes(2, "big")
    said = {
        43: sized(b"\x03\x04", 1), SERVED_GROUPS: sized(name), SHARES: sized(name + sized(share)),
        13: sized(bytes.fromhex("040308040401080708050503")),
    }  # fmt: skip
    extensions = b"".join(kind.to_bytes(2, "big") + sized(data) for kind, data in said.items())
    body = b"\x03\x03" + bytes(32) + b"\x00" + sized(b"\x13\x01") + b"\x01\x00" + sized(extensions)
    return b"\x16\x03\x01" + sized(b"\x01" + sized(body, 3))


def groups_in(said: bytes) -> set[int]:
    """The groups that a client names in what it says first."""
    at = 5 + 4 + 34
    at += 1 + said[at]
    at += 2 + int.from_bytes(said[at : at + 2], "big")
    at += 1 + said[at] + 2
    while int.from_bytes(said[at : at + 2], "big") != SERVED_GROUPS:
        at += 4 + int.from_bytes(said[at + 2 : at + 4], "big")
    listed = said[at + 6 : at + 4 + int.from_bytes(said[at + 2 : at + 4], "big")]
    return {int.from_bytes(listed[one : one + 2], "big") for one in range(0, len(listed), 2)}


def test_nobody_names_a_group_that_is_hard_to_reckon_with(authority: Authority) -> None:
    """Of 8,192 bits it took 0.13 s of the gateway's loop, and whoever named it nothing."""
    server = tls.server(tls.KeyPair(*map(str, authority.sign("gateway"))))
    point = bytes.fromhex(  # of the curve, to be added to itself: any one will do
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )
    answers = dict[int, bool]()
    for group, share in ((P256, point), (FFDHE8192, b"\x7f" * 1024)):
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        came.write(hello(group, share))
        with contextlib.suppress(ssl.SSLError):  # also that it wants to read more
            server.wrap_bio(came, goes, server_side=True).do_handshake()
        answers[group] = goes.read(1) == b"\x16"  # it goes on, and sends no alert
    assert answers == {P256: True, FFDHE8192: False}


def test_no_receiver_of_a_webhook_does_either() -> None:
    """Before anybody has looked at its certificate."""
    context, came, goes = tls.to_anybody(), ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(came, goes, server_hostname="hook.example").do_handshake()
    assert groups_in(goes.read()) == {P256}
    assert {one["name"][:6] for one in context.get_ciphers() if one["protocol"] != "TLSv1.3"} == {"ECDHE-"}
