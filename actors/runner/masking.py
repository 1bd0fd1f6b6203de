"""Secrets taken out of what steps write: plain, and as the encodings make of them that people use without a thought.

Sought are a secret as it is, in hex, percent-encoded, escaped for JSON (also twice), HTML, the shell and as Python
shows it, and in base64 (both alphabets, also of UTF-16) and base32, at all places it can have within what was encoded,
also when a write ends within it, when it is
wrapped into several lines, or when colours are set within it; of a secret of several lines each line, too. Pure.

Not found is what somebody hides on purpose (reversed, encrypted, one character a minute among others): whoever may
write a definition that sees a secret has it.
"""

import base64
import html
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote, quote_plus

import re2
from msgspec import Struct

MASK = b"***"
SHORTEST = 4  # characters of a secret: with less, half of the output would be masked
LONGEST = 16 * 1024  # bytes; a private key has 3 kB
ALL = 64 * 1024  # bytes, of all secrets of a run
_HEAD = 4  # bytes that a pattern is first sought by; no pattern is shorter
_MOST_GAPS = 64 * 1024  # bytes of line ends within a secret, beyond which it is taken for whole

_COLOUR = rb"\x1b\[[0-9;]{0,32}[mK]"
_CUT_COLOUR = rb"\x1b(?:\[[0-9;]{0,32})?\Z"


def _gap(begins: Iterable[bytes], goes_on: bytes) -> re.Pattern[bytes]:
    """What is left out between two bytes of a secret. That each way to begin is one byte has `re` look for these alone,
    which is ten times as fast."""
    first = b"|".join((*begins, _COLOUR, _CUT_COLOUR))
    return re.compile(b"(?:%b)(?:%b|%b)*(?:%b)?" % (first, goes_on, _COLOUR, _CUT_COLOUR))


_WRAPPED = _gap((rb"\r[\r\n \t]*", rb"\n[\r\n \t]*"), rb"[\r\n][\r\n \t]*")
_SPACED = _gap((rb"\r", rb"\n", rb" ", rb"\t"), rb"[\r\n \t]")
_SPACE = re.compile(rb"[\r\n \t]+")


def refused_secret(value: str) -> str | None:
    """Why a value cannot be kept secret, without the value."""
    if len(value.strip()) < SHORTEST:
        return f"a secret has at least {SHORTEST} characters: a shorter one cannot be masked"
    if len(value.encode(errors="surrogatepass")) > LONGEST:
        return f"a secret has at most {LONGEST} bytes"
    return "a secret has no NUL in it" if "\0" in value else None


class _Found(Struct, frozen=True):
    """In some bytes: the spans that are secret, and from where on what may become one is not whole yet (`depth` of its
    bytes are there, the last one before `end`)."""

    spans: list[tuple[int, int]]
    hold: int
    depth: int
    end: int

    @property
    def begun(self) -> list[tuple[int, int]]:
        """What is masked, should nothing come any more."""
        return [(self.hold, self.end)] if self.depth >= _HEAD else []


class Masking:
    """The secrets of one run. Raises ValueError for a secret that cannot be masked."""

    def __init__(self, secrets: Iterable[str]) -> None:
        values = sorted(set(secrets))
        for value in values:
            if reason := refused_secret(value):
                raise ValueError(reason)
        if sum(len(value.encode(errors="surrogatepass")) for value in values) > ALL:
            raise ValueError(f"the secrets of a run have at most {ALL} bytes")
        patterns = {form for value in values for form in _forms(value)}
        spaced = {_SPACE.sub(b"", form) for form in patterns if _SPACE.search(form)}
        plain = {form for form in patterns if not _SPACE.search(form)}
        self._sieves = [_Sieve(gap, some) for gap, some in ((_WRAPPED, plain), (_SPACED, spaced)) if some]

    def text(self, text: str) -> str:
        """A whole text without them."""
        raw = text.encode(errors="surrogatepass")
        spans = [span for sieve in self._sieves for span in sieve.look(raw).spans]
        return _without(raw, _joined(spans)).decode(errors="replace") if spans else text

    def stream(self) -> "MaskedStream":
        return MaskedStream(self._sieves)


