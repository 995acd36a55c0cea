"""The figures of a study: drawn once for its page and for files."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from allometry.errors import UsageError, called, quoted
from allometry.figures.drawing import Drawing, draw
from allometry.figures.style import paper
from allometry.figures.svg import inline_svg
from allometry.findings import Analysis
from allometry.report.files import make_folder, named, write_bytes
from allometry.study import Study, included
from allometry.tables.table import Table

__all__ = ["Picture", "draw_figures", "draw_picture", "save_figures"]


@dataclass(frozen=True)
class Picture:
    """A drawn figure of a page.

    Attributes:
        name: prefix of the ids within the page, such as ``f1``.
        function: name of the function that makes the figure, and of its files.
        title: the figure's headline. caption: the first paragraph of the function's docstring.
        drawing: the figure as PNG and SVG.
    """

    name: str
    function: str
    title: str
    caption: str
    drawing: Drawing

    @property
    def svg(self) -> Markup:
        """Markup for a page."""
        # `inline_svg` has escaped the text of the figure.
        return Markup(inline_svg(self.drawing, self.name, self.title, self.caption))  # noqa: S704


def draw_figures(study: Study, table: Table, analysis: Analysis) -> list[Picture]:
    """Every figure of a study: those of the analysis, then those of the study, in order.

    Args:
        table: the runs; excluded runs are dropped before figures see them.
    """
    table = included(table)
    drawings = [
        (name, figure.draw, figure.caption) for name, figure in analysis.figures.items()
    ] + [(_name(f), partial(f, table, analysis), f.__doc__ or "") for f in study.figures]
    return [
        draw_picture(number, name, make, caption)
        for number, (name, make, caption) in enumerate(drawings, start=1)
    ]


def _name(function: Callable[..., Figure]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def draw_picture(number: int, name: str, make: Callable[[], Figure], caption: str) -> Picture:
    """Draw one figure of a page.

    Args:
        number: number of the figure on the page, from 1. name: name of the figure.
        make: function that returns the figure.
        caption: text whose first paragraph is shown.

    Raises:
        UsageError: `make` returned something else than a Matplotlib figure.
    """
    with _collector_paused():
        with paper():
            figure = called(f"figure {name!r} is called as {name}(table, analysis)", make)
        if not isinstance(figure, Figure):
            raise UsageError(f"figure {name!r}: a Matplotlib figure expected, got {quoted(figure)}")
        title = str(figure.get_label()) or figure.get_suptitle() or name.replace("_", " ")
        drawing = draw(figure, name)
    caption = " ".join(caption.strip().partition("\n\n")[0].split())
    return Picture(f"f{number}", name, title, caption, drawing)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause garbage collection while a figure is drawn, which saves a sixth of the time.

    Matplotlib makes many small objects, and each full collection also visits those of JAX.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def save_figures(
    study: Study,
    table: Table,
    analysis: Analysis,
    folder: Path,
    *,
    pictures: Sequence[Picture] | None = None,
) -> list[Path]:
    """Save PNG and SVG of every figure, and the runs and findings as CSV.

    Args:
        pictures: the figures, if they are already drawn; None draws them.

    Returns:
        the written files: two for each figure, then `STUDY_runs.csv` and
        `STUDY_findings.csv`.

    Raises:
        DiskError: the folder or a file cannot be made.
    """
    make_folder(folder)
    files = []
    for picture in draw_figures(study, table, analysis) if pictures is None else pictures:
        for kind, data in ((".png", picture.drawing.png), (".svg", picture.drawing.svg)):
            files.append(folder / f"{picture.function}{kind}")
            write_bytes(files[-1], data)
    runs, findings = (folder / f"{study.name}_{what}.csv" for what in ("runs", "findings"))
    rows = Table.from_rows(vars(f) for f in analysis.findings)
    for file, content in ((runs, table), (findings, rows)):
        with named(file):
            content.to_csv(file)
    return [*files, runs, findings]
