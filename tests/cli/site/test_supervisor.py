"""The supervisor with real, small processes."""

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from cli.site import supervisor as module
from cli.site.supervisor import Child, GaveUp, Supervisor
from tests.support.site import PATIENCE, ROOT
from tests.support.small_disk import small_disk

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
async def supervisor(tmp_path: Path, said: list[str]) -> AsyncIterator[Supervisor]:
    made = Supervisor(folder=tmp_path / "log", say=said.append)
    yield made
    await made.stop()


async def wait_until(accept: Callable[[], bool], seconds: float = PATIENCE) -> None:
    give_up = time.monotonic() + seconds
    while not accept():
        assert time.monotonic() < give_up, f"not so after {seconds} s"
        await asyncio.sleep(0.01)


def on_term(file: Path, word: str) -> list[str]:
    """A process that writes a word when it is asked to end. `.up` says that it can be asked."""
    return [
        sys.executable,
        "-c",
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        f"    with open({str(file)!r}, 'a') as out: out.write({word!r} + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"pathlib.Path({str(file) + '.' + word!r}).touch()\n"
        "time.sleep(60)",
    ]


async def test_a_child_starts_only_when_the_one_before_is_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    slow = [sys.executable, "-c", f"import time; time.sleep(.3); open({str(flag)!r}, 'w'); time.sleep(60)"]

    async def there() -> bool:
        return flag.exists()

    await supervisor.start(Child(name="first", argv=slow, ready=there))
    assert flag.exists()
    await supervisor.start(Child(name="second", argv=SLEEPER))
    assert supervisor.pid("first") != supervisor.pid("second") is not None


