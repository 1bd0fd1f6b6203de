"""The audit: a chain of entries that nobody can change unnoticed."""
