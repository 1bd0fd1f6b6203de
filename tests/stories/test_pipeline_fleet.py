"""Steps of pipelines that act on phones, on a whole site: each slot has its result, one in a call is waited for and
never touched, so many failures are the last, and what is stopped in the middle leaves nothing under way."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.stories.conftest import MORE
from tests.support.site import Client, Site, admin_of, running_site, until

pytestmark = pytest.mark.sites

D = "dci"
SLOTS: dict[int, str | None] = dict.fromkeys(range(11, 17))
OVER = ("succeeded", "failed", "stopped", "lost")
APP = "org.example.app"
TALKS, TALKS_ON = "+380991232012", "+380991231001"  # hangs up after twelve seconds; talks on
BUILD = f"""
[[steps]]
name = "build"
do = "run"
commands = ['{{ printf "PK\\003\\004"; head -c 300000 /dev/zero | tr "\\0" x; printf "package={APP}\\n"; }} > app.apk']
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    more = f"{MORE}\n[dial]\nslot_calls_per_hour = 1000\n"
    with running_site(tmp_path_factory.mktemp("fleet"), SLOTS, more) as running:
        yield running


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[Client]:
    async with admin_of(site) as client:
        await until(lambda: client.get("/api/slots"), _all_free, 60.0)
        yield client
        await until(lambda: client.get("/api/slots"), _all_free, 60.0)  # as it was found


def _all_free(seen: tuple[int, Any]) -> bool:
    """Every phone is there, in no call, and nobody's."""
    return all(
        (slot["status"], slot["call_id"], slot["reserved_by"]) == ("ONLINE", None, None) for slot in seen[1]
    )


async def begin(admin: Client, id: int, steps: str) -> str:
    """Define a pipeline and run it. The address of its run."""
    text = f'id = {id}\nname = "fleet-{id}"\n{steps}'
    status, made = await admin.post("/api/dci/pipelines", {"text": text}, part=D)
    assert status == 201, made
    status, begun = await admin.post(f"/api/dci/pipeline/{id}/run", {}, part=D)
    assert status == 201, begun
    return f"/api/dci/pipeline/{id}/runs/{begun['run']}"


async def end_of(admin: Client, path: str, seconds: float = 60.0) -> Any:
    return (await until(lambda: admin.get(path, part=D), lambda seen: seen[1]["status"] in OVER, seconds))[1]


async def slots_of(admin: Client, path: str, step: str) -> dict[int, Any]:
    """What a step came to, by slot, once its run is over."""
    done = await end_of(admin, path)
    return {one["slot"]: one for one in next(each for each in done["steps"] if each["step"] == step)["slots"]}


async def call_from(admin: Client, slot: int, number: str) -> str:
    status, started = await admin.post("/api/call/start", {"number": number, "slot": slot})
    assert status == 201, started
    await admin.call_until(started["call_id"], lambda call: call["state"] == "ACTIVE")
    return str(started["call_id"])


async def log_of(admin: Client, path: str, step: str) -> str:
    url, headers = admin.site.url(D, f"{path}/steps/{step}/log"), {"Authorization": f"Bearer {admin.token}"}
    async with admin.session.get(url, headers=headers) as answer:
        return await answer.text()


@pytest.mark.parametrize(("id", "steps", "said"), [
    (201, BUILD + '[[steps]]\nname = "do"\ndo = "install_apk"\nfile = "app.apk"\n', "app.apk installed"),
    (202, '[[steps]]\nname = "do"\ndo = "reboot"\n', "it is back"),
    (203, '[[steps]]\nname = "do"\ndo = "script"\nscript = "wifi_on"\n', "wifi_on succeeded"),
    (204, '[[steps]]\nname = "do"\ndo = "adb"\ncommand = "echo hello"\n', "exit code 0"),
], ids=["install_apk", "reboot", "script", "adb"])  # fmt: skip
async def test_a_slot_in_a_call_is_waited_for(admin: Client, id: int, steps: str, said: str) -> None:
    call = await call_from(admin, 12, TALKS)
    path = await begin(admin, id, f"{steps}on = {{ slots = [11, 12, 13] }}\nat_once = 3\npatience = 60\n")
    await until(lambda: log_of(admin, path, "do"), lambda log: "slot 13: ok" in log)
    assert (await admin.get(f"/api/call/{call}"))[1]["end_time"] is None  # the others have not waited for it
    log = await log_of(admin, path, "do")
    assert "slot 12 waits, 60 s at most: " in log and "slot 12: " not in log
    done = await slots_of(admin, path, "do")
    assert {slot: (one["ok"], one["said"]) for slot, one in done.items()} == dict.fromkeys((11, 12, 13), (True, said))
    _, over = await admin.get(f"/api/call/{call}")
    assert over["reason"] == "hangup_remote" and over["end_time"] < (await admin.get(path, part=D))[1]["end_time"], over


