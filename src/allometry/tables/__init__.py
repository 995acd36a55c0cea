"""A table, and reading one from a file."""

from allometry.tables.table import Table as Table

__all__ = ["Table"]
