"""The figures cost milliseconds each time they are made, in which nobody else is answered."""

from typing import Any

import pytest

from actors.adapters.system_clock import SystemClock
from bus_schemas.permissions import BUILT_IN_ROLES, Action, resolve
from gateway import metrics as metrics_module
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from tests.support.door import InProcess, gateway_on, serving, token_of
from tests.support.raw_http import Answer, ask_once, head

COUNT, SEEN = 200, 20  # who sees them so often waits a second for each four


async def _metrics(gateway: InProcess, token: str | None) -> Answer:
    bearer = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return await ask_once(gateway.listener.port, head("GET", "/metrics", **bearer))


async def test_the_figures_are_for_who_may_see_them_and_made_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    made, clock, generate = 0, 1000.0, metrics_module.generate_latest

    def count(registry: Any) -> bytes:
        nonlocal made
        made += 1
        return generate(registry)

    monkeypatch.setattr(metrics_module, "generate_latest", count)
    broker = MemoryBroker(clock=SystemClock())
    users = {"watcher": frozenset({Action.METRICS_VIEW}), "op12": resolve(BUILT_IN_ROLES["operator"])}
    async with serving(broker, {}, users), gateway_on(MemoryBus(broker)) as gateway:
        monkeypatch.setattr(gateway.metrics, "_now", lambda: clock)
        for _ in range(COUNT // 2):
            refused = [await _metrics(gateway, token) for token in (None, token_of("op12"))]
            assert [answer.status for answer in refused] == [401, 403]
        print(f"{COUNT} requests for figures that were refused, {made} times made")
        assert not made
        for _ in range(SEEN):
            answer = await _metrics(gateway, token_of("watcher"))
            assert answer.status == 200 and b"ottb_http_requests_total" in answer.body
        print(f"{SEEN} requests within a second, {made} times made")
        assert made == 1
        clock += 1.0
        assert (await _metrics(gateway, token_of("watcher"))).status == 200
        assert made == 2


def test_who_looks_after_the_site_sees_its_figures() -> None:
    seeing = {role for role, permissions in BUILT_IN_ROLES.items() if Action.METRICS_VIEW in resolve(permissions)}
    assert seeing == {"admin", "devops"}
