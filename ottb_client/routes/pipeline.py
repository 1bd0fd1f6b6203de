"""Routes: pipeline. Written by `make client` from the contract."""

from msgspec import UNSET, UnsetType

from bus_schemas.pipeline import (
    CheckedPipeline,
    DciStatus,
    DeletedPipeline,
    PipelineDefinition,
    PipelineRunView,
    PipelineStatusView,
    PipelineView,
    RunAccepted,
    RunStatus,
    StopAccepted,
)
from ottb_client.answers import Download, Listing
from ottb_client.http import Http


class PipelineRoutes(Http):
    """What is asked over HTTP."""

    def list_pipelines(
        self, *, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Listing[PipelineView]:  # fmt: skip
        """Pipelines: `GET /api/dci/pipelines`. Raises ApiError."""
        return self._list("/api/dci/pipelines", list[PipelineView], {"limit": limit, "cursor": cursor})

    async def define_pipeline(self, *, text: str, key: str | None = None) -> PipelineDefinition:
        """Make or change a pipeline: `POST /api/dci/pipelines`. `key`: an Idempotency-Key; one is made up where none is
        given. Raises ApiError."""
        return await self._do("POST", "/api/dci/pipelines", PipelineDefinition, {"text": text}, key)

    async def check_pipeline(self, *, text: str) -> CheckedPipeline:
        """What is wrong with a definition: `POST /api/dci/pipelines/check`. Raises ApiError."""
        return await self._ask("POST", "/api/dci/pipelines/check", CheckedPipeline, {"text": text})

    async def dci_status(self) -> DciStatus:
        """How the runners are: `GET /api/dci/status`. Raises ApiError."""
        return await self._ask("GET", "/api/dci/status", DciStatus, {})

    async def get_definition(self, pipeline: int) -> PipelineDefinition:
        """The definition of a pipeline: `GET /api/dci/pipeline/{pipeline}`. Raises ApiError."""
        return await self._ask("GET", "/api/dci/pipeline/{pipeline}", PipelineDefinition, {"pipeline": pipeline})

    async def delete_pipeline(self, pipeline: int, *, stop: bool | UnsetType = UNSET) -> DeletedPipeline:
        """Delete a pipeline: `DELETE /api/dci/pipeline/{pipeline}`. Raises ApiError."""
        return await self._ask(
            "DELETE", "/api/dci/pipeline/{pipeline}", DeletedPipeline, {"pipeline": pipeline, "stop": stop},
        )  # fmt: skip

    async def run_pipeline(
        self, pipeline: int, *, branch: str | UnsetType | None = UNSET,
        parameters: dict[str, str | int | bool] | UnsetType = UNSET, key: str | None = None,
    ) -> RunAccepted:  # fmt: skip
        """Run a pipeline: `POST /api/dci/pipeline/{pipeline}/run`. `key`: an Idempotency-Key; one is made up where none
        is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/dci/pipeline/{pipeline}/run", RunAccepted, {"pipeline": pipeline, "branch": branch,
            "parameters": parameters}, key,
        )  # fmt: skip

    async def stop_pipeline(
        self, pipeline: int, *, run: int | UnsetType | None = UNSET, key: str | None = None,
    ) -> StopAccepted:  # fmt: skip
        """Stop runs of a pipeline: `POST /api/dci/pipeline/{pipeline}/stop`. `key`: an Idempotency-Key; one is made up
        where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/dci/pipeline/{pipeline}/stop", StopAccepted, {"pipeline": pipeline, "run": run}, key,
        )  # fmt: skip

    async def pipeline_status(self, pipeline: int) -> PipelineStatusView:
        """How it is with a pipeline: `GET /api/dci/pipeline/{pipeline}/status`. Raises ApiError."""
        return await self._ask("GET", "/api/dci/pipeline/{pipeline}/status", PipelineStatusView, {"pipeline": pipeline})

    def list_pipeline_runs(
        self, pipeline: int, *, status: RunStatus | UnsetType | None = UNSET, limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
    ) -> Listing[PipelineRunView]:  # fmt: skip
        """Runs of a pipeline: `GET /api/dci/pipeline/{pipeline}/runs`. Raises ApiError."""
        return self._list(
            "/api/dci/pipeline/{pipeline}/runs", list[PipelineRunView], {"pipeline": pipeline, "status": status,
            "limit": limit, "cursor": cursor},
        )  # fmt: skip

    async def get_pipeline_run(self, pipeline: int, run: int) -> PipelineRunView:
        """One run of a pipeline: `GET /api/dci/pipeline/{pipeline}/runs/{run}`. Raises ApiError."""
        return await self._ask(
            "GET", "/api/dci/pipeline/{pipeline}/runs/{run}", PipelineRunView, {"pipeline": pipeline, "run": run},
        )  # fmt: skip

    def run_log(self, pipeline: int, run: int) -> Download:
        """What the steps of a run have written: `GET /api/dci/pipeline/{pipeline}/runs/{run}/log`. Raises ApiError."""
        return self._file("/api/dci/pipeline/{pipeline}/runs/{run}/log", {"pipeline": pipeline, "run": run})

    def step_log(self, pipeline: int, run: int, step: str) -> Download:
        """What a step has written: `GET /api/dci/pipeline/{pipeline}/runs/{run}/steps/{step}/log`. Raises ApiError."""
        return self._file(
            "/api/dci/pipeline/{pipeline}/runs/{run}/steps/{step}/log", {"pipeline": pipeline, "run": run,
            "step": step},
        )  # fmt: skip

    async def approve_step(
        self, pipeline: int, run: int, step: str, *, approve: bool | UnsetType = UNSET,
        comment: str | UnsetType = UNSET, key: str | None = None,
    ) -> RunAccepted:  # fmt: skip
        """Approve a step that waits for it: `POST /api/dci/pipeline/{pipeline}/runs/{run}/steps/{step}/approve`. `key`:
        an Idempotency-Key; one is made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/dci/pipeline/{pipeline}/runs/{run}/steps/{step}/approve", RunAccepted, {"pipeline": pipeline,
            "run": run, "step": step, "approve": approve, "comment": comment}, key,
        )  # fmt: skip

    def get_artefact(self, pipeline: int, run: int, artefact: str) -> Download:
        """A file that a step has left: `GET /api/dci/pipeline/{pipeline}/runs/{run}/artefacts/{artefact}`. Raises
        ApiError."""
        return self._file(
            "/api/dci/pipeline/{pipeline}/runs/{run}/artefacts/{artefact}", {"pipeline": pipeline, "run": run,
            "artefact": artefact},
        )  # fmt: skip
