"""The language of the system: structs, subjects, errors and permissions. Imports nothing of ours."""
