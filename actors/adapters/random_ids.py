"""New names from the system's randomness."""

import os

LETTERS = b"abcdefghijklmnopqrstuvwxyz234567"
OF_BYTE = LETTERS * (256 // len(LETTERS))  # each letter for as many bytes as any other
LENGTH = 26
AT_ONCE = 128  # names for which the system is asked at once


class RandomIds:
    """26 characters of `a-z2-7`: 130 random bits. Not for a process that is forked."""

    def __init__(self) -> None:
        self._letters = ""
        self._used = 0

    def new(self) -> str:
        if self._used >= len(self._letters):
            self._letters = os.urandom(LENGTH * AT_ONCE).translate(OF_BYTE).decode()
            self._used = 0
        self._used += LENGTH
        return self._letters[self._used - LENGTH : self._used]
