"""How this host and its phones are, and how they were."""
