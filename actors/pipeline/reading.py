"""Definitions are read beside the loop: those of hundreds of pipelines may come due in the same moment."""

import asyncio
from collections.abc import Mapping
from weakref import WeakValueDictionary

from actors.pipeline.checking import definition_of, is_known, tried
from actors.pipeline.language import Definition, Value, Webhook
from actors.pipeline.machine import SCHEDULE
from actors.pipeline.record import Pipeline
from actors.pipeline.trigger import Wanted, wanted
from actors.runtime.patience import turn
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.names import Share

PATIENCE = 4.0  # seconds until what a run is given is tried; whoever asks waits for 5

YOURS = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "What other runs of yours are given is looked at. Wait.", rule="runs", retry_after=2
)


class Reader:
    """One after the other, for all pipelines of a host; of one share no second one while others wait."""

    def __init__(self) -> None:
        self._reading = asyncio.Lock()
        self._turns: WeakValueDictionary[Share, asyncio.Lock] = WeakValueDictionary()
        self._of_theirs: WeakValueDictionary[Share, asyncio.Lock] = WeakValueDictionary()

    async def read(self, text: str, share: Share) -> Definition:
        """The definition, which is looked up at once (`definition_of`) for as long as somebody has it. `share`: of
        whoever has defined it. Hundreds of theirs may come due in one moment, which take ten seconds: a runner waits
        no longer than that for its answer, and the run of somebody else that it gets after that is lost."""
        if is_known(text):
            return definition_of(text)
        async with self._of_theirs.setdefault(share, asyncio.Lock()), self._reading:
            return await asyncio.to_thread(definition_of, text)

    async def try_out(self, share: Share, text: str, given: Mapping[str, Value]) -> None:
        """Have it known what of this fits into a definition. Hard patterns take 0.4 s: one of a share at a time. Raises
        Refusal(RATE_LIMITED)."""
        async with turn(self._turns.setdefault(share, asyncio.Lock()), PATIENCE, YOURS), self._reading:
            await asyncio.to_thread(tried, text, given)

    async def posted(self, share: Share, text: str, hook: Webhook, body: bytes) -> Wanted | None:
        """What is to be run for what was posted, and was tried; None: nothing. To make two hundred globs takes 0.07 s,
        and dozens may be posted in one moment. Raises Refusal."""

        def look() -> Wanted | None:
            found = wanted(hook, definition_of(text), body)
            if found is not None:
                tried(text, found.parameters)
            return found

        async with turn(self._turns.setdefault(share, asyncio.Lock()), PATIENCE, YOURS), self._reading:
            return await asyncio.to_thread(look)


def text_for_claim(pipeline: Pipeline) -> str | None:
    """The definition that the machine looks up when a runner wants a run: of the first that waits."""
    first = min((run.run for run in pipeline.open.values() if run.runner is None), default=None)
    return pipeline.texts[pipeline.open[first].version] if first is not None else None


def text_for_timer(pipeline: Pipeline, name: str) -> str | None:
    """The definition that it looks up when a timer's time is over."""
    if name == SCHEDULE:
        return pipeline.text
    run = pipeline.open.get(int(name.split("-")[1]))
    return pipeline.texts[run.version] if run is not None else None
