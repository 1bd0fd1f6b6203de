"""What a PBX, or whoever else may write to the folder of its recordings, puts there in the place of one: nothing of
ours is sent for it, and nobody waits for it."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import psutil
import pytest
from aiohttp import web

from bus_schemas.call import Recording
from bus_schemas.errors import Refusal
from gateway.recordings import Recordings
from tests.support.site import free_ports

SECRET, SAID = b"the platform's own", b"RIFF and so on"
NAME = "c_1.wav"


class Player:
    """A door to the recordings of one folder. `then`: done once a recording was opened, before it is sent."""

    def __init__(self, folder: Path, secret: Path, http: aiohttp.ClientSession, url: str) -> None:
        self.folder = folder
        self.secret = secret
        self.then: Callable[[], None] = lambda: None
        self._http = http
        self._url = url

    async def answer(self, request: web.Request) -> web.StreamResponse:
        try:
            response = Recordings({"pbx": self.folder}).send(request, Recording(call_id="c_1", pbx="pbx", file=NAME))
        except Refusal:
            return web.Response(status=404)
        self.then()
        return response

    async def get(self, **headers: str) -> tuple[int, bytes]:
        async with self._http.get(self._url, headers={"Accept-Encoding": "identity", **headers}) as answer:
            return answer.status, await answer.read()


@pytest.fixture
async def player(tmp_path: Path) -> AsyncIterator[Player]:
    [port] = free_ports(1)
    folder, secret = tmp_path / "recordings", tmp_path / "secret"
    folder.mkdir()
    secret.write_bytes(SECRET)
    async with aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(5)) as http:
        player = Player(folder, secret, http, f"http://127.0.0.1:{port}/")
        app = web.Application()
        app.router.add_get("/", player.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield player
        await runner.cleanup()


def _swapped(player: Player) -> None:
    (player.folder / NAME).unlink()
    (player.folder / NAME).symlink_to(player.secret)


async def test_a_recording_is_sent_whole_and_in_parts(player: Player) -> None:
    (player.folder / NAME).write_bytes(SAID)
    assert await player.get() == (200, SAID)
    assert await player.get(Range="bytes=5-7") == (206, SAID[5:8])
    before = psutil.Process().num_fds()
    for _ in range(20):
        await player.get()
    assert psutil.Process().num_fds() <= before + 1


@pytest.mark.parametrize(
    "put",
    [lambda path, secret: path.symlink_to(secret), lambda path, secret: path.symlink_to("/dev/zero"),
     lambda path, _: os.mkfifo(path), lambda path, _: path.mkdir()],
    ids=["a link to ours", "a link to a device", "a pipe", "a folder"],
)  # fmt: skip
async def test_what_is_no_file_is_no_recording(player: Player, put: Callable[[Path, Path], None]) -> None:
    put(player.folder / NAME, player.secret)
    assert await player.get() == (404, b"")


async def test_another_file_in_its_place_is_not_sent(player: Player) -> None:
    (player.folder / NAME).write_bytes(SAID)
    player.then = lambda: _swapped(player)
    assert await player.get() == (200, SAID)


@pytest.mark.parametrize(("ending", "encoding"), [("gz", "gzip"), ("br", "br")])
async def test_nor_is_what_lies_beside_it(player: Player, ending: str, encoding: str) -> None:
    (player.folder / NAME).write_bytes(SAID)
    (player.folder / f"{NAME}.{ending}").symlink_to(player.secret)
    assert await player.get(**{"Accept-Encoding": encoding}) == (200, SAID)
