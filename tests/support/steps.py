"""How much work something is, in steps of the interpreter: the same on each machine, whoever else is at work."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Steps:
    """`count`: bytecode instructions in functions that were called meanwhile."""

    def __init__(self) -> None:
        self.count = 0

    def trace(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.count += event == "opcode"
        return self.trace


@contextmanager
def steps() -> Iterator[Steps]:
    """Those of this thread, until the end of the block."""
    found, before = Steps(), sys.gettrace()
    sys.settrace(found.trace)
    try:
        yield found
    finally:
        sys.settrace(before)
