"""The ledger's store in SQLite."""
