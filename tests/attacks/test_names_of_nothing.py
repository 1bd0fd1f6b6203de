"""What is refused, or changes nothing, leaves nobody behind: whatever is on record is in memory after each start."""

import gc
from collections import Counter
from pathlib import Path
from typing import Any

from actors.do_not_call.lists import NumberList
from tests.support.whole import whole_site

TIMES = 40
NUMBER = "+380957770001"


async def test_names_of_what_there_is_not_leave_nothing(tmp_path: Path) -> None:
    asked: dict[str, dict[str, Any]] = {
        "/api/do-not-call/x{}/remove": {"entries": [NUMBER]},
        "/api/do-not-call/y{}": {"entries": [NUMBER]},
        "/api/autodialer/campaigns": {"campaign_id": "c{}", "settings": {"hours": "99"}},
        "/api/autodialer/run-campaign": {"campaign_id": "d{}", "leads": []},
    }
    async with whole_site(tmp_path) as site:
        await site.login()
        lists = in_memory(NumberList)
        for path, body in asked.items():
            statuses = Counter[int]()
            for number in range(TIMES):
                named = {key: value.format(number) if isinstance(value, str) else value for key, value in body.items()}
                statuses[(await site.ask("POST", path.format(number), named))[0]] += 1
            left = site.broker.entries("ottb.v1.evt.do_not_call.>") + site.broker.entries("ottb.v1.evt.campaign.>")
            print(f"{path}: {dict(statuses)}, left on record: {len(left)}")
            assert not left
        more = in_memory(NumberList) - lists
        print(f"{2 * TIMES} names of lists that there are not: {more} more in memory")
        assert not more


def in_memory(kind: type) -> int:
    """How many there are."""
    gc.collect()
    return sum(type(one) is kind for one in gc.get_objects())