async def test_a_slot_whose_call_goes_on_fails_alone(admin: Client) -> None:
    call = await call_from(admin, 12, TALKS_ON)
    steps = '[[steps]]\nname = "do"\ndo = "reboot"\non = { slots = [11, 12] }\nstop_at = 2\npatience = 3\n'
    path = await begin(admin, 205, steps)
    done = await slots_of(admin, path, "do")
    assert (done[11]["ok"], done[12]["ok"]) == (True, False), done
    run = (await admin.get(path, part=D))[1]
    assert (run["status"], run["steps"][0]["reason"]) == ("succeeded", "1 of 2 slots failed"), run
    assert (await admin.get(f"/api/call/{call}"))[1]["state"] == "ACTIVE"
    assert (await admin.post("/api/call/end", {"call_id": call}))[0] == 200


@pytest.mark.parametrize(("id", "stop_at", "tried"), [(206, 1, 1), (207, 2, 2), (208, 9, 4)])
async def test_so_many_failures_are_the_last(admin: Client, id: int, stop_at: int, tried: int) -> None:
    steps = BUILD.replace("PK", "no") + '[[steps]]\nname = "do"\ndo = "install_apk"\nfile = "app.apk"\n'
    path = await begin(admin, id, f"{steps}on = {{ slots = [11, 12, 13, 14] }}\nat_once = 1\nstop_at = {stop_at}\n")
    done = await slots_of(admin, path, "do")
    assert sorted(done) == list(range(11, 11 + tried)) and not any(one["ok"] for one in done.values()), done
    run = (await admin.get(path, part=D))[1]
    assert run["status"] == ("failed" if tried >= stop_at else "succeeded")
    assert run["steps"][-1]["reason"] == f"{tried} of 4 slots failed"


async def test_only_what_failed_is_tried_again(admin: Client, site: Site) -> None:
    await admin.phones("POST", "/phones/14/unauthorized")
    try:
        await until(lambda: admin.get("/api/slots/14"), lambda seen: seen[1]["status"] != "ONLINE")
        steps = '[[steps]]\nname = "do"\ndo = "adb"\ncommand = "echo hi"\nretries = 2\npatience = 0\n'
        path = await begin(admin, 209, f"{steps}on = {{ slots = [13, 14], online = false }}\n")
        done = await slots_of(admin, path, "do")
    finally:
        await admin.phones("POST", "/phones/14/allow")
    assert (done[13]["ok"], done[14]["ok"]) == (True, False), done
    log = await log_of(admin, path, "do")
    assert "attempt 1: 2 slots" in log and "attempt 2: 1 slots" in log and "attempt 3: 1 slots" in log, log
    assert log.count("slot 13: ok") == 1 and log.count("slot 14: failed") == 3, log


async def test_what_is_stopped_leaves_no_script_under_way(admin: Client) -> None:
    call = await call_from(admin, 13, TALKS_ON)
    steps = '[[steps]]\nname = "do"\ndo = "script"\nscript = "airplane_cycle"\nparams = { seconds = "20" }\n'
    path = await begin(admin, 210, f"{steps}on = {{ slots = [12, 13, 14] }}\nat_once = 3\n")

    async def going() -> list[int]:
        return sorted(run["slot"] for run in (await admin.get("/api/gacs/runs?state=running"))[1])

    await until(going, lambda found: found == [12, 14])
    await asyncio.sleep(1.0)
    assert (await admin.post("/api/dci/pipeline/210/stop", {}, part=D))[0] == 200
    done = await end_of(admin, path, 25.0)
    assert (done["status"], done["stopped_by"]) == ("stopped", "admin"), done
    assert await going() == []
    runs = [run for run in (await admin.get("/api/gacs/runs"))[1] if run["script"] == "airplane_cycle"]
    assert sorted((run["slot"], run["state"]) for run in runs) == [(12, "stopped"), (14, "stopped")]
    assert (await admin.get(f"/api/call/{call}"))[1]["state"] == "ACTIVE"
    assert (await admin.post("/api/call/end", {"call_id": call}))[0] == 200


