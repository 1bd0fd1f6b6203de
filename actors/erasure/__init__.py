"""Erasures: a person's data goes from wherever it was written."""
