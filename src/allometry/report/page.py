"""The page of a study: one file that works without network and scripts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from allometry.errors import UsageError
from allometry.findings import Analysis, Finding, same_results
from allometry.report.fit_in_words import section_of_fit
from allometry.report.pictures import Picture, draw_figures
from allometry.report.rendering import LIMIT, part_of_page, render, symbols_in, write
from allometry.report.runs_table import counts_of_runs, provenance_section, runs_section
from allometry.studies import study as find_study
from allometry.study import Study, noticed
from allometry.tables.table import Table

__all__ = [
    "LIMIT", "IndexEntry", "partial_report", "require_finished", "write_index", "write_report",
]  # fmt: skip


@dataclass(frozen=True)
class IndexEntry:
    """One study of an index page.

    Attributes:
        href: path of its report, relative to the index.
        runs: number of finished runs.
        figure: a small figure as a data URL; empty for none.
    """

    study: Study
    findings: Sequence[Finding]
    href: str
    size: str
    runs: int
    figure: str = ""


def write_report(
    study: Study | str | Path,
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
        study: a study, its name, or the path of its file or folder.
        table: its runs, including diverged ones; analysis and figures get all but excluded runs.
        size: name of the size.
        provenance: software and hardware that trained the runs, one mapping for each variant.
        command: the shell command that reproduces this report.
        analysis: analysis of the table; None computes it.
        pictures: the study's figures, if they are already drawn; None draws them.
        declared: number of runs the study declares, if that is more than the table has.

    Raises:
        UsageError: no run is done. DataError: the page would exceed 1 MB.
    """
    study = study if isinstance(study, Study) else find_study(study)
    require_finished(study, table, size)
    analysis = analysis or study.analysis(table)
    if pictures is None:
        pictures = draw_figures(study, table, analysis)
    pictures = _by_finding(analysis.findings, pictures)
    shown = [_Shown(k, p.name, p.function, p.title, p.caption, p.svg)
             for k, p in enumerate(pictures, start=1)]  # fmt: skip
    headline, findings, others = _placed(analysis.findings, shown)
    without = study.without_noticed(table)
    page = render(
        "report.html.j2",
        study=study,
        findings=analysis.findings,
        symbols=_symbols(study, analysis.findings),
        judged=_judged(len(analysis.findings)),
        headline=headline,
        shown=findings,
        others=others,
        pictures=shown,
        passages=analysis.passages,
        size=size,
        fits=[section_of_fit(name, fit) for name, fit in analysis.fits.items()],
        counts=counts_of_runs(table, declared),
        noticed=noticed(table),
        without=without,
        unchanged=same_results(without[0], analysis.findings),
        command=command,
        runs=runs_section(table),
        provenance=provenance_section(provenance),
    )
    return write(page, path, [(p.function, len(p.svg.encode())) for p in shown])


def partial_report(study: Study, table: Table, declared: int) -> tuple[str, tuple[Finding, ...]]:
    """A part of a page with answer, findings and figures of the runs so far; and the findings.

    Args:
        table: the stored runs. declared: number of runs the study declares.

    Raises:
        UsageError: no run is done.
    """
    require_finished(study, table, "")
    analysis = study.analysis(table)
    pictures = _by_finding(analysis.findings, draw_figures(study, table, analysis))
    shown = [_Shown(k, p.name, p.function, p.title, p.caption, p.svg)
             for k, p in enumerate(pictures, start=1)]  # fmt: skip
    headline, findings, others = _placed(analysis.findings, shown)
    part = part_of_page(
        "partial.html.j2",
        findings=analysis.findings,
        symbols=_symbols(study, analysis.findings),
        headline=headline,
        shown=findings,
        others=others,
        counts=counts_of_runs(table, declared),
    )
    return part, tuple(analysis.findings)


# Column to its symbol in claims and the meaning. Studies explain their other symbols themselves.
SYMBOLS = {
    "n_params": ("N", "number of parameters"),
    "n_data": ("D", "number of training examples"),
    "compute": ("C", "training compute, in floating point operations"),
    "compute_6nd": ("C", "training compute, in floating point operations"),
}


def _symbols(study: Study, findings: Sequence[Finding]) -> dict[str, str]:
    """The symbols used in the texts of a page, with their meanings."""
    texts = [study.title, study.question, study.prediction, *study.notes]
    texts += [text for f in findings for text in (f.claim, f.answer, f.prediction, f.control)]
    columns = [column for claim in study.claims for column in claim.columns]
    of_claims = dict(SYMBOLS[column] for column in columns if column in SYMBOLS)
    if study.claims:
        of_claims["alpha"] = "exponent of a power law"
    return symbols_in(texts, {**of_claims, **study.symbols})


def _by_finding(findings: Sequence[Finding], pictures: Sequence[Picture]) -> list[Picture]:
    """The figures in the order in which the findings name them, then the others."""
    names = [finding.figure for finding in findings]
    return sorted(
        pictures,
        key=lambda p: names.index(p.function) if p.function in names else len(names),
    )


class _Shown(NamedTuple):
    """A figure on a page, with its number."""

    number: int
    name: str
    function: str
    title: str
    caption: str
    svg: Markup


def _placed(
    findings: Sequence[Finding], figures: Sequence[_Shown]
) -> tuple[_Shown | None, list[tuple[Finding, _Shown | None]], list[_Shown]]:
    """The headline's figure; all findings, each with its figure or None; the remaining figures.

    Each figure is shown once, at the first finding that names it.
    """
    left = {figure.function: figure for figure in figures}
    first = findings[0].figure if findings else ""
    headline = left.pop(first or next(iter(left), ""), None)
    shown = [(finding, left.pop(finding.figure, None)) for finding in findings]
    return headline, shown, list(left.values())


def _judged(claims: int) -> str:
    """The number of claims on a page, and how many true ones would disagree by chance."""
    many = "claim is" if claims == 1 else "claims are"
    return (
        f"{claims} {many} judged here. Were all of them true, 5% at most ({0.05 * claims:.2g}) "
        "would be expected to disagree by chance."
    )


def require_finished(study: Study, table: Table, size: str) -> None:
    """Refuse a table without a finished run.

    Raises:
        UsageError: no run is done; the message names the command that trains the runs.
    """
    counts = counts_of_runs(table, None)
    if not counts["done"]:
        raise UsageError(
            f"study {study.name} has no finished run of size {size!r}"
            + (f" ({counts['diverged']} diverged)" if counts["diverged"] else "")
            + f": run `allometry run {study.command_name} --size {size}` first"
        )


def write_index(entries: Sequence[IndexEntry], path: Path) -> Path:
    """Write the page that lists studies, each with its answer and a link.

    Studies that repeat a notebook come first, in the order of the notebooks, with its printed
    result.

    Raises:
        UsageError: a report's address is not a relative path.
    """
    for entry in entries:
        if re.match(r"\s*([A-Za-z][A-Za-z0-9+.-]*:|//)", entry.href):
            raise UsageError(f"a report's href is a relative path, got {entry.href!r}")
    repeated = sorted(
        (e for e in entries if e.study.notebook),
        key=lambda e: e.study.notebook.number if e.study.notebook else 0,
    )
    others = [e for e in entries if not e.study.notebook]
    total = [finding for entry in entries for finding in entry.findings]
    page = render("index.html.j2", notebooks=repeated, others=others, total=total)
    return write(page, path)
