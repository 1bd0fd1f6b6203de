"""Phones that are not well: what is done about them, how often, and which of them are hot or empty."""
