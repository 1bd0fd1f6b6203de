"""`ottb doctor`: one small check for each thing that goes wrong, each with what to do."""

import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from actors.adapters.adb import AdbClient, AdbRefused, AdbServerGone
from actors.adapters.adb_place import place_of
from actors.adapters.ledger.examine import LedgerUnusable, examine_postgresql
from actors.adapters.ledger.schemas import figures_schema_of, log_schema_of, schema_of
from actors.adapters.tls import BadCertificate, trusting
from actors.campaign.presets import presets_of
from actors.dialing.site_rules import rules_of
from actors.run.library import SHIPPED, Scripts
from actors.runtime.settings import SettingsError
from actors.runtime.storage import WARN
from actors.settings import Settings
from actors.slot.adb_servers import PHONES_LIMIT
from cli.site.certificates import certificates
from cli.site.children import adb_binary
from cli.site.ports import holder_of, ports, variable_of
from cli.site.private import OTHERS, open_to_others
from cli.site.probes import adb_answers, ami_answers, nats_answers
from cli.site.sandbox_pbx import has_sandbox_pbx, real_asterisk

FREE_BYTES = 500 * 1024 * 1024
OPEN_FILES = 1024
DAYS_LEFT = 14  # of a certificate
NAMED = 5  # things that a finding names
READY_SECONDS = 2.0
OURS = ("nats-server ", "adb ", "ottb ", "asterisk ")


@dataclass(frozen=True)
class Finding:
    """What a check found. `todo` says what helps."""

    name: str
    ok: bool
    said: str
    todo: str = ""


def _python(settings: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), version, "" if sys.version_info >= (3, 11) else "Use 3.11+.")


def _state(settings: Settings) -> Finding:
    folder = settings.state if settings.state.exists() else Path.cwd()
    if not os.access(folder, os.W_OK):
        return Finding("state folder", False, f"{folder} cannot be written", "Change its owner, or set OTTB_STATE_DIR.")
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        return Finding("state folder", False, f"{free // 2**20} MB free", "Free some space: a full disk stops the bus.")
    return Finding("state folder", True, f"{folder}, {free // 2**30} GB free")


def _modes(settings: Settings) -> Finding:
    lax = open_to_others(settings.state) if settings.state.exists() else []
    if lax:
        shown = ", ".join(str(path) for path in lax[:NAMED])
        todo = f"Start `ottb up` again, or chmod 700 {settings.state}; of a folder above it: chmod go-w"
        return Finding("rights", False, f"others may use {shown}", todo)
    return Finding("rights", True, "the state is its owner's alone")


def _certificates(settings: Settings) -> list[Finding]:
    findings = []
    for name, pair in certificates(settings).items():
        todo = "Put a new certificate there, then send SIGHUP to `ottb up`."
        try:
            left = (pair.expires() - datetime.now(UTC)).days
        except BadCertificate as error:
            findings.append(Finding(f"certificate {name}", False, str(error), todo))
            continue
        said, ok = f"{pair.certificate} is good for {left} days", left >= DAYS_LEFT
        if Path(pair.key).stat().st_mode & OTHERS:
            said, ok, todo = f"others may use {pair.key}", False, f"chmod 600 {pair.key}"
        findings.append(Finding(f"certificate {name}", ok, said, "" if ok else todo))
    return findings


def _dial_rules(settings: Settings) -> Finding:
    try:
        listed = len(rules_of(settings.dial).do_not_call)
    except SettingsError as error:
        todo = "No host starts with it: docs/operations.md, `Who may be called`."
        return Finding("dial rules", False, str(error), todo)
    return Finding("dial rules", True, f"{listed} numbers are not called")


def _campaign_rules(settings: Settings) -> Finding:
    try:
        names = [preset.name for preset in presets_of(settings.campaigns)]
    except SettingsError as error:
        return Finding("campaign rules", False, str(error), "No host starts with it: docs/campaigns.md, `Rules`.")
    return Finding("campaign rules", True, f"presets: {', '.join(names) or 'none'}")


