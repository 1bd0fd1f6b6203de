"""A slot: one Android phone in one numbered place."""
