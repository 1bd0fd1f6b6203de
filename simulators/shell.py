"""A phone's shell line as data: `;`, `&&`, `||`, `|`, quotes, redirections to nowhere and `$?`. Pure."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

CONNECTORS = (";", "&&", "||", "&")


@dataclass(frozen=True)
class Pipeline:
    """Commands joined by `|`, to be run when `connector` and the last exit code say so."""

    connector: str
    commands: tuple[tuple[str, ...], ...]

    def runs_after(self, exit_code: int) -> bool:
        if self.connector == "&&":
            return exit_code == 0
        return self.connector != "||" or exit_code != 0


class ShellSyntax(ValueError):
    """The line is not one that this shell understands."""


def parse(line: str) -> Iterator[Pipeline]:
    """The pipelines of a line, first to last. Raises ShellSyntax."""
    connector, commands, argv = ";", [], list[str]()
    for token in _tokens(line):
        if token == "|":
            commands.append(tuple(argv))
            argv = []
        elif token in CONNECTORS:
            if argv or commands:
                yield Pipeline(connector, (*commands, tuple(argv)))
            connector, commands, argv = token, [], []
        else:
            argv.append(token)
    if argv or commands:
        yield Pipeline(connector, (*commands, tuple(argv)))


def expand(argv: tuple[str, ...], exit_code: int) -> list[str]:
    """Put `$?` in, and leave redirections out: this shell's commands have nowhere else to write to."""
    words: list[str] = []
    skip = False
    for word in argv:
        if skip:
            skip = False
        elif word in (">", ">>", "2>", "1>", "<"):
            skip = True
        elif not (word.startswith((">", "2>", "1>", "&>")) or word == "2>&1"):
            words.append(word.replace("$?", str(exit_code)))
    return words


def _tokens(line: str) -> list[str]:
    lexer = shlex.shlex(line.replace("2>&1", " ").replace("\n", " ; "), posix=True, punctuation_chars=";|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError as error:
        raise ShellSyntax(str(error)) from None
