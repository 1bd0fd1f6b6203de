"""Who is to be forgotten, as far as it is known, and how that is recognised in what was written. Pure."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations

from msgspec import Struct
from msgspec.structs import replace

from actors.erasure.sought import Sought
from actors.leads.lead import id_of
from actors.runtime.marks import Marks

NOTHING_SAID = "[erased]"
# What people put between the digits of a number: whatever is no letter and no digit, seen or not. What programs make of
# that where they write it into an address (RFC 3986), into a page, or as JSON into a text.
_UTF8 = "[Cc]2%[AaBb][0-9A-Fa-f]|[Ee]2%8[0-8]%[89AaBb][0-9A-Fa-f]"  # blanks, hyphens and dots that are not ASCII
_WRITTEN = rf"%(?:0[9ADad]|2[0-9A-Fa-f]|3[A-Fa-f]|5[B-Fb-f]|7[B-Eb-e]|{_UTF8})|&#?[0-9A-Za-z]{{2,6}};|\\[nrt]"
_SIGN = re.compile(rf"{_WRITTEN}|\\u[0-9A-Fa-f]{{4}}")  # what is written so has digits that are none of a number
_HEAD, _REST = "\ue000", "\ue001"  # stand for one of these, of the same length, in a text that is looked through
BETWEEN = rf"(?:{_HEAD}{_REST}*+|[\W_]){{0,5}}+"
_RUN = re.compile(rf"[0-9](?:{BETWEEN}[0-9])*+")
_PLUS = re.compile(rf"(?<![0-9])(?:\+|%2[bB]){BETWEEN}\Z")
FEW = 20  # numbers that are sought one by one
BEFORE = 40  # characters before a number in which its plus is
_DAY = re.compile(r"(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9](?![0-9])")  # what a short number can look like
# Digits of other scripts and of full width (Unicode 15), by what they are in ours; `_SIGNS` also has raised and circled
# ones and others that are digits, but may as well be a footnote's, and no part of what is before them.
_SIGNS = {code: str(unicodedata.digit(chr(code))) for code in range(0x80, 0x1FC00) if chr(code).isdigit()}
_DIGITS = {code: digit for code, digit in _SIGNS.items() if chr(code).isdecimal()}
_OTHER_DIGITS = frozenset(map(chr, _SIGNS))
_ESCAPED = re.compile(_WRITTEN)
OTHERS = bytes(byte for byte in range(256) if not 0x30 <= byte <= 0x39)  # than digits
# Characters of a name, of a word of it, and of what a field says: what is shorter is many people's.
NAME, WORD, VALUE = 5, 6, 8
MOST_WORDS = 3  # of a name that is known in any order
MOST_NUMBERS, MOST_TEXTS, MOST_BYTES = 1_000, 1_000, 50_000  # of what one kind of entries tells
_OWN = re.compile(r"[\s\d@]")  # in what a field says of one person: an address, a date, an account


Span = tuple[int, int]


class Person(Struct, frozen=True, kw_only=True):
    """`numbers`: E.164. `leads`: theirs, each as campaign and id. `texts`: what tells of them in what people write
    (`telling`); `names`: those in full. `calls`: to their numbers; `recordings` of those, each as `<pbx>/<file>`.
    `had`: which leads have or had which of the numbers, each as campaign, id and number; also somebody else's."""

    numbers: frozenset[str] = frozenset()
    leads: frozenset[tuple[str, str]] = frozenset()
    texts: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    recordings: frozenset[str] = frozenset()
    had: frozenset[tuple[str, str, str]] = frozenset()


def telling(name: str, custom: Mapping[str, str | None]) -> Iterator[str]:
    """What of a lead tells of one person where it stands by itself, in what somebody has written: the name, longer
    words of it, and what fields say that is no word of everybody's. Whoever may edit a lead chooses it."""
    if len(name) >= NAME:
        yield name
    yield from (word for word in name.split() if len(word) >= WORD)
    yield from (text for text in custom.values() if text and len(text) >= VALUE and _OWN.search(text))


