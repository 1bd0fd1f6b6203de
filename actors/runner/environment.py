"""The environment of a step: what is put together for a command. Pure."""

from collections.abc import Iterable, Mapping

from actors.pipeline.variables import no_name, refused_name
from actors.runner.port import Command, RunnerError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_VALUE = 32 * 1024  # bytes; the kernel takes 128 KiB of one
MOST = 200  # variables of one kind


def refused_value(name: str, value: str) -> str | None:
    """Why a variable may not have this value."""
    if "\0" in value:
        return f"{name}: there is a NUL in it"
    if len(value.encode(errors="surrogatepass")) > LONGEST_VALUE:
        return f"{name}: it is longer than {LONGEST_VALUE} bytes"
    return None


def environment(
    command: Command, secrets: Mapping[str, str], *, folder: str, home: str, temporary: str, host: Mapping[str, str]
) -> dict[str, str]:
    """All variables of a command, and no other. `host`: what this host's settings add or say otherwise. Raises
    RunnerError."""
    for name in command.environment:
        if reason := refused_name(name):
            raise RunnerError(reason)
    missing = [name for name in command.secrets if name not in secrets]
    if missing:
        raise RunnerError(f"no such secret: {', '.join(missing)}")
    given = {
        **command.environment,
        **_named("PARAM_", command.parameters.items()),
        **_named("SECRET_", ((name, secrets[name]) for name in command.secrets)),
        **_named("OTTB_", command.facts.items()),
    }
    for name, value in given.items():
        if reason := refused_value(name, value):
            raise RunnerError(reason)
    fixed = {"PATH": PATH, "LANG": "C.UTF-8", "CI": "true", "SHELL": "/bin/sh"}
    return {**given, **fixed, **host, "HOME": home, "TMPDIR": temporary, "PWD": folder}


def _named(prefix: str, values: Iterable[tuple[str, str]]) -> dict[str, str]:
    found = dict[str, str]()
    for name, value in values:
        if reason := no_name(name):
            raise RunnerError(reason)
        found[f"{prefix}{name.upper()}"] = value
    if len(found) > MOST:
        raise RunnerError(f"there are at most {MOST} variables")
    return found
