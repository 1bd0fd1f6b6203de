"""`ottb adb`: the adb that we use, at the server that we use."""

import asyncio
import os
from collections.abc import Sequence
from typing import NoReturn

from actors.adapters.adb_place import AdbPort, place_of
from actors.settings import Settings
from cli.site.children import adb_binary, adb_server
from cli.site.probes import adb_answers

SERVE = ("nodaemon", "server")


class NoServer(Exception):
    """There is none. adb would start one by itself, which is nobody's child and keeps the phones."""


def become(settings: Settings, arguments: Sequence[str], server: int = 1) -> NoReturn:
    """Go on as adb with these arguments, at the server of this number. `nodaemon server` is the site's own one. Raises
    NoServer, OSError."""
    servers = settings.adb_servers
    if server > len(servers):
        raise NoServer(f"there is no adb server {server}: the settings make {len(servers)}")
    place = place_of(settings.adb, settings.state, server - 1)
    if (*arguments,) == SERVE and not isinstance(place, AdbPort):
        child = adb_server(settings.state.resolve(), server - 1, servers[server - 1])
        assert child.cwd is not None
        os.chdir(child.cwd)
        os.execvpe(child.argv[0], [*child.argv], {**os.environ, **child.env})
    if not asyncio.run(adb_answers(place)):
        raise NoServer(f"no adb server at {place}: `ottb up` starts it")
    if isinstance(place, AdbPort):
        os.execv(adb_binary(), ["adb", "-H", place.host, "-P", str(place.port), *arguments])
    folder = os.open(place.path.parent, os.O_PATH | os.O_DIRECTORY)  # the whole name may be too long for the kernel
    os.set_inheritable(folder, True)
    home = str(place.path.parent.resolve())
    where = ["-L", f"localfilesystem:/proc/self/fd/{folder}/{place.path.name}"]
    os.execve(adb_binary(), ["adb", *where, *arguments], {**os.environ, "HOME": home, "ANDROID_USER_HOME": home})