def in_full(name: str) -> Iterator[str]:
    """A name that is more than one word, for which alone an entry of the log is deleted: in any order, as long as that
    are few."""
    words = name.split()
    if len(name) >= NAME and len(words) > 1:
        yield from map(" ".join, permutations(words) if len(words) <= MOST_WORDS else [words])


class Traces:
    """What shows that a text is about somebody."""

    def __init__(self, person: Person, marks: Marks) -> None:
        self.person = person
        self._marks = {number: marks.of(number) for number in person.numbers}
        self._ids = {id_of(number): _id(mark) for number, mark in self._marks.items()}  # each tells its number
        self._spelled = frozenset(one for number in person.numbers for one in _spelled(number))
        self._lengths = sorted({*map(len, self._spelled)}, reverse=True)
        self._ends = [min(_at_home(number), key=len).encode() for number in sorted(person.numbers)]
        self._shortest = min(map(len, self._ends), default=0)
        self._begin = {end[: self._shortest] for end in self._ends}
        self._text, self._name = Sought(person.texts | person.names), Sought(person.names)

    def mark(self, text: str) -> str | None:
        """What stands for a text that is one of the numbers, as it is dialled."""
        return self._marks.get(text)

    @property
    def marks(self) -> Mapping[str, str]:
        return self._marks

    def without_number(self, text: str, nothing: str = NOTHING_SAID) -> str:
        """A text without the numbers, however they are written there. `nothing`: what stands there then."""
        if known := self._marks.get(text) or self._ids.get(text):
            return known
        return self._without_spans(text, nothing) if self._may_say(text) else text

    def _without_spans(self, text: str, nothing: str) -> str:
        """The same of one that may have a number; all else of it stays as it was written."""
        for read in _read_by(text):
            parts, end = list[str](), 0
            for begin, until in self._numbers(read(text)):
                parts += text[end:begin], nothing
                end = until
            text = "".join([*parts, text[end:]])
        return text

    def without(self, text: str, nothing: str = NOTHING_SAID) -> str:
        """The same, also without what else is known of the person."""
        return self._text.without(self.without_number(text, nothing), nothing)

    def id(self, text: str) -> str:
        """An id that tells none of the numbers: it stays one, the same each time."""
        if (known := self._ids.get(text)) is not None or not self.numbered(text):
            return known or text
        mark = next(mark for number, mark in sorted(self._marks.items()) if number[-NAME:] in _digits(text))
        return _id(mark)

    def numbered(self, text: str, over: int | None = None) -> bool:
        """Whether it says one of the numbers. `over`: and this place is within that."""
        if not self._may_say(text):
            return False
        found = (span for read in _read_by(text) for span in self._numbers(read(text)))
        return any(over is None or begin < over < end for begin, end in found)

    def _numbers(self, text: str) -> Iterator[Span]:
        """Where the numbers are in a text, in whole or as they are written in their own country. They are looked up, in
        no pattern: a person may have had a thousand, and to make one of these takes seconds."""
        end, most = 0, self._lengths[0]
        for run in _RUN.finditer(text):
            places = [place for place in range(*run.span()) if "0" <= text[place] <= "9"]
            digits = "".join(map(text.__getitem__, places))
            for first, place in enumerate(places):
                if place < end or (place and "0" <= text[place - 1] <= "9") or _DAY.match(text, place):
                    continue
                some = slice(first, first + most)
                if (last := self._last(text, digits[some], places[some])) is not None:
                    plus = _PLUS.search(text, max(place - BEFORE, end), place)
                    end = last + 1
                    yield plus.start() if plus else place, end

    def _last(self, text: str, digits: str, places: Sequence[int]) -> int | None:
        """Where the number ends with which some digits begin, the longest one; None: they begin with none."""
        for length in self._lengths:
            if (found := digits[:length]) in self._spelled:
                last = places[len(found) - 1]
                if not "0" <= text[last + 1 : last + 2] <= "9":
                    return last
        return None

    def _may_say(self, text: str) -> bool:
        """Whether the digits of a number are in it, one after another. It takes a fraction of what a look takes."""
        if any(self._has_digits(read(text)) for read in _read_by(text)):
            return True
        return ("%" in text or "&" in text) and self._has_digits(_ESCAPED.sub("", text).translate(_SIGNS))

    def _has_digits(self, text: str) -> bool:
        digits = text.encode(errors="replace").translate(None, OTHERS)
        if len(self._ends) <= FEW:
            return any(end in digits for end in self._ends)
        size = self._shortest  # of each one's beginning, which is looked up at each place
        return not self._begin.isdisjoint(digits[at : at + size] for at in range(len(digits) - size + 1))

    def may_tell(self, data: str) -> bool:
        """Whether a number can be in JSON somewhere, or an id that was made of one. Signs that are told by their number
        have digits of their own."""
        return self._may_say(data) or "\\u" in data or any(known in data for known in self._ids)

    def named(self, text: str, over: int | None = None) -> bool:
        """Whether it says one of the names in full. `over`: as above."""
        return self._name.stands_in(text, over)

    def shown_in(self, text: str) -> bool:
        """Whether it says something of the person."""
        return self.numbered(text) or self._text.stands_in(text)


