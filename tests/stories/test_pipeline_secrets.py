"""Secrets of pipelines on a whole site, as steps give them away without a thought: in encodings, split over writes, in
names of files, in what goes wrong. They are in nothing that leaves the step, whoever looks and wherever."""

import base64
import html
import json
import os
import subprocess
from collections.abc import Iterator
from urllib.parse import quote

import nats
import pytest

from tests.stories.conftest import MORE
from tests.support.collector import Collector, collecting
from tests.support.js_client import JsClient
from tests.support.site import Site, admin_of, running_site, until

pytestmark = pytest.mark.sites

D = "dci"
SECRET = 'tr0ub"4dor&3/<very>+s3cret\'s\u00e9same'
KEY = "-----BEGIN KEY-----\nq0Zx7Wm2Lr9Tb4Vn8Kd1Yp6S\nH3cJ5gF0uE7oN2iA9wR4tX8z\n-----END KEY-----"
NAMES = {"DEPLOY_KEY": SECRET, "PEM": KEY}
OVER = ("succeeded", "failed", "stopped", "lost")
WAYS = {  # what writes the secret, and how it comes out
    "plain": ("cat", SECRET.encode()),
    "base64": ("base64 -w 0", base64.b64encode(SECRET.encode())),
    "base64url": ("base64 -w 0 | tr +/ -_", base64.urlsafe_b64encode(SECRET.encode())),
    "hex": ("od -An -v -tx1 | tr -d ' \\n'", SECRET.encode().hex().encode()),
    "percent": ("perl -pe 's/([^A-Za-z0-9_.~-])/sprintf(\"%%%02X\",ord $1)/ge'", quote(SECRET, safe="").encode()),
    "json": ("perl -pe 's/([\"\\\\\\\\])/\\\\$1/g'", json.dumps(SECRET, ensure_ascii=False)[1:-1].encode()),
    "html": ("perl -pe 's/&/&amp;/g; s/</&lt;/g; s/>/&gt;/g; s/\"/&quot;/g; s/\\x27/&#x27;/g'",
             html.escape(SECRET).encode()),
}  # fmt: skip
SLOWLY = """perl -e '$|=1; for (unpack("(a7)*", join("", <STDIN>))) { print $_; select(undef, undef, undef, 0.06) }'"""
HEAD = """
id = 90
name = "leaky"
[[steps]]
name = "leak"
do = "run"
secrets = ["DEPLOY_KEY", "PEM"]
on_failure = "ignore"
artefacts = ["out/*"]
commands = [{commands}]
[[steps]]
name = "missing"
do = "run"
secrets = ["DEPLOY_KEY"]
on_failure = "ignore"
commands = ['cd "/nowhere/$SECRET_DEPLOY_KEY"']
"""


def commands() -> str:
    """Each way at once and in pieces; then names, wrapped lines, and what a tool of its own would say."""
    lines = ["mkdir out; echo begun > out/log.txt; echo 'the key is next'"]
    for name, (way, _) in WAYS.items():
        lines.append(f'printf "{name}: "; printf "%s" "$SECRET_DEPLOY_KEY" | {way}; echo')
        lines.append(f'printf "{name} slowly: "; printf "%s" "$SECRET_DEPLOY_KEY" | {way} | {SLOWLY}; echo')
    lines += [
        'printf "%s" "$SECRET_DEPLOY_KEY" | base64 -w 11', 'printf "user:%s" "$SECRET_DEPLOY_KEY" | base64 -w 0; echo',
        'echo "$SECRET_PEM"', 'echo "$SECRET_PEM" | base64', 'printf "%s" "$SECRET_PEM" | tr "\\n" " "; echo',
        'ls "$SECRET_DEPLOY_KEY" || true', 'env | sort', 'echo "the key was said"',
        'name=$(printf "%s" "$SECRET_DEPLOY_KEY" | base64 -w 0 | tr / -); echo x > "out/$name.txt"',
        'echo x > "out/$(echo "$SECRET_PEM" | sed -n 2p).txt"',
    ]  # fmt: skip
    return ",\n".join(f"'''{line}'''" for line in lines)


