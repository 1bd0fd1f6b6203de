"""New names from the system's randomness."""

import os

LETTERS = b"abcdefghijklmnopqrstuvwxyz234567"
OF_BYTE = LETTERS * (256 // len(LETTERS))  # each letter for as many bytes as any other


class RandomIds:
    """26 characters of `a-z2-7`: 130 random bits."""

    def new(self) -> str:
        return os.urandom(26).translate(OF_BYTE).decode()
