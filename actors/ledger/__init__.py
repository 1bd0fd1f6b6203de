"""The ledger: read models folded from the events."""
