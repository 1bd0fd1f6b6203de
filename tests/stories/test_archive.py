"""`ottb archive` on a site: it reads the journal with the rights that it has there."""

import os
import subprocess
import sys

from tests.support.site import ROOT, Site


def archive(site: Site, word: str) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "cli.main", "archive", word, "--config", str(site.config)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | site.env, capture_output=True, text=True, timeout=60)
    return done.returncode, (done.stdout or done.stderr).splitlines()


async def test_a_site_says_how_far_its_journal_is_sealed(site: Site) -> None:
    code, lines = archive(site, "status")
    assert code == 0 and lines[0] == "sealing  off ([archive] enabled)" and "days     none" in lines, lines
    assert archive(site, "verify") == (0, ["days     none", f"head     {'0' * 64}", "The archive is whole."])
