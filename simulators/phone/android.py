"""The userland of a virtual phone: the commands that the system, adb and adbutils use. No sockets here."""

import fnmatch
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from uuid import UUID, uuid5

from simulators.carrier.rules import OUT_OF_SERVICE
from simulators.phone import dumps, storage
from simulators.phone.result import Result
from simulators.phone.screens import commands, intents, keys
from simulators.phone.screens.dialler import CODE
from simulators.phone.screens.screens import Screens
from simulators.phone.screens.server import UiServer
from simulators.phone.telephony import Happened, PhoneCall, State, Telephony
from simulators.phone.vitals import Vitals

SDK = {9: 28, 10: 29, 11: 30, 12: 31, 13: 33, 14: 34}
NOT_FOUND = 127
FAILED = 255  # a command's own -1, as after an exception
KILLED = 128 + 9
DIALLER = "com.android.server.telecom/.components.UserCallActivity"
END_CALL = {10: "30", 11: "31"}  # by release, where it is known
ANOTHER_IN_FRONT = (
    b"Starting: Intent { act=android.intent.action.CALL dat=tel:xxx }\n"
    b"Warning: Activity not started, its current task has been brought to the front\n"
)
INJECT_EVENTS = (
    b"java.lang.SecurityException: Injecting input events requires the caller (or the source of the instrumentation,"
    b" if any) to have the INJECT_EVENTS permission.\n\tat android.os.Parcel.createExceptionOrNull(Parcel.java:3057)\n"
)
LINKER = "WARNING: linker: /system/lib/libhoudini.so has text relocations. This is wasting memory. Please fix.\n"
CALL = "android.intent.action.CALL"
FILES_LIMIT = 320 * 1024 * 1024  # one file of the largest that a site takes, and some


class AmFault(Enum):
    """What goes wrong with `am start`, the command that dials."""

    REFUSED = "refused"  # in so many words
    KILLED_BEFORE = "killed_before"  # by a signal, before the order went out
    KILLED_AFTER = "killed_after"
    SILENT = "silent"  # it ends well, dials and says nothing
    WARNED = "warned"  # something else came to the front


class InputFault(Enum):
    """What goes wrong with `input`, the command that presses keys."""

    REFUSED = "refused"  # as Xiaomi does without "USB debugging (Security settings)"
    SILENT = "silent"  # it ends well and presses nothing


@dataclass
class Identity:
    """What a phone is. `release` is the Android version, `serial` its own number, not its adb address."""

    serial: str
    model: str = "A52"
    product: str = "a52qnsxx"
    brand: str = "samsung"
    release: int = 14
    region: str = "UA"
    operator: str = "Sandbox Mobile"
    sims: int = 1


