"""Reports from a store: the page of one study, or of all with an index."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from allometry.errors import UsageError
from allometry.findings import Finding
from allometry.report.page import IndexEntry, require_finished, write_index, write_report
from allometry.report.pictures import draw_figures, save_figures
from allometry.spec import Changes
from allometry.store import Store, results
from allometry.study import Study

__all__ = ["Page", "publish", "publish_all"]


@dataclass(frozen=True)
class Page:
    """What was written: the page first, then each figure as PNG and SVG, then the tables."""

    study: Study
    files: tuple[Path, ...]
    findings: tuple[Finding, ...]
    size: str
    runs: int


def publish(
    study: Study,
    path: Path,
    *,
    store: str | Path,
    size: str | None = None,
    changes: Changes | None = None,
) -> Page:
    """Write `path` (HTML) and a folder of the same name with every figure (PNG, SVG), the runs
    and the findings (CSV).

    Args:
        size: None for the largest size stored.
        changes: as given to `run` (``--set``).
    """
    with Store(Path(store)) as opened:
        size = size or results.stored_size(opened, study.name, study.sizes)
        name = results.stored_variant(opened, study.name, size, changes or {})
        declaration = (study.name, size, name)
        table = opened.table(*declaration)
        provenance = opened.provenance(*declaration)
        declared = sum(
            entry.declared
            for entry in opened.status()
            if (entry.study, entry.size, entry.variant) == declaration
        )
    analysis = study.analysis(table)
    require_finished(study, table, size)
    pictures = draw_figures(study, table, analysis)
    seeds = len(set(table["seed"].tolist()))
    settings = "".join(f" --set {name}={value}" for name, value in (changes or {}).items())
    page = write_report(
        study,
        table,
        path,
        analysis=analysis,
        pictures=pictures,
        size=size,
        provenance=[{**document, "runs": runs} for document, runs in provenance],
        command=f"allometry run {study.name} --size {size} --seeds {seeds}{settings}",
        declared=declared,
    )
    files = save_figures(study, table, analysis, path.with_suffix(""), pictures=pictures)
    return Page(study, (page, *files), tuple(analysis.findings), size, len(table))


def publish_all(studies: Sequence[Study], folder: Path, *, store: str | Path) -> list[Page]:
    """Publish every study with a finished run, and ``index.html`` that sets them side by side.

    Raises:
        UsageError: none of these studies has a finished run in the store.
    """
    with Store(Path(store)) as opened:
        finished = {entry.study for entry in opened.status() if entry.done}
    pages = [
        publish(study, folder / f"{study.name}.html", store=store)
        for study in studies
        if study.name in finished
    ]
    if not pages:
        raise UsageError(f"no finished run of a shipped study in {store}; train some first")
    entries = [
        IndexEntry(
            page.study,
            page.findings,
            page.files[0].name,
            page.size,
            page.runs,
            figure=_thumbnail(page.files[1]) if page.study.figures else "",
        )
        for page in pages
    ]
    write_index(entries, folder / "index.html")
    return pages


def _thumbnail(picture: Path, width: int = 640) -> str:
    """A small copy of a PNG as a data address, so that the index is one file."""
    with Image.open(picture) as image:
        small = image.convert("RGB")
    small.thumbnail((width, width))
    buffer = io.BytesIO()
    small.quantize(48).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
