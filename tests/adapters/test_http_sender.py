"""The sender of webhooks against real servers: what it sends, what it takes of an answer, and where it does not go."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver

from actors.adapters.http_sender import INTERIM, LOOKUPS, HttpSender
from actors.webhook.addresses import networks_of
from actors.webhook.sender import NotSent, Said
from tests.support.receiver import Receiver, moved, ok, slow
from tests.support.turns import Others

LOOPBACK = networks_of(["127.0.0.0/8"])


class Names(AbstractResolver):
    """Answers for every name with the addresses that it was given, in turn; the last ones stay."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        self.asked += 1
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            {"hostname": host, "host": one, "port": port, "proto": 0, "flags": 0,
             "family": socket.AF_INET6 if ":" in one else socket.AF_INET}
            for one in found
        ]  # fmt: skip

    async def close(self) -> None:
        pass


Make = Callable[..., HttpSender]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[HttpSender] = []

    def new(*, allowed: Any = LOOPBACK, http: bool = True, whole: float = 2.0, resolver: Any = None) -> HttpSender:
        sender = HttpSender(allowed=allowed, http=http, connect=1.0, whole=whole, resolver=resolver)
        made.append(sender)
        return sender

    yield new
    for sender in made:
        await sender.close()


async def refused(work: Awaitable[Any]) -> str:
    with pytest.raises(NotSent) as error:
        await work
    return str(error.value)


async def test_it_sends_what_it_is_given_and_shows_the_beginning(make: Make) -> None:
    async with Receiver() as receiver:
        receiver.answers["/x"] = ok(202, "y" * 3000)
        said = await make().post(receiver.url("/x?a=1"), b'{"a":1}', {"OTTB-Event-Id": "7"})
        assert said.code == 202 and said.body == b"y" * 1024
        [got] = receiver.got
        assert got.raw == b'{"a":1}' and got.headers["OTTB-Event-Id"] == "7"
        assert got.headers["Content-Type"] == "application/json" and "Cookie" not in got.headers
        assert got.headers["User-Agent"].startswith("OTTB-Webhook/")


async def test_no_redirect_is_followed(make: Make) -> None:
    async with Receiver() as receiver:
        receiver.answers["/x"] = moved(receiver.url("/target"))
        assert (await make().post(receiver.url("/x"), b"", {})).code == 307
        assert receiver.of("/target") == []


