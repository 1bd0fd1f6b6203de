"""Another user of the machine, as a program that needs nothing but Python: `python -I - < this`, with what is known of
a site as JSON in `argv[1]`. Prints what it got, as JSON: everything that came back although nobody gave it a secret.

What it knows is what everybody on a machine can find out: which ports are listened on, and where the state folder is.
"""

import json
import os
import socket
import struct
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from itertools import compress
from pathlib import Path

SECONDS = 3.0
CNXN, AUTH = 0x4E584E43, 0x48545541
AUTH_SIGNATURE, AUTH_PUBLIC_KEY = 2, 3


def talk(port: int, *said: bytes) -> bytes:
    """What a port answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as wire:
            answer = b""
            for each in said:
                wire.sendall(each)
                answer += wire.recv(4096)
            return answer
    except OSError:
        return b""


def adb_server_answers(port: int) -> bool:
    return talk(port, b"000chost:version")[:4] == b"OKAY"


def packet(command: int, arg0: int, arg1: int, data: bytes) -> bytes:
    return struct.pack("<6I", command, arg0, arg1, len(data), sum(data), command ^ 0xFFFFFFFF) + data


def phone_lets_in(port: int) -> bool:
    """Whether a phone on TCP takes a host whose key it does not know."""
    try:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as wire:
            wire.settimeout(0.5)
            wire.sendall(packet(CNXN, 0x01000001, 1 << 20, b"host::features=shell_v2,cmd\0"))
            for kind in (AUTH_SIGNATURE, AUTH_PUBLIC_KEY, None):
                header = wire.recv(24)
                if len(header) < 24:
                    return False
                command, _, _, length, _, _ = struct.unpack("<6I", header)
                if command == CNXN:
                    return True
                if length:
                    wire.recv(length)
                if kind is not None:
                    wire.sendall(packet(AUTH, kind, 0, bytes(256) if kind == AUTH_SIGNATURE else b"AAAA me@here\0"))
    except OSError:
        pass
    return False


def http(method: str, url: str, secret: str = "") -> int:
    request = urllib.request.Request(url, method=method, data=b"{}" if method == "POST" else None)
    if secret:
        request.add_header("Authorization", f"Bearer {secret}")
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def ami_lets_in(port: int) -> bool:
    logins = [("ottb", ""), ("ottb", "ottb"), ("admin", "amp111"), ("ottb", "secret")]
    return any(
        b"Success" in talk(port, f"Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\n\r\n".encode(), b"")
        for user, secret in logins
    )


def readable(folder: str) -> tuple[list[str], int]:
    """The files that can be read under a folder, and how many names were tried."""
    if not os.access(folder, os.R_OK | os.X_OK):
        return [], 1
    found, tried = [], 0
    for path in Path(folder).rglob("*"):
        tried += 1
        if path.is_file() and os.access(path, os.R_OK):
            found.append(str(path))
    return found, tried


def guessed(names: list[str]) -> list[str]:
    """Which of the files, whose names are known from the source, can be opened: a folder that cannot be listed may
    still be passed through."""
    return [name for name in names if os.access(name, os.R_OK) or os.access(name, os.W_OK)]


def reached(paths: list[str]) -> list[str]:
    """The unix sockets that can be connected to."""
    found = []
    for path in map(Path, paths):
        with socket.socket(socket.AF_UNIX) as wire:
            try:
                os.chdir(path.parent)  # a whole name may be too long for the kernel
                wire.connect(path.name)
                found.append(str(path))
            except OSError:
                continue
    return found


def environments(pids: list[int]) -> list[int]:
    return [pid for pid in pids if os.access(f"/proc/{pid}/environ", os.R_OK)]


def main() -> None:
    known = json.loads(sys.argv[1])
    files, tried = readable(known["state"])
    orders = [
        (method, f"http://127.0.0.1:{port}{path}", secret)
        for port, paths in known["control"].items()
        for method, path in paths
        for secret in ("", "secret", "0" * 48)
    ]
    with ThreadPoolExecutor(32) as pool:
        servers = pool.map(adb_server_answers, known["ports"])
        phones = pool.map(phone_lets_in, known["phones"])
        carried_out = pool.map(lambda order: http(*order) != 401, orders)
        ami = pool.map(ami_lets_in, known["ami"])
    print(json.dumps({
        "uid": os.geteuid(),
        "adb servers": list(compress(known["ports"], servers)),
        "phones": list(compress(known["phones"], phones)),
        "control": list(compress(orders, carried_out)),
        "control tried": len(orders),
        "ami": list(compress(known["ami"], ami)),
        "files": files + guessed(known["files"]),
        "files tried": tried + len(known["files"]),
        "sockets": reached(known["sockets"]),
        "sockets tried": len(known["sockets"]),
        "environments": environments(known["pids"]),
    }))  # fmt: skip


main()
