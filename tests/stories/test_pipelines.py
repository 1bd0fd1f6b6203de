"""Pipelines on a whole site of twenty phones: from the API over a real git repository to the phones, and what is left
when something is stopped or killed."""

import asyncio
import json
import os
import platform
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.stories.conftest import MORE
from tests.support.js_client import JsClient
from tests.support.site import ROOT, Client, Site, admin_of, running_site, until

pytestmark = pytest.mark.sites

D = "dci"
SLOTS: dict[int, str | None] = dict.fromkeys(range(11, 31))
SECRET = "tr0ub4dor&3-very-secret"
OVER = ("succeeded", "failed", "stopped", "lost")

WHOLE = """
id = 50
name = "whole"
repository = "{repository}"
[params.version]
pattern = "[0-9.]+"

[[steps]]
name = "build"
do = "run"
secrets = ["DEPLOY_KEY"]
commands = [
  'mkdir -p dist; echo "$PARAM_VERSION $(cat app.txt)" > dist/app.txt',
  'echo "the key is $SECRET_DEPLOY_KEY"; printf "%s" "$SECRET_DEPLOY_KEY" | base64',
  'printf "%s" "${{SECRET_DEPLOY_KEY%????}}"; sleep 0.2; printf "%s\\n" "${{SECRET_DEPLOY_KEY#${{SECRET_DEPLOY_KEY%????}}}}"',
]
artefacts = ["dist/*.txt"]

[[steps]]
name = "flaky"
do = "run"
commands = ['echo "attempt $OTTB_ATTEMPT"; test "$OTTB_ATTEMPT" = 2']
retries = 1

[[steps]]
name = "test"
do = "run"
commands = ['grep -q "$PARAM_VERSION" dist/app.txt; echo "on $MATRIX_SYSTEM"']
matrix = {{ system = ["a", "b"] }}

[[steps]]
name = "ask"
do = "approval"
by = ["admin"]

[[steps]]
name = "fleet"
do = "adb"
command = "echo hello"
at_once = 10

[[steps]]
name = "failed"
do = "run"
commands = ["echo never"]
when = {{ after = "failure" }}
"""  # noqa: E501  lines of a shell

STAYS = """
id = {id}
name = "stays-{id}"
rerun = {rerun}
[[steps]]
name = "stay"
do = "run"
commands = ['''
trap "" TERM
(setsid sh -c 'trap "" TERM HUP; sleep {mark} & wait' &)
if [ {rerun} = 0 ] || [ "$OTTB_RERUN" = 0 ]; then echo begun; sleep {mark}; fi
''']
"""


def repository(folder: Path) -> Path:
    """A real one, with one branch."""
    folder.mkdir()
    (folder / "app.txt").write_text("the app\n")
    who = {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), **who}
    for words in (("init", "-q", "-b", "main"), ("add", "app.txt"), ("commit", "-q", "-m", "One")):
        subprocess.run(["git", *words], cwd=folder, env=own, check=True)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("pipelines")
    made = repository(folder / "app")
    (folder / "definitions").mkdir()
    own = f'folder = "{folder / "definitions"}"'
    more = f'{MORE}\n[pipelines]\n{own}\nlost_after = 4.0\n[runner]\nrepositories = ["{made}"]\n'
    with running_site(folder, SLOTS, more, env={"OTTB_SECRET_DEPLOY_KEY": SECRET}) as running:
        yield running


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[Client]:
    async with admin_of(site) as client:
        yield client


async def define(admin: Client, text: str) -> int:
    status, made = await admin.post("/api/dci/pipelines", {"text": text}, part=D)
    assert status == 201, made
    return int(made["id"])


async def run_until(admin: Client, pipeline: int, run: int, *wanted: str, seconds: float = 40.0) -> Any:
    path = f"/api/dci/pipeline/{pipeline}/runs/{run}"
    seen = await until(lambda: admin.get(path, part=D), lambda seen: seen[1].get("status") in wanted, seconds)
    return seen[1]


