"""The whole documented interface under schemathesis, as an admin and as an operator: no 5xx, nothing undocumented."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.depth import DEPTH, examples
from tests.support.site import Client, Site, running_site

pytestmark = pytest.mark.sites
EXAMPLES = str(examples(5))  # of each operation, beside those that follow from its schema
# Every value at the edge of every field is two thirds of the work: CI and `make test-all` do that.
PHASES = "examples,coverage,fuzzing,stateful" if DEPTH >= 1 else "examples,fuzzing,stateful"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# Reboots and restarts of phones by the hundred would only test how long one waits.
# What ends the session that is tried with would only test refusals; tests/stories/test_matrix.py asks for those.
# What is followed has no end; tests/gateway/test_log_feed.py and tests/stories/test_by_hand.py follow it.
LEFT_OUT = "reboot-device|restart|logout|auth/password|users/.user|logs/follow|/logcat|/live"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of its own: the fuzzer makes and removes slots."""
    with running_site(tmp_path_factory.mktemp("fuzz"), {11: None, 44: "op12"}) as running:
        yield running


@pytest.mark.timeout(400)
@pytest.mark.parametrize("role", ["admin", "operator"])
async def test_no_answer_is_undocumented(site: Site, role: str, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(site, session)
        await client.login(*(("admin", site.admin_password) if role == "admin" else ("op12", "1234")))
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", site.url("workspace", "/openapi.json"),
        "--header", f"Authorization: Bearer {client.token}", "--checks", CHECKS, "--max-examples", EXAMPLES,
        "--phases", PHASES, "--seed", "1", "--exclude-path-regex", LEFT_OUT, "--request-timeout", "20",
        "--workers", "1", "--generation-database", "none", "--no-color",
    ]  # fmt: skip
    fuzzer = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(380):
        said = (await fuzzer.communicate())[0].decode()
    print(said[-1500:])
    assert fuzzer.returncode == 0, said[-8000:]
