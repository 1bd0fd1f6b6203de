"""Pipelines: definitions, their runs, and who carries them out."""
