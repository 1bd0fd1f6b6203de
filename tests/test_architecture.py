"""Who may import whom, and that pure files stay pure."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.source import parsed

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("actors", "bench", "bus_schemas", "cli", "gateway", "ottb_client", "simulators")

# What each package may import of ours. The gateway may use actors' ports and adapters, never their insides.
ALLOWED = {
    "bus_schemas": {"bus_schemas"},
    "actors": {"bus_schemas", "actors"},
    "gateway": {"bus_schemas", "actors", "gateway"},
    "simulators": {"bus_schemas", "actors", "simulators"},
    "ottb_client": {"bus_schemas", "ottb_client"},  # it stands without the platform
    "cli": {"simulators", "bus_schemas", "actors", "gateway", "ottb_client", "cli"},
    "bench": set(PACKAGES),
}
GATEWAY_USES = ("actors.runtime", "actors.adapters", "actors.point.tokens", "actors.point.keys", "actors.settings")

# What each folder of the actors may import of the others; those that are not named here join them.
FOLDERS = {
    "runtime": set[str](),
    "telephony": {"runtime"},
    "slot": {"runtime", "telephony"},
    "trunk": {"runtime", "telephony"},
    "call": {"runtime", "telephony"},
    "do_not_call": {"runtime", "telephony"},
    "dialing": {"runtime", "telephony", "slot", "trunk", "call", "do_not_call"},
    "leads": {"runtime", "telephony", "dialing"},
    "campaign": {"runtime", "telephony", "dialing", "leads"},
    "operator": {"runtime", "telephony"},
    "imports": {"runtime", "telephony", "dialing", "leads"},
    "script": {"runtime", "telephony", "dialing"},
    "by_hand": {"runtime", "telephony", "slot", "script", "log"},
    "healing": {"runtime", "telephony", "slot", "monitor"},
    "run": {"runtime", "telephony", "slot", "call", "dialing", "script"},
    "note": {"runtime"},
    "erasure": {"runtime", "archive", "telephony", "dialing", "leads"},
    "runner": {"dialing", "run", "runtime", "pipeline"},
    "pipeline": {"runtime", "script"},
    "webhook": {"runtime", "log"},
    "point": {"runtime"},
    "usb": {"runtime", "telephony", "slot"},
    "alert": {"runtime", "telephony", "slot", "trunk", "monitor", "usb"},
    "archive": {"runtime"},
    "audit": {"runtime"},
    "log": {"runtime"},
    "monitor": {"runtime", "slot", "usb"},
    "ledger": {"runtime", "telephony"},
}

# What is asked of a phone's screen and what it shows: the ports of phones speak of it, and it uses nothing else.
SHARED = {"actors.script.effects", "actors.script.tree"}

PURE = [
    *ROOT.glob("actors/*/machine.py"),
    *ROOT.glob("actors/*/record.py"),
    *(ROOT / name for name in (
        "actors/dialing/rules.py", "actors/dialing/limits.py", "actors/slot/pool.py", "actors/slot/hindrance.py",
        "actors/adapters/android.py", "actors/adapters/screen_lines.py", "actors/point/directory.py",
        "actors/point/throttle.py", "actors/runtime/supervisor.py",
        "actors/runtime/cells.py", "actors/runtime/decision.py", "actors/runtime/commands.py",
        "actors/runtime/answers.py", "actors/runtime/rendezvous.py", "actors/entries.py",
        "actors/runtime/signature.py", "actors/sandbox.py",
        "gateway/openapi.py", "gateway/routes.py",
        "simulators/carrier/dialplan.py", "simulators/carrier/rules.py", "simulators/phone/dumps.py",
        "simulators/phone/shell.py", "simulators/phone/telephony.py", "simulators/phone/result.py",
    )),
    *(path for path in ROOT.glob("simulators/phone/screens/*.py") if path.stem not in ("screens", "paint")),
    *(ROOT / f"actors/telephony/{name}.py" for name in ("line", "numbers", "orders", "reports", "zones")),
    *ROOT.glob("actors/leads/*.py"),
    *(path for path in ROOT.glob("actors/script/*.py") if path.stem not in ("actor", "start")),
    *(ROOT / f"actors/{name}.py" for name in (
        "slot/healing", "healing/conditions", "healing/ladder", "alert/beyond", "alert/mail",
    )),
    *(ROOT / f"actors/monitor/{name}.py"
      for name in ("growth", "present", "reader", "rollup", "samples", "spans", "thresholds", "together")),
    *(ROOT / f"actors/usb/{name}.py" for name in ("topology", "port_map", "power", "views")),
    *(ROOT / f"actors/pipeline/{name}.py" for name in ("language", "checking", "trigger", "variables")),
    ROOT / "actors/operator/days.py",
    *(ROOT / f"actors/erasure/{name}.py" for name in ("in_use", "logged", "parted", "person", "redacting")),
    *(ROOT / f"actors/runner/{name}.py" for name in ("environment", "globs", "masking")),
    ROOT / "actors/pipeline/repositories.py",
    *(ROOT / f"actors/webhook/{name}.py" for name in ("addresses", "backoff", "queue")),
    *(ROOT / f"actors/campaign/{name}.py"
      for name in ("dry_run", "durations", "explain", "hours", "intake", "learning", "lookahead", "pacing", "places",
                   "played_team", "roster", "rulebook", "rules", "selection", "standing", "tally", "team_dry_run")),
    *(path for path in ROOT.glob("actors/ledger/*.py") if path.stem not in ("ledger", "follow", "lane", "start")),
    *(ROOT / f"actors/by_hand/{name}.py" for name in ("draft", "fingers", "paths")),
    *ROOT.glob("gateway/surface/*.py"),
    *ROOT.glob("bus_schemas/*.py"),
]  # fmt: skip
NOT_PURE = {"open", "input", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}  # no import shows them
IMPURE = {"asyncio", "time", "random", "uuid", "os", "socket", "secrets", "nats", "aiohttp", "sqlite3", "structlog",
          "psycopg", "subprocess", "threading", "socketio"}  # fmt: skip


@cache  # a file is looked at by several tests, and to parse it is what takes long
def looked_at(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """What a file imports, and by which names it calls: `open`, `date.today`."""
    found, calls = set[str](), set[str]()
    for node in ast.walk(parsed(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)}: a relative import says less than a whole name"
            assert node.module is not None
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name):
                    calls.add(name)
                case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                    calls.add(f"{name}.{attribute}")
    return frozenset(found), frozenset(calls)


def imports(path: Path) -> frozenset[str]:
    return looked_at(path)[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        ours = {name.split(".")[0] for name in imports(path)} & set(PACKAGES)
        assert ours <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {ours - ALLOWED[package]}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_of_the_actors_point_one_way(folder: str) -> None:
    for path in (ROOT / "actors" / folder).rglob("*.py"):
        named = {name for name in imports(path) if name.startswith("actors.") and not _shared(name)}
        used = {name.split(".")[1] for name in named}
        assert used <= FOLDERS[folder] | {folder}, f"{path.relative_to(ROOT)} imports {used - FOLDERS[folder]}"


def _shared(name: str) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in SHARED)


@pytest.mark.parametrize("module", sorted(SHARED))
def test_what_is_shared_by_folders_uses_nothing_else(module: str) -> None:
    used = {name for name in imports(ROOT / f"{module.replace('.', '/')}.py") if name.startswith("actors.")}
    assert all(_shared(name) for name in used)


def test_every_folder_of_the_actors_has_its_place() -> None:
    folders = {path.name for path in (ROOT / "actors").iterdir() if (path / "__init__.py").exists()}
    assert folders == FOLDERS.keys() | {"adapters"}


def test_the_gateway_uses_ports_and_adapters_only() -> None:
    for path in (ROOT / "gateway").rglob("*.py"):
        for name in imports(path):
            assert not name.startswith("actors.") or name.startswith(GATEWAY_USES), f"{path.name} imports {name}"


def test_adapters_are_named_in_one_place() -> None:
    for path in (ROOT / "actors").rglob("*.py"):
        inside = "adapters" in path.parts or path.name == "main.py"
        used = {name for name in imports(path) if name.startswith("actors.adapters")}
        assert inside or not used, f"{path.relative_to(ROOT)} names {used}"


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_files_import_no_clock_no_chance_and_no_outside(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)} & IMPURE
    assert not used, f"imports {used}"
    calls = looked_at(path)[1] & NOT_PURE
    assert not calls, f"calls {calls}"


def test_only_settings_and_the_command_line_read_the_environment() -> None:
    for package in ("actors", "gateway", "simulators"):
        for path in (ROOT / package).rglob("*.py"):
            if "os.environ" in path.read_text():
                assert path.name in ("main.py", "serving.py"), path  # where `load` is given the environment


# Files of more than LONG lines, and why each is one: what would come apart is read together.
LONG, LONGEST = 450, 600
WHY_LONG = {
    "gateway/http.py": "one request's way, whatever it is for and however it is answered",
    "actors/adapters/nats_bus.py": "one port, with each of its streams",
    "cli/main.py": "every command with its options, and nothing else of it",
    "actors/adapters/adb_phone.py": "one phone: what is asked, what it says, and what becomes of its shell",
    "actors/adapters/ledger/store.py": "one transaction's way, from a group of entries to its rows",
    "actors/call/machine.py": "the whole life of a call, read against its diagram",
    "actors/campaign/actor.py": "what comes in, what is decided by it and what follows, of one campaign",
    "actors/campaign/record.py": "one value, and what each of its events makes of it",
    "actors/campaign/machine.py": "the whole life of a campaign, read against its diagram",
    "actors/slot/machine.py": "the whole life of a slot, read against its diagram",
    "gateway/live/feed.py": "a live client's way, from its handshake to what it has missed",
    "simulators/bus/memory_bus.py": "one port, and all that can happen to whoever uses it",
    "bus_schemas/call.py": "the contract of a kind is one file",
    "bus_schemas/slot.py": "the contract of a kind is one file",
    "bus_schemas/campaign.py": "the contract of a kind is one file",
    "bus_schemas/imports.py": "the contract of a kind is one file",
    "bus_schemas/pipeline.py": "the contract of a kind is one file",
    "bus_schemas/operator.py": "the contract of a kind is one file",
    "bus_schemas/user.py": "the contract of a kind is one file",
}


def test_no_file_is_longer_than_a_newcomer_reads() -> None:
    lines = {
        str(path.relative_to(ROOT)): path.read_text().count("\n")
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    assert {name for name, count in lines.items() if count > LONG} == WHY_LONG.keys()
    assert max(lines.values()) <= LONGEST


def test_what_mypy_is_to_overlook_says_why() -> None:
    ours = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    for path in ours:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            where = f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
            assert "type: ignore" not in line or re.search(r"# type: ignore\[[a-z, -]+\]  # \w.{9,}", line), where
            assert "mypy:" not in line, where  # a whole file


def test_the_runtime_says_why_something_may_be_anything() -> None:
    for path in (ROOT / "actors" / "runtime").rglob("*.py"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            where = f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
            code = line.partition("#")[0]
            assert not re.search(r"\bAny\b", code) or "import" in code or re.search(r"# .*\b[aA]ny: \S", line), where


def test_names_of_tests_fit_into_a_list() -> None:
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"def (test_\w+)", path.read_text()):
            assert len(name) <= 72, f"{path.relative_to(ROOT)}: {name} has {len(name)} characters"


def test_nothing_names_an_index_host_or_a_path_of_one_machine() -> None:
    named = (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("debian", "org"))
    hosts = [".".join(parts) for parts in named]
    locks = [*ROOT.glob("*.lock"), ROOT / "tests/js/package-lock.json", ROOT / "console/contract/package-lock.json"]
    for path in [*locks, *ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "Makefile"]:
        text = path.read_text()
        assert not any(host in text for host in hosts), path


def committed() -> list[Path]:
    """Every file that is ours and text; a copy without git has nothing else in these places."""
    folders = (*PACKAGES, "tests", "docs", "config", "console")
    kinds = {".py", ".md", ".toml", ".conf", ".ts", ".js", ".txt"}
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in kinds]
    found += [path for path in ROOT.iterdir() if path.suffix in kinds or path.name in ("Makefile", "LICENSE")]
    found += (ROOT / ".ci").glob("*")
    return [path for path in found if "node_modules" not in path.parts]


def test_nothing_that_is_committed_is_unfinished() -> None:
    marks = re.compile("|".join((r"\bmer" r"ge:", r"\bTO" r"DO\b", r"\bFIX" r"ME\b", r"\bw" r"ip\b", r"\bWI" r"P\b")))
    files = committed()
    assert len(files) > 300
    for path in files:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            assert not marks.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_what_attacks_a_site_gets_nothing_from_the_network() -> None:
    for path in (ROOT / "tests" / "attacks").glob("*.py"):
        text = path.read_text()
        assert "mark.live" not in text and "cli.site.asterisk" not in text and "import asterisk" not in text, path


def test_what_needs_postgresql_lies_where_its_target_looks() -> None:
    marked = [path for path in (ROOT / "tests").rglob("*.py") if "mark." + "postgresql" in path.read_text()]
    assert {path.parent.name for path in marked} == {"ledger"}


def test_what_needs_umockdev_lies_where_its_target_looks() -> None:
    marked = [path for path in (ROOT / "tests").rglob("*.py") if "mark." + "umockdev" in path.read_text()]
    assert {path.parent.name for path in marked} == {"usb"}


def test_what_needs_bubblewrap_lies_where_its_target_looks() -> None:
    marked = [path for path in (ROOT / "tests").rglob("*.py") if "mark." + "isolated" in path.read_text()]
    assert {path.parent.name for path in marked} == {"runner"}


def test_decisions_have_one_form() -> None:
    order = ["Status", "Context", "Figures", "Decision", "Instead", "Consequences"]
    for path in (ROOT / "docs" / "decisions").glob("0*.md"):
        text = path.read_text()
        assert text.startswith(f"# {int(path.name[:4])}. "), path.name
        chapters = re.findall(r"^\*\*([A-Z][a-z]+)\*\*", text, re.MULTILINE)
        assert {"Context", "Decision"} <= {*chapters} <= {*order}, (path.name, chapters)
        assert chapters.index("Context") < chapters.index("Decision"), path.name
