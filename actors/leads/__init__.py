"""Leads: lists of them as people have them become leads, or rows with a reason; and tables of them again."""
