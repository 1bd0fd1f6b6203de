"""A signing key has leaked, and somebody made tokens with it: `ottb keys rotate --drop-old` ends all of it, also what
is connected."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import socketio
from nats.errors import Error as NatsError

from actors.point.keys import KeyRing
from actors.point.tokens import Claims, TokenRefused, public_key, read_access, write_access
from tests.attacks.test_bus import PASSWORD, create
from tests.stories.test_bus_login import on_bus
from tests.support.site import Client, Site, running_site, until

WEEK = 7 * 24 * 3600


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), {11: None}) as running:
        yield running


def forged(site: Site, token: str) -> str:
    """A token for the same session as good a one, by who has read the secret."""
    said = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    now = int(time.time())
    claims = Claims(
        user=said["sub"], session=said["sid"], role="admin", token_id="x", issued=now, expires=now + WEEK
    )  # fmt: skip
    return write_access(claims, KeyRing(site.state))


def drop_old(site: Site) -> None:
    command = [sys.executable, "-m", "cli.main", "keys", "rotate", "--drop-old", "--config", site.folder / "site.toml"]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | site.env)


async def test_nothing_connected_outlives_a_key_that_was_dropped(site: Site) -> None:
    async with aiohttp.ClientSession() as session:
        admin = Client(site, session)
        await admin.login("admin", site.admin_password)
        await create(admin, "dora", "devops")
        victim = Client(site, session)
        await victim.login("dora", PASSWORD)
        token = forged(site, victim.token)
        live = socketio.AsyncClient(reconnection=False)
        told: list[Any] = []
        live.on("auth.revoked", told.append)
        await live.connect(f"http://127.0.0.1:{site.ports['workspace']}", auth={"token": token})
        async with (
            on_bus(site, "dora", token, tries=0) as bus, on_bus(site, "dora", PASSWORD) as owner,
        ):  # fmt: skip
            await bus.nats.request("ottb.v1.own.dora.qry.slot.list", b"{}", timeout=5)
            await asyncio.to_thread(drop_old, site)
            await until(lambda: asyncio.sleep(0, bus.nats.is_closed and not live.connected), bool)
            assert told and not owner.left  # who came with the password stays
        victim.token = token
        assert (await victim.get("/api/slots"))[0] == 401
        with pytest.raises((NatsError, OSError, TimeoutError)):
            async with asyncio.timeout(6), on_bus(site, "dora", token, tries=0):
                pass
    print("1 connection to the bus and 1 to Socket.IO with a forged token: 0 left")


def test_a_token_is_believed_for_no_longer_than_we_make_any() -> None:
    """Whatever whoever had the secret wrote into it."""
    secret, now = b"k" * 48, 1_000_000_000
    token = write_access(
        Claims(user="a", session="s", role="r", token_id="x", issued=now, expires=now + WEEK), {"0001": secret}
    )
    public = {"0001": public_key(secret)}
    assert read_access(token, public, now + 3599, longest=3600).expires == now + 3600
    with pytest.raises(TokenRefused, match="expired"):
        read_access(token, public, now + 3600, longest=3600)
