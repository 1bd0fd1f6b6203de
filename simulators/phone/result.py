"""What a command of a virtual phone comes to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """What a command printed and how it ended, `delay` seconds after it began."""

    out: bytes = b""
    err: bytes = b""
    code: int = 0
    delay: float = 0.0