async def test_who_is_waited_for_by_the_others_themselves_holds_up_nobody(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    order, ready = tmp_path / "order", asyncio.Event()

    async def there() -> bool:
        return ready.is_set()

    slow = Child(name="slow", argv=on_term(order, "slow"), ready=there, awaited=False)
    starting = asyncio.create_task(supervisor.start_all([slow, Child(name="other", argv=on_term(order, "other"))]))
    await wait_until(lambda: all(Path(f"{order}.{name}").exists() for name in ("slow", "other")))
    assert not starting.done() and said == ["starting slow", "starting other"]
    ready.set()
    await asyncio.wait_for(starting, PATIENCE)
    await supervisor.stop()
    assert order.read_text() == "other slow "


async def test_who_ends_before_it_is_ready_is_said_also_while_others_start(supervisor: Supervisor) -> None:
    async def never() -> bool:
        return False

    argv = [sys.executable, "-c", "import sys; sys.exit('no such port')"]
    bad = Child(name="bad", argv=argv, ready=never, awaited=False)
    with pytest.raises(GaveUp, match=r"bad ended with code 1(?s:.*)no such port"):
        await asyncio.wait_for(supervisor.start_all([bad, Child(name="other", argv=SLEEPER)]), PATIENCE)
    assert supervisor.pid("other") is not None  # until it is stopped


async def test_a_start_that_takes_long_says_so(
    supervisor: Supervisor, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NOT_YET", 0.1)

    async def there() -> bool:
        return len(said) > 2

    await asyncio.wait_for(supervisor.start_all([Child(name="slow", argv=SLEEPER, ready=there)]), PATIENCE)
    assert said[0] == "starting slow" and all("slow is not ready after 0 s" in line for line in said[1:])


async def test_a_killed_child_comes_back_and_its_sibling_is_left_alone(supervisor: Supervisor, said: list[str]) -> None:
    await supervisor.start(Child(name="one", argv=SLEEPER))
    await supervisor.start(Child(name="two", argv=SLEEPER))
    killed, sibling = supervisor.pid("one"), supervisor.pid("two")
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await wait_until(lambda: supervisor.pid("one") not in (None, killed))
    assert supervisor.pid("two") == sibling
    assert said == ["one ended (signal SIGKILL), starting it again"]


async def test_a_child_that_never_stays_up_is_given_up_with_the_end_of_its_log(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(module, "INTENSITY", 3)
    await supervisor.start(Child(name="bad", argv=[sys.executable, "-c", "import sys; sys.exit('no such luck')"]))
    with pytest.raises(GaveUp, match=r"bad ended too often(?s:.*)no such luck"):
        async with asyncio.timeout(PATIENCE):
            await supervisor.wait()
    assert len(said) == 3


async def test_a_child_with_a_wrong_setting_is_given_up_at_once(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    wrong = "import os, sys; print('dnc.csv, line 3', file=sys.stderr); sys.exit(os.EX_CONFIG)"
    await supervisor.start(Child(name="bad", argv=[sys.executable, "-c", wrong]))
    with pytest.raises(GaveUp, match=r"bad: a setting is wrong.*\n.*dnc\.csv, line 3"):
        await asyncio.wait_for(supervisor.wait(), 10)
    assert said == []


async def test_one_that_has_run_before_is_started_until_the_setting_is_right(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    later = tmp_path / "later"
    once = f"import os, sys; p = {str(later)!r}; sys.exit(os.EX_CONFIG if os.path.exists(p) else open(p, 'w').close())"
    await supervisor.start(Child(name="edited", argv=[sys.executable, "-c", once]))
    await wait_until(lambda: len(said) > 2)


async def test_a_child_that_ends_before_it_is_ready_is_not_waited_for(supervisor: Supervisor) -> None:
    async def never() -> bool:
        return False

    began = time.monotonic()
    with pytest.raises(GaveUp, match=r"early ended with code 3(?s:.*)reason in the log"):
        argv = [sys.executable, "-c", "import sys; print('reason in the log', flush=True); sys.exit(3)"]
        await supervisor.start(Child(name="early", argv=argv, ready=never))
    assert time.monotonic() - began < 10


async def test_a_child_that_is_never_ready_is_given_up_after_a_while(supervisor: Supervisor) -> None:
    async def never() -> bool:
        return False

    with pytest.raises(GaveUp, match=r"not ready after 0\.2 s"):
        await supervisor.start(Child(name="mute", argv=SLEEPER, ready=never, ready_timeout=0.2))


async def test_the_last_started_is_stopped_first(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    for word in ("a", "b", "c"):
        await supervisor.start(Child(name=word, argv=on_term(order, word)))
    await wait_until(lambda: len(list(tmp_path.glob("order.*"))) == 3)
    await supervisor.stop()
    assert order.read_text().split() == ["c", "b", "a"]


async def test_a_child_that_will_not_stop_is_killed(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.3)
    up = tmp_path / "up"
    deaf = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(up)!r}, 'w'); time.sleep(60)"
    await supervisor.start(Child(name="deaf", argv=[sys.executable, "-c", deaf]))
    await wait_until(up.exists)
    pid = supervisor.pid("deaf")
    assert pid is not None
    await supervisor.stop()
    assert said == ["deaf did not stop in 0.3 s and is killed"]
    assert not psutil.pid_exists(pid)


async def test_waiting_can_be_left_without_ending_the_children(supervisor: Supervisor) -> None:
    await supervisor.start(Child(name="one", argv=SLEEPER))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await supervisor.wait()
    killed = supervisor.pid("one")
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await wait_until(lambda: supervisor.pid("one") not in (None, killed))


async def test_a_log_that_grew_too_long_is_put_aside(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOG_LIMIT", 1000)
    monkeypatch.setattr(module, "LOG_CHECK", 0.02)
    wordy = "import time\nwhile True: print('x' * 99, flush=True); time.sleep(.001)"
    await supervisor.start(Child(name="wordy", argv=[sys.executable, "-c", wordy]))
    await wait_until((tmp_path / "log" / "wordy.log.1").exists)


async def test_a_full_disk_ends_no_rotation(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one log; the others are bounded meanwhile, and this one when there is space again."""
    monkeypatch.setattr(module, "LOG_LIMIT", 100_000)
    monkeypatch.setattr(module, "LOG_CHECK", 0.02)
    async with small_disk(tmp_path / "disk", 3) as disk:
        if disk is None:
            pytest.skip("no file system may be mounted here")
        folder = disk.seen
        (folder / "long.log").write_bytes(b"x" * 2_000_000)
        (folder / "short.log").write_bytes(b"x" * 200_000)
        supervisor = Supervisor(folder=folder, say=said.append)
        await supervisor.start(Child(name="sleeper", argv=SLEEPER))
        await wait_until(lambda: bool(said) and (folder / "short.log").stat().st_size == 0)
        await asyncio.sleep(0.2)  # it is tried again and again
        assert len(said) == 1 and "long.log" in said[0] and "No space left" in said[0], said
        assert (folder / "long.log").stat().st_size == 2_000_000
        with (folder / "long.log").open("r+b") as log:  # somebody makes some space
            log.truncate(300_000)
        await wait_until(lambda: (folder / "long.log").stat().st_size == 0)
        assert (folder / "long.log.1").stat().st_size == 300_000
        (folder / "long.log").write_bytes(b"x" * 1_700_000)
        await wait_until(lambda: len(said) == 2)
        await supervisor.stop()


class Unseen:
    """A state folder of whose place nothing can be told for a while."""

    def __init__(self) -> None:
        self.now = False
        self.tried = 0

    def __call__(self) -> bool:
        self.tried += self.now
        if self.now:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "var")
        return True


async def test_a_moment_without_access_ends_no_rotation_and_no_child(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOG_LIMIT", 1000)
    monkeypatch.setattr(module, "LOG_CHECK", 0.02)
    monkeypatch.setattr(module, "LOOK_PAUSE", 0.02)
    monkeypatch.setattr(module, "LOOKS", 1000)
    unseen = Unseen()
    supervisor = Supervisor(folder=tmp_path, say=said.append, in_place=unseen)
    await supervisor.start(Child(name="one", argv=SLEEPER))
    unseen.now = True
    first = supervisor.pid("one")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await wait_until(lambda: unseen.tried > 5 and supervisor.pid("one") is None)
    (tmp_path / "one.log").write_bytes(b"x" * 5000)
    unseen.now = False
    await wait_until((tmp_path / "one.log.1").exists)
    await wait_until(lambda: supervisor.pid("one") is not None)
    await supervisor.stop()


async def test_a_child_is_given_up_where_its_folder_stays_unseen(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_PAUSE", 0.02)
    unseen = Unseen()
    supervisor = Supervisor(folder=tmp_path / "log", say=said.append, in_place=unseen)
    unseen.now = True
    with pytest.raises(GaveUp, match=rf"one is not started: {tmp_path} cannot be looked at: Permission denied"):
        await supervisor.start(Child(name="one", argv=SLEEPER))
    assert unseen.tried >= module.LOOKS and not (tmp_path / "log").exists()
    await supervisor.stop()


async def test_who_is_given_up_is_named_also_without_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    gone = f"import os, sys; os.remove({str(tmp_path / 'log' / 'bad.log')!r}); sys.exit(os.EX_CONFIG)"
    await supervisor.start(Child(name="bad", argv=[sys.executable, "-c", gone]))
    with pytest.raises(GaveUp, match=r"bad: a setting is wrong\. Its log .*bad\.log cannot be read: No such file"):
        await asyncio.wait_for(supervisor.wait(), 10)


def test_all_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    parent = (
        "import asyncio, pathlib, sys\n"
        "from cli.site.supervisor import Child, Supervisor\n"
        "async def main():\n"
        f"    s = Supervisor(folder=pathlib.Path({str(tmp_path)!r}), say=print)\n"
        "    for name in 'ab':\n"
        f"        await s.start(Child(name=name, argv={SLEEPER!r}))\n"
        "    print(s.pid('a'), s.pid('b'), flush=True)\n"
        "    await s.wait()\n"
        "asyncio.run(main())"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    children = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    assert len(children) == 2
    give_up = time.monotonic() + 10
    while not all(child.cmdline()[-1:] == SLEEPER[-1:] and "setpriv" not in child.name() for child in children):
        assert time.monotonic() < give_up  # until each has become the program, with its death signal set
        time.sleep(0.01)
    process.kill()
    process.wait(timeout=10)
    process.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


async def test_only_programs_of_ours_get_our_settings(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTTB_LEDGER__URL", "postgresql://me:hunter2@h/d")
    monkeypatch.setenv("ANYTHING", "else")
    for ours in (True, False):
        seen = tmp_path / f"ours-{ours}"
        script = f"import json, os, time; open({str(seen)!r}, 'w').write(json.dumps(dict(os.environ))); time.sleep(60)"
        argv = [sys.executable, "-c", script]
        await supervisor.start(Child(name=seen.name, argv=argv, env={"OTTB_GIVEN": "1"}, cwd=tmp_path, ours=ours))
        await wait_until(lambda: seen.exists() and seen.read_text().endswith("}"))  # noqa: B023  awaited at once
        env = json.loads(seen.read_text())
        assert (env["ANYTHING"], env["OTTB_GIVEN"]) == ("else", "1")
        assert ("OTTB_LEDGER__URL" in env) is ours
