"""Field types that several kinds share, and what their shape is in words. What becomes a token of a subject is an `Id`,
or narrower, of whatever kind: no text that a subject cannot be made of gets into a command, the settings or the
journal."""

from typing import Annotated, Any

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

_WORDS: dict[str, str] = {}  # by msgspec's own


def shaped(pattern: str, words: str, **more: Any) -> Meta:
    """Of a text: its pattern, and what people are told that it is. `more`: as Meta takes it.
    Raises ValueError where the same pattern has other words already: errors name patterns alone."""
    if _WORDS.setdefault(f"`str` matching regex {pattern!r}", words) != words:
        raise ValueError(f"{pattern} has other words already")
    return Meta(pattern=pattern, **more)


MOST_VALUES = "most_values"


def of_values(most: int) -> Meta:
    """Of a field that takes any JSON: how many values are in it at most. Doors count them before they read any
    (gateway/bodies.py): a number can cost a thousand times as much to read as its place in a body."""
    return Meta(extra={MOST_VALUES: most})


def words_of(pattern: str) -> str:
    """What people are told that a text with this pattern is."""
    return _WORDS[f"`str` matching regex {pattern!r}"]


def plainly(error: Exception | str) -> str:
    """What cannot be read, for people: in the words of `shaped` instead of its patterns."""
    said = str(error)
    for pattern, words in _WORDS.items() if "regex" in said else ():
        said = said.replace(pattern, words)
    return said


Id = Annotated[str, shaped(TOKEN, "1 to 64 letters (A-Z, a-z), digits, `_` or `-`")]
CallId = Annotated[Id, Meta(examples=["c_882"])]
Username = Annotated[Id, Meta(examples=["op12"])]  # whose things it says; a feed of its own on the bus
SlotId = Annotated[int, Meta(ge=1, le=99999, examples=[44])]
TrunkName = Annotated[
    str, shaped(r"^[A-Za-z0-9_-]{1,58}$(?!\n)", "1 to 58 letters (A-Z, a-z), digits, `_` or `-`", examples=["trunk-1"])
]  # with `trunk-` a token
Extension = Annotated[
    str,
    shaped(
        r"^[A-Za-z0-9_-]{1,40}$(?!\n)", "1 to 40 letters (A-Z, a-z), digits, `_` or `-`", examples=["601", "op21-desk"]
    ),
]  # fmt: skip
# One that somebody gives: `_X!` of docs/trunks.md matches it. Patterns that match letters would have Asterisk take `h`,
# `i` and `t`, which it asks for by itself, for somebody's.
GivenExtension = Annotated[
    str,
    shaped(
        r"^[0-9][A-Za-z0-9_-]{0,39}$(?!\n)",
        "up to 40 letters (A-Z, a-z), digits, `_` or `-`, of which the first is a digit: as `_X!` of a dialplan",
        examples=["601", "601-desk"],
    ),
]  # fmt: skip
LineName = Annotated[
    str,
    shaped(
        r"^(slot|trunk)-[A-Za-z0-9_-]{1,58}$(?!\n)", "a line like `slot-44` or `trunk-main`",
        examples=["slot-44", "trunk-main"],
    ),
]  # fmt: skip
# What lists are narrowed by. With a blank around it nothing would be found, and empty would not be everything.
Sought = Annotated[str, shaped(r"^\S(.{0,62}\S)?$(?!\n)", "a text of 1 to 64 characters, with no blank around it")]
SoughtBeginning = Annotated[
    str, shaped(r"^\S.{0,127}$(?!\n)", "a beginning of 1 to 128 characters, with no blank before it")
]
HostName = Annotated[Id, Meta(examples=["local"])]
Region = Annotated[str, shaped(r"^[A-Z]{2}$(?!\n)", "a country's two letters, like `UA`", examples=["UA"])]
Utc = Annotated[str, Meta(description="UTC, ISO 8601.", examples=["2025-11-15T10:30:00Z"])]
TimeThere = Annotated[
    str,
    Meta(
        max_length=40, examples=["2025-11-15T12:30:00+02:00"],
        description="A day or a time, ISO 8601: where it has no offset, on the clock of who is called.",
    ),
]  # fmt: skip
GivenTime = Annotated[
    str,
    Meta(
        max_length=40, examples=["2025-11-15T12:30:00+02:00"],
        description="A day or a time, ISO 8601: UTC where it has no offset.",
    ),
]  # fmt: skip
