"""Whatever is in a word, it stays one word for a shell."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.script.quoting import LONGEST, NotSendable, line, typing
from tests.support.depth import examples

NASTY = [
    "", " ", "'", "''", "\"'\"", "$(reboot)", "`id`", "a;b", "a\nb", "\r\n", "*", "~", "-x", "\\", "a\\'b", "$HOME",
    "%s", "&& true", "| cat", ">/dev/null", "#", "\t", "\x1b[0m", "слово", "😀", "!!", "{a,b}", "\x7f", "=x", "(", "$'",
]  # fmt: skip
SIGNS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def words_of(command: str) -> list[str]:
    """What a real shell takes a command for: its words, each as it arrives at a program."""
    shown = subprocess.run(
        ["sh", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True, timeout=20
    ).stdout  # fmt: skip
    return shown.decode().split("\0")[:-1]


@pytest.mark.parametrize("word", NASTY)
def test_a_word_of_any_signs_is_one_word(word: str) -> None:
    assert words_of(line(["x", word, "y"])) == ["x", word, "y"]


@settings(max_examples=examples(300), deadline=None)
@given(words=st.lists(st.text(SIGNS), min_size=1, max_size=5))
def test_any_words_are_as_many_words(words: list[str]) -> None:
    assert words_of(line(["x", *words])) == ["x", *words]


@settings(max_examples=examples(300), deadline=None)
@given(words=st.lists(st.lists(st.sampled_from(NASTY), max_size=6).map("".join), min_size=1, max_size=4))
def test_words_of_what_shells_know_are_as_many_words(words: list[str]) -> None:
    assert words_of(line(["x", *words])) == ["x", *words]


@pytest.mark.parametrize("words", [[], [""], ["a", "b\0c"], ["a", "\ud83d"], ["a", "x" * LONGEST]])
def test_what_no_command_can_carry_is_refused(words: list[str]) -> None:
    with pytest.raises(NotSendable):
        line(words)


def shown_by_input(commands: list[tuple[str, ...]]) -> str:
    """What `input text` types for them."""
    return "".join(command[2].replace("%s", " ") for command in commands)


@settings(max_examples=examples(400), deadline=None)
@given(text=st.text(st.sampled_from("a %s'\"\\$`;"), max_size=20))
def test_what_is_typed_is_what_was_asked_for(text: str) -> None:
    commands = typing(text)
    assert commands is not None and shown_by_input(list(commands)) == text


def test_what_the_phone_cannot_type_by_itself_is_said() -> None:
    assert typing("привет") is None and typing("a\nb") is None and typing("😀") is None
