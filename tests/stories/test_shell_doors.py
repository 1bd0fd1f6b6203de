"""What a shell command was and what it answered, at every door of a running site."""

import asyncio
import json
from typing import Any

from nats.aio.msg import Msg

from bus_schemas.permissions import BUILT_IN_ROLES, Action, resolve
from tests.stories.test_bus_login import on_bus
from tests.stories.test_point import made
from tests.support.js_client import JsClient
from tests.support.site import Client, Site, until

SECRET = "the-secret-of-44"
COMMAND = {"command": f"echo {SECRET}"}
OF_SHELL = {"command", "output", "exit_code", "truncated", "error"}


async def test_what_a_shell_said_reaches_only_who_may_run_one(site: Site, admin: Client, operator: Client) -> None:
    """op12 owns slot 44; a supervisor sees all slots, devops may run commands, too."""
    supervisor, devops = await made(admin, "sh_super", "supervisor"), await made(admin, "sh_devops", "devops")
    heard: dict[str, list[Any]] = {"op12": [], "sh_super": [], "sh_devops": []}

    def hears(name: str) -> Any:
        async def hear(message: Msg) -> None:
            if ".command_" in message.subject:
                heard[name].append(json.loads(message.data))

        return hear

    async with (
        on_bus(site, "op12", "1234") as own,
        on_bus(site, "sh_super", "secure123") as every,
        on_bus(site, "sh_devops", "secure123") as whole,
        JsClient(site.url("workspace", ""), str(operator.token)) as live,
        JsClient(site.url("workspace", ""), str(devops.token)) as live_whole,
    ):
        await own.nats.subscribe("ottb.v1.own.op12.evt.slot.>", cb=hears("op12"))
        await every.nats.subscribe("ottb.v1.all.evt.slot.>", cb=hears("sh_super"))
        await whole.nats.subscribe("ottb.v1.evt.slot.>", cb=hears("sh_devops"))
        for bus in (own, every):
            assert await bus.violates(lambda bus=bus: bus.nats.subscribe("ottb.v1.evt.slot.>"))
        for client in (live, live_whole):
            await client.expect(lambda said: said.get("connected"))
            before = (await client.ask("subscribe:slots"))["seq"]
        _, started = await devops.post("/api/slots/44/adb-command", COMMAND)
        path = f"/api/slots/44/adb-command/{started['command_id']}"
        await until(lambda: devops.get(path), lambda seen: seen[1].get("status") == "done")
        assert SECRET in (await devops.get(path))[1]["output"]
        for client in (operator, supervisor):
            assert (await client.get(path))[0] == 403
        for role, verbs in BUILT_IN_ROLES.items():  # who may run commands but sees no others' slots finds none
            asked = await (await made(admin, f"sh_of_{role}", role)).get(path)
            may = Action.SLOT_SHELL in resolve(verbs)
            assert (asked[0] in (200, 404)) == may and (SECRET in str(asked)) == (asked[0] == 200), role
        for client in (live, live_whole):
            await client.expect(lambda said: "command_done" in str(said))
            assert (await client.ask("subscribe:slots", {"since": before}))["error"] is False
        await until(lambda: asyncio.sleep(0, min(map(len, heard.values()))), lambda count: count >= 2)
    updates = [payload["data"] for payload in live.events("slot.update")]
    said = [update for update in updates if update["change"].startswith("command")]
    whole_said = [json.dumps(payload) for payload in live_whole.events("slot.update")]
    assert len(said) == 4, "each of two, and again"
    for event in (*said, *heard["op12"], *heard["sh_super"]):
        assert not OF_SHELL & event.keys() and SECRET not in str(event), event
        assert event["command_id"] == started["command_id"]
    assert sum(SECRET in text for text in whole_said) == 4
    assert [SECRET in str(event) for event in heard["sh_devops"]] == [True, True]
    blind = len(heard["op12"]) + len(heard["sh_super"])
    print(f"one command: {len(said)} updates and {blind} events to who may not run any, 0 with what was said")