def _id(mark: str) -> str:
    return f"erased_{mark[1:]}"


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text.translate(_SIGNS)))


def _read_by(text: str) -> tuple[Callable[[str], str], ...]:
    """The ways to read a text as one of the same length in our digits. What programs write as one sign is one in all of
    it, or nowhere: a text in which each may be either would have more readings than anybody can try."""
    digits = (str,) if text.isascii() or _OTHER_DIGITS.isdisjoint(text) else (_in_our_digits, _and_signs)
    if _SIGN.search(text) is None:
        return digits
    return tuple(way for read in digits for way in (lambda text, read=read: _without_signs(read(text)), read))


def _without_signs(text: str) -> str:
    return _SIGN.sub(lambda found: _HEAD + _REST * (len(found[0]) - 1), text)


def _in_our_digits(text: str) -> str:
    return text.translate(_DIGITS)


def _and_signs(text: str) -> str:
    return text.translate(_SIGNS)


def _at_home(number: str) -> list[str]:
    """Its digits in whole, and as they are dialled in its own country, whichever its country's code is."""
    digits = number.removeprefix("+")
    return [digits, *(digits[code:] for code in (1, 2, 3) if len(digits) - code >= 8)]


def _spelled(number: str) -> Iterator[str]:
    """The digits of a number, E.164, as they are dialled: in whole, or in its own country."""
    whole, *at_home = _at_home(number)
    yield from (whole, f"00{whole}")
    for digits in at_home:
        yield from (digits, f"0{digits}")


def joined(known: Person, told: Sequence[Person]) -> Person:
    """All that is known, with what entries have told, in their order. Whoever may edit a lead calls it a thousand
    things: of names, texts and numbers the first and the last ones are taken, as many as can be kept and looked for."""
    texts, numbers, size = set[str](), set[str](), 0
    for one in (one for both in zip(told, reversed(told), strict=True) for one in both):
        numbers |= one.numbers if len(numbers | one.numbers) <= MOST_NUMBERS else set()
        new = (one.texts | one.names) - texts
        more = sum(len(text.encode()) for text in new)
        if len(texts) + len(new) <= MOST_TEXTS and size + more <= MOST_BYTES:
            texts, size = texts | new, size + more
    few = [
        replace(one, texts=one.texts & texts, names=one.names & texts, numbers=one.numbers & numbers) for one in told
    ]
    return together([known, *few])


def together(some: Sequence[Person]) -> Person:
    """All of what some say."""
    return Person(**{
        field: frozenset().union(*(getattr(one, field) for one in some)) for field in Person.__struct_fields__
    })  # fmt: skip
