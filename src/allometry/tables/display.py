"""Short forms of results: lines of text for `print`, tables for notebooks."""

from collections.abc import Sequence
from html import escape

from allometry.errors import printable
from allometry.tables.printed import aligned, shortened

__all__ = ["as_html", "as_text"]

MOST_LINES = 12

Rows = Sequence[Sequence[str]]


def as_text(title: str, rows: Rows, warnings: Sequence[str] = ()) -> str:
    """At most 12 lines: a title, rows of cells, and warnings.

    Args:
        rows: the first is the heading.
    """
    head = shortened(title, 2)
    tail = [line for text in warnings[:2] for line in shortened(f"! {text}", 1, "  ")]
    room = MOST_LINES - len(head) - len(tail)
    lines = [f"  {line}" for line in aligned([list(row) for row in rows])]
    if len(lines) > room:
        lines = [*lines[: room - 1], f"  and {len(lines) - room + 1} more"]
    return "\n".join([*head, *lines, *tail])


def as_html(title: str, rows: Rows, warnings: Sequence[str] = ()) -> str:
    """A title, a table and a list."""
    heading, *body = rows
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body
    )
    items = "".join(f"<li>{escape(text)}</li>" for text in warnings)
    listed = f"<ul>{items}</ul>" if items else ""
    return printable(f"<p><b>{escape(title)}</b></p><table><tr>{head}</tr>{lines}</table>{listed}")
