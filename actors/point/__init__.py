"""POINT: users, roles and sessions."""
