"""Links and folders among a virtual phone's files, which stand under their whole paths, and apps installed from one."""

import re
from collections.abc import Mapping
from posixpath import dirname, join, normpath

from simulators.phone.result import Result

FOLDERS = frozenset({"/", "/sdcard", "/sdcard/Download", "/data", "/data/local", "/data/local/tmp"})
REGULAR, FOLDER, LINK = 0o100644, 0o040771, 0o120777
MOST_LINKS = 40
APK = re.compile(rb"PK\x03\x04.*?package=([A-Za-z0-9_.]+)\n", re.DOTALL)

Files = dict[str, bytes]


def real(links: Mapping[str, str], path: str) -> str | None:
    """Where a path leads. None: round in a circle."""
    path = normpath(path)
    for _ in range(MOST_LINKS):
        link = next((one for one in links if path == one or path.startswith(f"{one}/")), None)
        if link is None:
            return path
        path = normpath(join(dirname(link), links[link]) + path[len(link) :])
    return None


def is_folder(files: Files, path: str) -> bool:
    return path in FOLDERS or any(one.startswith(f"{path}/") for one in files)


def mode_and_size(files: Files, links: Mapping[str, str], path: str) -> tuple[int, int]:
    """What is there, a link as itself; 0: nothing."""
    if path in links:
        return LINK, len(links[path])
    there = real(links, path)
    if there in files:
        return REGULAR, len(files[there])
    return (FOLDER, 4096) if there is not None and is_folder(files, there) else (0, 0)


def readlink(files: Files, links: Mapping[str, str], args: list[str]) -> Result:
    """`readlink -f`: the last name need not be there."""
    there = real(links, args[-1]) if args[:1] == ["-f"] and len(args) == 2 else None
    if there is None or not is_folder(files, dirname(there)):
        return Result(code=1)
    return Result(f"{there}\n".encode())


def move(files: Files, links: dict[str, str], args: list[str]) -> Result:
    """`mv -f`."""
    source, target = (real(links, one) or "" for one in args[-2:])
    if source not in files:
        return Result(err=f"mv: bad '{args[-2]}': No such file or directory\n".encode(), code=1)
    files[target] = files.pop(source)
    return Result()


def install(files: Files, installed: dict[str, bytes], args: list[str]) -> Result:
    """`pm install` and `pm uninstall`."""
    if args[0] == "uninstall":
        known = installed.pop(args[-1], None) is not None
        return Result(b"Success\n" if known else b"Failure [DELETE_FAILED_INTERNAL_ERROR]\n", code=int(not known))
    match = APK.match(files.get(args[-1], b""))
    if match is None:
        said = f"Failure [INSTALL_PARSE_FAILED_NOT_APK: Failed to parse {args[-1]}]\n"
        return Result(said.encode(), code=1)
    installed[match[1].decode()] = files[args[-1]]
    return Result(b"Success\n")
