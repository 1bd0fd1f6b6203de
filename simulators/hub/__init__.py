"""USB hubs that are not there."""
