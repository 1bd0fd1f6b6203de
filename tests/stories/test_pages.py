"""The commands of the pages about campaigns and scripts, pasted one after the other beside a running site, as a new
user does."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from shlex import quote

import pytest

from tests.support.site import Site, running_site

pytestmark = [pytest.mark.sites, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
PAGES = ("campaigns.md", "imports.md", "do-not-call.md", "operators.md")
BEGINS = {"scripts.md": "## A script of one's own"}  # where the commands do, if not at the top
SECONDS = 280.0
SLOTS: dict[int, str | None] = dict.fromkeys(range(11, 15))
SETTINGS = """
[campaigns]
presets = []

[[trunks]]
name = "trunk-1"
endpoint = "trunk-1"
channels = 30
calls_per_second = 20
"""
BAD = re.compile(r'"code": ?"[A-Z_]+"|command not found|No such file|Traceback|Error:|curl: ')


def script(page: str, site: Site, password: Path) -> str:
    """Its commands, for this site instead of that of `make run`."""
    text = (ROOT / "docs" / page).read_text().partition(BEGINS.get(page, "# "))[2]
    found = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    for port, part in ((8081, "point"), (8083, "ottb")):
        found = found.replace(f"localhost:{port}", f"127.0.0.1:{site.ports[part]}")
    for number, serial in site.serials.items():
        found = found.replace(f"127.0.0.1:{17000 + number}", serial)
    found = found.replace(".venv/bin/ottb", f"{quote(sys.executable)} -m cli.main")
    found = found.replace("config/sandbox.toml", quote(str(site.config)))
    return re.sub(r"(?<![\w/])var/", lambda _: f"{quote(str(password.parent))}/", found)


async def test_the_commands_of_the_pages_work_as_they_are_pasted(tmp_path: Path) -> None:
    with running_site(tmp_path, SLOTS, SETTINGS) as site:
        first = script(PAGES[0], site, site.state / "admin-password")
        others = [script(page, site, site.state / "admin-password") for page in PAGES[1:]]
        done = await asyncio.to_thread(pasted, "\n".join([first, *others]), site)
    assert done.returncode == 0, done.stdout
    assert not (bad := BAD.search(done.stdout)), done.stdout[max(0, bad.start() - 1500) : bad.end() + 300]
    for said in (
        '"reasons"', '"fields"', '"listed"', '"ready"', '"name":"Ada"', '"answered":2,"abandoned":1',
        "from_a_file finished: 2 of 2 leads (100 %)",
    ):  # fmt: skip
        assert said in done.stdout, said


async def test_a_script_of_ones_own_is_made_as_the_page_says(tmp_path: Path) -> None:
    """With all that the page does after it: the shipped ones."""
    own = tmp_path / "state" / "scripts"
    with running_site(tmp_path, {44: None}, f'[campaigns]\npresets = []\n[scripts]\nfolder = "{own}"\n') as site:
        done = await asyncio.to_thread(pasted, script("scripts.md", site, site.state / "admin-password"), site)
    assert done.returncode == 0, done.stdout
    assert not (bad := BAD.search(done.stdout)), done.stdout[max(0, bad.start() - 1500) : bad.end() + 300]
    for said in (
        "EditText", "say_hello.toml: ok (say_hello, version 1)", "succeeded: sent=Hello!", "telegram_call number=",
        "succeeded: call=answered",
    ):  # fmt: skip
        assert said in done.stdout, (said, done.stdout)
    for picture in ("chat.png", "greeted.png"):
        assert (own.parent / picture).read_bytes().startswith(b"\x89PNG")


async def test_a_pipeline_of_ones_own_is_made_as_the_page_says(tmp_path: Path) -> None:
    """What is for another terminal is asked until the step waits for it."""
    text = (ROOT / "docs" / "pipelines.md").read_text()
    (tmp_path / "hello.toml").write_text(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0])
    with running_site(tmp_path, {44: None, 45: None}) as site:
        found = script("pipelines.md", site, site.state / "admin-password")
        lines = found.replace("hello.toml", str(tmp_path / "hello.toml")).splitlines()
        [check, password, define, run, approve] = [line for line in lines if "hello" in line or "PASSWORD" in line][:5]
        commands = [
            "set -e", check, password, define, run.replace(" #", " & #"), "run=$!",
            f"for n in $(seq 100); do sleep 0.3; {approve.partition('#')[0]} && break; done 2>/dev/null", "wait $run",
        ]  # fmt: skip
        done = await asyncio.to_thread(pasted, "\n".join(commands), site)
    assert done.returncode == 0, done.stdout
    for said in ("hello.toml: ok (hello, 3 steps)", "pipeline 100 hello, version 1", "hello Olena", "succeeded"):
        assert said in done.stdout, (said, done.stdout)


def pasted(commands: str, site: Site) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", commands], env=os.environ | site.env, cwd=ROOT, timeout=SECONDS, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
