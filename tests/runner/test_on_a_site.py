"""Steps of another user, on a whole site: its state folder is closed to that user, as it is to everybody."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.adapters.runner.executor import LocalExecutor
from actors.runner.port import RunnerError
from ottb_client import Client
from tests.support.site import Site, until

pytestmark = pytest.mark.isolated
DEFINITION = """
id = 900
name = "whose"
[[steps]]
name = "who"
do = "run"
commands = ["id -un; touch here; ls $HOME"]
"""


@pytest.fixture
def place() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="ottb-runner-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def test_a_folder_that_the_user_cannot_get_to_is_refused(place: Path) -> None:
    (place / "closed").mkdir(mode=0o700)
    with pytest.raises(RunnerError, match=r"nobody cannot get through .*closed: say another \[runner\] folder"):
        LocalExecutor(folder=place / "closed" / "runner-a", user="nobody")


def test_a_folder_of_somebody_else_is_refused(place: Path) -> None:
    (place / "runner-a").mkdir()
    shutil.chown(place / "runner-a", "nobody")
    with pytest.raises(RunnerError, match="it is user 65534's"):
        LocalExecutor(folder=place / "runner-a", user="nobody")


async def test_steps_of_a_site_are_that_users(place: Path) -> None:
    more = f'[runner]\nuser = "nobody"\nfolder = "{place}/of/runs"\n'
    site = Site(folder=place, slots={44: None}, more=more)
    site.start()
    try:
        async with Client(f"http://127.0.0.1:{site.ports['workspace']}") as admin:
            await admin.login("admin", site.admin_password)
            await admin.define_pipeline(text=DEFINITION)

            async def ran() -> str:
                run = await admin.get_pipeline_run(900, 1)
                return run.status

            await admin.run_pipeline(900)
            assert await until(ran, lambda status: status not in ("queued", "running")) == "succeeded"
            log = await admin.run_log(900, 1)
        assert b"nobody\n" in log
    finally:
        site.stop()
