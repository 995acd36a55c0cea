"""Summary of a fit, as text for `print` and as HTML for notebooks."""

from collections.abc import Mapping
from html import escape
from typing import NamedTuple

from allometry.errors import printable
from allometry.laws import Law
from allometry.tables.printed import aligned, shortened

__all__ = ["Digest", "as_html", "as_text"]

ESTIMATES = 7  # most lines for parameters in the text


class Digest(NamedTuple):
    """The content of a summary.

    Attributes:
        data: number of rows and objective, in words.
        level: of the intervals.
        values: text of each parameter with its interval. verdicts: of each parameter.
        quality: sentences.
        status: its code. advice: in words.
    """

    law: Law
    data: str
    level: float
    values: Mapping[str, str]
    verdicts: Mapping[str, str]
    quality: str
    status: str
    advice: str

    @property
    def sound(self) -> bool:
        return self.status == "converged"

    @property
    def estimates(self) -> list[tuple[str, str, str]]:
        """Name, value with interval, and verdict of each parameter."""
        return [
            (name, text, self.verdicts[name].replace("_", " "))
            for name, text in self.values.items()
        ]


def as_text(fit: Digest) -> str:
    """At most 12 lines; a status other than `converged` comes first, since it limits the rest."""
    status = shortened(f"{fit.status}: {fit.advice}", 2)
    title = shortened(f"Fit of {fit.law.name}: {fit.law.formula}; {fit.data}", 2)
    shown = list(fit.estimates[:ESTIMATES])
    others = [name for name, *_ in fit.estimates[ESTIMATES:]]
    lines = [f"  {line}" for line in aligned(shown)]
    if others:
        lines[-1:] = shortened(f"and {', '.join([shown[-1][0], *others])}", 1, "  ")
    return "\n".join([*title, *lines, *status] if fit.sound else [*status, *title, *lines])


def as_html(fit: Digest) -> str:
    """A table of the estimates, the quality and the status."""
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in estimate) + "</tr>"
        for estimate in fit.estimates
    )
    status = f"<p><b>{fit.status}</b>: {escape(fit.advice)}</p>"
    body = (
        f"<p><b>{escape(fit.law.name)}</b> {escape(fit.law.formula)}: {escape(fit.data)}</p>"
        f"<table><tr><th></th><th>value [{100 * fit.level:g}% interval]</th><th></th></tr>{rows}"
        "</table>"
        f"<p>{escape(fit.quality)}</p>"
    )
    return printable(body + status if fit.sound else status + body)
