"""Routes: note. Written by `make client` from the contract."""

from msgspec import UNSET, UnsetType

from bus_schemas.note import NoteChanged, NoteVersion, NoteView
from ottb_client.answers import Listing
from ottb_client.http import Http


class NoteRoutes(Http):
    """What is asked over HTTP."""

    async def add_note(
        self, *, text: str, call_id: str | UnsetType | None = UNSET, campaign_id: str | UnsetType | None = UNSET,
        lead: str | UnsetType | None = UNSET, key: str | None = None,
    ) -> NoteView:  # fmt: skip
        """Add a note to a call or a lead: `POST /api/crm/note`. `key`: an Idempotency-Key; one is made up where none is
        given. Raises ApiError."""
        return await self._do(
            "POST", "/api/crm/note", NoteView, {"text": text, "call_id": call_id, "campaign_id": campaign_id,
            "lead": lead}, key,
        )  # fmt: skip

    def list_call_notes(
        self, call_id: str, *, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Listing[NoteView]:  # fmt: skip
        """Notes of a call: `GET /api/crm/notes/{call_id}`. Raises ApiError."""
        return self._list(
            "/api/crm/notes/{call_id}", list[NoteView], {"call_id": call_id, "limit": limit, "cursor": cursor},
            within="notes",
        )  # fmt: skip

    def list_lead_notes(
        self, campaign_id: str, lead: str, *, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Listing[NoteView]:  # fmt: skip
        """Notes of a lead: `GET /api/crm/leads/{campaign_id}/{lead}/notes`. Raises ApiError."""
        return self._list(
            "/api/crm/leads/{campaign_id}/{lead}/notes", list[NoteView], {"campaign_id": campaign_id, "lead": lead,
            "limit": limit, "cursor": cursor}, within="notes",
        )  # fmt: skip

    async def get_note(self, note: str) -> NoteView:
        """One note: `GET /api/crm/note/{note}`. Raises ApiError."""
        return await self._ask("GET", "/api/crm/note/{note}", NoteView, {"note": note})

    def list_note_versions(
        self, note: str, *, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Listing[NoteVersion]:  # fmt: skip
        """What a note has said: `GET /api/crm/note/{note}/history`. Raises ApiError."""
        return self._list(
            "/api/crm/note/{note}/history", list[NoteVersion], {"note": note, "limit": limit, "cursor": cursor},
        )  # fmt: skip

    async def edit_note(self, note: str, *, text: str) -> NoteChanged:
        """Change a note of one's own: `PATCH /api/crm/note/{note}`. Raises ApiError."""
        return await self._ask("PATCH", "/api/crm/note/{note}", NoteChanged, {"note": note, "text": text})

    async def delete_note(self, note: str) -> NoteChanged:
        """Delete a note of one's own: `DELETE /api/crm/note/{note}`. Raises ApiError."""
        return await self._ask("DELETE", "/api/crm/note/{note}", NoteChanged, {"note": note})
