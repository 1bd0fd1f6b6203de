"""The checker: random worlds in simulated time, and the judge of what happened in them (docs/checker.md)."""