def _scripts(settings: Settings) -> Finding:
    """The scripts that a host on this machine would read."""
    wrong: dict[str, str | None] = {}
    own = (Path(settings.scripts.folder),) if settings.scripts.folder else ()
    scripts = Scripts((SHIPPED, *own), wrong.__setitem__)
    scripts.look()
    if wrong:
        said = "; ".join(f"{name}: {why}" for name, why in [*wrong.items()][:NAMED])
        return Finding("scripts", False, said, "`ottb script check FILE` says all that is wrong with one.")
    return Finding("scripts", True, f"{len(scripts.usable)} can be run")


def _files(settings: Settings) -> Finding:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = OPEN_FILES + 12 * len(settings.slots)
    return Finding(
        "open files", limit >= need, f"{limit} allowed, {need} wanted", "" if limit >= need else "ulimit -n 8192"
    )


def _port_checks(settings: Settings) -> list[Finding]:
    findings = []
    for setting, port in ports(settings).items():
        holder = holder_of(port)
        foreign = holder is not None and not holder.startswith(OURS)
        said = f"{port} is free" if holder is None else f"{port} is held by {holder}"
        todo = f"Stop it, or set {variable_of(setting)} to another port." if foreign else ""
        findings.append(Finding(f"port {setting}", not foreign, said, todo))
    return findings