@dataclass
class Android:
    """One phone's system. `clock` is monotonic seconds, `wall_at` the phone's date at such a moment; both are given."""

    identity: Identity
    telephony: Telephony
    clock: Callable[[], float]
    wall_at: Callable[[float], datetime]
    happened: Callable[[list[Happened]], None]
    fork_delay: float = 0.0  # `am` and `input` start a virtual machine on a real phone
    level: int = 82
    tenths: int = 380
    vitals: Vitals = field(default_factory=Vitals)
    sim: str = "READY"
    boots: int = 1
    booted_at: float = 0.0
    files: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    installed: dict[str, bytes] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    am_fault: AmFault | None = None
    input_fault: InputFault | None = None
    quirks: frozenset[dumps.Quirk] = frozenset()
    takes_no_sim: bool = False
    outgoing_sim: str = ""  # chosen for all calls
    asks_for_app: bool = False  # two apps that can call, and no default
    shows: str = ""  # what stands in front of everything; BACK closes it
    appears_after: float = 0.0  # seconds from the end of `am`, which waits for nothing, to the call
    later: Callable[[float, Callable[[], None]], None] = lambda delay, act: act()
    dialled: Callable[[str], None] = lambda _: None
    hung_up: Callable[[PhoneCall], None] = lambda _: None
    sim_chosen: Callable[[PhoneCall], None] = lambda _: None

    def __post_init__(self) -> None:
        self.use_screens(Screens(self, seed=sum(self.identity.serial.encode())))

    def use_screens(self, screens: Screens) -> None:
        """From now on these are its screens."""
        self.screens, self.server = screens, UiServer(screens)

    # --- what people do on its screen

    def place(self, number: str) -> None:
        """The green button. It dials as an order does, and counts as one: whoever may touch the screen can press it."""
        self._dial(number)

    def take(self) -> None:
        """Answer the call that rings."""
        self.happened(self.telephony.answer(self.clock()))

    def put_down(self, call: PhoneCall) -> None:
        """End one call."""
        if call in self.telephony.live:
            self.hung_up(call)
            self.happened(self.telephony.hang_up_call(call, self.clock()))

    def use_sim(self, number: int) -> None:
        """The call that asks for a SIM goes out on this one."""
        for call in self.telephony.in_state(State.SELECT_PHONE_ACCOUNT):
            self.sim_chosen(call)
            self.happened(self.telephony.choose_sim(call, self.clock()))

    def fly(self, on: bool) -> None:
        """Airplane mode: calls break off, and nothing goes out until it is over."""
        self.telephony.in_service = not on
        for call in list(self.telephony.live) if on else []:
            self.happened(self.telephony.end(call, OUT_OF_SERVICE, self.clock()))

    # --- running a command

    def run(self, argv: list[str], stdin: bytes = b"") -> Result:
        """Run one simple command to its end."""
        if not argv:
            return Result()
        name = argv[0].rsplit("/", 1)[-1]
        if name == "pm" and (result := self._installing(argv[1:])) is not None:
            return self._slow(result)
        seen = commands.COMMANDS.get(name)
        if seen is not None:
            result = seen(self.screens, argv[1:], self.files)
            return self._slow(result) if name in commands.SLOW else result
        command = COMMANDS.get(name)
        if command is None:
            return Result(err=f"/system/bin/sh: {argv[0]}: inaccessible or not found\n".encode(), code=NOT_FOUND)
        return command(self, argv[1:], stdin)

    def _installing(self, args: list[str]) -> Result | None:
        """What `pm` does with apps of people's own. None: it is about others."""
        if args[:1] == ["install"] or (args[:1] == ["uninstall"] and args[-1] in self.installed):
            return storage.install(self.files, self.installed, args)
        if args[:1] == ["path"] and args[-1] in self.installed:
            return Result(f"package:/data/app/{args[-1]}/base.apk\n".encode())
        return None

    def _slow(self, result: Result) -> Result:
        return replace(result, delay=result.delay + self.fork_delay)

    @property
    def boot_id(self) -> str:
        return str(uuid5(UUID(int=0), f"{self.identity.serial}/{self.boots}"))

    @property
    def uptime(self) -> float:
        return self.clock() - self.booted_at

    def restart(self) -> None:
        """The phone restarts: its calls are gone."""
        self.telephony.reset()
        self.shows = ""
        self.screens.restart()
        self.boots += 1
        self.booted_at = self.clock()
        self.vitals.restart()

    def properties(self) -> Mapping[str, str]:
        who = self.identity
        return {
            "gsm.operator.alpha": who.operator,
            "gsm.sim.state": ",".join(self._sims()),
            "gsm.sim.operator.iso-country": who.region.lower(),
            "gsm.sim.operator.numeric": ",".join([self.vitals.sim_operator] + [""] * (who.sims - 1)),
            "gsm.network.type": self.vitals.network,
            "gsm.operator.isroaming": ",".join([str(self.vitals.roaming).lower()] + ["false"] * (who.sims - 1)),
            "ro.boot.serialno": who.serial,
            "ro.build.version.release": str(who.release),
            "ro.build.version.sdk": str(SDK[who.release]),
            "ro.product.brand": who.brand,
            "ro.product.device": who.product,
            "ro.product.manufacturer": who.brand,
            "ro.product.model": who.model,
            "ro.product.name": who.product,
            "ro.serialno": who.serial,
            "sys.boot_completed": "1",
        }

    def _sims(self) -> list[str]:
        if dumps.Quirk.EMPTY_FIRST in self.quirks:
            return ["ABSENT", self.sim]
        return [self.sim] + ["ABSENT"] * (self.identity.sims - 1)

    # --- commands

    def getprop(self, args: list[str], stdin: bytes) -> Result:
        properties = self.properties()
        if args:
            return Result(f"{properties.get(args[0], args[1] if len(args) > 1 else '')}\n".encode())
        return Result("".join(f"[{name}]: [{value}]\n" for name, value in properties.items()).encode())

    def am(self, args: list[str], stdin: bytes) -> Result:
        if args[:1] not in (["start"], ["start-activity"]):
            return self._slow(intents.am(self.screens, args))
        options = dict(itertools.pairwise(args[1:]))
        action, uri = options.get("-a", ""), options.get("-d", "")
        if self.am_fault is AmFault.REFUSED:
            return Result(err=b"Error: Activity not started, unable to resolve Intent\n", code=1, delay=self.fork_delay)
        if self.am_fault is AmFault.KILLED_BEFORE:
            return Result(code=KILLED, delay=self.fork_delay)
        if self.am_fault is AmFault.WARNED:
            self.shows = "something else"
            return Result(ANOTHER_IN_FRONT, delay=self.fork_delay)
        if self.asks_for_app:
            self.shows = "a choice of apps"
        if action == CALL:
            result = Result(f"Starting: Intent {{ act={action} dat={re.sub('[0-9]', 'x', uri)} }}\n".encode())
            if uri.startswith("tel:") and not self.asks_for_app:
                self._dial(uri.removeprefix("tel:").replace("%2B", "+").replace("%23", "#"))
        else:
            result = intents.start(self.screens, args[1:])
        if self.am_fault is AmFault.KILLED_AFTER:
            return Result(code=KILLED, delay=self.fork_delay)
        if self.am_fault is AmFault.SILENT:
            return Result(delay=self.fork_delay)
        return self._slow(result)

    def _dial(self, number: str) -> None:
        self.dialled(number)
        if CODE.fullmatch(number):
            self.screens.dialler.ask_network(number)
        else:
            self.later(self.appears_after, lambda: self.happened(self.telephony.dial(number, self.clock())))

    def input(self, args: list[str], stdin: bytes) -> Result:
        if self.input_fault is InputFault.REFUSED:
            return Result(err=INJECT_EVENTS, code=FAILED, delay=self.fork_delay)
        if self.input_fault is InputFault.SILENT:
            return Result(delay=self.fork_delay)
        if args[:1] != ["keyevent"]:
            return self._slow(commands.touch(self.screens, args))
        for key in args[1:]:
            self._press(keys.name_of(key) or "")
        return self._slow(commands.press(self.screens, [key for key in args[1:] if self._for_screen(key)]))

    def _press(self, key: str) -> None:
        if key in ("ENDCALL", "HEADSETHOOK"):
            self._end()
        elif key == "CALL":
            self.happened(self.telephony.answer(self.clock()))

    def _for_screen(self, key: str) -> bool:
        """What stands in front of everything takes the BACK key, as a question for the SIM does."""
        if keys.name_of(key) != "BACK":
            return True
        closed = self.telephony.close_dialog(self.clock())
        taken, self.shows = bool(self.shows or closed), ""
        self.happened(closed)
        return not taken

    def _end(self) -> None:
        call = self.telephony.current
        if call is not None:
            self.hung_up(call)
            self.happened(self.telephony.hang_up(self.clock()))

    def service(self, args: list[str], stdin: bytes) -> Result:
        """`service call`: Telecom's `endCall` has another number in each release."""
        if args[:2] == ["call", "iphonesubinfo"]:
            return commands.subscriber(self.screens, args[2:])
        if args[:3] == ["call", "telecom", END_CALL.get(self.identity.release, "")]:
            self._end()
        return Result(b"Result: Parcel(00000000 00000001   '........')\n")

    def cmd(self, args: list[str], stdin: bytes) -> Result:
        shown = commands.service(self.screens, args)
        if shown is not None:
            return self._slow(shown)
        if args[:2] != ["package", "resolve-activity"]:
            return Result(err=b"cmd: Can't find service\n", code=20)
        app = "android/com.android.internal.app.ResolverActivity" if self.asks_for_app else DIALLER
        return Result(f"priority=0 preferredOrder=0 match=0x108000 specificIndex=-1 isDefault=false\n{app}\n".encode())

    def dumpsys(self, args: list[str], stdin: bytes) -> Result:
        who = self.identity
        match args[:1]:
            case ["telephony.registry"]:
                text = dumps.registry(
                    self.telephony, who.release, sims=who.sims, in_service=self.telephony.in_service,
                    operator=who.operator, level=self.vitals.signal,
                )  # fmt: skip
            case ["telecom"]:
                text = dumps.telecom(self.telephony, who.release, self.wall_at)
            case ["isub"]:
                text = dumps.subscriptions(self.vitals.iccid)
            case ["battery"]:
                samsung = who.brand == "samsung"
                text = dumps.battery(self.level, self.tenths, health=self.vitals.battery_health, samsung=samsung)
            case ["thermalservice"] if who.release >= 10:
                text = (
                    f"Thermal Status: 0\nTemperature{{mValue={self.tenths / 10}, mType=2, mName=battery, mStatus=0}}\n"
                )
            case _ if (shown := commands.dumpsys(self.screens, args)) is not None:
                text = shown
            case _:
                return Result(f"Can't find service: {' '.join(args)}\n".encode())
        return Result(dumps.with_quirks(text, self.quirks, who.release).encode())

    def cat(self, args: list[str], stdin: bytes) -> Result:
        if not args:
            return Result(stdin)
        out, err, code = b"", b"", 0
        for path in args:
            content = self._read(path)
            if content is None:
                err, code = err + f"cat: {path}: No such file or directory\n".encode(), 1
            else:
                out += content
        return Result(out, err, code)

    def _read(self, path: str) -> bytes | None:
        if path == "/proc/sys/kernel/random/boot_id":
            return f"{self.boot_id}\n".encode()
        said = self.vitals.file(path, self.uptime)
        return self.files.get(path) if said is None else said

    def write_file(self, path: str, content: bytes) -> bool:
        """Store a file; False: the phone is full."""
        if sum(map(len, self.files.values())) + len(content) > FILES_LIMIT:
            return False
        self.files[path] = content
        return True

    def date(self, args: list[str], stdin: bytes) -> Result:
        layout = args[0].removeprefix("+") if args else "%a %b %d %H:%M:%S %Z %Y"
        wall = self.wall_at(self.clock())
        layout = layout.replace("%N", f"{wall.microsecond:06d}000").replace("%s", str(int(wall.timestamp())))
        return Result(f"{wall.strftime(layout)}\n".encode())

    def echo(self, args: list[str], stdin: bytes) -> Result:
        newline = b"" if args[:1] == ["-n"] else b"\n"
        return Result(" ".join(args[1:] if not newline else args).encode() + newline)

    def printf(self, args: list[str], stdin: bytes) -> Result:
        text = args[0] if args else ""
        for value in args[1:]:
            text = re.sub("%[sd]", value, text, count=1)
        return Result(text.encode().decode("unicode_escape").encode("latin-1"))

    def grep(self, args: list[str], stdin: bytes) -> Result:
        options = "".join(argument[1:] for argument in args if argument.startswith("-"))
        patterns = [argument for argument in args if not argument.startswith("-")]
        if not patterns:
            return Result(err=b"grep: no pattern\n", code=2)
        lines = stdin.decode(errors="replace").splitlines()
        found = [line for line in lines if (re.search(patterns[0], line) is None) is ("v" in options)]
        if "o" in options:
            found = [match[0] for line in found for match in re.finditer(patterns[0], line)]
        shown = "" if "q" in options else "".join(f"{line}\n" for line in found)
        return Result(f"{len(found)}\n".encode() if "c" in options else shown.encode(), code=0 if found else 1)

    def ls(self, args: list[str], stdin: bytes) -> Result:
        names = sorted(path for path in self.files if not args or path.startswith(args[-1]))
        return Result("".join(f"{name}\n" for name in names).encode())

    def rm(self, args: list[str], stdin: bytes) -> Result:
        for pattern in args:
            for path in fnmatch.filter(list(self.files), pattern):
                del self.files[path]
        return Result()

    def readlink(self, args: list[str], stdin: bytes) -> Result:
        return storage.readlink(self.files, self.links, args)

    def mv(self, args: list[str], stdin: bytes) -> Result:
        return storage.move(self.files, self.links, args)

    def ping(self, args: list[str], stdin: bytes) -> Result:
        host = args[-1] if args else "localhost"
        return Result(f"--- {host} ping statistics ---\nround-trip min/avg/max = 11.2/12.4/13.9 ms\n".encode())

    def telecom(self, args: list[str], stdin: bytes) -> Result:
        if args[:1] == ["set-user-selected-outgoing-phone-account"] and len(args) >= 3 and not self.takes_no_sim:
            self.telephony.asks_for_sim, self.outgoing_sim = False, args[2]
            warned = LINKER if dumps.Quirk.LINKER in self.quirks else ""
            done = f"Success - ComponentInfo{{{args[1]}}}, {args[2]} set as default outgoing account.\n"
            return Result(f"{warned}{done}".encode())
        return Result(b"usage: telecom [subcommand] [options]\n", code=1)

    def sleep(self, args: list[str], stdin: bytes) -> Result:
        try:
            return Result(delay=float(args[0]))
        except (ValueError, IndexError):
            return Result(err=b"sleep: bad number\n", code=1)


