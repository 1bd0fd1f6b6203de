"""Which variables a definition may set for its commands. Pure.

A definition may say what its commands do, but what decides which programs those are, or what they load, is the
host's: a name that does is refused, so that nobody can be tricked into a definition that looks harmless.
"""

import re

LONGEST_NAME = 64
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
    if reason := no_name(name):
        return reason
    upper = name.upper()  # programs read `http_proxy` and `HTTP_PROXY`
    if upper.startswith(_OURS):
        return f"{name}: names that begin with {', '.join(_OURS)} are given by the runner"
    if upper in _FIXED or upper.startswith(_LOADERS) or upper == "BASHOPTS":
        return f"{name} decides which programs run or what they load, and is the host's"
    return None


def no_name(name: str) -> str | None:
    """Why this is no name of a variable at all."""
    if _NAME.fullmatch(name) and len(name) <= LONGEST_NAME:
        return None
    return f"{name[:LONGEST_NAME]!r} is no name of a variable: letters, digits and _, at most {LONGEST_NAME}"
