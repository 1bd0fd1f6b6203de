"""Notes of calls and leads."""
