"""The settings of webhooks."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Annotated

from msgspec import Meta, Struct

from actors.runtime.settings import Seconds
from actors.webhook.addresses import Network, networks_of
from actors.webhook.backoff import Backoff


class Webhooks(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`networks`: those that are posted to although they are not anybody's (`10.1.0.0/16`, `127.0.0.0/8`); `http`:
    also without TLS. `per_user`, `per_site`: how many webhooks there are; `waiting`: deliveries of one that wait,
    the rest is read from the journal when its turn comes; `at_once`: of one under way; `on_host_at_once`: of all on
    a host. `connect_seconds`, `seconds`: until a receiver must be reached, and have answered. `first_pause`: seconds
    until the second try; `retry_hours`: after which a delivery is given up; `disable_days`: after which a webhook of
    which nothing arrives is switched off."""

    networks: tuple[str, ...] = ()
    http: bool = False
    per_user: Annotated[int, Meta(ge=1, le=1_000)] = 10
    per_site: Annotated[int, Meta(ge=1, le=10_000)] = 500
    waiting: Annotated[int, Meta(ge=1, le=2_000)] = 1_000
    at_once: Annotated[int, Meta(ge=1, le=64)] = 4
    on_host_at_once: Annotated[int, Meta(ge=1, le=1_000)] = 64
    connect_seconds: Seconds = 5.0
    seconds: Seconds = 15.0
    first_pause: Seconds = 5.0
    retry_hours: Seconds = 24.0
    disable_days: Seconds = 3.0

    @property
    def allowed(self) -> tuple[Network, ...]:
        return networks_of(self.networks)

    @property
    def backoff(self) -> Backoff:
        return Backoff(first=self.first_pause, gives_up=self.retry_hours * 3600)

    def mistakes(self) -> Iterator[str]:
        """What is wrong with them, each with its place."""
        for at, network in enumerate(self.networks):
            try:
                ip_network(network)
            except ValueError as error:
                yield f"webhooks.networks[{at}]: {error}"