class MaskedStream:
    """Output that comes in pieces. What may be the beginning of a secret is held back until it is known."""

    def __init__(self, sieves: "list[_Sieve]") -> None:
        self._sieves = sieves
        self._raw = b""  # what is still looked at
        self._said = 0  # bytes at its beginning that went out already
        self._open = False  # they went out as a mask, which may go on
        self._depth = 0
        self._longest = max((sieve.longest for sieve in sieves), default=0) + _MOST_GAPS

    def feed(self, data: bytes) -> bytes:
        """What can be told after this."""
        if not self._sieves:
            return data
        raw = self._raw + data
        found = [sieve.look(raw) for sieve in self._sieves]
        spans = _joined([span for each in found for span in each.spans])
        first = min(found, key=lambda each: each.hold)
        if len(raw) - first.hold > self._longest:
            return self._upto(raw, _joined([*spans, *first.begun]), len(raw))
        self._depth = max(each.depth for each in found)
        return self._upto(raw, spans, first.hold)

    def settle(self) -> bytes:
        """What can be told when nothing came for a moment: a whole line that ends in less than what secrets are sought
        by. It is still looked at: should a secret go on behind it, the rest of that is masked."""
        end = max(self._raw.rfind(b"\n"), self._raw.rfind(b"\r")) + 1
        if self._depth >= _HEAD or end <= self._said:
            return b""
        told, self._said, self._open = self._raw[self._said : end], end, False
        return told

    def finish(self) -> bytes:
        """The rest. A beginning of a secret is masked: whoever wrote it may have been stopped within it."""
        if not self._sieves:
            return b""
        found = [sieve.look(self._raw) for sieve in self._sieves]
        spans = [span for each in found for span in (*each.spans, *each.begun)]
        return self._upto(self._raw, _joined(spans), len(self._raw))

    def _upto(self, raw: bytes, spans: list[tuple[int, int]], upto: int) -> bytes:
        """Tell what stands before a place, and keep the rest; of a span that reaches beyond it all is told."""
        out, at, masked = list[bytes](), self._said, self._open
        for start, end in spans:
            if start >= upto:
                break
            if end > at:
                out.append(raw[at : max(start, at)])
                out.append(b"" if masked and start <= at else MASK)
                at, masked = end, True
        if at < upto:
            out.append(raw[at:upto])
            at, masked = upto, False
        self._raw, self._said, self._open = raw[upto:], at - upto, masked
        return b"".join(out)


class _Sieve:
    """Patterns that are sought in bytes from which gaps are left out."""

    def __init__(self, gap: re.Pattern[bytes], patterns: set[bytes]) -> None:
        self._gap = gap
        self.longest = max(map(len, patterns))
        by_head = dict[bytes, list[bytes]]()
        for pattern in sorted(patterns):  # also for `re2`, which makes less of heads in order
            by_head.setdefault(pattern[:_HEAD], []).append(pattern)
        self._by_head = {head: _Alike(some) for head, some in by_head.items()}
        self._beginnings = {head[:length] for head in self._by_head for length in range(1, _HEAD)}
        self._heads = _any_of(by_head)

    def look(self, raw: bytes) -> _Found:
        bare = self._gap.sub(b"", raw)
        place = _Place(self._gap, raw)
        spans, hold = list[tuple[int, int]](), len(bare)
        at = 0
        while (match := self._heads.search(bare, at)) is not None:
            start = match.start()
            at = start + 1
            patterns = self._by_head[bare[start : start + _HEAD]]
            if whole := patterns.longest_at(bare, start):
                spans.append((place(start), place(start + whole - 1) + 1))
            left = len(bare) - start
            if start < hold and left < self.longest and patterns.go_on(bare[start:]):
                hold = start
        tails = range(max(len(bare) - _HEAD + 1, 0), hold)
        hold = next((start for start in tails if bare[start:] in self._beginnings), hold)
        if hold == len(bare):
            return _Found(spans, len(raw), 0, len(raw))
        return _Found(spans, place(hold), len(bare) - hold, place(len(bare) - 1) + 1)


class _Alike:
    """Patterns of one head, in order. A secret of many lines may have thousands: none is compared with each."""

    def __init__(self, patterns: list[bytes]) -> None:
        self._patterns = patterns
        self._all = set(patterns)
        self._lengths = sorted({len(pattern) for pattern in patterns}, reverse=True)

    def longest_at(self, raw: bytes, start: int) -> int:
        """How long the longest of them is that stands there; 0: none does."""
        there = len(raw) - start
        lengths = (length for length in self._lengths if length <= there)
        return next((length for length in lengths if raw[start : start + length] in self._all), 0)

    def go_on(self, rest: bytes) -> bool:
        """Whether one of them begins with that, and is longer."""
        place = bisect_right(self._patterns, rest)
        return place < len(self._patterns) and self._patterns[place].startswith(rest)


