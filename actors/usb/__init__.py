"""USB hubs, and what hangs on them."""
