"""Campaigns: when a lead may be called, how many dials to start, and what is learnt for it."""
