"""How the runner of a host starts."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from actors.runner.desk import Desk
from actors.runner.port import Executor, Isolation
from actors.runner.runner import Runner, load
from actors.runner.settings import Runner as Settings
from actors.runtime.parts import HostParts
from actors.runtime.version import version
from bus_schemas.pipeline import RunnerView


async def start(
    parts: HostParts, stack: AsyncExitStack, *, settings: Settings, executor: Executor, state: Path,
    secret: Callable[[str], str | None], lost_after: float,
) -> Runner:  # fmt: skip
    """Runs of pipelines are carried out here, once all else is there. `state`: the folder that repositories of
    definitions are in which are not absolute."""
    name, said = parts.host.name, version()

    def view(running: tuple[str, ...]) -> RunnerView:
        apart = executor.isolation()
        return RunnerView(
            runner=name, labels=settings.labels, running=running, at_once=settings.at_once, version=said,
            user=apart.user, isolation=_words(apart), git=apart.git, disk_free=apart.disk_free, load=load(),
        )  # fmt: skip

    def repository(given: str) -> str:
        return given if "://" in given or given.startswith("/") else str(state.resolve() / given)

    desk = Desk(
        bus=parts.bus, clock=parts.clock, ids=parts.ids, executor=executor, name=name, secret=secret,
        repository=repository, lost_after=lost_after, view=view,
    )  # fmt: skip
    runner = Runner(desk, settings)
    stack.push_async_callback(runner.stop)
    parts.background.append(runner.start)
    return runner


def _words(apart: Isolation) -> tuple[str, ...]:
    """What keeps steps apart, for people."""
    bubblewrap = "bubblewrap" if apart.bubblewrap else f"no bubblewrap: {apart.bubblewrap_reason}"
    cgroup = "cgroup" if apart.cgroup else f"no cgroup: {apart.cgroup_reason}"
    own = "a user of their own" if apart.own_user else "the user of the host"
    return (
        bubblewrap, cgroup, f"steps run as {own}", f"memory is limited of each {apart.memory}",
        f"processes: {apart.processes}",
    )  # fmt: skip
