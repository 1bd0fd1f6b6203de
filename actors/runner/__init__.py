"""Runners: hosts that carry out the runs of pipelines."""
