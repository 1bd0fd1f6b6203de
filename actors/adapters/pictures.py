"""Pictures of screens, smaller: PNG to JPEG, by Pillow. It blocks: for threads."""

import io

from PIL import Image

from actors.slot.phone import PhoneUnreachable

MOST_PIXELS = 30_000_000  # of one screen; a PNG of a few bytes may say that it has billions
POORER = (50, 30, 10)


def as_jpeg(png: bytes, quality: int, width: int | None, most: int | None = None) -> bytes:
    """The picture, no wider than `width` pixels, in no more than `most` bytes: if need be of less quality, or smaller.
    Raises PhoneError."""
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise PhoneUnreachable(f"a screen of {opened.width} x {opened.height} pixels")
            if width is not None and width < opened.width:
                opened.thumbnail((width, 10 * width), Image.Resampling.BILINEAR)
            picture = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhoneUnreachable(f"no picture of the screen: {error}") from None
    qualities = (quality, *(one for one in POORER if one < quality))
    while True:
        for tried in qualities:
            made = io.BytesIO()
            picture.save(made, "JPEG", quality=tried)
            if most is None or made.tell() <= most:
                return made.getvalue()
        picture = picture.reduce(2)