def forbidden() -> dict[str, bytes]:
    """What must be nowhere: each form, and each half of one."""
    cores = {f"behind {before}": base64.b64encode(bytes(before) + SECRET.encode())[4:-4] for before in (1, 2)}
    lines = {f"line {place}": line.encode() for place, line in enumerate(KEY.splitlines()[1:3])}
    pem = {"pem in base64": base64.b64encode(KEY.encode())[:60], "pem in hex": KEY.encode().hex().encode()}
    whole = {**{name: form for name, (_, form) in WAYS.items()}, **cores, **lines, **pem}
    return {f"{name}, {which} half": half for name, form in whole.items()
            for which, half in (("first", form[: len(form) // 2]), ("second", form[len(form) // 2 :]))}  # fmt: skip


def given_away(text: bytes) -> list[str]:
    """Which forms are in a text, also as JSON has it."""
    return [name for name, form in forbidden().items()
            if form in text or json.dumps(form.decode(), ensure_ascii=False)[1:-1].encode() in text
            or json.dumps(form.decode())[1:-1].encode() in text]  # fmt: skip


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "state" / "secrets").mkdir(parents=True)
    for name, value in NAMES.items():
        (folder / "state" / "secrets" / name).write_text(value)
    env = {"OTTB_TRACES__ENDPOINT": collector.url, "OTTB_LOG__LEVEL": "debug"}
    with running_site(folder, {11: None}, MORE, env=env) as running:
        yield running


@pytest.mark.parametrize("name", WAYS)
def test_each_way_gives_the_secret_away_as_it_is_sought(name: str) -> None:
    way, form = WAYS[name]
    for pieces in ("", f" | {SLOWLY}"):
        line = f'printf "%s" "$SECRET_DEPLOY_KEY" | {way}{pieces}'
        own = {"SECRET_DEPLOY_KEY": SECRET, "PATH": os.environ["PATH"]}
        said = subprocess.run(["/bin/sh", "-eu", "-c", line], env=own, check=True, capture_output=True).stdout
        assert said == form and given_away(said)


async def test_a_secret_is_in_nothing_that_leaves_its_step(site: Site, collector: Collector) -> None:
    password = json.loads((site.state / "secrets.json").read_text())["core"]
    bus = await nats.connect(f"nats://127.0.0.1:{site.nats_port}", user="core", password=password,
                             inbox_prefix="_INBOX_core")  # fmt: skip
    heard = bytearray()

    async def hear(message: nats.aio.msg.Msg) -> None:
        heard.extend(message.data + json.dumps(message.headers or {}).encode())

    await bus.subscribe("ottb.v1.>", cb=hear)
    async with admin_of(site) as admin:
        text = {"text": HEAD.format(commands=commands())}
        # Right after a start nobody may have the shard yet: who listens in on all hears the question then, so that the
        # server does not say that nobody is there, and it ends with TIMEOUT. The same again changes nothing.
        _, made = await until(
            lambda: admin.post("/api/dci/pipelines", text, part=D), lambda seen: seen[0] in (200, 201), 30
        )
        assert made["id"] == 90, made
        async with JsClient(site.url("workspace", ""), str(admin.token)) as socket:
            await socket.expect(lambda said: said.get("connected"))
            assert (await socket.ask("subscribe:pipelines", {"pipeline": 90}))["error"] is False
            _, begun = await admin.post("/api/dci/pipeline/90/run", {}, part=D)
            await socket.expect(lambda said: said.get("payload", {}).get("data", {}).get("change") == "ended", 60)
            live = json.dumps(socket.heard, ensure_ascii=False).encode()
        path = "/api/dci/pipeline/90"
        answers = [await admin.get(f"{path}{rest}", part=D) for rest in ("/runs/1", "/runs", "/status", "")]
        answers.append(await admin.get("/api/dci/logs?limit=500", part=D))
        run = answers[0][1]
        async with admin.session.get(begun["log_url"]) as answer:
            log = await answer.read()
        assert run["status"] == "succeeded" and b"the key was said" in log, log.decode()
        names = [artefact["name"] for artefact in run["steps"][0]["artefacts"]]
        assert names == ["out/log.txt"] and log.count(b"not kept") == 2, log.decode()
    await bus.drain()
    assert log.count(b"***") >= 2 * len(WAYS) + 8 and b"the key is next" in live and b"the key is next" in heard
    collector.wait(lambda spans: any("pipeline" in span.name for span in spans))
    seen = {
        "log": log, "live": live, "answers": json.dumps(answers, ensure_ascii=False).encode(), "bus": bytes(heard),
        "traces": b"".join(collector.raw), **files(site),
    }  # fmt: skip
    assert {where: found for where, text in seen.items() if (found := given_away(text))} == {}


def files(site: Site) -> dict[str, bytes]:
    """Everything in the state folder but the secrets themselves, and what the site has printed."""
    own = site.state / "secrets"
    there = [path for path in site.state.rglob("*") if path.is_file() and own not in path.parents]
    found = {str(path): path.read_bytes() for path in there}
    assert any(b"the key is next" in text for name, text in found.items() if name.endswith(".blk"))
    return {**found, "up.log": (site.folder / "up.log").read_bytes()}
