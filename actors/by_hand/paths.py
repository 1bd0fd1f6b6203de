"""Which paths of a phone are read and written. Pure.

A path is looked at twice: as it is written, and as the phone says that its links lead. What a name may be on the way to
a shell or to adb's file service is said here too, so nothing else has to.
"""

from collections.abc import Iterable

LONGEST = 1024  # bytes of a path, which adb's file service takes
LONGEST_NAME = 255  # bytes of a name in it


def wrong(path: str) -> str | None:
    """Why a path is none, in words. None: it is one."""
    try:
        written = path.encode()
    except UnicodeEncodeError:
        return "it has half a character in it."
    names = path.split("/")
    if names[0] or len(names) < 2:
        return "it begins at the phone's root, with `/`."
    if any(name in ("", ".", "..") for name in names[1:]):
        return "it has no empty names in it, and none that are `.` or `..`."
    if len(written) > LONGEST or any(len(name.encode()) > LONGEST_NAME for name in names):
        return f"it is longer than {LONGEST} bytes, or a name in it than {LONGEST_NAME}."
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in path):
        return "it has control characters in it."
    return None


def within(path: str, folders: Iterable[str]) -> bool:
    """Whether a path is in one of the folders, or below. The folder itself is not."""
    return any(path.startswith(f"{folder}/") for folder in folders)


def parent(path: str) -> str:
    """The folder that a file is in."""
    return path.rpartition("/")[0] or "/"


def name_of(path: str) -> str:
    return path.rpartition("/")[2]
