"""`ottb script run`, `list`, `status` and `stop`: runs of scripts, over the HTTP API."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cli.gateway import NotDone

if TYPE_CHECKING:
    from bus_schemas.script import RunView
    from cli.gateway import Session

EVERY = 0.3  # seconds between two looks


def begin(session: "Session", name: str, slot: int, params: Sequence[str], *, queue: bool) -> str:
    """Begin a run. Gives its id. Raises ApiError, NotDone."""
    given: dict[str, str] = {}
    for param in params:
        key, equals, value = param.partition("=")
        if not equals:
            raise NotDone(f"{param}: a parameter is given as name=value")
        given[key] = value
    started = session.done(session.api.run_script(slot_id=slot, script=name, params=given, queue=queue))
    return str(started.script_id)


def follow(session: "Session", script_id: str, say: Callable[[str], object]) -> bool:
    """Say each change until the run is over. True: it has succeeded."""
    last = ""
    while True:
        run = session.done(session.api.get_run(script_id))
        if (words := in_words(run)) != last:
            say(words)
            last = words
        if run.ended is not None:
            return str(run.state) == "succeeded"
        time.sleep(EVERY)


def show_all(session: "Session", say: Callable[[str], object]) -> None:
    """One line for each script."""

    async def everything() -> list[str]:
        found = []
        async for one in session.api.list_scripts():
            params = " ".join(
                f"{name}=<{param.type}>" if param.required else f"[{name}=<{param.type}>]"
                for name, param in one.params.items()
            )
            found.append(f"{one.name} {params}".strip() + f"  (version {one.version}) {one.summary}")
        return found

    for line in session.done(everything()):
        say(line)


def in_words(run: "RunView") -> str:
    """How a run stands."""
    words = str(run.state)
    if run.stopping:
        words = "is being stopped"
    elif words == "running" and run.step is not None:
        words = f"running: step {run.step} of {run.steps}, waits for {run.waits_for}"
    elif words == "succeeded" and run.values:
        words += ": " + ", ".join(f"{name}={value}" for name, value in run.values.items())
    elif words == "failed":
        at = f" at step {run.step} ({run.place})" if run.step else ""
        words += f"{at}: {run.reason}" + (" (nobody knows whether it was done)" if run.uncertain else "")
    elif words == "stopped":
        words += f" by {run.by}"
    return words + (f" [call {run.call_id}]" if run.call_id else "")