async def test_what_is_stopped_ends_its_calls_and_keeps_no_slot(admin: Client) -> None:
    steps = f'[[steps]]\nname = "do"\ndo = "call"\nnumber = "{TALKS_ON}"\nseconds = 300\n'
    path = await begin(admin, 211, f"{steps}on = {{ slots = [14, 15, 16] }}\nat_once = 2\n")

    async def calls() -> list[str]:
        return [slot["call_id"] for slot in (await admin.get("/api/slots"))[1] if slot["call_id"]]

    await until(calls, lambda found: len(found) == 2)
    assert (await admin.post("/api/dci/pipeline/211/stop", {}, part=D))[0] == 200
    done = await end_of(admin, path, 15.0)
    assert done["status"] == "stopped" and await calls() == [], done
    assert sorted(one["slot"] for one in done["steps"][0]["slots"]) == [14, 15]  # the third never began


async def test_a_slot_is_kept_until_a_command_that_was_stopped_is_over(admin: Client) -> None:
    steps = '[[steps]]\nname = "do"\ndo = "adb"\ncommand = "sleep 6"\non = { slots = [15, 16] }\nat_once = 1\n'
    path = await begin(admin, 212, steps)

    async def kept() -> list[int]:
        return [slot["id"] for slot in (await admin.get("/api/slots"))[1] if slot["reserved_by"]]

    await until(kept, lambda found: found == [15])
    await asyncio.sleep(1.0)
    stopped = asyncio.get_running_loop().time()
    assert (await admin.post("/api/dci/pipeline/212/stop", {}, part=D))[0] == 200
    await asyncio.sleep(1.5)
    assert await kept() == [15]  # nobody calls while the command runs
    done = await end_of(admin, path, 20.0)
    assert done["status"] == "stopped" and asyncio.get_running_loop().time() - stopped > 3.0
    assert await kept() == [] and [one["slot"] for one in done["steps"][0]["slots"]] == [15]


async def test_a_slot_that_is_named_and_not_there_is_told(admin: Client) -> None:
    steps = '[[steps]]\nname = "do"\ndo = "adb"\ncommand = "true"\non = { slots = [11, 99] }\n'
    path = await begin(admin, 240, steps)
    done = await slots_of(admin, path, "do")
    assert {slot: one["ok"] for slot, one in done.items()} == {99: False}  # `stop_at` is 1: no other begins
    path = await begin(admin, 240, steps + "stop_at = 2\n")
    done = await slots_of(admin, path, "do")
    assert {slot: one["ok"] for slot, one in done.items()} == {11: True, 99: False}
    assert "no such slot" in done[99]["said"]
    assert (await admin.get(path, part=D))[1]["status"] == "succeeded"


async def test_what_a_killed_host_has_begun_on_phones_is_ended(site: Site, admin: Client) -> None:
    """By the next runner there: nobody else would hang up, stop the script or give the slot back."""
    calls = f'do = "call"\nnumber = "{TALKS_ON}"\nseconds = 600\non = {{ slots = [11] }}\n'
    keeps = 'do = "adb"\ncommand = "sleep 200"\ntimeout = 300\non = { slots = [12] }\n'
    paths = [
        await begin(admin, id, f'[[steps]]\nname = "do"\n{step}') for id, step in ((250, calls), (251, keeps))
    ]

    async def going() -> tuple[bool, bool]:
        _, slots = await admin.get("/api/slots")
        by_id = {slot["id"]: slot for slot in slots}
        return by_id[11]["call_id"] is not None, by_id[12]["reserved_by"] is not None

    await until(going, lambda seen: seen == (True, True))
    call = (await admin.get("/api/slots/11"))[1]["call_id"]
    site.kill("actors")
    await until(going, lambda seen: seen == (False, False), 90.0)
    assert (await admin.get(f"/api/call/{call}"))[1]["end_time"] is not None
    assert [(await end_of(admin, path, 90.0))["status"] for path in paths] == ["lost", "lost"]
