"""Webhooks: what happens, posted to addresses that users name."""
