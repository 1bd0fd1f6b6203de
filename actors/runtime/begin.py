"""`python -m actors.runtime.begin gateway.main --config ...`: a process of ours, the quick way.

What a module imports stays, and there is much of it: looking through it for garbage again and again takes a fifth of a
start.
"""

import gc
import signal
import sys
from importlib import import_module


def main() -> None:
    """Import the module that is named first, and call its `main`, to which the name and what follows are `sys.argv`."""
    del sys.argv[0]
    # Whoever reads certificates again then says so once it is up; until then there is nothing to read again.
    signal.signal(signal.SIGHUP, lambda *_: None)
    gc.disable()
    module = import_module(sys.argv[0])
    gc.freeze()
    gc.enable()
    module.main()


if __name__ == "__main__":
    main()
