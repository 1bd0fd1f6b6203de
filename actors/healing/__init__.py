"""Phones that are not well: what is done about them, in which order and how often, and which of them are hot or empty."""
