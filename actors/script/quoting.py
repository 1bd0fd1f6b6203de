"""The one gate for values on their way to a shell: whatever is in a word, it stays one word. Pure."""

from collections.abc import Iterable, Sequence

LONGEST = 100_000  # bytes of one command


class NotSendable(ValueError):
    """No command can carry it. The message says why."""


def line(words: Sequence[str]) -> str:
    """A command of these words, for `sh`. Each is quoted whatever it is, so nothing in it means anything. Raises
    NotSendable."""
    if not words or not words[0]:
        raise NotSendable("there is no command")
    said = " ".join(_quoted(word) for word in words)
    if len(said.encode()) > LONGEST:
        raise NotSendable(f"longer than {LONGEST} bytes")
    return said


def _quoted(word: str) -> str:
    """Nothing but a `'` means anything between two of them."""
    if "\0" in word:
        raise NotSendable("a NUL ends every word")
    try:
        word.encode()
    except UnicodeEncodeError:
        raise NotSendable("it has half a character in it") from None
    return "'" + word.replace("'", "'\"'\"'") + "'"


def typing(text: str) -> Iterable[tuple[str, ...]] | None:
    """The commands that type a text. `input` takes `%s` for a blank, so a `%` before an `s` is typed by itself, and it
    knows the signs of ASCII alone. None: there are others in it, or a line break, for which it takes another way."""
    if not text.isascii() or not text.isprintable():
        return None
    parts = text.replace("%s", "%\0s").split("\0")
    return [("input", "text", part.replace(" ", "%s")) for part in parts if part]
