"""The page of a dropped table: a person maps columns by menus, and reads a fit and a plan.

A table is parsed in memory, answered, and forgotten: nothing of it is stored, and its name is
never looked up on the disk.
"""

from allometry.serve.table_page.answering import LARGEST, answer
from allometry.serve.table_page.page import page, rendered_page

__all__ = ["LARGEST", "answer", "page", "rendered_page"]
