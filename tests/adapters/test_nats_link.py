"""The link on the wire: a server that says what the test wants, and the real one with TLS and with passwords."""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.adapters import nats_link, nats_wire, nats_writer
from actors.adapters.nats_bus import NatsBus
from actors.adapters.nats_link import Link
from actors.adapters.nats_wire import Refused, Wire, decode_headers, encode_headers, nobody_heard
from actors.runtime.bus import ID, BusUnavailable, Message, RequestTimeout
from actors.runtime.wire import ERROR_HEADER, send_reply
from tests.runtime.test_buses import server
from tests.support.site import PATIENCE
from tests.support.turns import Others


async def until(look: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not look():
            await asyncio.sleep(0.01)


class Script:
    """A server by hand: greets, answers PING, keeps what it reads, and says what it is told to say."""

    def __init__(self) -> None:
        self.info: dict[str, object] = {"max_payload": 1000}
        self.read = b""
        self.connections = 0
        self.slow: asyncio.Event | None = None
        self.writers: list[asyncio.StreamWriter] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        writer.write(b"INFO " + json.dumps(self.info).encode() + b"\r\n")
        with contextlib.suppress(asyncio.CancelledError):  # at the end of the test
            while line := await reader.readline():
                self.read += line
                if line == b"PING\r\n":
                    if self.slow is not None:
                        await self.slow.wait()
                    writer.write(b"PONG\r\n")

    def say(self, data: bytes) -> None:
        self.writers[-1].write(data)

    async def saw(self, what: bytes) -> str:
        """The line with these bytes, once it was read."""
        await until(lambda: what in self.read)
        return next(line for line in self.read.decode().split("\r\n") if what.decode() in line)


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    made = Script()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"nats://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield made
    listening.close()
    for writer in made.writers:
        writer.transport.abort()


@pytest.fixture
async def link(script: Script) -> AsyncIterator[Link]:
    made = Link(script.url, name="t", user=None, password=None)
    await made.start()
    yield made
    await made.close()


class Ear:
    def __init__(self) -> None:
        self.heard: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.heard.append(message)


def _message(sid: int, data: bytes, headers: bytes = b"") -> bytes:
    if not headers:
        return b"MSG a.b %d %d\r\n%b\r\n" % (sid, len(data), data)
    return b"HMSG a.b %d _R.1 %d %d\r\n%b%b\r\n" % (sid, len(headers), len(headers) + len(data), headers, data)


async def test_messages_are_whole_however_they_arrive(script: Script, link: Link) -> None:
    ear = Ear()
    hearing = link.subscribe("a.*", ear, most=100)
    await script.saw(b"SUB a.*")
    headers = encode_headers({"One": "1", "Two": "zwei: ü"})
    stream = _message(hearing.sid, b"") + _message(hearing.sid, b"MSG x\r\nPING\r\n")
    stream += _message(hearing.sid, b"d", headers)
    for cut in range(len(stream) + 1):
        script.say(stream[:cut])
        await asyncio.sleep(0)
        script.say(stream[cut:] + b"PING\r\n")
    await until(lambda: len(ear.heard) == 3 * (len(stream) + 1))
    assert {message.data for message in ear.heard} == {b"", b"MSG x\r\nPING\r\n", b"d"}
    assert ear.heard[-1].headers == {"One": "1", "Two": "zwei: ü"}
    assert ear.heard[-1].reply_to == "_R.1" and ear.heard[0].reply is None


async def test_a_large_message_is_looked_at_once(script: Script, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of an export comes in some ten pieces: with each, all that had come was copied three times."""
    looks, take, ear = list[int](), Wire._take, Ear()
    monkeypatch.setattr(Wire, "_take", lambda wire, data: (looks.append(len(data)), take(wire, data))[1])
    sent = _message(link.subscribe("a.*", ear, most=100).sid, 1000 * b"x")
    await script.saw(b"SUB a.*")
    for at in range(0, len(sent), 20):
        script.say(sent[at : at + 20])
        await asyncio.sleep(0.002)
    await until(lambda: ear.heard)
    assert looks[-1] == len(sent) and len([size for size in looks if size > 20]) < 5, looks


async def test_a_flood_of_messages_leaves_others_their_turn(script: Script, link: Link) -> None:
    ear, sent = Ear(), 40_000
    hearing = link.subscribe("a.*", ear, most=sent)
    script.say(sent * _message(hearing.sid, b""))
    others = Others()
    while len(ear.heard) < sent:
        await asyncio.sleep(0)
        others.turns = others.turns if ear.heard else 0  # while they were on their way
    assert others.end() >= sent / 1000


async def test_one_that_is_stopped_hears_nothing_more(script: Script, link: Link) -> None:
    ear = Ear()
    hearing = link.subscribe("a.*", ear, most=100)
    script.say(_message(hearing.sid, b"1") * 3)
    await until(lambda: ear.heard)
    await hearing.stop()
    script.say(_message(hearing.sid, b"2") + _message(99, b"3"))
    await script.saw(b"UNSUB")
    await asyncio.sleep(0.05)
    assert {message.data for message in ear.heard} == {b"1"}


@given(names=st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True), st.text(max_size=40)))
def test_no_value_ends_its_line(names: dict[str, str]) -> None:
    raw = encode_headers({name: value.encode("utf-8", "replace").decode() for name, value in names.items()})
    if not names:
        assert raw == b""
        return
    assert raw.count(b"\r\n") == len(names) + 2 and raw.endswith(b"\r\n\r\n")
    assert decode_headers(raw).keys() == names.keys()


def test_the_servers_own_words_are_known() -> None:
    assert nobody_heard(b"NATS/1.0 503\r\n\r\n", b"")
    assert not nobody_heard(b"NATS/1.0\r\nStatus: 503\r\n\r\n", b"")
    assert decode_headers(b"NATS/1.0 404 No Messages\r\n\r\n") == {"Status": "404"}
    assert decode_headers(b"NATS/1.0\r\nStatus: 404\r\n\r\n") == {}
    assert decode_headers(b"NATS/1.0\r\nA: 1\r\nA: 2\r\nno colon\r\n\r\n") == {"A": "2"}


@pytest.mark.parametrize("subject", ["", "a b", "a\r\nPUB b 0", "a\tb", "a" * 3000])
async def test_what_is_no_subject_is_never_sent(script: Script, link: Link, subject: str) -> None:
    with pytest.raises(BusUnavailable):
        await link.publish(subject, b"x", b"")
    await link.publish("fine", b"x", b"")
    await script.saw(b"PUB fine")
    assert script.read.count(b"PUB ") == 1


async def test_more_than_the_server_takes_is_never_sent(script: Script, link: Link) -> None:
    """The server would close the connection, and with it everybody's."""
    with pytest.raises(BusUnavailable, match="1001 bytes are more than the bus takes"):
        await link.publish("a", b"x" * 1001, b"")
    with pytest.raises(BusUnavailable):
        await link.request("a", b"x" * 990, b"NATS/1.0\r\nA: 1\r\n\r\n", 1.0)
    await link.publish("a", b"x" * 1000, b"")
    await script.saw(b"PUB a")
    assert link.up


async def test_subscriptions_and_questions_outlive_a_connection(script: Script, link: Link) -> None:
    ear = Ear()
    hearing = link.subscribe("a.*", ear, queue="q", most=100)
    asked = asyncio.ensure_future(link.request("question", b"", b"", 5.0))
    inbox = (await script.saw(b"PUB question")).split()[2]
    script.writers[-1].transport.abort()
    await until(lambda: not link.up)
    with pytest.raises(BusUnavailable, match="not connected"):
        await link.publish("a", b"", b"")
    await until(lambda: link.up)
    assert script.read.count(f"SUB a.* q {hearing.sid}\r\n".encode()) == 2
    script.say(_message(hearing.sid, b"again") + f"MSG {inbox} 0 6\r\nanswer\r\n".encode())
    assert await asked == (b"", b"answer")
    await until(lambda: ear.heard)


async def test_what_is_subscribed_while_it_connects_is_heard(script: Script, link: Link) -> None:
    script.slow = asyncio.Event()
    script.writers[-1].transport.abort()
    await until(lambda: not link.up)
    await until(lambda: script.read.count(b"CONNECT") == 2)
    ear = Ear()
    kept, gone = link.subscribe("late.*", ear, most=100), link.subscribe("gone.*", ear, most=100)
    await gone.stop()
    with pytest.raises(BusUnavailable):
        await link.publish("early", b"", b"")
    script.slow.set()
    await until(lambda: link.up)
    await link.publish("now", b"", b"")
    await script.saw(b"PUB now")
    assert f"SUB late.*  {kept.sid}\r\n".encode() in script.read
    assert f"UNSUB {gone.sid}\r\n".encode() in script.read


async def test_a_handler_whose_wait_is_cancelled_hears_the_next(script: Script, link: Link) -> None:
    heard: list[bytes] = []

    async def hear(message: Message) -> None:
        heard.append(message.data)
        raise asyncio.CancelledError

    hearing = link.subscribe("a.*", hear, most=100)
    script.say(_message(hearing.sid, b"1") + _message(hearing.sid, b"2"))
    await until(lambda: heard == [b"1", b"2"])
    await until(lambda: not hearing.waits)
    assert hearing._bytes == 0


async def test_an_answer_that_does_not_come_is_none(script: Script, link: Link) -> None:
    with pytest.raises(RequestTimeout):
        await link.request("question", b"", b"", 0.05)
    inbox = (await script.saw(b"PUB question")).split()[2]
    script.say(f"MSG {inbox} 0 4\r\nlate\r\n".encode() + f"MSG {inbox}x 0 1\r\nx\r\n".encode())
    await asyncio.sleep(0.05)
    assert link.up and not link._asked


@pytest.mark.parametrize(
    "rubbish",
    [b"HELLO\r\n", b"MSG a\r\n", b"MSG a x 1\r\n", b"\xff\xfe\r\n", b"HMSG a 1 x 5\r\n", b"x" * 100_000, b"INFO {\r\n"],
)
async def test_what_is_not_nats_costs_the_connection_alone(script: Script, link: Link, rubbish: bytes) -> None:
    script.say(rubbish)
    await until(lambda: script.connections == 2 and link.up)
    ear = Ear()
    hearing = link.subscribe("a.*", ear, most=100)
    script.say(_message(hearing.sid, b"fine"))
    await until(lambda: ear.heard)


async def test_a_server_that_falls_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_wire, "PING_SECONDS", 0.1)
    held: list[asyncio.StreamWriter] = []

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        writer.write(b"INFO {}\r\n")
        await reader.readuntil(b"PING\r\n")
        writer.write(b"PONG\r\n")

    async with _listening(mute) as url:
        link = Link(url, name="t", user=None, password=None)
        await link.start()
        await until(lambda: not link.up)
        await until(lambda: link.up and len(held) == 2)
        await link.close()


@asynccontextmanager
async def _listening(serve: object) -> AsyncIterator[str]:
    listening = await asyncio.start_server(serve, "127.0.0.1", 0)  # type: ignore[arg-type]
    yield f"nats://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    listening.close()


async def test_a_server_that_takes_nothing_holds_no_more_than_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_wire, "PATIENCE", 0.1)
    monkeypatch.setattr(nats_wire, "PINGS", 1000)
    held: list[asyncio.StreamWriter] = []

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        writer.write(b'INFO {"max_payload": 1000000}\r\n')
        await reader.readuntil(b"PING\r\n")
        writer.write(b"PONG\r\n")
        reader._transport.pause_reading()  # type: ignore[attr-defined]

    async with _listening(deaf) as url:
        link = Link(url, name="t", user=None, password=None)
        await link.start()
        refused = 0
        for _ in range(100):
            try:
                await link.publish("a", b"x" * 500_000, b"")
            except BusUnavailable:
                refused += 1
        assert link._wire is not None
        assert refused > 50 and link._wire.unsent + link._wire.waiting < nats_link.MOST_WAITING + 1_000_000
        await link.close()
        for writer in held:
            writer.transport.abort()


