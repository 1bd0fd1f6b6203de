"""A real Asterisk for the sandbox and the tests: found or built, set up in a folder of its own, and run.

Debian 12 has no Asterisk, so where none is on PATH one is put into `.tools/asterisk` with debootstrap, and run there in
a chroot. A second instance plays the carrier: its dialplan is made of the same rules as the virtual one.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import psutil

from cli.site.building import StillMounted, clear
from simulators.carrier.dialplan import carrier_dialplan

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "config" / "asterisk"
CACHED = Path(os.environ.get("OTTB_ASTERISK", ROOT / ".tools" / "asterisk"))
PACKAGES = "asterisk,asterisk-modules,sip-tester"
BUILD_SECONDS = 900
COMMON = ("asterisk.conf", "logger.conf", "modules.conf", "cdr.conf", "cdr_manager.conf", "rtp.conf")
FOLDERS = ("etc", "run", "spool/monitor", "log", "db")
RTP_PORTS = 2000
USER = "asterisk"
LIBRARY = Path("/var/lib/ottb")  # of the root that it runs in


class NoAsterisk(Exception):
    """There is no Asterisk to be had here. The message says what to do."""


def find() -> Path | None:
    """The root folder of an Asterisk that can be run: `/`, or the folder of an earlier `ensure`."""
    if shutil.which("asterisk"):
        return Path("/")
    if (CACHED / "usr/sbin/asterisk").exists() and os.geteuid() == 0 and shutil.which("chroot"):
        return CACHED
    return None


def ensure(say: Callable[[str], None]) -> Path:
    """Find an Asterisk, or build a folder with one. Raises NoAsterisk."""
    if (found := find()) is not None:
        return found
    if os.geteuid() != 0:
        raise NoAsterisk("building a folder for Asterisk needs root. Install asterisk, or run this as root once.")
    if shutil.which("debootstrap") is None:
        raise NoAsterisk("debootstrap is missing: apt-get install debootstrap")
    CACHED.parent.mkdir(parents=True, exist_ok=True)
    building = CACHED.with_name(f"{CACHED.name}.building")
    try:
        clear(building)
    except StillMounted as error:
        raise NoAsterisk(str(error)) from None
    say(f"building {CACHED} with debootstrap (once, about a minute)")
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "sid", str(building)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS)
    if done.returncode != 0:
        raise NoAsterisk(f"debootstrap failed:\n{done.stdout[-1500:]}{done.stderr[-500:]}")
    building.rename(CACHED)
    return CACHED


@dataclass(frozen=True)
class Instance:
    """One set-up Asterisk: how it is started, the user that it runs as, and where it puts recordings, as this machine
    sees it."""

    argv: Sequence[str]
    owner: int
    folder: Path
    recordings: Path


def instance(root: Path, name: str, state: Path, files: Mapping[str, str], values: Mapping[str, str]) -> Instance:
    """Write the settings of one instance and say how it is run. `values` fill the templates. `state`: where it lives
    if it keeps our user; another one cannot enter there."""
    inside = state / name if os.geteuid() != 0 else LIBRARY / _instance_key(state) / name
    folder = inside if root == Path("/") else root / inside.relative_to("/")
    for part in FOLDERS:
        (folder / part).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # its console's socket takes every order, and `manager.conf` holds the secret
    if os.geteuid() == 0:
        for above in (folder.parent, folder.parent.parent):
            above.chmod(0o711)  # Asterisk's own user comes through here
    modules = next(iter(sorted(root.glob("usr/lib/*/asterisk/modules"))), root / "usr/lib/asterisk/modules")
    filled = {
        **values,
        "folder": str(inside),
        "modules": str(modules if root == Path("/") else Path("/") / modules.relative_to(root)),
    }
    for file in COMMON:
        _write(folder / "etc" / file, Template((TEMPLATES / file).read_text()).safe_substitute(filled))
    for file, text in files.items():
        _write(folder / "etc" / file, text)
    config = str(inside / "etc" / "asterisk.conf")
    argv = ["asterisk", "-f", "-C", config]
    owner = _give(root, folder) if os.geteuid() == 0 else None
    if owner is not None:
        argv += ["-U", USER, "-G", USER]
    if root != Path("/"):
        argv = ["chroot", str(root), *argv]
    recordings = folder / "spool" / "monitor"
    return Instance(argv=argv, owner=os.geteuid() if owner is None else owner, folder=folder, recordings=recordings)


def pbx(
    root: Path,
    state: Path,
    *,
    user: str,
    secret: str,
    ami_port: int,
    sip_port: int,
    far_port: int,
    endpoints: Sequence[str],
) -> Instance:
    """The PBX: its AMI, one endpoint for each trunk, the slots' context."""
    values = {
        "ami_user": user, "ami_secret": secret, "ami_port": str(ami_port), "sip_port": str(sip_port),
        "far_port": str(far_port), **_rtp(sip_port),
    }  # fmt: skip
    trunk = (TEMPLATES / "pjsip-trunk.conf").read_text()
    trunks = [Template(trunk).safe_substitute(values | {"endpoint": endpoint}) for endpoint in sorted(set(endpoints))]
    files = {
        "manager.conf": Template((TEMPLATES / "manager.conf").read_text()).safe_substitute(values),
        "pjsip.conf": Template((TEMPLATES / "pjsip.conf").read_text()).safe_substitute(values) + "".join(trunks),
        "extensions.conf": (TEMPLATES / "extensions.conf").read_text(),
    }
    return instance(root, "pbx", state, files, values)