def processes(mark: str) -> list[int]:
    """What sleeps for so long."""
    return [one.pid for one in psutil.process_iter(["cmdline"]) if mark in (one.info["cmdline"] or ())]


async def test_a_pipeline_of_six_steps_from_git_to_twenty_phones(site: Site, admin: Client) -> None:
    pipeline = await define(admin, WHOLE.format(repository=site.folder / "app"))
    async with JsClient(site.url("workspace", ""), str(admin.token)) as socket:
        await socket.expect(lambda heard: heard.get("connected"))
        assert (await socket.ask("subscribe:pipelines", {"pipeline": pipeline}))["error"] is False
        status, accepted = await admin.post(
            f"/api/dci/pipeline/{pipeline}/run", {"parameters": {"version": "1.2"}}, part=D
        )
        assert status == 201 and accepted["run"] == 1
        waits = await run_until(admin, pipeline, 1, "waiting", *OVER)
        assert waits["status"] == "waiting" and "approval of the step ask" in waits["waits_for"], waits
        approve = f"/api/dci/pipeline/{pipeline}/runs/1/steps/ask/approve"
        assert (await admin.post(approve, {"comment": "go"}, part=D))[0] == 200
        done = await run_until(admin, pipeline, 1, *OVER)
        await socket.expect(lambda heard: heard.get("payload", {}).get("data", {}).get("change") == "ended")
        lines = "".join(one["data"]["text"] for one in socket.events("pipeline.log"))
        assert "attempt 1\n" in lines and "hello" in lines and SECRET not in lines
    async with JsClient(site.url("workspace", ""), str(admin.token)) as socket:  # which comes back
        await socket.expect(lambda heard: heard.get("connected"))
        told = await socket.ask("subscribe:pipelines", {"pipeline": pipeline, "log_since": 0})
        assert told["error"] is False and told["log_seq"] > 0 and "log_snapshot_needed" not in told
        assert "".join(one["data"]["text"] for one in socket.events("pipeline.log")) == lines
    assert done["status"] == "succeeded", done
    steps = {step["step"]: step for step in done["steps"]}
    assert [steps[name]["status"] for name in ("build", "flaky", "test_1", "test_2", "ask", "fleet", "failed")] == [
        "succeeded"] * 6 + ["skipped"]  # fmt: skip
    assert (steps["ask"]["decided_by"], steps["ask"]["comment"]) == ("admin", "go")
    assert steps["flaky"]["attempts"] == 2 and len(done["commit"]) == 40
    assert [slot["slot"] for slot in steps["fleet"]["slots"]] == sorted(SLOTS)
    assert all(slot["ok"] for slot in steps["fleet"]["slots"])

    async with aiohttp.ClientSession() as browser:  # which has no header
        async with browser.get(accepted["log_url"]) as answer:
            text = await answer.text()
            assert answer.status == 200 and answer.content_type == "text/plain"
        async with browser.get(accepted["log_url"].replace("runs/1/", "runs/2/")) as answer:
            assert answer.status == 401
    assert "on a" in text and "on b" in text and "attempt 2" in text and "hello" in text
    [artefact] = steps["build"]["artefacts"]
    url = site.url(D, f"/api/dci/pipeline/{pipeline}/runs/1/artefacts/{artefact['artefact']}")
    headers = {"Authorization": f"Bearer {admin.token}"}
    async with admin.session.get(url, headers=headers) as answer:
        assert await answer.read() == b"1.2 the app\n"
    part = site.url(D, f"/api/dci/pipeline/{pipeline}/runs/1/steps/flaky/log")
    async with admin.session.get(part, headers={**headers, "Range": "bytes=0-8"}) as answer:
        assert (answer.status, await answer.read()) == (206, b"attempt 1")

    said = text + json.dumps(done) + json.dumps((await admin.get("/api/dci/logs?module=DCI&limit=500", part=D))[1])
    assert "the key is" in text and SECRET not in said and SECRET[:-4] not in said
    journal = b"".join(path.read_bytes() for path in (site.state / "nats").rglob("*.blk"))
    assert SECRET.encode() not in journal and b"the key is" in journal


