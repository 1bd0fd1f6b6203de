"""The environment of a step: which names a definition may set, and what is put together for a command. Pure.

A definition may say what its commands do, but what decides which programs those are, or what they load, is the
host's: a name that does is refused, so that nobody can be tricked into a definition that looks harmless.
"""

import re
from collections.abc import Iterable, Mapping

from actors.runner.port import Command, RunnerError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_NAME = 64
LONGEST_VALUE = 32 * 1024  # bytes; the kernel takes 128 KiB of one
MOST = 200  # variables of one kind
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = ("OTTB_", "PARAM_", "SECRET_")
_LOADERS = (  # beginnings of names by which programs are told what to load or to run
    "BASH_", "DYLD_", "GCONV_", "GIT_", "GLIBC_", "JAVA_", "JDK_", "LD_", "LUA_", "MALLOC_", "NODE_", "NPM_CONFIG_",
    "PERL", "PYTHON", "RUBY", "SSH_", "SUDO_", "XDG_", "_JAVA_",
)  # fmt: skip
_FIXED = {
    "ALL_PROXY", "CDPATH", "EDITOR", "ENV", "GEM_HOME", "GEM_PATH", "GLOBIGNORE", "HOME", "HTTPS_PROXY", "HTTP_PROXY",
    "IFS", "LESSOPEN", "LOCPATH", "LOGNAME", "NLSPATH", "NO_PROXY", "OLDPWD", "PAGER", "PATH", "PROMPT_COMMAND", "PS4",
    "PWD", "SHELL", "SHELLOPTS", "TMPDIR", "USER", "VISUAL",
}  # fmt: skip


def refused_name(name: str) -> str | None:
    """Why a definition may not set a variable of this name."""
    if reason := _no_name(name):
        return reason
    upper = name.upper()  # programs read `http_proxy` and `HTTP_PROXY`
    if upper.startswith(_OURS):
        return f"{name}: names that begin with {', '.join(_OURS)} are given by the runner"
    if upper in _FIXED or upper.startswith(_LOADERS) or upper == "BASHOPTS":
        return f"{name} decides which programs run or what they load, and is the host's"
    return None


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
        if reason := _no_name(name):
            raise RunnerError(reason)
        found[f"{prefix}{name.upper()}"] = value
    if len(found) > MOST:
        raise RunnerError(f"there are at most {MOST} variables")
    return found


def _no_name(name: str) -> str | None:
    if _NAME.fullmatch(name) and len(name) <= LONGEST_NAME:
        return None
    return f"{name[:LONGEST_NAME]!r} is no name of a variable: letters, digits and _, at most {LONGEST_NAME}"
