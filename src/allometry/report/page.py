"""The page that shows a study: one file, no network, readable without script."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from allometry.errors import DataError, DiskError, UsageError
from allometry.figures.words import to_html
from allometry.findings import MARKS, Analysis, Finding
from allometry.fitting.document import Fit
from allometry.report.fit_in_words import certificate_lines, estimate_rows, summary_of_fit
from allometry.report.pictures import Picture, draw_figures, make_folder
from allometry.report.runs_table import counts_of_runs, provenance_section, runs_section
from allometry.study import Study
from allometry.tables.table import Table

__all__ = ["LIMIT", "IndexEntry", "require_finished", "write_index", "write_report"]

LIMIT = 1_000_000  # bytes of a page


@dataclass(frozen=True)
class IndexEntry:
    """One study of an index page.

    Attributes:
        href: its report, relative to the index.
        runs: how many are finished.
        figure: a small picture of it as a data address; empty for none.
    """

    study: Study
    findings: Sequence[Finding]
    href: str
    size: str
    runs: int
    figure: str = ""


def write_report(
    study: Study,
    table: Table,
    path: Path,
    *,
    size: str,
    provenance: Sequence[Mapping[str, Any]],
    command: str,
    analysis: Analysis | None = None,
    pictures: Sequence[Picture] | None = None,
    declared: int | None = None,
) -> Path:
    """Write the report of one study.

    Args:
        table: its runs, diverged ones included; analysis and figures get it as it is.
        size: quick, notebook or paper.
        provenance: what trained the runs, one mapping for each that differs.
        command: the shell line that makes this report again.
        analysis: of the table; None asks the study.
        pictures: the study's figures where they are drawn already; None draws them.
        declared: how many runs the study has, where that is more than the table's.

    Raises:
        UsageError: no run is done. DataError: the page would pass 1 MB.
    """
    require_finished(study, table, size)
    analysis = analysis or study.analysis(table)
    if pictures is None:
        pictures = draw_figures(study, table, analysis)
    shown_pictures = [(picture, picture.svg) for picture in pictures]
    page = _render(
        "report.html.j2",
        study=study,
        findings=analysis.findings,
        pictures=shown_pictures,
        size=size,
        fits=[_fit_section(name, fit) for name, fit in analysis.fits.items()],
        counts=counts_of_runs(table, declared),
        command=command,
        runs=runs_section(table),
        provenance=provenance_section(provenance),
    )
    return _write(page, path, [(p.function, len(svg.encode())) for p, svg in shown_pictures])


def require_finished(study: Study, table: Table, size: str) -> None:
    """Refuse a table without a finished run.

    Raises:
        UsageError: which names the command that trains them.
    """
    counts = counts_of_runs(table, None)
    if not counts["done"]:
        raise UsageError(
            f"study {study.name} has no finished run of size {size!r}"
            + (f" ({counts['diverged']} diverged)" if counts["diverged"] else "")
            + f": run `allometry run {study.name} --size {size}` first"
        )


def write_index(entries: Sequence[IndexEntry], path: Path) -> Path:
    """Write the page that sets studies side by side, each with its answer and a link.

    Studies that repeat a notebook come first, in the order of the notebooks, with what it printed.
    """
    for entry in entries:
        if re.match(r"\s*([A-Za-z][A-Za-z0-9+.-]*:|//)", entry.href):
            raise UsageError(f"a report's href is a relative path, got {entry.href!r}")
    repeated = sorted(
        (e for e in entries if e.study.notebook),
        key=lambda e: e.study.notebook.number if e.study.notebook else 0,
    )
    others = [e for e in entries if not e.study.notebook]
    return _write(_render("index.html.j2", notebooks=repeated, others=others), path, [])


def _fit_section(name: str, fit: Fit) -> dict[str, Any]:
    return {
        "name": name,
        "formula": fit.formula,
        "source": fit.law.source,
        "estimates": estimate_rows(fit),
        "level": f"{100 * fit.interval.level:g}%",
        "advice": fit.status.advice,
        "sound": fit.status.code == "converged",
        "lines": certificate_lines(fit),
        "summary": summary_of_fit(fit),
    }


@cache
def _environment() -> Environment:
    env = Environment(
        loader=PackageLoader("allometry.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["mathematics"] = lambda text: _own(to_html(str(text)))
    env.filters["counted"] = _counted
    env.filters["measured"] = _measured
    env.globals["marks"] = MARKS
    return env


def _own(text: str) -> Markup:
    """Markup this package wrote itself; what came from elsewhere is escaped in it."""
    return Markup(text)  # noqa: S704


def _measured(finding: Finding) -> Markup | str:
    """Value over its interval; empty where the answer is only words."""
    if not finding.shown:
        return ""
    value, bracket, ends = finding.interval.shown().partition(" [")
    unit = _own(f" {to_html(finding.unit)}") if finding.unit else ""
    return Markup("{}{} <small>{}</small>").format(value, unit, (bracket + ends).strip())


def _counted(findings: Iterable[Finding]) -> str:
    """2 disagree, 1 undecided."""
    words = {
        "agrees": ("agrees", "agree"),
        "disagrees": ("disagrees", "disagree"),
        "undecided": ("undecided", "undecided"),
    }
    count = Counter[str](f.verdict for f in findings)
    return ", ".join(f"{count[v]} {words[v][count[v] > 1]}" for v in words if count[v])


def _render(template: str, **values: Any) -> str:
    """The page, with its style and script inside and nothing else allowed to load."""
    env = _environment()
    loader = env.loader
    assert loader is not None
    style, script = (loader.get_source(env, name)[0] for name in ("page.css", "sort.js"))
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src {_source(style)}; script-src {_source(script)}"
    )
    return env.get_template(template).render(
        style=_own(style), script=_own(script), policy=policy, **values
    )


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _write(page: str, path: Path, parts: list[tuple[str, int]]) -> Path:
    data = page.encode()
    if len(data) > LIMIT:
        largest = max(parts, key=lambda part: part[1], default=("the page itself", len(data)))
        raise DataError(
            f"the report would be {len(data) / 1e6:.1f} MB, at most {LIMIT / 1e6:g} MB is kept to: "
            f"{largest[0]} takes {largest[1] / 1e6:.1f} MB; draw fewer marks in it, or pass "
            "rasterized=True to what draws them"
        )
    make_folder(path.parent)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise DiskError(
            f"cannot write {path}: {error.strerror}; choose another place with -o"
        ) from error
    return path
