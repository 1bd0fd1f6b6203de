"""The `ottb` command."""
