"""Our registration with a provider, both real Asterisks: refused, mended, lost with the provider, and back."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from string import Template

import pytest

from actors.trunk.pbx import RegistrationSeen
from bench.parts import free_port, process
from cli.site import asterisk as real
from tests.support.pbx import Subject, real_pbx, subject

OURS = """
[system]
type = system
timer_t1 = 100
timer_b = 6400
[account]
type = registration
transport = udp
server_uri = sip:127.0.0.1:${far_port}
client_uri = sip:account@127.0.0.1:${far_port}
outbound_auth = account
retry_interval = 2
forbidden_retry_interval = 2
auth_rejection_permanent = no
max_retries = 10000
expiration = 12
[account]
type = auth
auth_type = userpass
username = account
password = right
"""
THEIRS = """
[global]
type = global
endpoint_identifier_order = username,ip
[account]
type = endpoint
context = carrier
allow = ulaw
aors = account
auth = account
[account]
type = auth
auth_type = userpass
username = account
password = ${password}
[account]
type = aor
max_contacts = 1
minimum_expiration = 12
maximum_expiration = 12
"""


class Provider:
    """A real Asterisk that lets us register."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.port = free_port()
        self._instance = real.carrier(root, folder, sip_port=self.port, scale=0.2)
        self._settings = self._instance.folder / "etc/pjsip.conf"
        self._before = self._settings.read_text()
        self.set("wrong")

    def set(self, password: str) -> None:
        """From the next start or reload on."""
        self._settings.write_text(self._before + Template(THEIRS).substitute(password=password))

    async def reload(self) -> None:
        argv = [part for part in self._instance.argv if part != "-f"]  # -f: do not go into the background
        run = await asyncio.create_subprocess_exec(*argv, "-rx", "module reload res_pjsip.so")
        assert await run.wait() == 0

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        async with process(*self._instance.argv):
            yield

    def remove(self) -> None:
        shutil.rmtree(self._instance.folder.parent, ignore_errors=True)


async def stands(pbx: Subject, status: str) -> None:
    """Wait for this to be told from now on."""
    pbx.heard.clear()
    await pbx.until(lambda report: isinstance(report, RegistrationSeen) and report.status == status, 60.0)


@pytest.mark.live
@pytest.mark.timeout(200)
async def test_a_registration_is_refused_mended_lost_and_back(tmp_path: Path) -> None:
    provider = Provider(await asyncio.to_thread(real.ensure, print), tmp_path / "provider")
    try:
        async with (
            real_pbx(tmp_path / "pbx", far_port=provider.port, more={"pjsip.conf": OURS}) as address,
            subject(address, registration="account") as pbx,
        ):
            async with provider.up():
                await stands(pbx, "Rejected")
                provider.set("right")
                await provider.reload()
                await stands(pbx, "Registered")
            await stands(pbx, "Rejected")  # Asterisk's word for a provider that does not answer, too
            async with provider.up():
                await stands(pbx, "Registered")
    finally:
        provider.remove()
