"""Which repositories and branches may be checked out. Pure; what is refused here never comes near git.

A repository is a folder of this machine or a URL, below one of the host's places: `/srv/git`, `https://git.example.com/`.
Nothing that git would take for an option or a command of its own (`--upload-pack=`, `ext::`, a `-` in front), and no
way around the places (`..`, `%2e`, a user in a URL, a port that was not named) passes.
"""

import re
from collections.abc import Iterable

LONGEST = 500
_SCHEMES = ("https", "http", "ssh", "git")
_URL = re.compile(r"(?P<scheme>[a-z]+)://(?P<host>[A-Za-z0-9._@:-]+)(?P<path>(?:/[A-Za-z0-9._~+-]+)+/?)")
_FOLDER = re.compile(r"(?:/[^/\x00-\x1f\x7f]+)+/?")
_WITHIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._~+-]*(?:/[A-Za-z0-9._~+-]+)*/?")
_BRANCH = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._/+#@-]*[A-Za-z0-9_+#-])?")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def refused_branch(name: str) -> str | None:
    """Why something is no name of a branch or tag (git-check-ref-format(1), and only harmless characters)."""
    shown = repr(name[:80])
    if not _BRANCH.fullmatch(name) or len(name) > 200:
        return f"{shown} is no branch: letters, digits and ._/+#@- , the first a letter, digit or _, at most 200"
    parts = name.split("/")
    if ".." in name or any(not part or part.startswith(".") or part.endswith((".", ".lock")) for part in parts):
        return f"{shown} is no branch: git allows no .. in it, and no part that begins with . or ends in . or .lock"
    return None


def refused_commit(commit: str) -> str | None:
    """Why something is no whole id of a commit."""
    return None if _COMMIT.fullmatch(commit) else f"{commit[:80]!r} is no commit: 40 or 64 digits, 0-9 and a-f"


def refused_repository(repository: str, places: Iterable[str]) -> str | None:
    """Why a repository may not be checked out on a host with these places. Of a folder the caller has still to see
    where links lead to."""
    if len(repository) > LONGEST:
        return f"a repository's name has at most {LONGEST} characters"
    shown = repr(repository)
    if not _known_form(repository):
        return f"{shown} is neither a whole path nor a URL ({', '.join(_SCHEMES)}) without a query or %"
    if any(part in ("..", ".") for part in repository.split("/")):
        return f"{shown} has a part that leads elsewhere"
    if not any(is_below(repository, place) for place in places):
        return f"{shown} lies in none of the places that this host may get repositories from (its settings name them)"
    return None


def odd_repository(repository: str) -> str | None:
    """Why no host can check out what a definition names: nothing of it is one of these, or git would take it for
    something else. A folder that is not whole is one of the state folder."""
    known = _known_form(repository) if "://" in repository or is_folder(repository) else _WITHIN.fullmatch(repository)
    if known and not {"..", "."} & set(repository.split("/")):
        return None
    return f"a folder (whole, or of the state folder), or a URL ({', '.join(_SCHEMES)}) like ssh://git@host/path"


def is_below(repository: str, place: str) -> bool:
    """Whether it lies in a place, or is it."""
    place = place.rstrip("/")
    return bool(place) and f"{repository.rstrip('/')}/".startswith(f"{place}/")


def is_folder(repository: str) -> bool:
    return repository.startswith("/")


def _known_form(repository: str) -> bool:
    if is_folder(repository):
        return _FOLDER.fullmatch(repository) is not None
    found = _URL.fullmatch(repository)
    if found is None or found["scheme"] not in _SCHEMES or found["host"].startswith("-"):
        return False
    user, at, host = found["host"].rpartition("@")
    named = not at or (found["scheme"] == "ssh" and re.fullmatch(r"[a-z][a-z0-9]*", user) is not None)
    return named and not host.startswith("-")
