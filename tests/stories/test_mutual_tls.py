"""Two hosts of one site that show each other certificates, made and set as docs/operations.md says: its commands are
run here, word for word but for the places."""

import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from cli.site.secrets import secrets_of
from cli.site.supervisor import Supervisor, python
from tests.support.site import ROOT, Client, Site, running_site, until

pytestmark = pytest.mark.sites
PAGE = (ROOT / "docs" / "operations.md").read_text()
SECTION = PAGE.partition("### Hosts that show each other certificates\n")[2].partition("\n## ")[0]
MAKE, FIRST, SECOND = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)


def exported(commands: str, folder: Path) -> dict[str, str]:
    """What the commands put into the environment, in that folder."""
    done = subprocess.run(
        ["/bin/sh", "-euc", f"{commands}\nexec env"], cwd=folder, env={}, capture_output=True, text=True, check=True
    )
    lines = (line.partition("=") for line in done.stdout.splitlines())
    given = {name: value for name, _, value in lines if name.startswith("OTTB_")}
    return {name: str(folder / value) if (folder / value).is_file() else value for name, value in given.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first commands make."""
    made = tmp_path_factory.mktemp("authority")
    subprocess.run(["/bin/sh", "-euc", MAKE], cwd=made, check=True, capture_output=True, timeout=60)
    return made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Site]:
    env = exported(FIRST, folder) | {"OTTB_NATS__HOST": "127.0.0.1"}
    with running_site(
        tmp_path_factory.mktemp("mutual"), {44: "op12", 45: None}, hosts={44: "a", 45: "b"}, env=env
    ) as it:
        yield it


def environment_of_b(site: Site, folder: Path) -> dict[str, str]:
    """Of the second host: the one of the page, and where this site's things are."""
    (folder / "core-password").write_text(secrets_of(site.state)["core"] + "\n")
    given = exported(SECOND, folder)
    assert given["OTTB_NATS__URL"] == "tls://bus.example.org:14222"
    own = {name: value for name, value in site.env.items() if not name.startswith("OTTB_NATS__")}
    return own | given | {"OTTB_NATS__URL": f"tls://127.0.0.1:{site.nats_port}", "PYTHONPATH": str(ROOT)}


@asynccontextmanager
async def second(site: Site, name: str, env: dict[str, str]) -> AsyncIterator[Path]:
    """The second host's process. Gives its log, which is called `name`."""
    supervisor = Supervisor(folder=site.state / "log", say=print)
    try:
        host = python(name, ["actors.main", "--config", str(site.config)], env)
        await supervisor.start(replace(host, stop_seconds=0.0))  # one that waits for the bus is in no hurry to stop
        yield supervisor.log_of(name)
    finally:
        await supervisor.stop()


async def test_a_second_host_serves_over_mutual_tls(site: Site, folder: Path) -> None:
    async with aiohttp.ClientSession() as session, second(site, "host-b", environment_of_b(site, folder)):
        client = Client(site, session)
        await client.login("op12", "1234")
        await until(lambda: client.get("/api/slots/45"), lambda seen: seen[0] == 200 and seen[1]["status"] == "ONLINE")
        _, ready = await client.get("/readyz?verbose")
        assert {host["host"] for host in ready["hosts"]} == {"a", "b"}
        status, started = await client.post("/api/call/start", {"number": "+380991230006", "slot": 45})
        assert status == 201, started


async def test_without_its_certificate_the_second_host_is_nobody(site: Site, folder: Path) -> None:
    """It has the password all the same."""
    env = environment_of_b(site, folder)
    for name in ("CERTIFICATE", "KEY"):
        del env[f"OTTB_NATS__CLIENT_{name}"]

    bus_log = site.state / "log" / "nats-server.log"

    async def said() -> str:
        return bus_log.read_text(errors="replace")

    async with second(site, "host-b-alone", env) as log:
        await until(said, lambda text: "client didn't provide a certificate" in text)
        assert "actor host is up" not in log.read_text(errors="replace")
