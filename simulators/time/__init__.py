"""Simulated time: the loop, its processes, the clocks and ids of what runs in it."""
