"""A phone's shell line as data: lists and pipelines, quotes, `$name`, `$?`, `$(...)`, `case`, redirections to nowhere.
Pure. It is the part of POSIX `sh` that the orders to phones are written in; anything else is ShellSyntax.
"""

import glob
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_REDIRECTION = re.compile(r"[0-9]?(?:>>|>|<)(?:&[0-9])?")
_BREAKS = frozenset(" \t\n;&|()<>")


class ShellSyntax(ValueError):
    """The line is not one that this shell understands."""


@dataclass(frozen=True)
class Text:
    """Written out. `quoted`: it means itself, in patterns too."""

    value: str
    quoted: bool


@dataclass(frozen=True)
class Variable:
    """`$name`, or `$?`."""

    name: str
    quoted: bool


@dataclass(frozen=True)
class Output:
    """`$(...)`: what a list prints."""

    list: "List"
    quoted: bool


Word = tuple[Text | Variable | Output, ...]


@dataclass(frozen=True)
class Simple:
    """A command and its arguments."""

    words: tuple[Word, ...]


@dataclass(frozen=True)
class Assign:
    """`name=word`."""

    name: str
    word: Word


@dataclass(frozen=True)
class Case:
    """`case word in pattern|pattern) list;; ... esac`."""

    word: Word
    arms: tuple[tuple[tuple[Word, ...], "List"], ...]


Command = Simple | Assign | Case


@dataclass(frozen=True)
class Pipeline:
    """Commands joined by `|`, to be run when `connector` and the last exit code say so."""

    connector: str
    commands: tuple[Command, ...]

    def runs_after(self, exit_code: int) -> bool:
        if self.connector == "&&":
            return exit_code == 0
        return self.connector != "||" or exit_code != 0


List = tuple[Pipeline, ...]


@lru_cache(maxsize=256)  # a host asks its phones the same few lines all day
def parse(line: str) -> List:
    """The pipelines of a line, first to last. Raises ShellSyntax."""
    parser = _Parser(line)
    found = parser.pipelines(frozenset())
    if not parser.at_end():
        raise ShellSyntax(f"unexpected `{line[parser.at :][:10]}`")
    return found


def pattern(parts: Iterator[tuple[str, bool]]) -> str:
    """A pattern for `fnmatch` of a word's expanded parts: what was quoted means itself."""
    return "".join(glob.escape(text) if quoted else text for text, quoted in parts)


def _joined(parts: Iterable[Text | Variable | Output]) -> Word:
    """A word in which letters that stand side by side are one part."""
    found: list[Text | Variable | Output] = []
    for quoted, beside in groupby(parts, lambda part: part.quoted if isinstance(part, Text) else None):
        if quoted is None:
            found += beside
        else:
            found.append(Text("".join(part.value for part in beside if isinstance(part, Text)), quoted))
    return tuple(found)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def at_end(self) -> bool:
        return self.at >= len(self._text)

    def pipelines(self, ends: frozenset[str]) -> List:
        """Pipelines up to one of `ends`, which is not taken."""
        found: list[Pipeline] = []
        connector = ";"
        while True:
            self._blanks(newlines=True)
            if self.at_end() or any(self._ahead(end) for end in ends):
                return tuple(found)
            if self._ahead(";;"):
                raise ShellSyntax("unexpected `;;`")
            found.append(Pipeline(connector, self._pipeline()))
            self._blanks()
            if any(self._ahead(end) for end in ends):
                return tuple(found)
            connector = next((one for one in ("&&", "||", ";", "&", "\n") if self._take(one)), "")
            if not connector:
                return tuple(found)
            connector = ";" if connector in ("\n", "&") else connector

    def _pipeline(self) -> tuple[Command, ...]:
        commands = [self._command()]
        while True:
            self._blanks()
            if self._ahead("||") or not self._take("|"):
                return tuple(commands)
            self._blanks(newlines=True)
            commands.append(self._command())

    def _command(self) -> Command:
        if re.match(r"case\s", self._text[self.at :]):
            return self._case()
        if match := _ASSIGNMENT.match(self._text, self.at):
            self.at = match.end()
            return Assign(match[0][:-1], self._word())
        words: list[Word] = []
        while True:
            self._blanks()
            if redirection := _REDIRECTION.match(self._text, self.at):
                self.at = redirection.end()
                if "&" not in redirection[0]:
                    self._blanks()
                    self._word()  # this shell's commands have nowhere else to write to
            elif self.at_end() or self._text[self.at] in _BREAKS:
                break
            else:
                words.append(self._word())
        if not words:
            raise ShellSyntax(f"a command is missing at `{self._text[self.at :][:10]}`")
        return Simple(tuple(words))

    def _case(self) -> Case:
        self.at += len("case")
        self._blanks()
        word = self._word()
        self._blanks(newlines=True)
        self._need("in")
        arms: list[tuple[tuple[Word, ...], List]] = []
        while True:
            self._blanks(newlines=True)
            if self._take("esac"):
                return Case(word, tuple(arms))
            self._take("(")
            patterns = [self._word()]
            while self._take("|"):
                patterns.append(self._word())
            self._need(")")
            arms.append((tuple(patterns), self.pipelines(frozenset({";;", "esac"}))))
            self._take(";;")

    def _word(self) -> Word:
        parts: list[Text | Variable | Output] = []
        while not self.at_end() and (letter := self._text[self.at]) not in _BREAKS:
            if letter == "'":
                parts.append(Text(self._until("'"), quoted=True))
            elif letter == '"':
                self.at += 1
                parts += self._double_quoted()
            elif letter == "$":
                parts.append(self._dollar(quoted=False))
            elif letter == "\\":
                parts.append(Text(self._text[self.at + 1 : self.at + 2], quoted=True))
                self.at += 2
            else:
                parts.append(Text(letter, quoted=False))
                self.at += 1
        return _joined(parts)

    def _until(self, quote: str) -> str:
        end = self._text.find(quote, self.at + 1)
        if end < 0:
            raise ShellSyntax(f"no closing {quote}")
        found = self._text[self.at + 1 : end]
        self.at = end + 1
        return found

    def _double_quoted(self) -> list[Text | Variable | Output]:
        parts: list[Text | Variable | Output] = [Text("", quoted=True)]
        while not self._take('"'):
            if self.at_end():
                raise ShellSyntax('no closing "')
            if self._text[self.at] == "$":
                parts.append(self._dollar(quoted=True))
                continue
            self.at += self._text[self.at] == "\\" and self._text[self.at + 1 : self.at + 2] in ('"', "\\", "$")
            parts.append(Text(self._text[self.at : self.at + 1], quoted=True))
            self.at += 1
        return parts

    def _dollar(self, *, quoted: bool) -> Text | Variable | Output:
        self.at += 1
        if self._take("?"):
            return Variable("?", quoted)
        if self._take("("):
            inside = self.pipelines(frozenset({")"}))
            self._need(")")
            return Output(inside, quoted)
        if name := _NAME.match(self._text, self.at):
            self.at = name.end()
            return Variable(name[0], quoted)
        return Text("$", quoted)

    # --- reading on

    def _ahead(self, text: str) -> bool:
        return self._text.startswith(text, self.at)

    def _take(self, text: str) -> bool:
        if self._ahead(text):
            self.at += len(text)
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise ShellSyntax(f"`{text}` is missing at `{self._text[self.at :][:10]}`")

    def _blanks(self, *, newlines: bool = False) -> None:
        while not self.at_end() and self._text[self.at] in (" \t\n" if newlines else " \t"):
            self.at += 1
