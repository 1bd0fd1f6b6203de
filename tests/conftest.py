import logging

import pytest
import structlog

# Tests look at behaviour, not at logs; what a failing test needs is in its own message. (Pretty tracebacks of the
# crashes that are made on purpose would cost more than everything else.)
structlog.configure(
    processors=[structlog.processors.KeyValueRenderer()],
    wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest is begun first: begun last, it would run alone in the end."""
    items.sort(key=lambda item: item.get_closest_marker("first") is None)
