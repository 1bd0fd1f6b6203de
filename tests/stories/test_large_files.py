"""The largest file that a site takes, to a phone and back: no process of the site holds it in memory."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.memory import grown_by
from tests.support.site import Client, running_site, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

MANY, BLOCK = 255, 2**20
FLAT = 32 * 2**20  # bytes that a process may grow by: an eighth of the file
FILES = "/api/slots/14/files"
PATH = "/sdcard/Download/large.bin"


def _block(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(4, "big")).digest() * (BLOCK // 32)


async def _content() -> AsyncIterator[bytes]:
    for number in range(MANY):
        yield _block(number)


async def test_a_large_file_goes_to_a_phone_and_back(tmp_path: Path) -> None:
    with running_site(tmp_path, {14: None}) as site:
        async with aiohttp.ClientSession() as session:
            client = Client(site, session)
            await client.login("admin", site.admin_password)
            await until(lambda: client.get("/api/slots/14"), lambda seen: seen[1].get("status") == "ONLINE", 60.0)
            url, headers = site.url("ottb", FILES), {"Authorization": f"Bearer {client.token}"}
            sent, back = hashlib.sha256(), hashlib.sha256()
            for number in range(MANY):
                sent.update(_block(number))
            ours = [pid for name in ("actors", "gateway") if (pid := site.pid(name)) is not None]
            assert len(ours) == 2
            with grown_by(ours) as grown:
                binary = headers | {"Content-Type": "application/octet-stream", "Content-Length": str(MANY * BLOCK)}
                async with session.put(url, params={"path": PATH}, data=_content(), headers=binary) as answer:
                    assert answer.status == 200, await answer.text()
                    assert (await answer.json())["size"] == MANY * BLOCK
                async with session.get(url, params={"path": PATH}, headers=headers) as answer:
                    assert answer.status == 200, await answer.text()
                    async for part in answer.content.iter_chunked(2**18):
                        back.update(part)
            print({name: round(grown[pid] / 2**20, 1) for name, pid in zip(("actors", "gateway"), ours, strict=True)})
            assert back.digest() == sent.digest()
            assert max(grown.values()) < FLAT, grown
