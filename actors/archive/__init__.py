"""The archive: each day of the journal in a file of its own, checked and chained."""
