"""What comes of deliveries is put on record, with the beginning of what the receiver has said, who may say what they
like: a user's webhooks write no more in the long run than their changes may, and deliver everything all the same."""

import asyncio
from collections.abc import Mapping
from random import Random

import pytest

from actors.runtime import written
from actors.runtime.signature import EVENT_ID
from actors.webhook.sender import Said
from bus_schemas.contract import kind_of
from bus_schemas.webhook import LONGEST_RESPONSE
from simulators.time.loop import SimLoop, run
from tests.webhook.test_takeover import HookSite
from tests.webhook.test_takeover import Receiver as Taking

AT_ONCE, NOTES, SECONDS = 100_000, 600, 15.0
TELLING = 300_000  # bytes of what came of the deliveries of one second


class Talkative(Taking):
    """Takes all at once, and says as much as is kept, each byte of which is three on record."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, user: str = "") -> Said:
        await asyncio.sleep(0.05)
        self.taken.append(headers[EVENT_ID])
        return Said(code=200, body=LONGEST_RESPONSE * b"\xff")


def test_deliveries_write_no_more_than_changes_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "AT_ONCE", AT_ONCE)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        site = HookSite(loop, Talkative(Random(1)))
        await site.answer()
        site.start("a")
        await site.until_right("a")
        await site.make()
        for number in range(NOTES):
            await site.note(f"n{number}")
        began = site.now
        await asyncio.sleep(SECONDS)
        size = sum(len(one.data) for one in site.broker.journal if kind_of(one.subject) == "webhook")
        print(f"{len(site.receiver.taken)} of {NOTES} delivered in {site.now - began:g} s, {size} bytes on record")
        assert size < AT_ONCE + SECONDS * written.PER_SECOND + TELLING
        await site.until_taken()
        await site.end()
        await asyncio.sleep(0.1)

    run(main, 1)
