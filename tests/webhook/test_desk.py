"""What the webhooks of a host share: nobody's slow receivers keep another user's posts waiting."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from actors.adapters.system_clock import SystemClock
from actors.webhook.desk import Desk
from actors.webhook.settings import Webhooks


async def test_of_two_users_whose_receivers_are_slow_a_third_waits_for_one_post() -> None:
    sent, over = list[str](), asyncio.Semaphore(0)

    async def post(url: str, body: bytes, headers: Any, *, user: str) -> Any:
        sent.append(user)
        await over.acquire()
        return SimpleNamespace(body=b"", code=200)

    nothing, secret = cast(Any, None), cast(Any, SimpleNamespace(good=lambda now: ["whsec_x"]))
    desk = Desk(
        bus=nothing, clock=SystemClock(), sender=cast(Any, SimpleNamespace(post=post)), news=nothing, secrets=nothing,
        settings=Webhooks(on_host_at_once=4),
    )  # fmt: skip

    async def send(user: str) -> None:
        webhook = cast(Any, SimpleNamespace(user=user, url="http://127.0.0.1/"))
        assert (await desk.post(webhook, b"{}", secret=secret, event_id="e")).taken

    async with asyncio.TaskGroup() as group:
        for user in ("eve", "mallory") * 10 + ("ann",):
            group.create_task(send(user))
            await asyncio.sleep(0)
        assert sent == ["eve", "mallory"] * 2
        over.release()
        while len(sent) < 5:
            await asyncio.sleep(0)
        assert sent[4] == "ann"
        for _ in range(20):
            over.release()