async def test_the_documented_list_shows_each_with_its_newest_run(admin: Client) -> None:
    async def listed() -> dict[str, Any] | None:  # definitions are brought on record once the host is up
        status, rows = await admin.get("/api/dci/pipelines", part=D)
        assert status == 200
        return next((row for row in rows if row["name"] == "deploy-production"), None)

    deploy = await until(listed, bool)
    documented = {"id", "name", "branch", "status", "triggered_by", "start_time", "end_time", "log_url"}
    assert documented <= deploy.keys()
    if deploy["run"] is None:
        assert (deploy["id"], deploy["branch"], deploy["status"], deploy["log_url"]) == (1, "main", "idle", None)
    assert (await admin.get("/api/dci/pipelines", part="workspace"))[0] == 200


async def test_the_status_says_which_versions_all_parts_have(admin: Client) -> None:
    def whole(seen: tuple[int, Any]) -> bool:
        return any({"nats_server", "adb", "asterisk"} <= versions.keys() for versions in seen[1]["hosts"].values())

    _, status = await until(lambda: admin.get("/api/dci/status", part=D), whole)
    [versions] = status["hosts"].values()
    assert versions["ottb"] == status["version"] and versions["git"] == status["runners"][0]["git"]
    assert versions["python"] == platform.python_version() and versions["nats_server"].startswith("2.")
    assert versions["adb"].startswith("1.0.") and list(versions["asterisk"].values()) == ["22.0.0-virtual"]
    apart = status["runners"][0]["isolation"][0] == "bubblewrap"
    assert ("bubblewrap" in versions) == apart


async def test_a_call_goes_out_from_each_of_three_slots(admin: Client) -> None:
    _, accepted = await admin.post("/api/dci/pipeline/2/run", {}, part=D)
    done = await run_until(admin, 2, accepted["run"], *OVER, seconds=90)
    assert done["status"] == "succeeded", done
    assert [slot["slot"] for slot in done["steps"][0]["slots"]] == [11, 12, 13]


async def test_what_is_stopped_leaves_no_process(admin: Client) -> None:
    mark = "98761"
    await define(admin, STAYS.format(id=60, rerun=0, mark=mark))
    _, accepted = await admin.post("/api/dci/pipeline/60/run", {}, part=D)

    async def going() -> list[int]:
        return processes(mark)

    await until(going, lambda found: len(found) >= 2)
    _, stopped = await admin.post("/api/dci/pipeline/60/stop", {}, part=D)
    assert stopped["runs"] == [accepted["run"]]
    done = await run_until(admin, 60, accepted["run"], *OVER, seconds=12)
    assert (done["status"], done["stopped_by"]) == ("stopped", "admin") and not processes(mark)


async def test_a_killed_runner_loses_its_run_and_the_next_ends_what_it_left(site: Site, admin: Client) -> None:
    lost, again = "98762", "98763"
    await define(admin, STAYS.format(id=61, rerun=0, mark=lost))
    await define(admin, STAYS.format(id=62, rerun=1, mark=again))
    for pipeline in (61, 62):
        assert (await admin.post(f"/api/dci/pipeline/{pipeline}/run", {}, part=D))[0] == 201

    async def going() -> tuple[list[int], list[int]]:
        return processes(lost), processes(again)

    async def log() -> str:
        url = site.url(D, "/api/dci/pipeline/62/runs/1/steps/stay/log")
        async with admin.session.get(url, headers={"Authorization": f"Bearer {admin.token}"}) as answer:
            return await answer.text()

    await until(going, lambda found: all(found))
    await until(log, lambda said: said == "begun\n")
    site.kill("actors")
    done = await run_until(admin, 61, 1, *OVER, seconds=60)
    assert done["status"] == "lost", done
    second = await run_until(admin, 62, 1, *OVER, seconds=60)
    assert second["status"] == "succeeded", second
    await until(going, lambda found: not any(found))
    assert await log() == "begun\n[ottb] the run is begun anew\n"


CLI = """
id = {id}
name = "cli-{id}"
[params.n]
type = "integer"
default = 0
[[steps]]
name = "a"
do = "run"
commands = ["echo said $PARAM_N; exit $PARAM_N"]
"""

