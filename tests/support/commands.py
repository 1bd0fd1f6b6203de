"""`ottb` commands, each in a process of its own that begins where all of them have read what they need: to read it anew
takes a second of the processor for each of dozens."""

import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from typing import IO, NoReturn

import cli
from tests.support.site import ROOT

SECONDS = 120  # for one of them


class Commands:
    """Whoever begins them, one after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, command: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """What becomes of `ottb` with these words. `env`: beside the environment of the tests."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([command.split(), {**os.environ, **env}]) + "\n")
        self._process.stdin.flush()
        code, out, err = json.loads(self._process.stdout.readline())
        return subprocess.CompletedProcess(command, code, out, err)

    def end(self) -> None:
        self._process.communicate(timeout=SECONDS)


def begin(words: Sequence[str], env: Mapping[str, str], out: IO[bytes], err: IO[bytes]) -> NoReturn:
    """Be the command, in a process that was made for it."""
    from cli.main import main

    os.environ.clear()
    os.environ.update(env)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for place, file in enumerate((nothing, out.fileno(), err.fileno())):
        os.dup2(file, place)
    signal.alarm(SECONDS)
    code = 1
    try:
        main(args=list(words), prog_name="ottb")
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else int(done.code is not None)
    except BaseException:  # noqa: BLE001  as an interpreter says it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    for module in pkgutil.iter_modules(cli.__path__, "cli."):
        importlib.import_module(module.name)
    for line in sys.stdin:
        words, env = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = os.fork()
            if not pid:
                begin(words, env, out, err)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            out.seek(0)
            err.seek(0)
            said = [file.read().decode(errors="replace") for file in (out, err)]
        print(json.dumps([code, *said]), flush=True)


if __name__ == "__main__":
    serve()
