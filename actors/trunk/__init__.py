"""A SIP trunk: one way out through a PBX."""