REFUSED = [
    ("another parameter", 1, {"parameters": {"x": "1"}}, 400, "INVALID_PARAMS"),
    ("a value that does not fit", 1, {"parameters": {"version": "$(id)"}}, 400, "INVALID_PARAMS"),
    ("an option as branch", 1, {"branch": "--upload-pack=touch /tmp/x"}, 400, "INVALID_PARAMS"),
    ("a branch of none", 2, {"branch": "main"}, 422, "PIPELINE_ERROR"),
    ("no such pipeline", 999, {}, 404, "NOT_FOUND"),
]


@pytest.mark.parametrize(("pipeline", "body", "status", "code"), [one[1:] for one in REFUSED],
                         ids=[one[0] for one in REFUSED])  # fmt: skip
async def test_what_cannot_be_run_says_why(admin: Client, pipeline: int, body: Any, status: int, code: str) -> None:
    answered, refused = await admin.post(f"/api/dci/pipeline/{pipeline}/run", body, part=D)
    assert (answered, refused["code"]) == (status, code), refused
    assert refused["details"] or code == "NOT_FOUND"


async def test_a_definition_that_is_wrong_is_refused_with_its_places(admin: Client) -> None:
    status, refused = await admin.post("/api/dci/pipelines", {"text": "id = 70\nname = 'x'\nsteps = 1\n"}, part=D)
    assert (status, refused["code"]) == (422, "PIPELINE_ERROR")
    assert refused["details"]["problems"][0]["line"] == 3
    taken = 'id = 1\nname = "mine"\n[[steps]]\nname = "a"\ndo = "run"\ncommands = ["true"]\n'
    assert (await admin.post("/api/dci/pipelines", {"text": taken}, part=D))[1]["code"] == "PIPELINE_ERROR"
    nobody = 'labels = ["windows"]\n'
    await define(admin, taken.replace("id = 1", "id = 71\n" + nobody))
    _, refused = await admin.post("/api/dci/pipeline/71/run", {}, part=D)
    assert (refused["code"], refused["details"]["why"]) == ("PIPELINE_ERROR", "no_runner")


async def test_what_is_deleted_is_gone_and_its_runs_are_shown(admin: Client) -> None:
    await define(admin, STAYS.format(id=65, rerun=0, mark="98765"))
    _, accepted = await admin.post("/api/dci/pipeline/65/run", {}, part=D)
    await run_until(admin, 65, 1, "running")
    status, refused = await admin.call("DELETE", "/api/dci/pipeline/65", part=D)
    assert (status, refused["code"], refused["details"]["runs"]) == (422, "PIPELINE_ERROR", [1])
    assert (await admin.call("DELETE", "/api/dci/pipeline/1", part=D))[1]["details"]["why"] == "source"
    status, deleted = await admin.call("DELETE", "/api/dci/pipeline/65?stop=true", part=D)
    assert (status, deleted) == (200, {"id": 65, "version": 1, "runs": [1]})
    done = await run_until(admin, 65, 1, *OVER)
    assert (done["status"], done["reason"]) == ("stopped", "it was deleted")
    for path in ("", "/run"):
        answered = await (admin.post(f"/api/dci/pipeline/65{path}", {}, part=D) if path else
                          admin.get("/api/dci/pipeline/65", part=D))  # fmt: skip
        assert answered[1]["code"] == "NOT_FOUND"
    assert (await admin.call("DELETE", "/api/dci/pipeline/65", part=D))[0] == 404
    assert all(row["id"] != 65 for row in (await admin.get("/api/dci/pipelines", part=D))[1])
    async with admin.session.get(
        accepted["log_url"] if accepted["log_url"].startswith("http") else admin.site.url(D, accepted["log_url"])
    ) as answer:
        assert answer.status == 200 and "begun" in await answer.text()
    await define(admin, CLI.format(id=65))
    assert (await admin.post("/api/dci/pipeline/65/run", {}, part=D))[1]["run"] == 2


