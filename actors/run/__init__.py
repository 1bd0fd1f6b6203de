"""Runs of scripts on phones."""
