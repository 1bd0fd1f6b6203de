"""Bubblewrap (bwrap(1)): a command in namespaces of its own, that sees the system read-only and of ours its workspace.

It has its own processes, users and temporary files, and no network unless it is to have one. Nothing of the host's
state folder is there: neither its keys nor other runs.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt")
_SETTINGS = (  # of /etc, what programs need; nothing that may have a password in it
    "alternatives", "ca-certificates", "group", "gai.conf", "host.conf", "hosts", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "os-release", "passwd", "pki", "protocols",
    "resolv.conf", "services", "ssl/certs", "ssl/openssl.cnf", "timezone",
)  # fmt: skip
_IN_MEMORY = ("/dev", "/")  # which nobody is to fill
_TRY = 10.0  # seconds


class NoBubblewrap(Exception):
    """It cannot be used here. The message says why."""


class Bubblewrap:
    """The program, tried out. `visible`: further folders that steps may read; `hidden`: folders, without links in their
    paths, of which they see nothing, wherever these lie. Raises NoBubblewrap. Blocks."""

    def __init__(self, program: str | None, visible: Sequence[Path] = (), hidden: Sequence[Path] = ()) -> None:
        found = shutil.which(program or "bwrap")
        if found is None:
            raise NoBubblewrap("bubblewrap is not installed")
        self.program = found
        self._visible = visible
        self._hidden = hidden
        words = [*self._namespaces(network=False), *self._system(), *self._sealed(), "--", "/bin/true"]
        try:
            tried = subprocess.run(
                words, capture_output=True, timeout=_TRY, check=False, env={}, text=True, errors="replace",
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoBubblewrap(f"{found} does not work: {error}") from None
        if tried.returncode != 0:
            raise NoBubblewrap(f"{found} does not work: {tried.stderr.strip()[:200] or tried.returncode}")

    def wrap(
        self, words: Sequence[str], *, writable: Sequence[Path], temporary: Path, network: bool, at: str
    ) -> list[str]:
        """The words that run these words inside. `temporary` is what it has as /tmp."""
        binds = [word for path in writable for word in ("--bind", str(path), str(path))]
        return [
            *self._namespaces(network=network), *self._system(), "--bind", str(temporary), "/tmp",
            "--bind", str(temporary), "/dev/shm", *binds, *self._sealed(), "--chdir", at, "--", *words,
        ]  # fmt: skip

    def _namespaces(self, *, network: bool) -> list[str]:
        apart = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        alone = [] if network else ["--unshare-net"]
        return [self.program, "--die-with-parent", "--new-session", *apart, *alone, "--cap-drop", "ALL"]

    def _system(self) -> list[str]:
        words = ["--proc", "/proc", "--dev", "/dev", "--dir", "/run", "--dir", "/var"]
        for path in filter(Path.is_symlink, map(Path, _SYSTEM)):
            words += ["--symlink", str(path.readlink()), str(path)]
        for name in _SETTINGS:
            words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        for path in self._shown():
            words += ["--ro-bind", str(path), str(path)]
            words += [word for at in self._covers(path) for word in ("--tmpfs", at)]
        return words

    def _shown(self) -> list[Path]:
        return [*(path for path in map(Path, _SYSTEM) if path.is_dir() and not path.is_symlink()), *self._visible]

    def _covers(self, shown: Path) -> list[str]:
        """What is hidden in a folder: a site may well be in /opt."""
        whole = shown.resolve()
        return [str(shown / path.relative_to(whole)) for path in self._hidden if whole in path.parents]

    def _sealed(self) -> list[str]:
        covers = [at for path in self._shown() for at in self._covers(path)]
        return [word for at in (*covers, *_IN_MEMORY) for word in ("--remount-ro", at)]
