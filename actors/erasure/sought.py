"""What people have written of somebody, sought in other texts: all of it at once, word by word (Aho and Corasick,
1975). So the time grows with what is read alone, however a lead was worded. Pure.

Words are letters and digits, with the marks on them, and the same in large or small letters and in either form of a
letter with a mark. Between two may be whatever people put there: blanks, and up to five other signs, and of a name also
one letter, of another name.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

from msgspec import Struct

from actors.runtime.letters import composed

_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_WORD = re.compile(rf"[^\W_](?:[^\W_]|[{_MARKS}])*+")
_APART = re.compile(r"(?:\s++|[^\w\s]|_){1,5}+")
FEW = 64  # beginnings that are looked for before a text is taken apart

Span = tuple[int, int]
Words = tuple[str, ...]


class _Word(Struct, frozen=True, gc=False):
    """`text`: folded. `follows`: what is between it and the one before may be between two words of a name."""

    text: str
    start: int
    end: int
    follows: bool


class Sought:
    """Some texts that are sought as whole words."""

    def __init__(self, texts: Iterable[str]) -> None:
        wanted = {words for text in texts if (words := tuple(_folded(word[0]) for word in _WORD.finditer(text)))}
        self._all = _Automaton(wanted)
        self._but_letters = _Automaton(words for words in wanted if len(words) > 1 and not any(map(_is_letter, words)))
        self._begins = {words[0] for words in wanted}

    def stands_in(self, text: str, over: int | None = None) -> bool:
        """Whether one of them is there. `over`: and this place is within that, and not what is left of another one."""
        at = 0
        for start, end in self._spans(text):
            if over is None or (start < over < end and start >= at):
                return True
            at = max(at, end) if start >= at else at
        return False

    def without(self, text: str, nothing: str) -> str:
        """The text with `nothing` in the place of each."""
        parts, at = list[str](), 0
        for start, end in self._spans(text):
            if start >= at:
                parts += text[at:start], nothing
            at = max(at, end)  # of what overlaps nothing stays
        return "".join([*parts, text[at:]])

    def _spans(self, text: str) -> list[Span]:
        """Where they stand, in order, the longest first; one may overlap others."""
        if not self._may_have(text):
            return []
        words = list(_words(text))
        found = chain(self._all.spans(words), self._but_letters.spans(_without_letters(words)))
        return sorted(found, key=lambda span: (span[0], -span[1]))

    def _may_have(self, text: str) -> bool:
        if len(self._begins) > FEW:
            return True
        folded = _folded(text)
        return any(word in folded for word in self._begins)


class _Automaton:
    """Phrases, as a tree of their words. `_shorter`: the place of the longest beginning of any that ends a place's own
    words; `_longest`: how many words the longest phrase has that ends there."""

    def __init__(self, phrases: Iterable[Words]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._longest, self._shorter = [0], [0]
        for words in phrases:
            place = 0
            for word in words:
                place = self._next[place].setdefault(word, len(self._next))
                if place == len(self._next):
                    self._next.append({})
                    self._longest.append(0)
                    self._shorter.append(0)
            self._longest[place] = len(words)
        waiting = deque(self._next[0].values())
        while waiting:
            place = waiting.popleft()
            self._longest[place] = self._longest[place] or self._longest[self._shorter[place]]
            for word, after in self._next[place].items():
                self._shorter[after] = self._after(self._shorter[place], word)
                waiting.append(after)

    def _after(self, place: int, word: str) -> int:
        while place and word not in self._next[place]:
            place = self._shorter[place]
        return self._next[place].get(word, 0)

    def spans(self, words: list[_Word]) -> Iterator[Span]:
        """Where they end among the words of a text, the longest at each place."""
        place = 0
        for at, word in enumerate(words):
            place = self._after(place if word.follows else 0, word.text)
            if count := self._longest[place]:
                yield words[at - count + 1].start, word.end


def _words(text: str) -> Iterator[_Word]:
    end = 0
    for found in _WORD.finditer(text):
        follows = _APART.fullmatch(text, end, found.start()) is not None
        end = found.end()
        yield _Word(_folded(found[0]), found.start(), end, follows)


def _without_letters(words: list[_Word]) -> list[_Word]:
    """Those that are more than a letter; one letter between two does not part them."""
    kept, letters, follows = list[_Word](), 0, True
    for word in words:
        follows = follows and word.follows
        if _is_letter(word.text):
            letters += 1
            continue
        kept.append(_Word(word.text, word.start, word.end, follows and letters <= 1))
        letters, follows = 0, True
    return kept


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.isalpha()


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else composed(text).casefold()