async def test_names_that_are_not_utf8_cost_that_message_alone(script: Script, link: Link) -> None:
    """The server passes them on: everybody on the bus could end everybody's connection."""
    ear = Ear()
    hearing = link.subscribe("a.>", ear, most=100)
    odd = b"MSG a.\xff %d 1\r\n1\r\nMSG a.b %d _R.\xff 1\r\n2\r\n" % (hearing.sid, hearing.sid)
    script.say(odd + b"HMSG a.\xff %d 12 13\r\nNATS/1.0\r\n\r\n3\r\n" % hearing.sid + _message(hearing.sid, b"4"))
    await until(lambda: ear.heard)
    assert [message.data for message in ear.heard] == [b"4"] and script.connections == 1


async def test_one_that_is_stuck_takes_nothing_from_others(
    script: Script, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_link, "MOST_BYTES", 1000)
    stuck, ear = asyncio.Event(), Ear()

    async def wait(message: Message) -> None:
        await stuck.wait()

    one, other = link.subscribe("a.*", wait, most=10_000), link.subscribe("b.*", ear, most=10_000)
    script.say(_message(one.sid, b"x" * 100) * 50 + _message(other.sid, b"y" * 100) * 5)
    await until(lambda: len(ear.heard) == 5)
    assert one._lost in (39, 40) and one._bytes <= 1000
    stuck.set()
    await until(lambda: not one.waits)
    assert one._bytes == 0


