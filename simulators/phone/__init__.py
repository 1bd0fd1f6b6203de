"""Phones: virtual ones, reached through the real adb server, and simulated ones, in simulated time."""
