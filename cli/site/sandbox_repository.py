"""The git repository that a sandbox has, for the example of a deployment: small, local, and made once."""

import os
import shutil
import subprocess
from pathlib import Path

from actors.settings import SANDBOX_REPOSITORIES, Settings

NAME = "fleet-app"
SECONDS = 20.0
FILES = {
    "README.md": "# Fleet app\n\nWhat the sandbox deploys: see `config/pipelines/deploy_production.toml` of OTTB.\n",
    "build.sh": '#!/bin/sh -eu\nmkdir -p dist\necho "fleet app $1" > "dist/app-$1.txt"\necho "built $1"\n',
    "test.sh": '#!/bin/sh -eu\ngrep -q "fleet app" dist/*.txt\necho "tested on $1"\n',
    "app.apk": "PK\x03\x04 what virtual phones take for an app\npackage=org.example.fleet\n",
    "deploy.sh": '#!/bin/sh -eu\ncat dist/*.txt\necho "deployed to $1"\n',
}
AUTHOR = {"NAME": "sandbox", "EMAIL": "sandbox@localhost", "DATE": "2026-01-01T00:00:00Z"}


def make_repository(settings: Settings) -> None:
    """Make it where a sandbox has none yet. Without git there is none, and what wants it says so."""
    folder = settings.state / SANDBOX_REPOSITORIES / NAME
    if not settings.sandbox.enabled or folder.exists() or shutil.which("git") is None:
        return
    making = folder.with_name(f"{NAME}.partial")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    for name, text in FILES.items():
        (making / name).write_text(text)
        (making / name).chmod(0o700 if name.endswith(".sh") else 0o600)
    _git(making, "init", "-q", "-b", "main")
    _git(making, "add", *FILES)
    _git(making, "commit", "-q", "-m", "Deploy a file")
    making.rename(folder)


def _git(folder: Path, *words: str) -> None:
    known = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in AUTHOR.items()}
    own = {"PATH": os.defpath, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **known}
    subprocess.run(["git", *words], cwd=folder, env=own, check=True, timeout=SECONDS, capture_output=True)
