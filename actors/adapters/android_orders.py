"""The orders to a phone that cannot be undone, as lines for its shell that look and act in one go, and their answers.

What is decided on the phone, between two of its own commands, cannot be out of date by a cable or a busy host. Each
line reads the lists of calls into a variable and acts in a `case` only where they were whole and said what is needed;
no answer, half an answer and an unknown state all mean that nothing is done. Pure; POSIX `sh`, as mksh reads it.

Costs on the phone, beside `am` or `input` (which start a virtual machine): a question to the package manager, two
dumps, two greps and three small ones to dial; one dump, one grep and a `cat` to hang up.
"""

import re
from enum import Enum

from actors.adapters.android import ASKS, NOTE
from actors.telephony.reports import CallPhase, Look

# Calls in any state but DISCONNECTED and ABORTED, and the titles between which they are listed (`CallsManager.dump`).
# A `-` stands before whatever the history quotes.
_LIVE = r"^[^-]*\[(TC@[0-9]+, |Call id=TC@[0-9]+, state=)([^AD]|A[^B]|DIA|DISCONNECTI)"
_CALLS = f"dumpsys telecom|grep -E '{_LIVE}|^ *mCalls:|^ *mCallAudioManager:|^ *Historical Events:'"
_BOOT = "cat /proc/sys/kernel/random/boot_id"
_LISTED = "TC@[0-9]+, (state=)?[A-Z_]+"

BUSY, SILENT, PRESSED, GONE, SEVERAL, CHANGED = "@@busy", "@@silent", "@@pressed", "@@gone", "@@several", "@@changed"
CHOOSER = "@@chooser"
BY_A_SIGNAL = range(129, 193)  # exit codes; 255 is a command's own -1, as after an exception

_WORD = re.compile(rf"(?m)^(?:{BUSY}|{SILENT}|{CHOOSER}|{PRESSED}|{GONE}|{SEVERAL}|{CHANGED})$")
_STARTED = re.compile(r"(?m)^Starting: Intent\b")
_NOT_STARTED = re.compile(r"(?m)^Warning: Activity not started\b.*")  # something else was shown, or will be
_SET = re.compile(r"(?m)^[ \t]*Success\b")
_REFUSED = re.compile(
    r"(?m)^(?:Error(?::| type)|.*(?:SecurityException|Permission Denial|IllegalArgumentException)"
    r"|.*\b(?:am|input|tee): (?:inaccessible or )?not found|tee: ).*"
)


_RESOLVE = "cmd package resolve-activity --brief -a android.intent.action.CALL"


def _whole(begin: str, then: str = "") -> str:
    """A pattern of the lists of calls from their title to whatever the dump goes on with."""
    return "|".join(f"{begin}{then}*{end}*" for end in ("mCallAudioManager:", "Historical"))


def dial_line(number: str, call_id: str) -> str:
    """Note for which call, and dial an E.164 number, if the phone is in no call: neither Telecom has one, nor a SIM;
    and would not ask which app shall call. What cannot be noted is not dialled: nobody could tell later whether it
    was."""
    uri = f"tel:%2B{number.removeprefix('+')}"
    note = f"echo {call_id} $(cat /proc/uptime;{_BOOT})|tee {NOTE}"
    dial = f"{note}&&am start -a android.intent.action.CALL -d {uri} </dev/null"
    return (
        f"r=$({_RESOLVE} -d {uri} </dev/null 2>/dev/null);"
        f"s=$(dumpsys telephony.registry|grep -E '^ *mCallState=';{_CALLS});case $s in "
        f'*mCallState=[!0]*|*TC@*)echo {BUSY};echo "$s";;'
        f"{_whole('*mCallState=0*mCalls:')})case $r in *ResolverActivity*|*ChooserActivity*)"
        f'echo {CHOOSER};echo "$r";;*){dial};;esac;;'
        f'*)echo {SILENT};echo "$s";;esac'
    )


PROBE = (  # the key of no meaning, which nothing reacts to; and who would be asked to dial
    "input keyevent 0 </dev/null 2>&1;echo @@input $?;"
    f"{_RESOLVE} -d tel:%2B1 </dev/null 2>&1;echo @@end"
)
_PRESSED = re.compile(r"@@input ([0-9]{1,3})\s")
_CHOOSER = re.compile(r"(?:Resolver|Chooser)Activity\b")
_KEYS_FORBIDDEN = (
    'it may not press keys: switch on "USB debugging (Security settings)" in its developer options, and restart it'
)


