"""The real adb server, for simulators that stand in front of it or behind."""

from tests.adapters.conftest import server

__all__ = ["server"]
