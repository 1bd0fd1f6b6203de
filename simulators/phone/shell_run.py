"""Running a phone's shell lines. What the commands themselves do is given."""

import fnmatch
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from simulators.phone.shell import (
    Assign,
    Case,
    List,
    Output,
    Pipeline,
    ShellSyntax,
    Simple,
    Text,
    Variable,
    Word,
    parse,
    pattern,
)

SYNTAX_ERROR = 2

Write = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class Command:
    """What a simple command is run with: its words, its standard input, and where its outputs go."""

    argv: list[str]
    stdin: bytes
    write: Write
    errors: Write
    shown: bool  # its output goes to whoever asked, not into another command or a variable


class Shell:
    """One shell, with its variables and its last exit code. `run` gives a command's exit code."""

    def __init__(self, run: Callable[[Command], Awaitable[int]], errors: Write) -> None:
        self._run = run
        self._errors = errors
        self._merged = False
        self._variables: dict[str, str] = {}
        self.code = 0

    async def line(self, line: str, write: Write) -> int:
        """Run a line to its end. `2>&1` anywhere in it holds for all of it."""
        self._merged = "2>&1" in line
        try:
            await self._list(parse(line), write, shown=True)
        except ShellSyntax as error:
            await self._errors(f"sh: syntax error: {error}\n".encode())
            self.code = SYNTAX_ERROR
        return self.code

    async def _list(self, pipelines: List, write: Write, *, shown: bool) -> None:
        for pipeline in pipelines:
            if pipeline.runs_after(self.code):
                await self._pipeline(pipeline, write, shown=shown)

    async def _pipeline(self, pipeline: Pipeline, write: Write, *, shown: bool) -> None:
        data = b""
        for command in pipeline.commands[:-1]:
            piped = bytearray()
            await self._command(command, data, _into(piped), shown=False)
            data = bytes(piped)
        await self._command(pipeline.commands[-1], data, write, shown=shown)

    async def _command(self, command: Simple | Assign | Case, stdin: bytes, write: Write, *, shown: bool) -> None:
        match command:
            case Simple(words=words):
                argv = [field for word in words for field in await self._fields(word)]
                self.code = await self._run(
                    Command(argv, stdin, write, write if self._merged else self._errors, shown=shown)
                )
            case Assign(name=name, word=word):
                self._variables[name] = "".join([text for text, _ in await self._parts(word)])
            case Case(word=word, arms=arms):
                value = "".join([text for text, _ in await self._parts(word)])
                for patterns, body in arms:
                    wanted = [pattern(iter(await self._parts(one))) for one in patterns]
                    if any(fnmatch.fnmatchcase(value, one) for one in wanted):
                        self.code = 0
                        await self._list(body, write, shown=shown)
                        return
                self.code = 0

    async def _parts(self, word: Word) -> list[tuple[str, bool]]:
        """A word's parts with everything put in, and whether each means itself."""
        return [(await self._value(part), part.quoted) for part in word]

    async def _value(self, part: Text | Variable | Output) -> str:
        match part:
            case Text(value=value):
                return value
            case Variable(name="?"):
                return str(self.code)
            case Variable(name=name):
                return self._variables.get(name, "")
            case Output(list=pipelines):
                printed = bytearray()
                await self._list(pipelines, _into(printed), shown=False)
                return printed.decode(errors="replace").rstrip("\n")

    async def _fields(self, word: Word) -> list[str]:
        """The arguments that a word becomes: what was put in unquoted is split at blanks."""
        fields = [""]
        for part in word:
            text = await self._value(part)
            if isinstance(part, Text) or part.quoted:
                fields[-1] += text
            else:
                first, *more = re.split(r"[ \t\n]+", text)
                fields[-1] += first
                fields += more
        quoted = any(part.quoted for part in word)
        return [field for field in fields if field or quoted]


def _into(buffer: bytearray) -> Write:
    async def write(data: bytes) -> None:
        buffer.extend(data)

    return write
