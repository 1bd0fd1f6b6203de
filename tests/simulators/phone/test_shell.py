"""The virtual phone's shell does with a line what a real `sh` does with it."""

import asyncio

import pytest

from simulators.phone.android import Android, Identity
from simulators.phone.shell import ShellSyntax, parse
from simulators.phone.shell_run import Command, Shell
from simulators.phone.telephony import Telephony
from simulators.phone.virtual_phone import VirtualPhone

LINES = [
    "echo out; false; echo $?",
    "true && echo yes || echo no; false && echo yes || echo no",
    "echo 'a b' | grep 'a b' && echo yes || echo no; false || echo fallback",
    "s=$(echo one; echo two); echo $s; echo \"$s\"",
    "s=$(false); echo $?",
    "s='a   b'; echo $s; echo \"$s\"; echo x$s\"y\"z",
    "s=; echo [$s]; echo \"[$s]\"; echo $s",
    "case abc in a*) echo first;; *) echo second;; esac",
    "case abc in b*|*c) echo first;; *) echo second;; esac; echo $?",
    "case 'a*c' in 'a*c') echo literal;; esac; case abc in 'a*c') echo no;; *) echo literal;; esac",
    "case TC@12 in *TC@[!1]*|*TC@1[!2]*) echo other;; *TC@12*) echo this;; esac",
    "s=$(echo x=0; echo y=1); case $s in *x=[!0]*) echo no;; *x=0*y=*) echo yes; false;; esac; echo $?",
    "case x in y) echo no;; esac; echo $?",
    "s=$(echo a | grep b; echo c); case $s in c) echo only;; esac",
    "printf 'a\\nb\\nc\\n' | grep -v b | grep -c .; printf 'TC@1, x TC@2, y\\n' | grep -oE 'TC@[0-9]+, [a-z]'",
    "echo a | grep -q a && echo found",
    "echo \\$x '$x' \"\\$x\"",
    "echo read </dev/null; echo \"a;b|c\" 2>&1",
    "no-such-command 2>/dev/null; echo $?",
]  # fmt: skip


def android() -> Android:
    phone = VirtualPhone(identity=Identity(serial="T1"), fork_delay=0)
    return Android(
        identity=phone.identity,
        telephony=Telephony(),
        clock=lambda: 0.0,
        wall_at=phone._wall_at,
        happened=lambda _: None,
    )


async def ours(line: str) -> tuple[str, int]:
    printed = bytearray()
    userland = android()

    async def run(command: Command) -> int:
        result = userland.run(command.argv, command.stdin)
        await command.write(result.out)
        return result.code

    async def write(data: bytes) -> None:
        printed.extend(data)

    async def errors(data: bytes) -> None:
        pass

    code = await Shell(run, errors).line(line, write)
    return printed.decode(), code


async def real(line: str) -> tuple[str, int]:
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return out.decode(), process.returncode


@pytest.mark.parametrize("line", LINES)
async def test_a_line_does_what_it_does_in_a_real_shell(line: str) -> None:
    assert await ours(line) == await real(line)


@pytest.mark.parametrize(
    "line", ["echo 'a", 'echo "a', "case a in a) echo", "echo $(echo a", "| echo", "echo a ;; b", "( echo"]
)
async def test_half_a_line_is_refused_as_a_whole(line: str) -> None:
    with pytest.raises(ShellSyntax):
        parse(line)
    assert await ours(line) == ("", 2)
