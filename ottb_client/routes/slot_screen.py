"""Routes: slot_screen. Written by `make client` from the contract."""

from typing import Literal

from msgspec import UNSET, UnsetType

from bus_schemas.slot_screen import PhoneKey, Recorded, Touched
from ottb_client.answers import Download
from ottb_client.http import Http


class SlotScreenRoutes(Http):
    """What is asked over HTTP."""

    def take_screenshot(
        self, slot: int, *, format: Literal["png", "jpeg"] | UnsetType = UNSET, quality: int | UnsetType = UNSET,
        width: int | UnsetType | None = UNSET,
    ) -> Download:  # fmt: skip
        """A picture of a phone's screen: `GET /api/slots/{slot}/screenshot`. Raises ApiError."""
        return self._file(
            "/api/slots/{slot}/screenshot", {"slot": slot, "format": format, "quality": quality, "width": width},
        )  # fmt: skip

    def watch_screen(
        self, slot: int, *, fps: float | UnsetType = UNSET, quality: int | UnsetType = UNSET,
        width: int | UnsetType = UNSET,
    ) -> Download:  # fmt: skip
        """Watch a phone's screen: `GET /api/slots/{slot}/live`. Raises ApiError."""
        return self._file("/api/slots/{slot}/live", {"slot": slot, "fps": fps, "quality": quality, "width": width})

    async def tap_screen(
        self, slot: int, *, x: int, y: int, seconds: float | UnsetType | None = UNSET, key: str | None = None,
    ) -> Touched:  # fmt: skip
        """Tap on a phone's screen: `POST /api/slots/{slot}/tap`. `key`: an Idempotency-Key; one is made up where none
        is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/slots/{slot}/tap", Touched, {"slot": slot, "x": x, "y": y, "seconds": seconds}, key,
        )  # fmt: skip

    async def swipe_screen(
        self, slot: int, *, x: int, y: int, to_x: int, to_y: int, seconds: float | UnsetType = UNSET,
        key: str | None = None,
    ) -> Touched:  # fmt: skip
        """Swipe over a phone's screen: `POST /api/slots/{slot}/swipe`. `key`: an Idempotency-Key; one is made up where
        none is given. Raises ApiError."""
        return await self._do(
            "POST", "/api/slots/{slot}/swipe", Touched, {"slot": slot, "x": x, "y": y, "to_x": to_x, "to_y": to_y,
            "seconds": seconds}, key,
        )  # fmt: skip

    async def type_on_screen(
        self, slot: int, *, text: str, secret: bool | UnsetType = UNSET, key: str | None = None,
    ) -> Touched:  # fmt: skip
        """Type on a phone: `POST /api/slots/{slot}/type`. `key`: an Idempotency-Key; one is made up where none is
        given. Raises ApiError."""
        return await self._do(
            "POST", "/api/slots/{slot}/type", Touched, {"slot": slot, "text": text, "secret": secret}, key,
        )  # fmt: skip

    async def press_key(self, slot: int, *, key_: PhoneKey, key: str | None = None) -> Touched:
        """Press a key of a phone: `POST /api/slots/{slot}/key`. `key`: an Idempotency-Key; one is made up where none is
        given. Raises ApiError."""
        return await self._do("POST", "/api/slots/{slot}/key", Touched, {"slot": slot, "key": key_}, key)

    async def start_recording(self, slot: int, *, key: str | None = None) -> Recorded:
        """Record what is done on a phone's screen: `POST /api/slots/{slot}/recording`. `key`: an Idempotency-Key; one
        is made up where none is given. Raises ApiError."""
        return await self._do("POST", "/api/slots/{slot}/recording", Recorded, {"slot": slot}, key)

    async def stop_recording(self, slot: int) -> Recorded:
        """End a recording, and have it as a script: `DELETE /api/slots/{slot}/recording`. Raises ApiError."""
        return await self._ask("DELETE", "/api/slots/{slot}/recording", Recorded, {"slot": slot})
