"""The audit: actions in a chain that shows every later change."""