async def test_a_name_is_judged_by_what_it_resolves_to(make: Make) -> None:
    async with Receiver() as receiver:
        url = f"http://hook.example:{receiver.port}/x"
        for addresses in (["127.0.0.1"], ["::ffff:127.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["169.254.169.254"]):
            said = await refused(make(allowed=(), resolver=Names(addresses)).post(url, b"", {}))
            assert "not allowed" in said, addresses
        assert receiver.got == []
        said_ = await make(resolver=Names(["127.0.0.1"])).post(url, b"", {})
        assert said_.code == 200 and receiver.got[0].headers["Host"] == f"hook.example:{receiver.port}"


async def test_names_of_this_machine_and_numbers_are_no_way_around(make: Make) -> None:
    async with Receiver() as receiver:
        for host in ("localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "127.0.0.1", "[::1]",
                     "[::ffff:127.0.0.1]", "0.0.0.0"):  # fmt: skip
            await refused(make(allowed=()).post(f"http://{host}:{receiver.port}/x", b"", {}))
        assert receiver.got == []


async def test_a_name_that_changes_is_judged_each_time(make: Make) -> None:
    async with Receiver() as receiver:
        names = Names(["127.0.0.2"], ["127.0.0.1"])  # of which only the second is here, and not allowed
        sender = make(allowed=networks_of(["127.0.0.2/32"]), resolver=names)
        for _ in range(2):
            await refused(sender.post(f"http://hook.example:{receiver.port}/x", b"", {}))
        assert receiver.got == [] and names.asked == 2


async def test_of_several_addresses_it_goes_to_those_that_are_allowed(make: Make) -> None:
    async with Receiver() as receiver:
        names = Names(["10.0.0.1", "127.0.0.1"])
        said = await make(resolver=names).post(f"http://hook.example:{receiver.port}/x", b"", {})
        assert said.code == 200


async def test_what_is_slow_or_endless_has_its_end(make: Make) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"z" * 65536)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            while True:
                writer.write(b"z")
                await writer.drain()
                await asyncio.sleep(0.2)
        except OSError:
            pass
        finally:
            writer.close()

    async with Receiver() as receiver:
        receiver.answers["/x"] = slow(5)
        assert await refused(make(whole=0.5).post(receiver.url("/x"), b"", {})) == "no answer in time"
    for serve, wanted in ((endless, None), (drips, "no answer in time")):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        if wanted is None:
            assert (await make().post(url, b"", {})).body == b"z" * 1024
        else:
            assert await refused(make(whole=1.0).post(url, b"", {})) == wanted
        server.close()


@pytest.mark.parametrize(
    "answer",
    [b"", b"nothing like HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", b"HTTP/9.9 200\r\n\r\n", b"\x00" * 100],
)  # fmt: skip
async def test_what_is_no_answer_is_said_so(answer: bytes, make: Make) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    said = await refused(make().post(url, b"", {}))
    assert said == ("what it answered is no HTTP" if answer else "it has closed the connection without an answer")
    server.close()


async def test_why_it_was_not_sent_is_said_without_more(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert await refused(make().post(f"http://127.0.0.1:{port}/", b"", {})) == "nothing listens there"
    assert await refused(make().post("http://no.such.host.invalid/", b"", {})) == "there is no such host"
    async with Receiver() as receiver:
        said = await refused(make().post(receiver.url("/").replace("http:", "https:"), b"", {}))
        assert said == "its certificate is not good, or it does not speak TLS"
        assert "https" in await refused(make(http=False).post(receiver.url("/"), b"", {}))
        assert receiver.got == []


@asynccontextmanager
async def answering(interim: bytes, times: int) -> AsyncIterator[str]:
    """A receiver that sends something so many times before its answer. Gives its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            for _ in range(times):
                writer.write(interim)
                await writer.drain()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    server.close()


async def test_an_answer_may_have_others_before_it(make: Make) -> None:
    async with answering(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", INTERIM) as url:
        assert await make().post(url, b"", {}) == Said(code=200, body=b"ok")


async def test_answers_before_the_answer_without_end_take_nobodys_turn(make: Make) -> None:
    """Each turn of the loop read a quarter of a megabyte of them, of each post, for as long as one may last."""
    async with answering(5_000 * b"HTTP/1.1 100 C\r\n\r\n", 1_000) as url:
        sender, others = make(), Others()
        said = await refused(sender.post(url, b"", {}))
        others.end()
    print(f"100 MB of answers before the answer: {others}")
    assert said == "what it answered is no HTTP" and others.longest < 0.03
    with make()._socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 16 * 1024


async def test_names_that_nobody_answers_for_take_no_threads_of_others(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system goes on asking for long after a post was given up. Screens and much else are read in these threads."""
    given_up = threading.Event()

    def unanswered(*asked: object, **more: object) -> None:
        given_up.wait(5.0)
        raise socket.gaierror(socket.EAI_AGAIN, "nobody answers")

    monkeypatch.setattr(socket, "getaddrinfo", unanswered)
    sender = make()
    posts = [asyncio.ensure_future(refused(sender.post(f"http://a{at}.example/", b"", {}))) for at in range(40)]
    await asyncio.sleep(0.05)
    try:
        async with asyncio.timeout(0.5):
            await asyncio.to_thread(int)
    finally:
        given_up.set()
    assert set(await asyncio.gather(*posts)) == {"there is no such host"}


async def test_names_of_one_user_keep_no_other_waiting(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Posts that are given up are begun anew as often as their user likes, while the system goes on asking."""
    given_up = threading.Event()

    def asked(host: str, port: int, *more: object, **named: object) -> list[Any]:
        if host == "answered.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        given_up.wait(5.0)
        raise socket.gaierror(socket.EAI_AGAIN, "nobody answers")

    async with Receiver() as receiver:
        monkeypatch.setattr(socket, "getaddrinfo", asked)
        sender = make()
        posts = []
        for at in range(2 * LOOKUPS):
            posts.append(asyncio.ensure_future(sender.post(f"http://a{at}.example/", b"", {}, user="one")))
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        for post in posts:
            post.cancel()
        try:
            async with asyncio.timeout(0.5):
                url = f"http://answered.example:{receiver.port}/x"
                assert (await sender.post(url, b"", {}, user="other")).code == 200
        finally:
            given_up.set()
        await asyncio.gather(*posts, return_exceptions=True)
        assert (await sender.post(url, b"", {}, user="one")).code == 200
