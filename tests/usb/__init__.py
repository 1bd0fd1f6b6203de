"""USB hubs."""
