"""Routes: slot. Written by `make client` from the contract."""

from msgspec import UNSET, UnsetType

from bus_schemas.slot import (
    AdbCommandResult,
    AdbCommandStarted,
    SlotDetails,
    SlotRemovedReply,
    SlotReservation,
    SlotRestartingReply,
    SlotStatus,
    SlotSummary,
    UnassignedPhone,
)
from ottb_client.answers import Listing
from ottb_client.http import Http


class SlotRoutes(Http):
    """What is asked over HTTP."""

    def list_slots(
        self, *, status: SlotStatus | UnsetType | None = UNSET, user: str | UnsetType | None = UNSET,
        limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET,
    ) -> Listing[SlotSummary]:  # fmt: skip
        """All slots: `GET /api/slots`. Raises ApiError."""
        return self._list(
            "/api/slots", list[SlotSummary], {"status": status, "user": user, "limit": limit, "cursor": cursor},
        )  # fmt: skip

    async def configure_slot(
        self, *, slot: int, serial: str | UnsetType | None = UNSET, hub: str | UnsetType | None = UNSET,
        port: int | UnsetType | None = UNSET, user: str | UnsetType | None = UNSET,
        trunk: str | UnsetType | None = UNSET, region: str | UnsetType | None = UNSET,
        sim: str | UnsetType | None = UNSET, expected_iccid: str | UnsetType | None = UNSET,
        expected_operator: str | UnsetType | None = UNSET, key: str | None = None,
    ) -> SlotDetails:  # fmt: skip
        """Create or change a slot: `POST /api/slots`. `key`: an Idempotency-Key; one is made up where none is given.
        Raises ApiError."""
        return await self._do(
            "POST", "/api/slots", SlotDetails, {"slot": slot, "serial": serial, "hub": hub, "port": port, "user": user,
            "trunk": trunk, "region": region, "sim": sim, "expected_iccid": expected_iccid,
            "expected_operator": expected_operator}, key,
        )  # fmt: skip

    async def list_unassigned(self) -> list[UnassignedPhone]:
        """Phones that no slot claims: `GET /api/slots/unassigned`. Raises ApiError."""
        return await self._ask("GET", "/api/slots/unassigned", list[UnassignedPhone], {})

    async def get_slot(self, slot: int) -> SlotDetails:
        """One slot: `GET /api/slots/{slot}`. Raises ApiError."""
        return await self._ask("GET", "/api/slots/{slot}", SlotDetails, {"slot": slot})

    async def remove_slot(self, slot: int) -> SlotRemovedReply:
        """Remove a slot: `DELETE /api/slots/{slot}`. Raises ApiError."""
        return await self._ask("DELETE", "/api/slots/{slot}", SlotRemovedReply, {"slot": slot})

    async def restart_slot(self, slot: int, *, key: str | None = None) -> SlotRestartingReply:
        """Restart a slot: `POST /api/slots/{slot}/restart`. `key`: an Idempotency-Key; one is made up where none is
        given. Raises ApiError."""
        return await self._do("POST", "/api/slots/{slot}/restart", SlotRestartingReply, {"slot": slot}, key)

    async def reboot_device(self, slot: int, *, key: str | None = None) -> SlotRestartingReply:
        """Restart the phone: `POST /api/slots/{slot}/reboot-device`. `key`: an Idempotency-Key; one is made up where
        none is given. Raises ApiError."""
        return await self._do("POST", "/api/slots/{slot}/reboot-device", SlotRestartingReply, {"slot": slot}, key)

    async def adb_command(
        self, slot: int, *, command: str, timeout: float | UnsetType = UNSET, key: str | None = None,
    ) -> AdbCommandStarted:  # fmt: skip
        """Run a shell command on the phone: `POST /api/slots/{slot}/adb-command`. `key`: an Idempotency-Key; one is
        made up where none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/slots/{slot}/adb-command", AdbCommandStarted, {"slot": slot, "command": command,
            "timeout": timeout}, key,
        )  # fmt: skip

    async def reserve_slot(
        self, slot: int, *, minutes: int | UnsetType = UNSET, lease: str | UnsetType = UNSET, key: str | None = None,
    ) -> SlotReservation:  # fmt: skip
        """Reserve a slot: `POST /api/slots/{slot}/reservation`. `key`: an Idempotency-Key; one is made up where none is
        given. Raises ApiError."""
        return await self._do(
            "POST", "/api/slots/{slot}/reservation", SlotReservation, {"slot": slot, "minutes": minutes,
            "lease": lease}, key,
        )  # fmt: skip

    async def end_reservation(self, slot: int, *, lease: str | UnsetType | None = UNSET) -> SlotReservation:
        """End the reservation of a slot: `DELETE /api/slots/{slot}/reservation`. Raises ApiError."""
        return await self._ask(
            "DELETE", "/api/slots/{slot}/reservation", SlotReservation, {"slot": slot, "lease": lease},
        )  # fmt: skip

    async def get_adb_command(self, slot: int, command_id: str) -> AdbCommandResult:
        """How a shell command went: `GET /api/slots/{slot}/adb-command/{command_id}`. Raises ApiError."""
        return await self._ask(
            "GET", "/api/slots/{slot}/adb-command/{command_id}", AdbCommandResult, {"slot": slot,
            "command_id": command_id},
        )  # fmt: skip
