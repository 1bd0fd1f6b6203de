"""`ottb slot screenshot`: what is on a phone's screen, as a file."""

from pathlib import Path

from cli.gateway import NotDone, Session

JPEG = (".jpg", ".jpeg")


def screenshot(session: Session, slot: int, file: Path) -> int:
    """Write the picture, a JPEG where its name says so, else a PNG. Gives its size. Raises NotDone, ApiError."""

    async def taken() -> bytes:
        return await session.api.take_screenshot(slot, format="jpeg" if file.suffix.lower() in JPEG else "png")

    picture = session.done(taken())
    try:
        file.write_bytes(picture)
    except OSError as error:
        raise NotDone(f"{file}: {error.strerror}") from None
    return len(picture)