def _adb(settings: Settings) -> Finding:
    try:
        binary = adb_binary()
        shown = subprocess.run([binary, "version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        return Finding("adb", False, f"cannot be run: {error}", "Run `make run` once, or install adb.")
    return Finding("adb", True, " ".join(shown.stdout.split()[:5]))


def _nats(settings: Settings) -> Finding:
    if settings.nats.url is not None:
        return Finding("nats", True, f"{settings.nats.url} is used (not checked)")
    if holder_of(settings.nats.port) is None:
        return Finding("nats", True, "not running; `ottb up` starts it")
    answers = asyncio.run(nats_answers(settings.nats.port))
    return Finding(
        "nats", answers, "answers, JetStream is on" if answers else "no JetStream answer on its port",
        "" if answers else "Look at var/log/nats-server.log; is another server on this port?",
    )  # fmt: skip


def _phones(settings: Settings) -> Finding:
    servers = settings.adb_servers
    places = [place_of(settings.adb, settings.state, number) for number in range(len(servers))]
    silent = [place for place in places if not asyncio.run(adb_answers(place))]
    if silent:
        which = f" ({', '.join(map(str, silent))})" if len(places) > 1 else ""
        theirs = f"Is it running? {silent[0]} is in [adb]." if settings.adb.host else ""
        said = "adb server does not answer" if theirs else f"adb server not running{which}; `ottb up` starts it"
        return Finding("phones", not theirs, said, theirs)
    try:
        devices = asyncio.run(AdbClient.of(settings.adb, servers, settings.state).devices())
    except (AdbServerGone, AdbRefused) as error:
        return Finding("phones", False, f"adb server does not answer: {error}", "Restart `ottb up`.")
    bad = {name: seen.state for name, seen in devices.items() if seen.state != "device"}
    if bad:
        shown = ", ".join(f"{serial} {state}" for serial, state in bad.items())
        todo = "unauthorized: accept this host's key on the phone's screen; offline: replug it or restart its slot."
        return Finding("phones", False, shown, todo)
    most, count = Counter(seen.server for seen in devices.values()).most_common(1)[0] if devices else (0, 0)
    if count > PHONES_LIMIT:
        todo = "Give servers their own USB buses ([adb] usb), or raise [adb] servers: docs/operations.md."
        return Finding("phones", False, f"adb server {most + 1} has {count} phones, and dies of about 335", todo)
    on = f" on {len(places)} adb servers" if len(places) > 1 else ""
    return Finding("phones", True, f"{len(devices)} online{on}")


def _pbxs(settings: Settings) -> Finding:
    if has_sandbox_pbx(settings):
        kind = "real Asterisk" if real_asterisk(settings) else "virtual (`make asterisk` puts a real one here)"
        return Finding("pbx", True, f"the sandbox's own, {kind}")
    silent = [name for name, ami in settings.ami.items() if not asyncio.run(ami_answers(ami.port, ami.host))]
    if silent:
        todo = "Is Asterisk running, with `enabled = yes` in manager.conf? Are [ami.<name>] host and port right?"
        return Finding("pbx", False, f"no AMI answer from {', '.join(silent)}", todo)
    return Finding("pbx", True, f"{len(settings.ami)} answer" if settings.ami else "none set")


def _ledger(settings: Settings) -> Finding:
    """Where the records are. What is wrong is said without the URL: a password is in it."""
    url, host = settings.ledger.url, settings.host
    if not url:
        return Finding("ledger", True, f"{settings.ledger_file}")
    try:
        said = examine_postgresql(url, schema_of(host))
        for beside in (log_schema_of, figures_schema_of):
            examine_postgresql(url, beside(host))
    except LedgerUnusable as error:
        return Finding("ledger", False, f"PostgreSQL: {error}", "Is [ledger] url right? docs/operations.md")
    return Finding("ledger", True, said)


def _ready(settings: Settings) -> dict[str, Any] | None:
    """What the running gateway says of the site. None: none is running here."""
    http = settings.http
    url = f"{http.url(http.ottb_port)}/readyz?verbose"
    tls = trusting(http.certificate) if http.certificate else None
    try:
        with urllib.request.urlopen(url, timeout=READY_SECONDS, context=tls) as answer:  # an address of ours
            said = json.loads(answer.read())
    except urllib.error.HTTPError as error:  # not ready, and it says why
        said = json.loads(error.read() or b"{}")
    return said if isinstance(said, dict) else None


def _site(settings: Settings) -> list[Finding]:
    """What is quarantined, and how full the streams are."""
    try:
        said = _ready(settings)
    except (OSError, ValueError, BadCertificate):
        said = None
    if said is None:
        return [Finding("site", True, "not running, or not here")]
    named = [one for host in said.get("hosts", ()) for one in host["quarantined"] if one["kind"] != "stream"]
    alone = "; ".join(f"{one['kind']} {one['id']}: {one['reason']}" for one in named)
    entries = [one for one in named if one["kind"] != "script"]
    todo = "docs/operations.md, `A bad entry of the journal`, says how to step over an entry." if entries else ""
    todo = "Mend the script's file: `ottb script check`." if named and not entries else todo
    found = [Finding("quarantined", not named, alone or "nothing", todo), _streams(said.get("streams", ()))]
    return [*found, _shards(shards)] if (shards := said.get("shards")) is not None else found


def _shards(shards: Mapping[str, Any]) -> Finding:
    """Which of the shards are served. One that moves is not, for less than a second."""
    missing = shards["missing"]
    named = f": {', '.join(map(str, missing))}" if missing else ""
    todo = "Ask again; if it stays so, the hosts' logs say why (`shard not taken`)." if missing else ""
    return Finding("shards", not missing, f"{shards['held']} served, {len(missing)} by nobody{named}", todo)


def _streams(streams: Iterable[Mapping[str, Any]]) -> Finding:
    full = [one["stream"] for one in streams if not one["limit"] or one["percent"] >= WARN]
    said = ", ".join(
        f"{one['stream']} {one['percent']} % of {one['limit'] // 2**20} MB" if one["limit"]
        else f"{one['stream']} without a limit"
        for one in streams
    )  # fmt: skip
    todo = "docs/operations.md, `How much is kept`: raise `[journal] limit`, or give nats-server more." if full else ""
    return Finding("streams", not full, said or "no host has told yet", todo)


CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    _python, _state, _modes, _dial_rules, _campaign_rules, _scripts, _files, _adb, _nats, _ledger, _phones, _pbxs,
)  # fmt: skip


def examine(settings: Settings) -> list[Finding]:
    """Every check's finding."""
    return [*(check(settings) for check in CHECKS), *_site(settings), *_certificates(settings), *_port_checks(settings)]
