"""The programs of docs/clients.md, run as they stand there, and the clients over lost connections and old tokens."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.site import ROOT, Client, Site

PAGE = (ROOT / "docs" / "clients.md").read_text()
CONTRACT = ROOT / "console" / "contract"
SECONDS = 120.0
PASSWORD = "THE-PASSWORD"
PROGRAM = '''
import asyncio
from ottb_client import Client

async def main() -> None:
    async with Client("{url}") as api:
        await api.login("op12", "1234")
        calls_seen = {seen}
{text}

asyncio.run(main())
'''


def blocks(language: str) -> list[str]:
    """What stands on the page."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def here(text: str, site: Site) -> str:
    """For this site instead of that of `make run`."""
    return text.replace("http://localhost:3000", site.url("workspace", "")).replace(PASSWORD, site.admin_password)


async def ran(*command: str, cwd: Path) -> str:
    """What a program printed; its failure is one."""
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=SECONDS, text=True,
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


LOST = """
import { ApiError, Client, done } from "@ottb/contract/client";

const [url, user, password] = ["http://localhost:3000", "admin", "THE-PASSWORD"];
const client = new Client(url);
await client.login(user, password);
const current = (client as unknown as { current: { token: string } }).current;

const live = client.live();
const ended = new Promise<ApiError>((resolve) => (live.onEnd = resolve));
const heard: number[] = [];
await new Promise<void>((all, never) => {
  const told = ({ data }: { data: { message: string } }): void => {
    heard.push(Number(data.message));
    if (data.message === "49") all();
  };
  void live.hear("log", told, { module: "TS" }).then(async () => {
    for (let n = 0; n < 50; n++) {
      if (n % 10 === 5) live.socket.io.engine.close();
      const body = { module: "TS", severity: "info", message: String(n), context: {}, user_id: null } as const;
      await done(client.http.POST("/api/dci/log-event", { body }));
    }
  }).catch(never);
});
console.log(heard.join(" "));

const board = new Map<number, string>();
await new Promise<void>((all, never) => {
  const onShown = (slots: { id: number; status: string }[], seq: number): void => {
    for (const slot of slots) board.set(slot.id, slot.status);
    console.log("shown", slots.length, seq > 0);
    all();
  };
  live.hear("slots", () => {}, { onShown }).catch(never);
});
await live.hear("nothing" as "calls", () => {}).catch((error) => console.log(error.code, error.details.rooms.length));

for (const call_id of ["..", ".", ""]) {
  await done(client.http.GET("/api/call/{call_id}", { params: { path: { call_id } } })).catch((error) =>
    console.log(error.code, error.status),
  );
}

current.token = "over";
await Promise.all(Array.from({ length: 20 }, () => done(client.http.GET("/api/roles"))));
await client.refresh();
console.log("refreshed", (await done(client.http.GET("/api/roles"))).length > 0);

const other = new Client(url);
await other.login(user, password);
await done(other.http.POST("/api/auth/logout", { body: { everywhere: true, end_tokens: false } }));
console.log("ended", (await ended).code);
live.close();

const nobody = new Client("http://127.0.0.1:1");
await nobody.login(user, password).catch((error) => console.log(error instanceof ApiError, error.code, error.status));
"""


@pytest.fixture(scope="module")
def translated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both TypeScript programs, checked and as JavaScript, that has the client among its packages."""
    folder = tmp_path_factory.mktemp("typescript")
    packages = folder / "node_modules"
    (packages / "@ottb").mkdir(parents=True)
    shutil.unpack_archive(packed(folder), packages / "@ottb")
    (packages / "@ottb" / "package").rename(packages / "@ottb" / "contract")
    for name in ("openapi-fetch", "openapi-typescript-helpers", "socket.io-client"):
        (packages / name).symlink_to(CONTRACT / "node_modules" / name)
    (folder / "package.json").write_text(json.dumps({"type": "module"}))
    (folder / "page.ts").write_text("\n".join(blocks("ts")))
    (folder / "lost.ts").write_text(LOST)
    for resolution in ({}, {"module": "NodeNext", "moduleResolution": "NodeNext"}):
        translate(folder, folder / "page.ts", folder / "lost.ts", **resolution)
    return folder


def packed(folder: Path) -> Path:
    """The package as `npm pack` makes it, of a copy of its sources."""
    sources = folder / "sources"
    sources.mkdir()
    for file in CONTRACT.glob("*.*s*"):
        shutil.copy(file, sources)
    (sources / "node_modules").symlink_to(CONTRACT / "node_modules")
    done = subprocess.run(["npm", "pack", "--silent"], cwd=sources, timeout=SECONDS, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return sources / done.stdout.split()[-1]


@pytest.fixture
def programs(translated: Path, site: Site) -> Path:
    """The same for the site that there is now."""
    for name in ("page", "lost"):
        (translated / f"{name}-here.js").write_text(here((translated / f"{name}.js").read_text(), site))
    return translated


def translate(folder: Path, *files: Path, **more: str) -> None:
    """TypeScript to JavaScript in a folder, as the client's own settings say."""
    options = {"noEmit": False, "skipLibCheck": True, "outDir": str(folder), **more}
    wanted = {"compilerOptions": options, "files": [str(file) for file in files], "include": []}
    config = folder / "tsconfig.json"
    config.write_text(json.dumps({"extends": str(CONTRACT / "tsconfig.json"), **wanted}))
    command = [CONTRACT / "node_modules" / ".bin" / "tsc", "-p", config]
    done = subprocess.run(command, timeout=SECONDS, text=True, check=False, capture_output=True)
    assert done.returncode == 0, done.stdout


async def test_the_python_programs_of_the_page_run(site: Site, operator: Client, tmp_path: Path) -> None:
    whole, *parts = (here(text, site) for text in blocks("python"))
    (tmp_path / "whole.py").write_text(whole)
    said = await ran(sys.executable, "whole.py", cwd=tmp_path)
    assert re.search(r"c_\w+ connected\n(.*\n)*.*c_\w+ ended\n\+380991234567: \w+, \d+ s\n", said), said
    seen = int(said.split()[0]) - 1
    text = textwrap.indent("\n".join(parts), " " * 8)
    (tmp_path / "parts.py").write_text(PROGRAM.format(url=site.url("workspace", ""), seen=seen, text=text))
    said = await ran(sys.executable, "parts.py", cwd=tmp_path)
    assert "\n400 INVALID_PARAMS" in said and "call_id," in said, said
    assert re.search(r"\d+ ended\n\d+ slots at \d+\n$", said), said


async def test_the_typescript_programs_of_the_page_run(programs: Path, operator: Client) -> None:
    said = await ran("node", "page-here.js", cwd=programs)
    assert re.search(r"c_\w+ ended\nended at \d+\n(c_\w+ \w+\n)+400 INVALID_PARAMS", said), said


async def test_typescript_goes_on_over_lost_connections_and_old_tokens(programs: Path) -> None:
    heard, *more = (await ran("node", "lost-here.js", cwd=programs)).splitlines()
    assert heard.split() == [str(n) for n in range(50)]
    shown, no_room, *rest = more
    assert re.fullmatch(r"shown [1-9]\d* true", shown) and re.fullmatch(r"NOT_FOUND \d+", no_room), more
    assert rest[:3] == ["INVALID_PARAMS 400"] * 3
    assert rest[3:] == ["refreshed true", "ended AUTH_FAIL", "true UNAVAILABLE 0"]
