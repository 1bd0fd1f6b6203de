"""The executor: what carries the steps of a pipeline out on this machine."""
