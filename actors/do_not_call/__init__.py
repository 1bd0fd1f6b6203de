"""Do-not-call lists: who is not to be called, on record, and in memory wherever calls begin."""