async def test_the_real_server_passes_odd_names_on_and_nobody_is_cut_off(tmp_path: Path) -> None:
    async with server(tmp_path, PLAIN) as port:
        bus = await NatsBus.connect(f"127.0.0.1:{port}", name="t")
        ear = Ear()
        await bus.subscribe("a.>", ear)
        assert bus._link._wire is not None
        await bus._link._wire.ask()
        wire = bus._link._wire
        _, raw = await asyncio.open_connection("127.0.0.1", port)
        raw.write(b"CONNECT {}\r\nPUB a.\xff 1\r\n1\r\nPUB a.b _R.\xff 1\r\n2\r\nPUB a.c 1\r\n3\r\nPING\r\n")
        await until(lambda: ear.heard)
        assert [message.data for message in ear.heard] == [b"3"] and bus._link._wire is wire
        raw.close()
        await bus.close()


async def test_who_asks_for_more_than_a_message_holds_is_told_at_once(tmp_path: Path) -> None:
    async with server(tmp_path, PLAIN) as port:
        bus = await NatsBus.connect(f"nats://127.0.0.1:{port}", name="t")

        async def answer(message: Message) -> None:
            await send_reply(message, "x" * 2_000_000)

        await bus.subscribe("big", answer)
        answered = await bus.request("big", b"", {}, timeout=3.0)
        assert answered.headers[ERROR_HEADER] == "INTERNAL" and b"Ask for less" in answered.data
        await bus.close()


