"""Alerts: what somebody should look at, by rules over figures and states; who is told, and how often."""
