"""The page for dropped tables: the user maps columns by menus, and gets a fit and a plan.

A table is parsed in memory and forgotten after the answer. Nothing of it is stored, and its name
is never used as a path.
"""

from allometry.serve.table_page.answering import LARGEST, answer
from allometry.serve.table_page.page import page, rendered_page

__all__ = ["LARGEST", "answer", "page", "rendered_page"]
