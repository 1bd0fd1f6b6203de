"""A second actor host and a second gateway beside a running site: processes of their own, with the same state folder,
supervised like the first ones. The host may live in a network namespace, from where single ports can be blocked."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from actors.settings import load
from cli.site.children import children
from cli.site.probes import http_answers
from cli.site.supervisor import Child, Supervisor
from tests.support.namespace import Namespace
from tests.support.site import Site, free_ports, until

HOST, GATEWAY = "actors-b", "gateway-2"
PARTS = ("point", "dci", "ottb", "workspace")


class Beside:
    """The processes of a site, those of its own supervisor and those beside it, by name."""

    def __init__(self, site: Site, ports: dict[str, int], supervisor: Supervisor, net: Namespace | None) -> None:
        self.site = site
        self.ports = ports  # of the second gateway
        self.supervisor = supervisor
        self.net = net

    def pid(self, name: str) -> int | None:
        """The process of `actors`, `actors-b`, `gateway`, `gateway-2`, `nats-server`, `adb` ..., if it runs."""
        return self.supervisor.pid(name) if name in (HOST, GATEWAY) else self.site.pid(name)

    def signal(self, name: str, number: signal.Signals) -> int | None:
        """Send a signal; the process that got it, None where there is none now."""
        pid = self.pid(name)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                return pid
        return None


def second(site: Site, name: str, ports: dict[str, int], net: Namespace | None = None) -> list[Child]:
    """The second host, called `name`, and the second gateway, on `ports`."""
    env = site.env | {"OTTB_HOST": name} | {f"OTTB_HTTP__{part.upper()}_PORT": str(ports[part]) for part in PARTS}
    found = {child.name: child for child in children(load(config=site.config, environment=env), site.config)}
    host, gateway = found["actors"], found["gateway"]
    there = dict(host.env)
    if net is not None:
        there["OTTB_NATS__URL"] = f"nats://{net.outside}:{site.nats_port}"
        there["OTTB_AMI__MAIN__HOST"] = net.outside

    async def ready() -> bool:
        return all([await http_answers(port, "/readyz", "127.0.0.1") for port in ports.values()])

    argv = [*(net.prefix if net is not None else []), *host.argv]
    return [
        replace(host, name=HOST, argv=argv, env=env | there),
        replace(gateway, name=GATEWAY, env=env | dict(gateway.env), ready=ready),
    ]


@asynccontextmanager
async def beside(site: Site, name: str, net: Namespace | None = None) -> AsyncIterator[Beside]:
    """Run the second host and gateway for as long as the block lasts."""
    ports = dict(zip(PARTS, free_ports(len(PARTS)), strict=True))
    supervisor = Supervisor(folder=site.state / "log", say=print)
    try:
        for child in second(site, name, ports, net):
            await supervisor.start(child)
        log = supervisor.log_of(HOST)

        async def is_up() -> bool:
            return "actor host is up" in log.read_text(errors="replace")

        await until(is_up, bool)
        yield Beside(site, ports, supervisor, net)
    finally:
        await supervisor.stop()
