"""The lines that dial and hang up, run by a real `sh` over every layout: what they do in each state of the phone."""

import asyncio
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.adapters import android
from actors.adapters.android import NOTE
from actors.adapters.android_orders import (
    Dialled,
    dial_line,
    hang_up_among_line,
    hang_up_line,
    in_the_way,
    put_away_line,
    read_dial,
    read_hang_up,
)
from actors.telephony.reports import CallPhase, LiveCall, Look
from simulators.carrier.rules import REMOTE
from simulators.phone import dumps
from simulators.phone.telephony import Telephony

SHELL = os.environ.get("OTTB_TEST_SH") or shutil.which("mksh") or "sh"  # Android's own is mksh
NUMBER = "+380991230007"
BOOT = "0e5d6b4a-1f1e-4b52-9c11-8c7a5d1f0a33"
OURS = BOOT.replace("-", "")[:16]
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
RELEASES = [9, 10, 11, 12, 13, 14]


class Handset:
    """Commands of a phone as files, for a real shell. `ran`: what was run of `am` and `input`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "ran"
        self.telephony = Telephony()
        self._command("am", f'echo "am $*" >> {self.log}; echo "Starting: Intent {{ act=x dat=tel:xxx }}"')
        self._command("input", f'echo "input $*" >> {self.log}')
        self._command("tee", f'[ "$1" = {NOTE} ] && exec /usr/bin/tee {folder}/note')
        self._command("cat", f'case "$1" in */boot_id) echo {BOOT};; *) exec /bin/cat "$@";; esac')

    def _command(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def show(self, release: int, *, change: Callable[[str], str] = lambda text: text) -> None:
        registry = dumps.registry(self.telephony, release, sims=2, in_service=True, operator="T")
        telecom = dumps.telecom(self.telephony, release, lambda at: START + timedelta(seconds=at))
        (self.folder / "telephony.registry").write_text(registry)
        (self.folder / "telecom").write_text(change(telecom))
        self._command("dumpsys", f'/bin/cat {self.folder}/"$1"')

    async def run(self, line: str) -> tuple[str, int]:
        assert "\n" not in line
        process = await asyncio.create_subprocess_exec(
            SHELL, "-c", line,
            env={"PATH": f"{self.folder}:{os.environ['PATH']}"}, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
        assert process.returncode is not None
        return out.decode(), process.returncode

    @property
    def ran(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def handset(tmp_path: Path) -> Handset:
    return Handset(tmp_path)


def talks(telephony: Telephony) -> None:
    telephony.dial(NUMBER, 0.0)
    telephony.advance(1.0)


def is_dialled(telephony: Telephony) -> None:
    telephony.dial(NUMBER, 0.0)


def rings(telephony: Telephony) -> None:
    telephony.ring("+380441112233", 0.0)


def held(telephony: Telephony) -> None:
    rings(telephony)
    telephony.answer(1.0)
    telephony.dial(NUMBER, 2.0, by_hand=True)
    telephony.end(telephony.live[-1], REMOTE, 3.0)


# --- dialling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
async def test_a_phone_without_a_call_dials(handset: Handset, release: int) -> None:
    talks(handset.telephony)
    handset.telephony.end(handset.telephony.live[0], REMOTE, 5.0)  # it is in the history
    handset.show(release)
    assert read_dial(*await handset.run(dial_line(NUMBER, "c_1"))) == (Dialled.TAKEN, "")
    assert handset.ran == ["am start -a android.intent.action.CALL -d tel:%2B380991230007"]
    call_id, up, _, boot = (handset.folder / "note").read_text().split()
    assert (call_id, boot) == ("c_1", BOOT) and float(up) > 0


@pytest.mark.parametrize(
    "chooser",
    [
        "android/com.android.internal.app.ResolverActivity",
        "com.android.intentresolver/.ChooserActivity",
        "com.huawei.android.internal.app/.HwResolverActivity",
    ],
)
async def test_a_phone_that_would_ask_which_app_shall_call_dials_nothing(handset: Handset, chooser: str) -> None:
    handset.show(14)
    first = "priority=0 preferredOrder=0 match=0x108000 specificIndex=-1 isDefault=false"
    handset._command("cmd", f"echo '{first}'; echo '{chooser}'; echo 'WARNING: linker' >&2")
    outcome = read_dial(*await handset.run(dial_line(NUMBER, "c_1")))
    assert outcome == (Dialled.CHOOSER, chooser) and not handset.ran and not (handset.folder / "note").exists()
    handset._command("cmd", f"echo '{first}'; echo com.android.server.telecom/.components.UserCallActivity")
    assert read_dial(*await handset.run(dial_line(NUMBER, "c_1")))[0] is Dialled.TAKEN


@pytest.mark.parametrize("code", [0, 1])
def test_what_was_said_before_am_started_is_no_refusal(code: int) -> None:
    """A dump that complains says nothing of the order: what came of that may have to be ended later."""
    said = "java.lang.SecurityException: dump of a service\nStarting: Intent { act=x dat=tel:xxx }\n"
    assert read_dial(said, code)[0] is (Dialled.UNCERTAIN if code else Dialled.TAKEN)
    refused = f"{said}Error: Activity not started, unable to resolve Intent\n"
    assert read_dial(refused, code) == (Dialled.REFUSED, "Error: Activity not started, unable to resolve Intent")


@pytest.mark.parametrize("release", RELEASES)
async def test_what_is_shown_instead_of_a_call_is_closed_unless_there_is_one(handset: Handset, release: int) -> None:
    handset.show(release)
    assert read_hang_up(*await handset.run(put_away_line())) == ("@@pressed", "")
    assert handset.ran == ["input keyevent 224", "input keyevent 4"]
    is_dialled(handset.telephony)
    handset.show(release)
    assert read_hang_up(*await handset.run(put_away_line())) == ("@@busy", "") and len(handset.ran) == 2
    handset.show(release, change=lambda text: text[: len(text) // 3])
    handset.telephony.reset()
    assert read_hang_up(*await handset.run(put_away_line()))[0] != "@@pressed" and len(handset.ran) == 2


async def test_what_cannot_be_noted_is_not_dialled(handset: Handset) -> None:
    handset.show(14)
    handset._command("tee", 'echo "tee: $1: Read-only file system" >&2; exit 1')
    outcome, why = read_dial(*await handset.run(dial_line(NUMBER, "c_1")))
    assert outcome is Dialled.REFUSED and "Read-only" in why and not handset.ran


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("state", [talks, is_dialled, rings, held])
async def test_a_phone_in_any_call_dials_nothing(
    handset: Handset, release: int, state: Callable[[Telephony], None]
) -> None:
    state(handset.telephony)
    handset.show(release)
    outcome, why = read_dial(*await handset.run(dial_line(NUMBER, "c_1")))
    assert outcome is Dialled.BUSY and "TC@1" in why
    assert not handset.ran


@pytest.mark.parametrize("release", RELEASES)
async def test_a_call_that_only_the_sim_has_is_one(handset: Handset, release: int) -> None:
    is_dialled(handset.telephony)
    handset.show(release, change=lambda text: text.replace("TC@1", "gone"))
    outcome, _ = read_dial(*await handset.run(dial_line(NUMBER, "c_1")))
    assert outcome is Dialled.BUSY and not handset.ran


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("state", "taken"), [("DISCONNECTED", True), ("ABORTED", True), ("DISCONNECTING", False)])
async def test_a_call_that_is_over_but_still_listed_is_no_obstacle(
    handset: Handset, release: int, state: str, taken: bool
) -> None:
    is_dialled(handset.telephony)
    handset.show(release, change=lambda text: text.replace("DIALING,", f"{state},"))
    (handset.folder / "telephony.registry").write_text("  Phone Id=0\n    mCallState=0\n")
    outcome, _ = read_dial(*await handset.run(dial_line(NUMBER, "c_1")))
    assert (outcome is Dialled.TAKEN) is taken and bool(handset.ran) is taken


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: "Can't find service: telecom\n",
        lambda text: text.partition("  mCallAudioManager")[0] + "*** SERVICE 'telecom' DUMP TIMEOUT EXPIRED ***",
        lambda text: text.replace("mCalls:", "calls"),
    ],
)  # fmt: skip
async def test_a_phone_that_does_not_tell_its_calls_dials_nothing(
    handset: Handset, change: Callable[[str], str]
) -> None:
    handset.show(14, change=change)
    outcome, _ = read_dial(*await handset.run(dial_line(NUMBER, "c_1")))
    assert outcome is Dialled.SILENT and not handset.ran


async def test_a_phone_without_a_registry_dials_nothing(handset: Handset) -> None:
    handset.show(14)
    (handset.folder / "telephony.registry").write_text("")
    outcome, _ = read_dial(*await handset.run(dial_line(NUMBER, "c_1")))
    assert outcome is Dialled.SILENT and not handset.ran


async def test_an_am_that_is_killed_in_the_middle_may_have_dialled(handset: Handset) -> None:
    handset.show(14)
    handset._command("am", 'echo "Starting: Intent { act=x }"; kill -9 $$')
    outcome, why = read_dial(*await handset.run(dial_line(NUMBER, "c_1")))
    assert outcome is Dialled.UNCERTAIN and "137" in why


@pytest.mark.parametrize(
    ("output", "code", "outcome"),
    [
        ("Starting: Intent { act=android.intent.action.CALL dat=tel:xxx }\n", 0, Dialled.TAKEN),
        ("Starting: Intent { x }\nWarning: Activity not started, its current task has been brought to the front\n", 0,
         Dialled.ASIDE),
        ("Starting: Intent { x }\nWarning: Activity not started because the current activity is being kept\n", 0,
         Dialled.ASIDE),
        ("Starting: Intent { x }\nWarning: Activity not started, its current\n", 137, Dialled.UNCERTAIN),
        ("Starting: Intent { x }\nError: Activity not started, unable to resolve Intent { x }\n", 1, Dialled.REFUSED),
        ("Starting: Intent { x }\nError type 3\n", 0, Dialled.REFUSED),
        ("Starting: Intent { x }\nException occurred while executing 'start':\n"
         "java.lang.SecurityException: Permission Denial: starting Intent { x }\n", 255, Dialled.REFUSED),
        ("java.lang.SecurityException: Permission Denial: starting Intent { x }\n", 1, Dialled.REFUSED),
        ("/system/bin/sh: am: inaccessible or not found\n", 127, Dialled.REFUSED),
        ("Starting: Intent { x }\nandroid.os.DeadObjectException\n", 1, Dialled.UNCERTAIN),
        ("Starting: Intent { x }\n", 137, Dialled.UNCERTAIN),
        ("Error: Activity not started\n", 143, Dialled.UNCERTAIN),
        ("", 0, Dialled.UNCERTAIN),
        ("", 1, Dialled.UNCERTAIN),
        ("Segmentation fault\n", 139, Dialled.UNCERTAIN),
    ],
)  # fmt: skip
def test_only_words_of_refusal_are_a_refusal(output: str, code: int, outcome: Dialled) -> None:
    assert read_dial(output, code)[0] is outcome


# --- hanging up -------------------------------------------------------------------------------------------------

KEY = ["input keyevent 6"]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("state", [talks, is_dialled])
async def test_the_only_call_is_ended(handset: Handset, release: int, state: Callable[[Telephony], None]) -> None:
    state(handset.telephony)
    handset.show(release)
    assert read_hang_up(*await handset.run(hang_up_line(f"{OURS}/TC@1"))) == ("@@pressed", "")
    assert handset.ran == KEY


@pytest.mark.parametrize(
    ("listed", "wanted", "answer"),
    [
        ([37], 37, "@@pressed"),
        ([3], 37, "@@several"),
        ([371], 37, "@@several"),
        ([27], 37, "@@several"),
        ([37, 38], 37, "@@several"),
        ([], 37, "@@gone"),
    ],
)
@pytest.mark.parametrize("release", [9, 14])
async def test_no_other_call_is_taken_for_ours(
    handset: Handset, release: int, listed: list[int], wanted: int, answer: str
) -> None:
    for number in listed:
        handset.telephony._next_tc = number
        handset.telephony.dial(NUMBER, 0.0)
    handset.show(release)
    assert read_hang_up(*await handset.run(hang_up_line(f"{OURS}/TC@{wanted}")))[0] == answer
    assert handset.ran == (KEY if answer == "@@pressed" else [])


async def test_a_call_of_another_boot_is_not_ended(handset: Handset) -> None:
    talks(handset.telephony)
    handset.show(14)
    assert read_hang_up(*await handset.run(hang_up_line("0123456789abcdef/TC@1")))[0] == "@@silent"
    assert not handset.ran


async def test_half_an_answer_presses_nothing(handset: Handset) -> None:
    talks(handset.telephony)
    handset.show(14, change=lambda text: text.partition("  mCallAudioManager")[0])
    assert read_hang_up(*await handset.run(hang_up_line(f"{OURS}/TC@1")))[0] == "@@silent"
    assert not handset.ran


@pytest.mark.parametrize("release", RELEASES)
async def test_among_several_the_key_is_pressed_only_while_all_is_as_it_was_seen(
    handset: Handset, release: int
) -> None:
    talks(handset.telephony)
    rings(handset.telephony)
    handset.telephony.answer(2.0)
    handset.telephony.swap(3.0)  # ours talks, theirs is on hold
    handset.show(release)
    lists = (handset.folder / "telecom").read_text()
    read = android.parse_look(f"{android.SECTION}\n".join(("12:00:00.0\n", f"{BOOT}\n", "", lists)))
    assert read is not None and in_the_way(read.look, f"{OURS}/TC@1") == (f"{OURS}/TC@1", "")
    line = hang_up_among_line(f"{OURS}/TC@1", read.listed)
    assert read_hang_up(*await handset.run(line))[0] == "@@pressed" and handset.ran == KEY
    handset.telephony.swap(4.0)
    handset.show(release)
    assert read_hang_up(*await handset.run(line))[0] == "@@changed" and handset.ran == KEY


async def test_a_phone_that_does_not_let_keys_be_pressed_says_so(handset: Handset) -> None:
    talks(handset.telephony)
    handset.show(14)
    words = "java.lang.SecurityException: Injecting input events requires the caller to have INJECT_EVENTS"
    handset._command("input", f"echo '{words}'; exit 255")
    assert read_hang_up(*await handset.run(hang_up_line(f"{OURS}/TC@1"))) == (
        "@@pressed",
        'it may not press keys: switch on "USB debugging (Security settings)" in its developer options, and restart it'
        f" ({words})",
    )


@pytest.mark.parametrize("release", RELEASES)
async def test_the_question_for_a_sim_is_closed_with_back(handset: Handset, release: int) -> None:
    handset.telephony.asks_for_sim = True
    is_dialled(handset.telephony)
    handset.show(release)
    assert read_hang_up(*await handset.run(hang_up_line(f"{OURS}/TC@1"))) == ("@@pressed", "")
    assert handset.ran == ["input keyevent 224", "input keyevent 4"]


def live(number: int, *, incoming: bool = False, held: bool = False, phase: CallPhase = CallPhase.ACTIVE) -> LiveCall:
    return LiveCall(ref=f"b/TC@{number}", phase=phase, created_age=1.0, incoming=incoming, held=held)


RINGING = live(2, incoming=True, phase=CallPhase.ALERTING)


@pytest.mark.parametrize(
    ("calls", "ref", "aim", "words"),
    [
        ([live(1)], "b/TC@1", "b/TC@1", ""),
        ([live(1)], None, "b/TC@1", ""),
        ([], None, None, ""),
        ([live(2)], "b/TC@1", None, ""),
        ([RINGING], None, None, ""),  # it is not ours
        ([RINGING], "b/TC@2", "b/TC@2", ""),
        ([RINGING, live(1)], "b/TC@1", "b/TC@1", "rings"),
        ([RINGING, live(1)], "b/TC@2", "b/TC@2", "foreground"),
        ([live(2, incoming=True), live(1, held=True)], "b/TC@1", "b/TC@1", "foreground"),
        ([live(2, incoming=True, held=True), live(1)], "b/TC@1", "b/TC@1", ""),
        ([live(2, incoming=True, held=True), live(1)], None, "b/TC@1", ""),
        ([live(2, held=True), live(1, held=True)], "b/TC@1", "b/TC@1", "hold"),
        ([live(2), live(1, held=True)], None, "b/TC@2", "not said"),
        ([live(1, held=True)], "b/TC@1", "b/TC@1", ""),
    ],
)
def test_the_key_is_not_pressed_where_it_could_end_another_call(
    calls: list[LiveCall], ref: str | None, aim: str | None, words: str
) -> None:
    target, why = in_the_way(Look(live=tuple(calls), past=()), ref)
    assert target == aim and words in why and bool(why) is bool(words)
