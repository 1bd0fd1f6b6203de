"""A network of its own for one process: it reaches this machine's loopback services over a pair of virtual cables, and
single ports of them can be blocked, so that packets vanish without a word, as on a broken network.

Needs root, iproute2 and iptables. Touches nothing but the namespace, its cables, and one rule that only these use.
"""

import itertools
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

_numbers = itertools.count()


def possible() -> bool:
    """Whether namespaces can be made here."""
    return os.geteuid() == 0 and shutil.which("ip") is not None and shutil.which("iptables") is not None


class Namespace:
    """`with Namespace() as net:`; a command after `net.prefix` runs there, and this machine is `net.outside`."""

    def __init__(self) -> None:
        number = next(_numbers)
        self.name = f"ottb{os.getpid()}x{number}"
        self._cable = f"ot{os.getpid() % 1_000_000}x{number}"  # at most 15 characters
        base = f"10.213.{os.getpid() % 250}.{4 * number}"
        first, last = base.rsplit(".", 1)
        self.outside, self.inside = f"{first}.{int(last) + 1}", f"{first}.{int(last) + 2}"
        self._nat = [
            "PREROUTING", "-i", f"{self._cable}o", "-p", "tcp", "-d", self.outside,
            "-j", "DNAT", "--to-destination", "127.0.0.1",
        ]  # fmt: skip

    @property
    def prefix(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]

    def __enter__(self) -> "Namespace":
        outer, inner = f"{self._cable}o", f"{self._cable}i"
        try:
            _run("ip", "netns", "add", self.name)
            _run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", self.name)
            _run("ip", "addr", "add", f"{self.outside}/30", "dev", outer)
            _run("ip", "link", "set", outer, "up")
            _run(*self.prefix, "ip", "addr", "add", f"{self.inside}/30", "dev", inner)
            _run(*self.prefix, "ip", "link", "set", inner, "up")
            _run(*self.prefix, "ip", "link", "set", "lo", "up")
            # Else nothing that comes by this cable may reach 127.0.0.1.
            Path(f"/proc/sys/net/ipv4/conf/{outer}/route_localnet").write_text("1")
            _run("iptables", "-w", "-t", "nat", "-A", *self._nat)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for command in (
            ["iptables", "-w", "-t", "nat", "-D", *self._nat],
            ["ip", "link", "del", f"{self._cable}o"],
            ["ip", "netns", "del", self.name],
        ):
            subprocess.run(command, check=False, capture_output=True)

    def block(self, port: int) -> None:
        """Let nothing pass to or from a port, and tell nobody."""
        self._rules("-I", port)

    def unblock(self, port: int) -> None:
        self._rules("-D", port)

    def _rules(self, order: str, port: int) -> None:
        for chain, side in (("OUTPUT", "--dport"), ("INPUT", "--sport")):
            _run(*self.prefix, "iptables", "-w", order, chain, "-p", "tcp", side, str(port), "-j", "DROP")


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
