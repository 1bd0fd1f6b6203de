"""The user interface of a virtual phone as a model: what is on its screen, and what touching it does."""
