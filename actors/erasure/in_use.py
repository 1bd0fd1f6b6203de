"""Which runs of pipelines are under way, and which definitions nobody runs any more: such a one is but a record, and
can be changed without a change of what is run. Pure."""

from collections.abc import Container, Mapping

import msgspec

from actors.erasure.person import Traces
from actors.erasure.redacting import texts_in
from bus_schemas.contract import UNDECODABLE, kind_of, verb_of
from bus_schemas.pipeline_events import (
    PIPELINE_DEFINED,
    PipelineDefined,
    PipelineDeleted,
    PipelineEnded,
    PipelineQueued,
)

Event = PipelineDefined | PipelineDeleted | PipelineQueued | PipelineEnded
EVENTS: Mapping[str, type[Event]] = {
    "defined": PipelineDefined, "deleted": PipelineDeleted, "queued": PipelineQueued, "ended": PipelineEnded,
}  # fmt: skip
Version = tuple[int, int]  # of a definition: its pipeline, and its number
RunOf = tuple[int, int]  # likewise


class InUse:
    """Goes through what the journal says of pipelines, from its beginning. `seen`: how far."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces
        self.seen = 0
        self._versions = set[Version]()
        self._newest = dict[int, int]()  # of those that can be run
        self._open = dict[RunOf, tuple[int, bool]]()  # of which version each is, and whether it says something

    def take(self, subject: str, data: bytes, seq: int = 0) -> None:
        """The next entry, if it is of one."""
        self.seen = seq
        kind = EVENTS.get(verb_of(subject)) if kind_of(subject) == PIPELINE_DEFINED.kind else None
        if kind is None:
            return
        try:
            self._take(msgspec.json.decode(data, type=kind))
        except UNDECODABLE:  # of another version
            return

    def _take(self, event: Event) -> None:
        match event:
            case PipelineDefined():
                self._newest[event.pipeline] = event.version
                self._versions.add((event.pipeline, event.version))
            case PipelineDeleted():
                self._newest.pop(event.pipeline, None)
            case PipelineQueued():
                says = any(map(self._says, texts_in(event.parameters)))
                self._open[event.pipeline, event.run] = event.version, says
            case PipelineEnded():
                self._open.pop((event.pipeline, event.run), None)

    def _says(self, text: str) -> bool:
        return self._traces.without(text) != text

    @property
    def runs(self) -> frozenset[RunOf]:
        """Those under way that were told of the person."""
        return frozenset(run for run, (_, says) in self._open.items() if says)

    @property
    def under_way(self) -> Container[RunOf]:
        """All that are, also those that are taken later."""
        return self._open.keys()

    @property
    def former(self) -> frozenset[Version]:
        """The definitions that nobody runs any more."""
        of_runs = {(pipeline, version) for (pipeline, _), (version, _) in self._open.items()}
        return frozenset(self._versions - of_runs - {*self._newest.items()})
