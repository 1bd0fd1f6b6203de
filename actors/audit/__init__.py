"""The audit: deeds in a chain that shows every later change."""
