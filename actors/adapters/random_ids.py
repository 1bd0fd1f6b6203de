"""New names from the system's randomness."""

import secrets
from base64 import b32encode


class RandomIds:
    """26 characters of `a-z2-7`: 130 random bits."""

    def new(self) -> str:
        return b32encode(secrets.token_bytes(17)).decode().lower()[:26]