class _Place:
    """Where a byte stands in what gaps were left out of."""

    def __init__(self, gap: re.Pattern[bytes], raw: bytes) -> None:
        self._gap = gap
        self._raw = raw

    def __call__(self, bare: int) -> int:
        ends, left_out = self._gaps
        before = bisect_right(ends, bare)
        return bare + (left_out[before - 1] if before else 0)

    @cached_property
    def _gaps(self) -> tuple[list[int], list[int]]:
        """Where gaps were among the bytes that are left, and how many bytes had been left out by then. Looked for when
        something was found: most output has no secret in it."""
        ends, left_out, gone = list[int](), list[int](), 0
        for match in self._gap.finditer(self._raw):
            start, end = match.span()
            ends.append(start - gone)
            gone += end - start
            left_out.append(gone)
        return ends, left_out


def _any_of(heads: Mapping[bytes, object]) -> Any:  # re2 has no types
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return re2.compile(b"|".join(b"".join(b"\\x%02x" % byte for byte in head) for head in heads), options)


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, those that overlap as one."""
    joined = list[tuple[int, int]]()
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _without(raw: bytes, spans: list[tuple[int, int]]) -> bytes:
    out, at = list[bytes](), 0
    for start, end in spans:
        out += [raw[at:start], MASK]
        at = end
    return b"".join([*out, raw[at:]])


def _forms(secret: str) -> set[bytes]:
    """What a secret, or a line of it, may look like."""
    values = {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}
    forms = {form for value in values if len(value) >= SHORTEST for form in (*_texts(value), *_bytes(value))}
    return {form for form in forms if len(_SPACE.sub(b"", form)) >= _HEAD}


def _texts(value: str) -> set[bytes]:
    percent = [encode(value, safe=safe, errors="replace") for encode in (quote, quote_plus) for safe in ("", "/")]
    escaped = [json.dumps(text, ensure_ascii=ascii)[1:-1] for text in _twice(value) for ascii in (True, False)]
    found = {
        value, *percent, *(re.sub("%[0-9A-F]{2}", lambda hexed: hexed[0].lower(), text) for text in percent),
        *escaped, *(text.replace("/", "\\/") for text in escaped), *_entities(value), *_shown(value),
        value.replace("'", "'\\''"), value.replace("'", "'\"'\"'"),
    }  # fmt: skip
    return {text.encode(errors="surrogatepass") for text in found}


def _twice(value: str) -> tuple[str, ...]:
    """JSON is put into JSON."""
    return (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])


def _entities(value: str) -> Iterator[str]:
    """For HTML and XML, by names and by numbers."""
    yield html.escape(value, quote=False)
    for apostrophe in ("&#x27;", "&#39;", "&apos;"):
        yield html.escape(value).replace("&#x27;", apostrophe)
    for form in ("&#{};", "&#x{:x};", "&#x{:X};", "&#0{};"):
        yield "".join(form.format(ord(each)) if each in "&<>\"'" else each for each in value)


def _shown(value: str) -> Iterator[str]:
    """As Python shows a text and bytes, between either quotes (a dictionary that is printed has them)."""
    for shown in (repr(value)[1:-1], ascii(value)[1:-1], repr(value.encode(errors="surrogatepass"))[2:-1]):
        yield shown
        yield re.sub(r"(?<!\\)'", r"\\'", shown)


def _bytes(value: str) -> set[bytes]:
    raw = value.encode(errors="surrogatepass")
    hexed = raw.hex()
    found = {hexed.encode(), hexed.upper().encode()}
    for sign in ("\\x", "%"):
        found |= {"".join(f"{sign}{byte:02{case}}" for byte in raw).encode() for case in "xX"}
    for before in range(3):
        core = _base64_core(raw, before)
        found |= {core, core.translate(bytes.maketrans(b"+/", b"-_"))}
    wide = value.encode("utf-16-le", errors="surrogatepass")
    found |= {_base64_core(wide, before) for before in range(3)}
    for before in range(5):
        core = _core(base64.b32encode(bytes(before) + raw), 5, before, len(raw))
        found |= {core, core.lower()}
    return found


def _base64_core(raw: bytes, before: int) -> bytes:
    """Of bytes that stand `before` bytes behind a multiple of three: the digits that nothing but they decides."""
    return _core(base64.b64encode(bytes(before) + raw), 6, before, len(raw))


def _core(encoded: bytes, bits: int, before: int, length: int) -> bytes:
    """The digits, of so many bits each, that nothing but `length` bytes behind `before` others decide."""
    return encoded[(before * 8 + bits - 1) // bits : (before + length) * 8 // bits]