async def test_a_write_that_was_sent_once_is_never_called_unsent(
    script: Script, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_writer, "TRY_TIMEOUT", 0.1)
    monkeypatch.setattr(nats_writer, "APPEND_DEADLINE", 0.5)
    writer = nats_writer.Writer(link)
    writing = asyncio.ensure_future(writer.write("S", "s.a", b"", {ID: "n"}, {}))
    await script.saw(b"HPUB s.a")
    monkeypatch.setattr(nats_link, "MOST_WAITING", -1)  # from now on nothing is sent
    with pytest.raises(RequestTimeout):
        await writing
    with pytest.raises(BusUnavailable):
        await writer.write("S", "s.b", b"", {ID: "other"}, {})
    assert writer._unsettled.keys() == {"n"}


@pytest.mark.parametrize("address", ["nats-2.example:99999", "nats..example:4222", "[", "127.0.0.1:1"])
async def test_an_address_that_is_none_does_not_end_the_reconnecting(script: Script, address: str) -> None:
    script.info["connect_urls"] = [address]
    link = Link(script.url, name="t", user=None, password=None)
    await link.start()
    for connections in (2, 3):
        script.writers[-1].transport.abort()
        await until(lambda: not link.up)
        await until(lambda: link.up)
        assert script.connections == connections
    await link.close()


async def test_who_handles_slowly_loses_what_does_not_fit(script: Script, link: Link) -> None:
    go_on, heard = asyncio.Event(), []

    async def slow(message: Message) -> None:
        await go_on.wait()
        heard.append(message.data)

    hearing = link.subscribe("a.*", slow, most=3)
    script.say(b"".join(_message(hearing.sid, b"%d" % number) for number in range(20)))
    await until(lambda: hearing._lost)
    await asyncio.sleep(0.05)
    go_on.set()
    await until(lambda: not hearing.waits)
    assert heard == [b"%d" % number for number in range(len(heard))] and len(heard) in (3, 4)
    script.say(_message(hearing.sid, b"on"))
    await until(lambda: heard[-1] == b"on")


PLAIN = 'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{store}" }}\n'
TLS = """listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}" }}
tls {{ cert_file: "CERT", key_file: "KEY" }}
authorization {{ user: "who", password: "p:w" }}
"""


async def test_tls_and_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(  # noqa: ASYNC221
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    async with server(tmp_path, TLS.replace("CERT", str(cert)).replace("KEY", str(key))) as port:
        bus = await NatsBus.connect(f"tls://127.0.0.1:{port}", name="t", user="who", password="p:w")
        await bus.ensure_streams()
        assert await bus.last_seq() == 0
        await bus.put("OTTB_OWN", "k", b"x" * 100_000, expect=0)
        entry = await bus.get("OTTB_OWN", "k")
        assert entry is not None and entry.data == b"x" * 100_000
        await bus.close()
        for url, password in ((f"tls://127.0.0.1:{port}", "wrong"), (f"http://127.0.0.1:{port}", "p:w")):
            link = Link(url, name="t", user="who", password=password)
            with pytest.raises(Refused):
                await link.start()
            await link.close()
        with pytest.raises(BusUnavailable, match=f"cannot connect to 127.0.0.1:{port}"):
            await NatsBus.connect(f"tls://who:wrong@127.0.0.1:{port}", name="t")
        monkeypatch.delenv("SSL_CERT_FILE")
        link = Link(f"tls://127.0.0.1:{port}", name="t", user="who", password="p:w")
        with pytest.raises(OSError):  # a certificate that nobody has vouched for
            await link.start()
        await link.close()
