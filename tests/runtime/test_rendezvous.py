"""Which shard an id falls into, and whom a shard belongs to: the same everywhere, and no move without need."""

import asyncio
import math
from pathlib import Path

import nats
import pytest
from nats.aio.msg import Msg

from actors.runtime.rendezvous import SHARDS, belongs_to, fnv1a32, shard_of, shards_of
from tests.runtime.test_buses import server
from tests.support.site import PATIENCE

HOSTS = ("a", "b", "c", "host-1", "host-2", "host-10", "local")
MAPPED = """listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}" }}
mappings {{ "id.*": "shard.{{{{partition(64,1)}}}}.{{{{wildcard(1)}}}}" }}
"""


@pytest.mark.parametrize(
    ("text", "hash"),
    [("", 0x811C9DC5), ("a", 0xE40C292C), ("b", 0xE70C2DE5), ("foobar", 0xBF9CF968), ("hello", 0x4F9F2CAB)],
)
def test_fnv1a32_is_the_published_one(text: str, hash: int) -> None:
    assert fnv1a32(text) == hash


async def test_a_shard_is_what_nats_partitions_into(tmp_path: Path) -> None:
    ids = [f"c_{number:x}" for number in range(300)] + ["a", "campaign-Z_9", "x" * 64]
    found: dict[str, int] = {}

    async def heard(message: Msg) -> None:
        _, shard, id = message.subject.split(".")
        found[id] = int(shard)

    async with server(tmp_path, MAPPED) as port:
        client = await nats.connect(f"nats://127.0.0.1:{port}")
        await client.subscribe("shard.*.*", cb=heard)
        for id in ids:
            await client.publish(f"id.{id}")
        await client.flush()
        async with asyncio.timeout(PATIENCE):
            while len(found) < len(ids):
                await asyncio.sleep(0.01)
        await client.close()
    assert found == {id: shard_of(id) for id in ids}


def test_who_comes_and_who_goes_moves_only_what_is_theirs() -> None:
    for number in range(1, len(HOSTS)):
        before, comes = HOSTS[:number], HOSTS[number]
        for shard in range(SHARDS):
            old, new = belongs_to(shard, before), belongs_to(shard, (*before, comes))
            assert new in (old, comes)


def test_every_shard_belongs_to_one_host_and_each_has_its_part() -> None:
    for number in range(1, len(HOSTS) + 1):
        shares = [shards_of(host, HOSTS[:number]) for host in HOSTS[:number]]
        assert sorted(shard for share in shares for shard in share) == list(range(SHARDS))
        fair = SHARDS / number
        assert all(abs(len(share) - fair) <= 2.5 * math.sqrt(fair) for share in shares), shares
    assert belongs_to(1, ()) is None


def test_the_order_in_which_hosts_are_named_says_nothing() -> None:
    assert all(belongs_to(shard, HOSTS) == belongs_to(shard, HOSTS[::-1]) for shard in range(SHARDS))
