"""`ottb audit head` and `ottb audit verify` on a running site."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.site import ROOT, Client, Site


def audit(site: Site, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "cli.main", "audit", words[0], "--config", str(site.config), *words[1:]]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | site.env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout or done.stderr


async def test_a_head_that_was_kept_is_found_again(site: Site, operator: Client, tmp_path: Path) -> None:
    code, line = audit(site, "head")
    assert code == 0, line
    code, key = audit(site, "head", "--public")
    assert code == 0 and key.strip() in line
    kept = tmp_path / "heads"
    kept.write_text(line)
    code, said = audit(site, "verify", "--heads", str(kept), "--key", key.strip())
    assert code == 0 and "1 that were noted" in said and "The audit is whole." in said, said
    code, said = audit(site, "verify", "--heads", os.devnull, "--key", key.strip())
    assert code == 2 and "no head was read" in said and "The audit is whole." not in said, said
    kept.write_text(line.replace('"number":', '"number":1'))
    code, said = audit(site, "verify", "--heads", str(kept))
    assert code == 1 and "line 1 of the heads was changed" in said, said
    code, said = audit(site, "verify", "--heads", str(kept), "--key", "x" * 43)
    assert code == 1 and "signed with another key" in said, said
