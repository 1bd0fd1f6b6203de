"""Runs of scripts."""