async def test_a_file_that_goes_takes_its_pipeline_along(site: Site, admin: Client) -> None:
    file, path = site.folder / "definitions" / "own.toml", "/api/dci/pipeline/66"
    file.write_text(CLI.format(id=66))
    await until(lambda: admin.get(path, part=D), lambda seen: seen[0] == 200)
    away = file.rename(file.with_suffix(".off"))
    await until(lambda: admin.get(path, part=D), lambda seen: seen[0] == 404, 20.0)
    assert (await admin.post(f"{path}/run", {}, part=D))[0] == 404

    async def noted() -> list[str]:
        return [line["message"] for line in (await admin.get("/api/dci/logs?module=DCI&limit=200", part=D))[1]]

    await until(noted, lambda lines: any("own.toml is gone from the folder" in line for line in lines))
    away.rename(file)
    seen = await until(lambda: admin.get(path, part=D), lambda seen: seen[0] == 200, 20.0)
    assert (seen[1]["version"], seen[1]["source"]) == (2, "own.toml")


async def test_the_command_line_runs_one_and_exits_as_it_ends(site: Site, admin: Client, tmp_path: Path) -> None:
    await define(admin, CLI.format(id=80))
    file = tmp_path / "made.toml"
    file.write_text(CLI.format(id=81))

    async def ottb(*words: str) -> tuple[int | None, str]:
        config = () if words[0] == "check" else ("--config", str(site.config))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli.main", "pipeline", words[0], *config, *words[1:], cwd=ROOT,
            env=os.environ | site.env | {"OTTB_PASSWORD": site.admin_password}, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    code, out = await ottb("run", "cli-80", "--follow")
    assert code == 0 and "  said 0" in out, out
    code, out = await ottb("run", "cli-80", "n=3", "--follow")
    assert code == 1 and "exit code 3" in out, out
    assert "cli-80" in (await ottb("list"))[1] and "failed" in (await ottb("status", "cli-80"))[1]
    assert "cli-80 is deleted" in (await ottb("delete", "cli-80"))[1]
    assert "cli-80" not in (await ottb("list"))[1]
    assert (await ottb("check", str(file)))[0] == 0
    assert await ottb("define", str(file)) == (0, f"{file}: ok (cli-81, 1 steps)\npipeline 81 cli-81, version 1\n")
    await define(admin, CLI.format(id=82).replace("cli-82", "cli-81"))
    code, out = await ottb("run", "cli-81")
    assert code == 1 and "2 pipelines are called cli-81: say the number, 81 or 82" in out, out
    assert (await ottb("run", "81", "--follow"))[0] == 0
    _, noted = await admin.get("/api/dci/logs?module=DCI&text=cli-80", part=D)
    assert [row["message"] for row in noted if "delete" in row["message"] or "folder" in row["message"]] == [
        "Pipeline cli-80 is deleted by admin"
    ]
    file.write_text("id = 1\nname = 3\n")
    code, out = await ottb("check", str(file))
    assert code == 1 and f"{file}:2:1: name:" in out, out


async def test_the_shipped_pipelines_for_phones_run_as_they_are(admin: Client) -> None:
    _, rows = await admin.get("/api/dci/pipelines", part=D)
    numbers = {row["name"]: row["id"] for row in rows}
    for name in ("sandbox-smoke", "fleet-clear-storage", "fleet-update-app"):
        status, begun = await admin.post(f"/api/dci/pipeline/{numbers[name]}/run", {}, part=D)
        assert status == 201, begun
        pipeline, run = numbers[name], begun["run"]
        seen = await run_until(admin, pipeline, run, "waiting", *OVER, seconds=120.0)
        while seen["status"] == "waiting":
            [step] = [step["step"] for step in seen["steps"] if step["status"] == "waiting"]
            approve = f"/api/dci/pipeline/{pipeline}/runs/{run}/steps/{step}/approve"
            assert (await admin.post(approve, {}, part=D))[0] == 200
            seen = await run_until(admin, pipeline, run, *OVER, seconds=120.0)
        assert seen["status"] == "succeeded", (name, seen)
