"""Routes: script. Written by `make client` from the contract."""

from typing import Any

from msgspec import UNSET, UnsetType

from bus_schemas.script import CheckedScript, RunState, RunView, ScriptStarted, ScriptView
from ottb_client.answers import Download, Listing
from ottb_client.http import Http


class ScriptRoutes(Http):
    """What is asked over HTTP."""

    async def run_script(
        self, *, slot_id: int, script: str, params: dict[str, Any] | UnsetType = UNSET, queue: bool | UnsetType = UNSET,
        key: str | None = None,
    ) -> ScriptStarted:  # fmt: skip
        """Run a script on a phone: `POST /api/gacs/run-script`. `key`: an Idempotency-Key; one is made up where none is
        given. Raises ApiError."""
        return await self._do(
            "POST", "/api/gacs/run-script", ScriptStarted, {"slot_id": slot_id, "script": script, "params": params,
            "queue": queue}, key,
        )  # fmt: skip

    async def get_run(self, script_id: str) -> RunView:
        """How a script's run stands: `GET /api/gacs/status/{script_id}`. Raises ApiError."""
        return await self._ask("GET", "/api/gacs/status/{script_id}", RunView, {"script_id": script_id})

    async def stop_run(self, script_id: str, *, key: str | None = None) -> RunView:
        """Stop a script's run: `POST /api/gacs/stop/{script_id}`. `key`: an Idempotency-Key; one is made up where none
        is given. Raises ApiError."""
        return await self._do("POST", "/api/gacs/stop/{script_id}", RunView, {"script_id": script_id}, key)

    def list_scripts(
        self, *, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Listing[ScriptView]:  # fmt: skip
        """The scripts that can be run: `GET /api/gacs/scripts`. Raises ApiError."""
        return self._list("/api/gacs/scripts", list[ScriptView], {"limit": limit, "cursor": cursor})

    async def get_script(self, name: str) -> ScriptView:
        """One script: `GET /api/gacs/scripts/{name}`. Raises ApiError."""
        return await self._ask("GET", "/api/gacs/scripts/{name}", ScriptView, {"name": name})

    async def check_script(self, *, text: str, name: str | UnsetType | None = UNSET) -> CheckedScript:
        """What is wrong with a script: `POST /api/gacs/check`. Raises ApiError."""
        return await self._ask("POST", "/api/gacs/check", CheckedScript, {"text": text, "name": name})

    def list_runs(
        self, *, slot: int | UnsetType | None = UNSET, script: str | UnsetType | None = UNSET,
        state: RunState | UnsetType | None = UNSET, user: str | UnsetType | None = UNSET,
        since: str | UnsetType | None = UNSET, until: str | UnsetType | None = UNSET, limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
    ) -> Listing[RunView]:  # fmt: skip
        """Runs of scripts: `GET /api/gacs/runs`. Raises ApiError."""
        return self._list(
            "/api/gacs/runs", list[RunView], {"slot": slot, "script": script, "state": state, "user": user,
            "since": since, "until": until, "limit": limit, "cursor": cursor},
        )  # fmt: skip

    def run_screen(self, script_id: str) -> Download:
        """The screen that a run failed at, as a picture: `GET /api/gacs/runs/{script_id}/screenshot`. Raises
        ApiError."""
        return self._file("/api/gacs/runs/{script_id}/screenshot", {"script_id": script_id})

    def run_tree(self, script_id: str) -> Download:
        """What was on the screen that a run failed at: `GET /api/gacs/runs/{script_id}/tree`. Raises ApiError."""
        return self._file("/api/gacs/runs/{script_id}/tree", {"script_id": script_id})
