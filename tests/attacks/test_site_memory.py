"""A running site after each attack: its processes hold no more memory than before, on whichever port it came."""

import asyncio
import gzip
import json
from collections.abc import Iterator

import psutil
import pytest

from tests.support.depth import DEPTH
from tests.support.raw_http import Answer, RawConnection, ask_once, head
from tests.support.site import Client, Site, running_site

PROXY = "127.0.0.9"
COUNT, CONNECTIONS = (2_400 if DEPTH >= 1 else 1_600), 16  # `bench refusals`: 100,000
WARM_UP = 800  # what is loaded and cached by the first ones stays
BOMB = gzip.compress(bytes(16 * 2**20), 9) * 8  # 128 KB that stand for 128 MB


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    more = f'[http]\ntrusted_proxies = ["{PROXY}"]\nrefusals_per_second = 1000000\n'
    with running_site(tmp_path_factory.mktemp("attacked"), {44: "op12"}, more) as running:
        yield running


def resident(site: Site) -> int:
    """Bytes of memory of the gateway and the actor host."""
    pids = [site.pid(name) for name in ("gateway", "actors")]
    return sum(psutil.Process(pid).memory_info().rss for pid in pids if pid is not None)


async def send(site: Site, requests: list[bytes], count: int, status: int, source: str) -> None:
    """So many requests, each answered with `status`, on connections that are kept as long as the site keeps them."""

    async def worker(number: int) -> None:
        connection = None
        for turn in range(count // CONNECTIONS):
            connection = connection or await RawConnection.open(site.ports["workspace"], source=source)
            answer = await connection.ask(requests[(number + turn) % len(requests)])
            assert answer.status == status
            if "connection" in answer.headers or b"Malformed" in answer.body:  # it is the last one
                await connection.close()
                connection = None
        if connection is not None:
            await connection.close()

    await asyncio.gather(*(worker(number) for number in range(CONNECTIONS)))


LONG = "x" * 2000
LOGIN = {"Content_Type": "application/json", "Content_Length": "10"}
KINDS = {
    "no token": (401, lambda n, token: head("GET", "/api/slots", X_Long=LONG)),
    "a bad token": (401, lambda n, token: head("GET", "/api/slots", Authorization=f"Bearer a.{n}{LONG}.c")),
    "an unknown call": (404, lambda n, token: head("GET", f"/api/call/c_{n}", Authorization=f"Bearer {token}")),
    "an unknown path": (404, lambda n, token: head("GET", f"/{n}{LONG}", Authorization=f"Bearer {token}")),
    "a bad body": (400, lambda n, token: head("POST", "/api/auth/login", X=LONG, **LOGIN) + b'{"a": %d}' % (100 + n)),
    "a malformed head": (400, lambda n, token: head("GET", f"/{n}", X_Long=f"{LONG}\0")),
    "clients of a proxy": (401, lambda n, token: head("GET", "/api/slots", X_Forwarded_For=f"6.6.6.6, 10.0.{n}.{n}")),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_memory_is_back_after_refused_requests(site: Site, operator: Client, kind: str) -> None:
    status, make = KINDS[kind]
    requests = [make(number, operator.token) for number in range(250)]
    source = PROXY if kind == "clients of a proxy" else "127.0.0.1"
    await send(site, requests, WARM_UP, status, source)
    before = resident(site)
    await send(site, requests, COUNT, status, source)
    after = resident(site)
    print(f"{COUNT} refused ({kind}): {(after - before) / 2**20:+.1f} MB of {before / 2**20:.0f} MB")
    assert after <= 1.1 * before


async def test_memory_is_back_after_compressed_bodies(site: Site) -> None:
    request = head("POST", "/api/auth/login", Content_Encoding="gzip", Content_Length=str(len(BOMB))) + BOMB

    async def each_port(count: int) -> list[Answer | None]:
        ports = [port for port in site.ports.values() for _ in range(count)]
        return await asyncio.gather(*(_ask(port, request) for port in ports))

    await each_port(2)
    before = resident(site)
    answers = await each_port(10)
    after = resident(site)
    read = [answer for answer in answers if answer is not None]  # a close that overtakes the body is an answer, too
    print(
        f"{len(answers)} bodies on {len(site.ports)} ports: {len(read)} refused in words, 0 taken, "
        f"{(after - before) / 2**20:+.1f} MB of {before / 2**20:.0f} MB"
    )
    said = {(answer.status, json.loads(answer.body)["code"]) for answer in read}
    assert said == {(415, "UNSUPPORTED_MEDIA_TYPE")}
    assert after <= 1.1 * before


async def _ask(port: int, request: bytes) -> Answer | None:
    try:
        return await ask_once(port, request, closing=3)
    except (ConnectionError, EOFError):
        return None


async def test_the_login_delay_sees_the_client_behind_a_proxy(site: Site) -> None:
    """Who guesses behind a proxy is delayed, and nobody else there."""
    body = b'{"username":"nobody","password":"x"}'
    names = {"Content_Type": "application/json", "Content_Length": str(len(body))}

    async def guess(client: str) -> int:
        connection = await RawConnection.open(site.ports["point"], source=PROXY)
        request = head("POST", "/api/auth/login", X_Forwarded_For=client, **names) + body
        answer = await connection.ask(request)
        await connection.close()
        return answer.status

    guesses = [await guess(f"10.6.6.{number}, 192.0.2.1") for number in range(12)]
    assert set(guesses) == {401, 429}
    others = [await guess(f"192.0.2.1, 198.51.100.{number}") for number in range(1, 4)]
    print(f"{len(guesses)} guesses of one client: {guesses.count(429)} delayed, {others.count(429)} of 3 others")
    assert others == [401] * 3
