"""Imports: lists of leads, read from files into campaigns."""
