"""A table, and reading one from a file."""
