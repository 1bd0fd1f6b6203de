import base64
import html
import json
import re
import shlex
import textwrap
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from actors.runner.masking import LONGEST, MASK, Masking, refused_secret
from tests.support.depth import examples

SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\0*"), min_size=4, max_size=60).filter(
    lambda text: refused_secret(text) is None and len(re.sub(r"\s", "", text)) >= 4
)
AROUND = st.binary(max_size=40)

ENCODINGS = {
    "plain": lambda raw: raw,
    "base64": base64.b64encode,
    "base64 behind one": lambda raw: base64.b64encode(b"a" + raw + b"zz"),
    "base64 behind two": lambda raw: base64.b64encode(b"ab" + raw + b"z"),
    "urlsafe base64": lambda raw: base64.urlsafe_b64encode(b"?" + raw),
    "hex": lambda raw: raw.hex().encode(),
    "upper hex": lambda raw: raw.hex().upper().encode(),
    "URL": lambda raw: quote(raw.decode(), safe="").encode(),
    "a form": lambda raw: quote_plus(raw.decode()).encode(),
    "JSON": lambda raw: json.dumps({"it": raw.decode()}).encode(),
    "JSON as it is": lambda raw: json.dumps({"it": raw.decode()}, ensure_ascii=False).encode(),
    "HTML": lambda raw: html.escape(raw.decode()).encode(),
    "HTML by numbers": lambda raw: re.sub("[&<>\"']", lambda one: f"&#{ord(one[0])};", raw.decode()).encode(),
    "JSON in JSON": lambda raw: json.dumps({"it": json.dumps({"it": raw.decode()})}).encode(),
    "as Python shows it": lambda raw: repr({"it": raw.decode()}).encode(),
    "as Python shows bytes": lambda raw: repr({"it": raw}).encode(),
    "as Python shows it among quotes": lambda raw: repr(raw.decode() + "'\"").encode(),
    "for a shell": lambda raw: shlex.quote(raw.decode()).encode(),
    "base32": lambda raw: base64.b32encode(b"abc" + raw + b"z"),
    "base64 of UTF-16": lambda raw: base64.b64encode(raw.decode().encode("utf-16-le")),
}


def masked(secret: str, *pieces: bytes, settling: bool = False) -> bytes:
    stream = Masking([secret]).stream()
    out = b""
    for piece in pieces:
        out += stream.feed(piece) + (stream.settle() if settling else b"")
    return out + stream.finish()


def core(encoded: bytes, length: int) -> bytes:
    """What is left of base64 of `length` bytes when the digits that others decide, too, are taken away."""
    return encoded.rstrip(b"=")[3 : -3 if length > 6 else -1]


@pytest.mark.parametrize("name", ENCODINGS)
@given(secret=SECRETS, before=AROUND, after=AROUND, cuts=st.lists(st.integers(0, 300), max_size=5))
def test_a_secret_is_gone_however_it_is_written(
    name: str, secret: str, before: bytes, after: bytes, cuts: list[int]
) -> None:
    encoded = ENCODINGS[name](secret.encode())
    whole = before + encoded + after
    places = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    out = masked(secret, *(whole[a:b] for a, b in pairwise(places)))
    assert MASK in out
    rest = core(encoded, len(secret.encode())) if "base64" in name else encoded.strip()
    assert rest not in out


@given(secret=SECRETS, width=st.integers(1, 20), indent=st.sampled_from(["", "  ", "\t"]), end=st.sampled_from("\n\r"))
def test_a_secret_in_several_lines_is_gone(secret: str, width: int, indent: str, end: str) -> None:
    for encoded in (base64.b64encode(secret.encode()).decode(), secret.encode().hex()):
        lines = [indent + line + end for line in textwrap.wrap(encoded, width)]
        out = masked(secret, *(line.encode() for line in lines))
        assert len(re.sub(rb"[\s*]", b"", out)) <= 3, out


