"""Operators: who is there to talk."""
