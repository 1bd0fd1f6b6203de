"""`ottb --help` is there at once: what is heavy is imported by the commands that need it."""

import subprocess
import sys

HEAVY = ("asyncio", "aiohttp", "nats", "sqlalchemy", "phonenumbers", "rich", "textual", "actors.settings")


def test_the_help_imports_nothing_that_is_heavy() -> None:
    code = f"import cli.main, sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []


def test_each_command_helps() -> None:
    from cli.main import main

    for name, command in main.commands.items():
        assert command.help, name
