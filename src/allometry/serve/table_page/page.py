"""The page itself: a drop zone, menus that its script fills, and a place for the answer."""

from allometry.report.rendering import Rendered, rendered
from allometry.serve.table_page.sections import PACKAGE

__all__ = ["page", "rendered_page"]


def rendered_page() -> Rendered:
    """The page and its content security policy; it contains no data of any table."""
    return rendered(
        "table.html.j2", packages=(PACKAGE,), styles=("page.css", "table.css"),
        scripts=("sort.js", "table.js"), connects=True,
    )  # fmt: skip


def page() -> str:
    """The page as HTML, with its style and script inside."""
    return rendered_page().text
