"""The generic half of an actor, and the ports for bus, clock and ids."""
