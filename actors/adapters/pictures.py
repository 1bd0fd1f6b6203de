"""Pictures of screens, smaller: PNG to JPEG, or to a smaller PNG, by Pillow. It blocks: for threads."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from actors.slot.phone import PhoneUnreachable

MOST_PIXELS = 30_000_000  # of one screen; a PNG of a few bytes may say that it has billions
LONGEST_SIDE = 10_000  # pixels; one that is long and thin costs as much, and JPEG has none beyond 65,500
POORER = (50, 30, 10)


def as_jpeg(png: bytes, quality: int, width: int | None, most: int | None = None) -> bytes:
    """The picture, no wider than `width` pixels, in no more than `most` bytes: if need be of less quality, or smaller.
    Raises PhoneError."""
    with _made_up():
        return _saved(_opened(png, width), quality, most)


def as_png(png: bytes, width: int) -> bytes:
    """The picture, no wider than `width` pixels. Raises PhoneError."""
    with _made_up():
        made = io.BytesIO()
        _opened(png, width).save(made, "PNG")
        return made.getvalue()


@contextmanager
def _made_up() -> Iterator[None]:
    """The phone makes a picture up, and with it what is raised."""
    try:
        yield
    except PhoneUnreachable:
        raise
    except Exception as error:  # noqa: BLE001
        raise PhoneUnreachable(f"no picture of the screen: {error!r}"[:300]) from None


def _opened(png: bytes, width: int | None) -> Image.Image:
    with Image.open(io.BytesIO(png), formats=["PNG"]) as opened:
        if opened.width * opened.height > MOST_PIXELS or max(opened.size) > LONGEST_SIDE:
            raise PhoneUnreachable(f"a screen of {opened.width} x {opened.height} pixels")
        if width is not None and width < opened.width:
            opened.thumbnail((width, 10 * width), Image.Resampling.BILINEAR)
        return opened.convert("RGB")


def _saved(picture: Image.Image, quality: int, most: int | None) -> bytes:
    qualities = (quality, *(one for one in POORER if one < quality))
    while True:
        for tried in qualities:
            made = io.BytesIO()
            picture.save(made, "JPEG", quality=tried)
            if most is None or made.tell() <= most:
                return made.getvalue()
        picture = picture.reduce(2)
