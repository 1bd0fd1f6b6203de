"""What providers, called sides and slots' extensions do in the field, on a whole site with the virtual PBX."""

import pytest

from tests.stories.test_pbx import dial, healthy, over
from tests.support.site import Client, until

TRUNK = "ottb-sip-2"


async def trunk(client: Client) -> tuple[str, str | None]:
    trunks = (await client.get("/api/pbx/status"))[1]["trunks"]
    return next((one["state"], one["reason"]) for one in trunks if one["name"] == TRUNK)


async def clean(client: Client) -> None:
    """One call that goes through, after which nothing is held against the trunk."""
    await over(client, await dial(client, "+380991230001", trunk=TRUNK))
    await until(lambda: trunk(client), lambda seen: seen == ("OK", None))


async def test_six_switched_off_mobiles_leave_a_trunk_as_it_was(operator: Client) -> None:
    await healthy(operator)
    await clean(operator)
    await operator.pbx("POST", "/refuse", {"calls": 6, "cause": 20, "sip": 480})
    for _ in range(6):
        ended = await over(operator, await dial(operator, "+380991234567", trunk=TRUNK))
        assert (ended["state"], ended["reason"]) == ("FAILED", "unreachable")
    assert await trunk(operator) == ("OK", None)


async def test_a_provider_that_refuses_us_is_told_with_its_words(operator: Client) -> None:
    await healthy(operator)
    await clean(operator)
    await operator.pbx("POST", "/refuse", {"calls": 2, "cause": 21, "sip": 403, "text": "Call Rejected"})
    for _ in range(2):
        ended = await over(operator, await dial(operator, "+380991234567", trunk=TRUNK))
        assert (ended["reason"], ended["cause"]) == ("trunk_refused", "SIP 403, Q.850 21 Call Rejected")
    words = "the provider refuses us: SIP 403, Q.850 21 Call Rejected"
    await until(lambda: trunk(operator), lambda seen: seen == ("WARN", words))
    await clean(operator)


async def test_congestion_that_turns_out_to_be_a_wrong_number(operator: Client) -> None:
    await healthy(operator)
    await clean(operator)
    await operator.pbx("POST", "/refuse", {"cause": 1, "sip": 404, "reason": "8"})
    ended = await over(operator, await dial(operator, "+380991234567", trunk=TRUNK))
    assert ended["reason"] == "invalid_number"
    assert await trunk(operator) == ("OK", None)


@pytest.mark.parametrize(
    ("state", "ended"), [("offline", "ENDED"), ("busy", "ENDED"), ("silent", "ENDED"), ("missing", "FAILED")]
)
async def test_a_slot_that_cannot_be_reached_blames_nobody_else(operator: Client, state: str, ended: str) -> None:
    await healthy(operator)
    await clean(operator)
    await operator.pbx("POST", "/extension", {"slot": 14, "state": state})
    try:
        for _ in range(6 if state == "missing" else 1):
            body = {"from": "slot_14", "to": "+380991234567", "trunk": TRUNK}
            _, started = await operator.post("/api/pbx/dial", body)
            call = await over(operator, started)
            assert (call["state"], call["reason"]) == (ended, "extension_failed")
        assert await trunk(operator) == ("OK", None)
    finally:
        await operator.pbx("POST", "/extension", {"slot": 14, "state": "tone"})