def carrier(root: Path, state: Path, *, sip_port: int, scale: float) -> Instance:
    """The far end of every trunk."""
    values = {"sip_port": str(sip_port), **_rtp(sip_port)}
    files = {
        "manager.conf": "[general]\nenabled = no\n",
        "pjsip.conf": Template((TEMPLATES / "pjsip-carrier.conf").read_text()).safe_substitute(values),
        "extensions.conf": carrier_dialplan(scale),
    }
    return instance(root, "carrier", state, files, values)


def _rtp(sip_port: int) -> dict[str, str]:
    first = 20_000 + (2 * sip_port) % 20_000
    return {"rtp_first": str(first), "rtp_last": str(first + RTP_PORTS)}


def _instance_key(state: Path) -> str:
    """A folder in the shared root for each site on this machine: kept with its state."""
    marker = state / "asterisk-instance"
    if not marker.exists():
        state.mkdir(parents=True, exist_ok=True)
        marker.write_text(secrets.token_hex(8))
    return marker.read_text()


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o640)  # manager.conf holds the secret


def end_stale(state: Path) -> None:
    """End what an earlier `ottb up` of this site left when it was killed: Asterisk changes its user, so the kernel
    does not end it with its parent."""
    marker = state / "asterisk-instance"
    ours = (str(state.resolve()), marker.read_text() if marker.exists() else "")
    for process in psutil.process_iter(["name", "cmdline"]):
        config = " ".join(process.info["cmdline"] or [])
        if process.info["name"] == "asterisk" and any(key and f"{key}/" in config for key in ours):
            with contextlib.suppress(psutil.Error):
                process.kill()
                process.wait(timeout=5)


def _give(root: Path, folder: Path) -> int | None:
    """Everything in the folder belongs to Asterisk's own user, if it has one there. Returns that user."""
    lines = (root / "etc/passwd").read_text().splitlines()
    entry = next((line for line in lines if line.startswith(f"{USER}:")), None)
    if entry is None:
        return None
    uid, gid = (int(number) for number in entry.split(":")[2:4])
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, gid)
    return uid


def main() -> None:
    import sys

    try:
        root = ensure(lambda line: print(f"asterisk: {line}", flush=True))
    except NoAsterisk as error:
        sys.exit(f"asterisk: {error}")
    version = ["asterisk", "-V"] if root == Path("/") else ["chroot", str(root), "asterisk", "-V"]
    said = subprocess.run(version, capture_output=True, text=True, check=False, timeout=30).stdout.strip()
    print(f"asterisk: {said} in {root}; `make run` uses it from now on")


if __name__ == "__main__":
    main()
