"""How calls begin: rules, limits and attempts, on phones and through trunks. Nothing else starts a call."""