def _fixed(out: bytes = b"", code: int = 0) -> Callable[[Android, list[str], bytes], Result]:
    return lambda android, args, stdin: Result(out, code=code)


def _tee(android: Android, args: list[str], stdin: bytes) -> Result:
    if not args or not android.write_file(args[-1], stdin):
        return Result(out=stdin, err=f"tee: {args[-1] if args else ''}: No space left on device\n".encode(), code=1)
    return Result(stdin)


COMMANDS: Mapping[str, Callable[[Android, list[str], bytes], Result]] = {
    "am": Android.am,
    "cat": Android.cat,
    "cmd": Android.cmd,
    "date": Android.date,
    "df": lambda phone, args, stdin: Result(dumps.disk(phone.vitals.storage, args[-1]).encode()),
    "dumpsys": Android.dumpsys,
    "echo": Android.echo,
    "exec": _fixed(),
    "false": _fixed(code=1),
    "getprop": Android.getprop,
    "grep": Android.grep,
    "id": _fixed(b"uid=2000(shell) gid=2000(shell) groups=2000(shell)\n"),
    "input": Android.input,
    "ls": Android.ls,
    "mv": Android.mv,
    "ping": Android.ping,
    "printf": Android.printf,
    "readlink": Android.readlink,
    "rm": Android.rm,
    "service": Android.service,
    "sleep": Android.sleep,
    "tee": _tee,
    "telecom": Android.telecom,
    "true": _fixed(),
}
