"""Field types that several kinds share. What becomes a token of a subject is an `Id`, or narrower, of whatever
kind: no text that a subject cannot be made of gets into a command, the settings or the journal."""

from typing import Annotated

from msgspec import Meta

TOKEN = r"^[A-Za-z0-9_-]{1,64}$(?!\n)"  # what one token of a subject may be

# What is not seen, of a text that people read: control and format characters (Cc, Cf), halves of characters (Cs), and
# separators of lines. As a part of a set in a pattern; those beyond U+FFFF stand for themselves, since not every reader
# of patterns knows \U.
UNSEEN = (
    r"\u0000-\u001f\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001-\U000e007f"
)

Id = Annotated[str, Meta(pattern=TOKEN)]
CallId = Annotated[Id, Meta(examples=["c_882"])]
Username = Annotated[Id, Meta(examples=["op12"])]  # whose things it says; a feed of its own on the bus
SlotId = Annotated[int, Meta(ge=1, le=99999, examples=[44])]
TrunkName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,58}$(?!\n)", examples=["trunk-1"])]  # with `trunk-` a token
LineName = Annotated[str, Meta(pattern=r"^(slot|trunk)-[A-Za-z0-9_-]{1,58}$(?!\n)", examples=["slot-44", "trunk-main"])]
HostName = Annotated[Id, Meta(examples=["local"])]
Region = Annotated[str, Meta(pattern=r"^[A-Z]{2}$(?!\n)", examples=["UA"])]
Utc = Annotated[str, Meta(description="UTC, ISO 8601.", examples=["2025-11-15T10:30:00Z"])]