def read_probe(output: str) -> tuple[str, str] | None:
    """Why a phone cannot hang up, and the chooser that it would show for a call, from the answer to `PROBE`; empty: it
    can, and shows none. None: no whole answer."""
    pressed = _PRESSED.search(output)
    if pressed is None or int(pressed[1]) in BY_A_SIGNAL or not output[pressed.end() :].rstrip().endswith("@@end"):
        return None
    said = output[: pressed.start()]
    refusal = _REFUSED.search(said)
    words = "" if pressed[1] == "0" else _said(said, int(pressed[1]))
    return _plainly(refusal) if refusal else words, _chooser(output[pressed.end() :])


def _chooser(text: str) -> str:
    """The first name of an activity (`package/class`) that asks which app shall call; empty: none."""
    for word in text.split():
        if "/" in word and (found := _CHOOSER.search(word, word.index("/"))):
            return word[: found.end()]
    return ""


def _plainly(refusal: re.Match[str]) -> str:
    """The words of a refusal, after what to do where that is known."""
    words = refusal[0].strip()
    return f"{_KEYS_FORBIDDEN} ({words})" if "INJECT_EVENTS" in words else words


def sim_line(sim: str) -> str:
    """Have all calls go out by one SIM, by the name that Telecom has for its account: its ICCID up to Android 12, its
    subscription id from 13 on."""
    service = "com.android.phone/com.android.services.telephony.TelephonyConnectionService"
    return f"telecom set-user-selected-outgoing-phone-account {service} {sim} 0 </dev/null 2>&1"


def read_sim(output: str) -> str:
    """What a phone said that did not take the SIM; empty: it did. Linkers and others may have words before."""
    return "" if _SET.search(output) else output.strip()[:200] or "no words"


class Dialled(Enum):
    """What became of an order to dial."""

    TAKEN = "taken"
    BUSY = "the phone is in a call"
    SILENT = "it does not tell its calls"  # nothing was dialled
    CHOOSER = "it asks which app to call with"  # it would, and was not told to
    ASIDE = "it showed something else"  # a call may come of that
    REFUSED = "refused"
    UNCERTAIN = "no whole answer"


def read_dial(output: str, exit_code: int) -> tuple[Dialled, str]:
    """The answer to `dial_line`, and what the phone said. Only words of refusal are a refusal: a command that was
    killed, or ended without the words that it began, may have dialled."""
    word, rest = _answer(output)
    if word == BUSY:
        return Dialled.BUSY, ", ".join(sorted(set(re.findall(_LISTED.replace("(", "(?:"), rest))))
    if word == SILENT:
        return Dialled.SILENT, " ".join(rest.split())
    if word == CHOOSER:
        return Dialled.CHOOSER, rest.split()[-1] if rest else ""
    started = _STARTED.search(output)
    of_am = output[started.end() :] if started else output  # what dumps complain of comes before
    if exit_code not in BY_A_SIGNAL and (refusal := _REFUSED.search(of_am)):
        return Dialled.REFUSED, refusal[0].strip()
    if exit_code == 0 and (aside := _NOT_STARTED.search(output)):
        return Dialled.ASIDE, aside[0].strip()
    if exit_code == 0 and started:
        return Dialled.TAKEN, ""
    return Dialled.UNCERTAIN, _said(output, exit_code)


def _answer(output: str) -> tuple[str, str]:
    """The word that a line answered, if any, and what came after it. What a dump complains of comes before."""
    word = _WORD.search(output)
    return (word[0], output[word.end() :].strip()) if word else ("", output.strip())


def _said(output: str, exit_code: int) -> str:
    return f"exit code {exit_code}, {' '.join(output.split())[:200] or 'no words'}"


# --- hanging up -------------------------------------------------------------------------------------------------


