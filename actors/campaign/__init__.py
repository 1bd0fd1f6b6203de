"""Campaigns: when a lead may be called, and why not."""
