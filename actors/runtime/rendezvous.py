"""Which shard an id falls into, and which of the hosts that are there each shard belongs to. Every host computes the
same, so nobody has to be told."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from hashlib import blake2b

SHARDS = 64

_OFFSET, _PRIME, _MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF


def fnv1a32(text: str) -> int:
    """The hash of the function `partition()` in subject mappings of NATS."""
    found = _OFFSET
    for byte in text.encode():
        found = ((found ^ byte) * _PRIME) & _MASK
    return found


def shard_of(id: str) -> int:
    """The shard of an id, from 0 on: `partition(64)` of NATS says the same."""
    return fnv1a32(id) % SHARDS


def all_shards() -> frozenset[int]:
    """Their numbers."""
    return frozenset(range(SHARDS))


def belongs_to(shard: int, hosts: Collection[str]) -> str | None:
    """The host with the highest lot for the shard; None: there is none. Who comes takes from the others only what is
    theirs from then on, and who goes leaves only what was theirs."""
    return max(hosts, key=lambda host: (_lot(host, shard), host), default=None)


def shards_of(host: str, hosts: Collection[str]) -> frozenset[int]:
    """The shards that belong to one of the hosts."""
    return _shares(frozenset(hosts), SHARDS).get(host, frozenset())


@lru_cache(maxsize=16)  # each host looks twice a second, and hosts seldom come or go
def _shares(hosts: frozenset[str], shards: int) -> Mapping[str, frozenset[int]]:
    owners = {shard: belongs_to(shard, hosts) for shard in range(shards)}
    return {host: frozenset(shard for shard, owner in owners.items() if owner == host) for host in hosts}


@lru_cache(maxsize=64 * SHARDS)
def _lot(host: str, shard: int) -> bytes:
    """As good as drawn. FNV is not: of names that differ in their end one would win nearly always."""
    return blake2b(f"{host}/{shard}".encode(), digest_size=8).digest()
