"""Which part of a file a request wants (RFC 9110, 13 and 14), and how an answer says what it has. Pure."""

import base64
import re

from aiohttp import hdrs, web
from msgspec import Struct

from bus_schemas.errors import misfit

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]*)-([0-9]*)[ \t]*\Z", re.IGNORECASE)
_LONGEST = 18  # digits of a place; what has more is beyond the end of every file


class Span(Struct, frozen=True, kw_only=True):
    """From where to where, of how many bytes; `part`: that was asked for, be it the whole."""

    size: int
    start: int
    stop: int
    part: bool

    def say(self, response: web.StreamResponse) -> None:
        """Status and headers of the answer that has it."""
        response.headers[hdrs.ACCEPT_RANGES] = "bytes"
        if self.part:
            response.set_status(206)
            response.headers[hdrs.CONTENT_RANGE] = f"bytes {self.start}-{self.stop - 1}/{self.size}"
        response.content_length = self.stop - self.start


def wanted(request: web.Request, size: int, tag: str | None = None) -> Span:
    """What is asked for of so many bytes: `Range`, of a GET, unless `If-Range` is of another `tag`, or there is none.
    Raises Refusal(INVALID_PARAMS) for what is no range of bytes or several, HTTPRequestRangeNotSatisfiable."""
    asked = request.headers.get(hdrs.RANGE)
    whole = Span(size=size, start=0, stop=size, part=False)
    if asked is None or request.method != "GET" or not asked.lower().lstrip().startswith("bytes"):
        return whole  # of other units nobody here knows anything, and such a range is none
    if request.headers.get(hdrs.IF_RANGE, tag) != tag:
        return whole
    match = _RANGE.match(asked.strip())
    first, last = match.groups() if match is not None else ("", "")
    if not (first or last) or (first and last and _number(first) > _number(last)):
        raise misfit("Range", "no range: write it as bytes=0-1023.")
    start = _number(first) if first else max(size - _number(last), 0)
    stop = min(_number(last) + 1, size) if first and last else size
    if start >= stop:
        raise web.HTTPRequestRangeNotSatisfiable(headers={hdrs.CONTENT_RANGE: f"bytes */{size}"})
    return Span(size=size, start=start, stop=stop, part=True)


def is_known(request: web.Request, tag: str) -> bool:
    """Whether who asks says by `If-None-Match` that they have it."""
    given = request.headers.get(hdrs.IF_NONE_MATCH, "")
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in given.split(","))


def tag_of(sha256: str) -> str:
    """The entity tag of a file with this SHA-256, hexadecimal."""
    return f'"{sha256}"'


def digest_of(sha256: str) -> str:
    """The same as `Repr-Digest` (RFC 9530) says it: of the whole file, also where a part of it is sent."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def _number(digits: str) -> int:
    return int(digits[:_LONGEST]) if len(digits) <= _LONGEST else 10**_LONGEST