END = "input keyevent 6 </dev/null"
_BACK = "input keyevent 224 </dev/null;input keyevent 4 </dev/null"
_HEADSET = "input keyevent 79 </dev/null"  # with another call on hold it would swap them: only for a call that is alone
_SERVICE = (  # `endCall` of Telecom's service: its number is known of these releases, and any other does it no harm
    "case $(getprop ro.build.version.sdk) in 29)service call telecom 30 s16 com.android.shell;;"
    "30)service call telecom 31 s16 com.android.shell;;*)false;;esac"
)
_RESTART = "reboot </dev/null"
_WAYS = ((END, _HEADSET, _SERVICE), (END, _HEADSET, _SERVICE), (_HEADSET, _SERVICE), (_SERVICE, END), (_RESTART,))
IN_VAIN = 2  # orders to end one call after which it is no matter of patience


def ways(before: int) -> tuple[str, ...]:
    """What ends a call that is alone on its phone, at an order to end it that was given `before` times in vain. Where
    one is refused, the next is tried at once; a call that goes on costs money, so the last is to restart the phone."""
    return _WAYS[min(before, len(_WAYS) - 1)]


def hang_up_line(ref: str, way: str = END) -> str:
    """End this call in this way if it is up and no other one is, of whatever kind. While it asks for a SIM, END does
    nothing to it, and BACK, on a screen that is awake, closes the question."""
    boot, call = _names(ref)
    digits = call.removeprefix("TC@")
    others = [f"*TC@{digits[:place]}[!{digit}]*" for place, digit in enumerate(digits)] + [f"*{call}[!,]*"]
    return (
        f"s=$({_BOOT};{_CALLS});case $s in {'|'.join(others)})echo {SEVERAL};;"
        f"{_whole(f'{boot}*mCalls:', f'*{call},?*{ASKS},')})echo {PRESSED};{_BACK if way == END else way};;"
        f"{_whole(f'{boot}*mCalls:', f'*{call},')})echo {PRESSED};{way};;"
        f"{_whole(f'{boot}*mCalls:')})echo {GONE};;*)echo {SILENT};;esac"
    )


def put_away_line() -> str:
    """Close what stands in front instead of a call, if there is no call by now."""
    return (
        f"s=$({_CALLS});case $s in *TC@*)echo {BUSY};;{_whole('*mCalls:')})echo {PRESSED};{_BACK};;"
        f"*)echo {SILENT};;esac"
    )


def hang_up_among_line(ref: str, listed: tuple[str, ...]) -> str:
    """Press END if the phone lists exactly these calls in these states."""
    boot, _ = _names(ref)
    return (
        f"s=$(echo $({_BOOT};{_CALLS}|grep -oE '{_LISTED}'));"
        f"case $s in {boot}*' {' '.join(listed)}')echo {PRESSED};{END};;"
        f"*)echo {CHANGED};;esac"
    )


def read_hang_up(output: str, exit_code: int) -> tuple[str, str]:
    """The word that a line for hanging up answered, empty if none did, and the phone's words if it refused to."""
    word, rest = _answer(output)
    if exit_code in BY_A_SIGNAL or not word:
        return "", ""
    refusal = _REFUSED.search(rest)
    if refusal is not None or exit_code != 0:
        return word, _plainly(refusal) if refusal else _said(rest, exit_code)
    return word, ""


def in_the_way(look: Look, ref: str | None) -> tuple[str | None, str]:
    """The call that END should end (None: it is not up), and why the key must not be pressed for it, if so.

    END ends the call in the foreground. With one that rings beside it, phones differ in which they take; with several
    on hold, nobody says which. `ref` None means our only call, which did not come in.
    """
    mine = [live for live in look.live if (not live.incoming if ref is None else live.ref == ref)]
    if len(mine) > 1:
        return mine[0].ref, f"which call is meant is not said, of {', '.join(live.ref for live in mine)}"
    if not mine:
        return None, ""
    others = [live for live in look.live if live.ref != mine[0].ref]
    for other in others:
        if other.incoming and other.phase is CallPhase.ALERTING:
            return mine[0].ref, f"the key could reject {other.ref}, which rings, instead"
        if not other.held:
            return mine[0].ref, f"the key would end {other.ref}, which is in the foreground, instead"
    if mine[0].held and others:
        return mine[0].ref, f"the key could end {others[0].ref}, which is on hold too, instead"
    return mine[0].ref, ""


def _names(ref: str) -> tuple[str, str]:
    """The beginning of the boot id as the phone writes it, and the call's name, of `<16 hex digits>/TC@5`."""
    boot, _, call = ref.partition("/")
    return f"{boot[:8]}-{boot[8:12]}-{boot[12:16]}", call
