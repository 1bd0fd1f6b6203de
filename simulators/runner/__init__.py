"""What carries steps of pipelines out, in simulated time."""
