"""The real adb server, for simulators that stand in front of it or behind."""

from tests.adapters.conftest import kept_server, server

__all__ = ["kept_server", "server"]
