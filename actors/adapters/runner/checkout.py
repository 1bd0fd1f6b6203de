"""A commit out of a git repository, into an empty folder.

Git is told everything by a configuration of ours and its environment: no other configuration, no hooks, no helpers, no
submodules, no questions, one protocol, no redirects. What is fetched is one commit by its id, with few before it; its
size is known before any file is written.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from actors.pipeline.repositories import (
    is_below,
    is_folder,
    refused_branch,
    refused_commit,
    refused_repository,
)
from actors.runner.environment import PATH
from actors.runner.port import MIB, Ending, Limits, RunnerError, Source

_LISTED = re.compile(rb"^([0-9a-f]{40}(?:[0-9a-f]{24})?)\t(refs/[^\n]+)$", re.MULTILINE)
_ENTRY = re.compile(rb"[^\0]+")
_SAID = 2000  # bytes at the end of what git says, which may be 40 MB
_CONFIGURATION = """[core]
\thooksPath = /dev/null
\tfsmonitor = false
\tautocrlf = false
\tattributesFile = /dev/null
\texcludesFile = /dev/null
[credential]
\thelper =
[fetch]
\trecurseSubmodules = false
[gc]
\tauto = 0
[http]
\tfollowRedirects = false
\tlowSpeedLimit = 1000
\tlowSpeedTime = 60
[init]
\tdefaultBranch = main
[protocol]
\tversion = 2
[submodule]
\trecurse = false
"""


class CheckoutBounds(Struct, frozen=True, kw_only=True):
    """How much is checked out at most. `depth`: commits; `packed`, `total`: bytes, as they come and as files; `files`:
    their number; `seconds`: for each of the few commands of git."""

    depth: int = 50
    packed: int = 1024 * MIB
    total: int = 2048 * MIB
    files: int = 100_000
    seconds: float = 300.0


CHECKOUT = CheckoutBounds()
RunGit = Callable[[Sequence[str], Mapping[str, str], Limits], Awaitable[tuple[Ending, bytes]]]


class Checkout:
    """One checkout. `run`: runs words with an environment within limits, and answers with all that was written;
    `configuration`: the file to write git's configuration to."""

    def __init__(
        self, *, folder: Path, configuration: Path, home: Path, places: Sequence[str], bounds: CheckoutBounds,
        run: RunGit,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._configuration = configuration
        self._home = home
        self._places = places
        self._bounds = bounds
        self._run = run
        self._protocol = ""

    async def make(self, source: Source) -> str:
        """The id of the commit that the folder has then. Raises RunnerError, OSError."""
        reason = refused_branch(source.branch) or refused_repository(source.repository, self._places)
        if reason or (source.commit and (reason := refused_commit(source.commit))):
            raise RunnerError(reason)
        repository = self._whereabouts(source.repository)
        self._protocol = "file" if is_folder(repository) else repository.partition(":")[0]
        self._configure(repository)
        await self._git("init", "-q", "--template=", str(self._folder), at=None)
        commit = source.commit or await self._newest(repository, source.branch)
        depth = f"--depth={self._bounds.depth}"
        await self._git("fetch", "-q", depth, "--no-tags", "--no-recurse-submodules", "--", repository, commit)
        await self._weigh(commit)
        await self._git("checkout", "-q", "--detach", "--no-recurse-submodules", commit)
        return commit

    def _whereabouts(self, repository: str) -> str:
        """Where links lead to has to lie in a place, too."""
        if not is_folder(repository):
            return repository
        found = Path(repository).resolve()
        if not any(is_below(str(found), str(Path(place).resolve())) for place in self._places if is_folder(place)):
            raise RunnerError(f"{repository!r} is a link that leads out of the places of this host")
        if not found.is_dir():
            raise RunnerError(f"there is no repository at {repository!r}")
        return str(found)

    def _configure(self, repository: str) -> None:
        text = _CONFIGURATION
        if is_folder(repository):  # the host's settings trust it, whoever owns it
            quoted = repository.replace("\\", "\\\\").replace('"', '\\"')
            text += f'[safe]\n\tdirectory = "{quoted}"\n\tdirectory = "{quoted}/.git"\n'
        self._configuration.write_text(text)
        self._configuration.chmod(0o644)  # whoever git runs as reads it; where it cannot, it says nothing and goes on

    async def _newest(self, repository: str, branch: str) -> str:
        names = [f"refs/heads/{branch}", f"refs/tags/{branch}^{{}}", f"refs/tags/{branch}"]
        listed = await self._git("ls-remote", "-q", "--", repository, *names, at=None)
        found = await asyncio.to_thread(_named, listed, names)
        for name in names:
            if name in found:
                return found[name]
        raise RunnerError(f"the repository has no branch or tag {branch!r}")

    async def _weigh(self, commit: str) -> None:
        listed = await self._git("ls-tree", "-r", "-l", "-z", "--full-tree", commit)
        files, size = await asyncio.to_thread(_weighed, listed)
        if files > self._bounds.files or size > self._bounds.total:
            raise RunnerError(
                f"the commit has {files} files and {size} bytes: more than the {self._bounds.files} files "
                f"and {self._bounds.total} bytes that are checked out at most"
            )

    async def _git(self, *words: str, at: str | None = "") -> bytes:
        where = [] if at is None else ["-C", str(self._folder)]
        listing = self._bounds.files * 400  # bytes that are enough for the list of all files
        limits = Limits(seconds=self._bounds.seconds, file_size=self._bounds.packed, output=listing, stop_seconds=2.0)
        ending, output = await self._run(["git", *where, *words], self._environment(), limits)
        if ending.cut:
            raise RunnerError("the commit has too many files")
        if not ending.succeeded:
            said = output[-_SAID:].decode(errors="replace").strip()[-500:]
            why = f"git {words[0]}: {said}" if ending.how == "exited" else f"git {words[0]} {_ended(ending)}: {said}"
            raise RunnerError(why)
        return output

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": PATH, "HOME": str(self._home), "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self._configuration), "GIT_ALLOW_PROTOCOL": self._protocol,
            "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/bin/false", "SSH_ASKPASS": "/bin/false",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=20",
        }  # fmt: skip


def _named(listed: bytes, names: Sequence[str]) -> dict[str, str]:
    """The commits of those of these names that `git ls-remote` lists. Half a million others may end like them, which
    takes 0.5 s."""
    wanted = {name.encode(): name for name in names}
    return {wanted[one[2]]: one[1].decode() for one in _LISTED.finditer(listed) if one[2] in wanted}


def _weighed(listed: bytes) -> tuple[int, int]:
    """How many files there are, and their bytes, as `git ls-tree -l -z` has them. Of as many as there may be it takes
    0.2 s. The list may have 40 MB, so no other one is made of it."""
    files = size = 0
    for entry in _ENTRY.finditer(listed):
        fields = entry[0].partition(b"\t")[0].split()
        files += 1
        size += int(fields[3]) if len(fields) == 4 and fields[3].isdigit() else 0
    return files, size


def _ended(ending: Ending) -> str:
    return f"was ended by {ending.signal}" if ending.signal else ending.how.replace("_", " ")
