"""`ottb top` on a terminal, against a running site: it shows, scrolls, outlives a gateway, and ends cleanly."""

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

from tests.support.site import Client, Site

pytestmark = pytest.mark.sites
ENTERS, LEAVES = "\x1b[?1049h", "\x1b[?1049l"  # the other screen of a terminal, and back


class Terminal:
    """A terminal of 80 by 24 in which `ottb top` runs."""

    def __init__(self, site: Site, *words: str, **more: str) -> None:
        self._own, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        env = {**os.environ, **site.env, "OTTB_PASSWORD": site.admin_password, "TERM": "xterm", **more}
        command = [sys.executable, "-m", "cli.main", "top", "--config", str(site.config), "--every", "0.5", *words]
        self.process = subprocess.Popen(command, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
        os.set_blocking(self._own, False)
        self.all = ""

    def read(self) -> str:
        with contextlib.suppress(BlockingIOError, OSError):
            while found := os.read(self._own, 65536):
                self.all += found.decode(errors="replace")
        return self.all

    def type(self, keys: str) -> None:
        os.write(self._own, keys.encode())

    async def shows(self, pattern: str, seconds: float = 30.0) -> None:
        """Wait until it says this, after what it has said until now."""
        begun = len(self.all)
        async with asyncio.timeout(seconds):
            while not re.search(pattern, self.read()[begun:]):
                assert self.process.poll() is None, self.all[-2000:]
                await asyncio.sleep(0.05)

    async def ends(self) -> int:
        code = await asyncio.to_thread(self.process.wait, 20)
        self.read()
        return code

    @property
    def as_before(self) -> bool:
        """Whether the terminal is as it was."""
        return termios.tcgetattr(self._theirs) == self.before

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._own)
        os.close(self._theirs)


@contextlib.contextmanager
def terminal(site: Site, *words: str, **more: str) -> Iterator[Terminal]:
    found = Terminal(site, *words, **more)
    try:
        yield found
    finally:
        found.close()


async def test_it_shows_the_site_and_ends_with_q(site: Site, admin: Client) -> None:
    with terminal(site) as screen:
        await screen.shows(r"OTTB: [0-9]+ of 6 slots online")
        await screen.shows(r"host local")
        await screen.shows(r"HUB1 [0-9]/7")
        screen.type("s")
        await screen.shows("by slot")
        screen.type("/")
        screen.type("44")
        await screen.shows("filter: 44_")
        screen.type("\r")
        await screen.shows("filter: 44")
        screen.type("q")
        assert await screen.ends() == 0
        assert ENTERS in screen.all and screen.all.rindex(LEAVES) > screen.all.rindex("OTTB:") and screen.as_before
        assert "Traceback" not in screen.all


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_as_cleanly(site: Site, admin: Client, number: signal.Signals) -> None:
    with terminal(site, NO_COLOR="1") as screen:
        await screen.shows("slots online")
        screen.process.send_signal(number)
        assert await screen.ends() == 0
        assert LEAVES in screen.all and screen.as_before and "\x1b[3" not in screen.all


async def test_ctrl_c_ends_it_also_while_a_filter_is_typed(site: Site, admin: Client) -> None:
    with terminal(site) as screen:
        await screen.shows("slots online")
        screen.type("/")
        await screen.shows("filter: _")
        screen.process.send_signal(signal.SIGINT)  # as the terminal does for Ctrl-C
        assert await screen.ends() == 0 and screen.as_before


async def test_who_is_logged_out_meanwhile_is_told_so(site: Site, admin: Client) -> None:
    made = {"username": "watcher", "password": "secure123", "role": "devops", "must_change_password": False}
    assert (await admin.post("/api/users", made, part="point"))[0] == 201
    with terminal(site, "--as", "watcher", OTTB_PASSWORD="secure123") as screen:
        await screen.shows("slots online")
        assert (await admin.call("DELETE", "/api/users/watcher", part="point"))[0] in (200, 204)
        assert await screen.ends() == 1
        assert "Error" in screen.all and "Traceback" not in screen.all and screen.as_before


async def test_it_says_that_the_gateway_is_gone_and_when_it_is_back(site: Site, admin: Client) -> None:
    with terminal(site) as screen:
        await screen.shows("slots online")
        pid = site.pid("gateway")
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # it is there, and answers nobody
        try:
            await screen.shows(r"NO ANSWER for [0-9]+ s", 40)
        finally:
            os.kill(pid, signal.SIGCONT)
        await screen.shows(r"6 slots online[^!]*host local", 40)
        site.kill("gateway")
        await screen.shows(r"NO ANSWER for [0-9]+ s", 40)
        await screen.shows(r"6 slots online[^N]*\n[^N]*host local", 60)
        screen.type("q")
        assert await screen.ends() == 0


async def test_without_a_terminal_it_is_printed_once(site: Site, admin: Client) -> None:
    env = {**os.environ, **site.env, "OTTB_PASSWORD": site.admin_password}
    command = [sys.executable, "-m", "cli.main", "top", "--config", str(site.config)]
    done = await asyncio.to_thread(subprocess.run, command, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "of 6 slots online" in done.stdout and "\x1b" not in done.stdout, done.stderr
