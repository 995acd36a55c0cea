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
from matplotlib.figure import Figure

from allometry.errors import DataError, DiskError, UsageError
from allometry.figures.style import paper, save_figure
from allometry.figures.svg import inline_svg
from allometry.figures.words import to_html
from allometry.findings import Analysis, Finding
from allometry.fitting.document import Fit
from allometry.report.fit_in_words import certificate_lines, estimate_rows, summary_of_fit
from allometry.stats.digits import shown, shown_integer, shown_interval
from allometry.study import Study
from allometry.tables.table import Table

__all__ = ["LIMIT", "IndexEntry", "save_figures", "write_index", "write_report"]

LIMIT = 1_000_000  # bytes of a page
ROWS_BYTES = 350_000  # of them for the table of runs

SYMBOLS = {"agrees": "✓", "disagrees": "✗", "undecided": "?"}


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


@dataclass(frozen=True)
class _Picture:
    name: str
    drawn_by: str
    title: str
    caption: str
    svg: Markup


def write_report(
    study: Study,
    table: Table,
    path: Path,
    *,
    size: str,
    provenance: Sequence[Mapping[str, Any]],
    command: str,
    analysis: Analysis | None = None,
    declared: int | None = None,
) -> Path:
    """Write the report of one study.

    Args:
        table: its runs, diverged ones included; analysis and figures get it as it is.
        size: quick, notebook or paper.
        provenance: what trained the runs, one mapping for each that differs.
        command: the shell line that makes this report again.
        analysis: of the table; None asks the study.
        declared: how many runs the study has, where that is more than the table's.

    Raises:
        UsageError: no run is done. DataError: the page would pass 1 MB.
    """
    counts = _counts(table, declared)
    if not counts["done"]:
        raise UsageError(
            f"study {study.name} has no finished run of size {size!r}"
            + (f" ({counts['diverged']} diverged)" if counts["diverged"] else "")
            + f": run `allometry run {study.name} --size {size}` first"
        )
    analysis = analysis or study.analysis(table)
    pictures = [
        _picture(function, table, analysis, f"f{i}")
        for i, function in enumerate(study.figures, start=1)
    ]
    page = _render(
        "report.html.j2",
        study=study,
        findings=analysis.findings,
        pictures=pictures,
        size=size,
        fits=[_fit_section(name, fit) for name, fit in analysis.fits.items()],
        counts=counts,
        command=command,
        runs=_runs_section(table),
        provenance=_provenance(provenance),
    )
    return _write(page, path, [(p.drawn_by, len(p.svg.encode())) for p in pictures])


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


def save_figures(study: Study, table: Table, analysis: Analysis, folder: Path) -> list[Path]:
    """PNG and SVG of every figure, and the numbers behind them as CSV.

    Returns:
        the files written: two for each figure, then `STUDY_runs.csv` and
        `STUDY_findings.csv`.
    """
    _ready(folder)
    written = []
    for function in study.figures:
        with paper():
            figure = function(table, analysis)
        written += [
            save_figure(figure, folder / f"{function.__name__}{kind}") for kind in (".png", ".svg")
        ]
    runs, found = (folder / f"{study.name}_{what}.csv" for what in ("runs", "findings"))
    table.to_csv(runs)
    Table.from_rows(vars(f) for f in analysis.findings).to_csv(found)
    return [*written, runs, found]


def _counts(table: Table, declared: int | None) -> dict[str, Any]:
    status = table["status"].tolist() if "status" in table else ["done"] * len(table)
    seeds = sorted(set(table["seed"].tolist())) if "seed" in table else []
    return {
        "runs": len(table),
        "done": status.count("done"),
        "diverged": status.count("diverged"),
        "seeds": seeds,
        "pending": max(0, (declared or 0) - len(table)),
    }


def _picture(function: Any, table: Table, analysis: Analysis, name: str) -> _Picture:
    """Draw one figure; its headline is the heading, its docstring's first paragraph the caption."""
    with paper():
        figure: Figure = function(table, analysis)
        heading = figure.get_suptitle()
        title = str(figure.get_label()) or heading or function.__name__.replace("_", " ")
        caption = " ".join((function.__doc__ or "").strip().partition("\n\n")[0].split())
        if heading:
            figure.suptitle("")
        svg = inline_svg(figure, name, title, caption)
    return _Picture(name, function.__name__, title, caption, _own(svg))


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


def _provenance(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is the same everywhere once, what differs as a table."""
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    cells = [{str(k): _text(v) for k, v in row.items()} for row in rows]
    same = [n for n in names if len({row.get(n, "") for row in cells}) == 1]
    varying = [n for n in names if n not in same]
    return {
        "same": [(n, cells[0][n]) for n in same],
        "names": varying,
        "rows": [[row.get(n, "") for n in varying] for row in cells] if varying else [],
    }


def _runs_section(table: Table) -> dict[str, Any]:
    """The table of runs: columns that say something, as many rows as a page can bear."""
    columns = {name: _column(name, table[name].tolist()) for name in table.columns}
    same = [
        (n, _trimmed(cells[0][0]))
        for n, cells in columns.items()
        if len({shown_cell for shown_cell, _, _ in cells}) == 1 and len(table) > 1
    ]
    names = [n for n in table.columns if n not in dict(same)]
    rows, used = [], 0
    for i in range(len(table)):
        row = [columns[n][i] for n in names]
        used += sum(len(text) + len(full) + 30 for text, full, _ in row)
        if used > ROWS_BYTES:
            break
        rows.append(row)
    numeric = {n: table[n].dtype.kind in "if" for n in names}
    return {"same": same, "names": names, "numeric": numeric, "rows": rows, "total": len(table)}


def _column(name: str, values: list[Any]) -> list[tuple[str, str, str]]:
    """(text, full value where it says more, key to sort by) of each cell."""
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return [
            (t[:10] + "…" if _is_hash(t) else t, t if _is_hash(t) else "", "")
            for t in map(_text, values)
        ]
    return [(str(v) if name == "seed" else _text(v), "", repr(v)) for v in values]


def _trimmed(text: str) -> str:
    """A number alone in a sentence: without the zeros that align a column."""
    return text.rstrip("0").rstrip(".") if re.fullmatch(r".?\d+\.\d+", text) else text


def _is_hash(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{32,}", text) is not None


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return shown(value, 4)
    if isinstance(value, int) and not isinstance(value, bool):
        return shown_integer(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(_text, value))
    return str(value)


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
    env.globals["symbols"] = SYMBOLS
    return env


def _own(text: str) -> Markup:
    """Markup this package wrote itself; what came from elsewhere is escaped in it."""
    return Markup(text)  # noqa: S704


def _measured(finding: Finding) -> Markup | str:
    """Value over its interval; empty where the answer is only words."""
    if not finding.shown:
        return ""
    value, bracket, ends = shown_interval(finding.measured, finding.low, finding.high).partition(
        " ["
    )
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
    _ready(path.parent)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise DiskError(
            f"cannot write {path}: {error.strerror}; choose another place with -o"
        ) from error
    return path


def _ready(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(
            f"cannot make the folder {folder}: {error.strerror}; choose another place"
        ) from error