@given(st.text("ab \n", min_size=4, max_size=12), st.text("ab \n*", max_size=60), st.data())
def test_pieces_make_no_difference(secret: str, text: str, data: st.DataObject) -> None:
    assume(refused_secret(secret) is None)
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=20)))
    places = [0, *cuts, len(raw)]
    pieces = [raw[a:b] for a, b in pairwise(places)]
    assert masked(secret, *pieces) == masked(secret, raw)


@given(st.text("ab", min_size=4, max_size=8), st.text("ab\n", max_size=60))
def test_a_settled_stream_gives_away_no_more_than_a_beginning(secret: str, text: str) -> None:
    """What goes on behind a pause is masked, but for the three characters that went out before it."""
    out = masked(secret, *(text[at : at + 1].encode() for at in range(len(text))), settling=True)
    assert secret.encode() not in out.replace(b"\n", b"")


@given(st.binary(max_size=300), st.lists(SECRETS, max_size=3))
def test_what_is_no_secret_is_told_as_it_is(raw: bytes, secrets: list[str]) -> None:
    masking = Masking(secrets)
    assume(masking.text(raw.decode("latin-1")) == raw.decode("latin-1"))
    stream = masking.stream()
    out = b"".join([stream.feed(raw[at : at + 7]) for at in range(0, len(raw), 7)])
    held = stream.finish()
    assert raw.startswith(out) and (out + held == raw or held.endswith(MASK))


def test_secrets_that_overlap_are_both_gone() -> None:
    stream = Masking(["abcdef", "defghi", "fghijk"]).stream()
    assert stream.feed(b"<abcd") + stream.feed(b"efghijk>") + stream.finish() == b"<***>"


def test_a_beginning_of_a_secret_is_not_told_at_the_end() -> None:
    assert masked("correct-horse", b"it is correct-hors") == b"it is ***"


def test_a_line_end_behind_a_secret_is_told() -> None:
    """Also where the end of the secret may be the beginning of another."""
    assert masked("hunter2-hunter2", b"<hunter2-hun", b"ter2\n") == b"<***\n"


def test_a_line_that_ends_like_a_secret_begins_waits_for_no_other() -> None:
    stream = Masking(["hunter2"]).stream()
    assert stream.feed(b"fresh\n") + stream.settle() == b"fresh\n"
    assert stream.feed(b"unter2\n") + stream.finish() == b"***\n"


def test_each_line_of_a_secret_is_masked_by_itself() -> None:
    key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nq83vAAAAFake\n-----END KEY-----\n"
    for line in key.splitlines():
        assert line.encode() not in masked(key, b"| " + line.encode() + b" |\n")
    assert masked(key, key.replace("\n", "\r\n").encode()) in (b"***\r\n", b"***")


def test_colours_within_a_secret_hide_nothing() -> None:
    assert masked("hunter2-hunter2", b"<hun\x1b[01;3", b"1m\x1b[Kter2-", b"\x1b[mhunter2>") == b"<***>"


def test_little_is_held_back_whatever_comes() -> None:
    stream = Masking(["correct-horse"]).stream()
    told = sum(len(stream.feed(piece)) for piece in [b"correct", *[b"\n" * 1000] * 200])
    assert told > 100_000
    stream = Masking(["aaaa"]).stream()
    assert sum(len(stream.feed(b"a" * 1000)) for _ in range(100)) <= 3 and len(stream._raw) < 10


@pytest.mark.parametrize("value", ["", "abc", "   a   ", "ab\0cd", "x" * (LONGEST + 1)])
def test_what_cannot_be_masked_is_refused(value: str) -> None:
    reason = refused_secret(value)
    assert reason and (not value.strip() or value not in reason)
    with pytest.raises(ValueError, match="secret"):
        Masking([value])


@given(st.lists(SECRETS, min_size=1, max_size=3), st.integers(0, examples(10)))
def test_a_text_has_none_either(secrets: list[str], at: int) -> None:
    secret = secrets[at % len(secrets)]
    assert secret not in Masking(secrets).text(f"no file {secret}.txt")
