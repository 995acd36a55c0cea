"""Reports from a store: the page of one study, or pages of all studies with an index."""

import base64
import hashlib
import io
import logging
import shlex
import signal
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from PIL import Image

from allometry.errors import UsageError
from allometry.findings import Finding
from allometry.report.page import IndexEntry, require_finished, write_index, write_report
from allometry.report.pictures import draw_figures, save_figures
from allometry.spec import Changes
from allometry.spec.code import short_name
from allometry.store import Store, results
from allometry.studies import study as find_study
from allometry.study import Study
from allometry.training.phases import SECONDS

__all__ = ["Page", "publish", "publish_all"]


DEFAULT_STORE = "allometry.db"  # default of the command line

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """A written page.

    Attributes:
        files: the page, then each figure as PNG and SVG, then the tables.
        runs: number of runs.
    """

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
    """Write a page and a folder of the same name with its figures (PNG, SVG) and tables (CSV).

    Args:
        path: path of the page (HTML).
        size: one of the study's sizes; None for the largest one stored.
        changes: as given to `run` (``--set``).

    Raises:
        UsageError: no such run is finished.
        DataError: a stored run is damaged, or the page would exceed 1 MB.
        DiskError: a file cannot be written.
    """
    with Store(Path(store)) as opened:
        size = size or results.stored_size(opened, study.name, study.sizes)
        name = results.stored_variant(opened, study.name, size, changes or {})
        declaration = (study.name, size, name)
        table = opened.table(*declaration)
        if "code" not in (changes or {}):
            specs = study.specs(size, None, changes)
            table = results.declared_now(table, specs, study.name, size)
        provenance = opened.provenance(*declaration)
        declared = len(opened.declared(*declaration))
    analysis = study.analysis(table)
    require_finished(study, table, size)
    pictures = draw_figures(study, table, analysis)
    page = write_report(
        study,
        table,
        path,
        analysis=analysis,
        pictures=pictures,
        size=size,
        provenance=_shown(provenance),
        command=_command(study, size, len(set(table["seed"].tolist())), changes or {}, Path(store)),
        declared=declared,
    )
    files = save_figures(study, table, analysis, path.with_suffix(""), pictures=pictures)
    return Page(study, (page, *files), tuple(analysis.findings), size, len(table))


def _command(study: Study, size: str, seeds: int, changes: Changes, store: Path) -> str:
    """The shell command that reproduces these runs; for a user's study with its file's hash."""
    words = ["allometry", "run", study.command_name, "--size", size, "--seeds", str(seeds)]
    for name, value in changes.items():
        words += ["--set", f"{name}={value}"]
    if store.name != DEFAULT_STORE:
        words += ["--store", store.name]
    line = shlex.join(words)
    file = Path(study.origin)
    if not (file.suffix == ".py" and file.is_file()):
        return line
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"{line}\n# {file.name}: SHA-256 {digest}"


def _shown(provenance: Iterable[tuple[dict[str, object], int]]) -> list[dict[str, object]]:
    """Provenance as a page shows it, with the number of runs of each row in `runs`.

    Seconds by phase are left out, because every pack has others. User code is shown by short name,
    without the hashes of its parts.
    """
    rows: list[dict[str, object]] = []
    numbers: list[int] = []
    for document, runs in provenance:
        codes = document.get("code", {})
        assert isinstance(codes, dict), codes
        row = {name: v for name, v in document.items() if not name.startswith(SECONDS)}
        if codes:
            row["code"] = ", ".join(map(short_name, codes))
        if row not in rows:
            rows.append(row)
            numbers.append(0)
        numbers[rows.index(row)] += runs
    return [{**row, "runs": number} for row, number in zip(rows, numbers, strict=True)]


def publish_all(
    studies: Sequence[Study | str], folder: Path, *, store: str | Path, processes: int = 1
) -> list[Page]:
    """Publish every study with a finished run, and ``index.html`` that compares them.

    Args:
        studies: studies, or names of shipped ones; those without a finished run are not loaded.
        processes: number of processes, used if all studies are given by name. With more than
            one the main module must be importable, see `multiprocessing` on ``spawn``.

    Raises:
        UsageError: none of these studies has a finished run in the store.
    """
    with Store(Path(store)) as opened:
        finished = {entry.study for entry in opened.status() if entry.done}
    published = [s for s in studies if (s if isinstance(s, str) else s.name) in finished]
    own = sorted(finished - {s if isinstance(s, str) else s.name for s in published})
    by_file = (
        f"{', '.join(own)}: to make the page of a study of yours, give its file: "
        "allometry report ./mine.py"
    )
    if not published:
        hint = by_file if own else "train some first"
        raise UsageError(f"no finished run of a shipped study in {store}; {hint}")
    if own:
        _log.warning("left out: %s", by_file)
    names = [study for study in published if isinstance(study, str)]
    processes = min(processes, len(names)) if len(names) == len(published) else 1
    if processes > 1:
        pages = _publish_in_processes(names, folder, Path(store), processes)
    else:
        loaded = [find_study(study) if isinstance(study, str) else study for study in published]
        pages = [publish(study, folder / f"{study.name}.html", store=store) for study in loaded]
    entries = [
        IndexEntry(
            page.study,
            page.findings,
            page.files[0].name,
            page.size,
            page.runs,
            figure=_thumbnail(page),
        )
        for page in pages
    ]
    write_index(entries, folder / "index.html")
    return pages


def _publish_in_processes(
    names: Sequence[str], folder: Path, store: Path, processes: int
) -> list[Page]:
    """The pages of studies by name, in order; studies themselves cannot be sent to processes."""
    paths = [folder / f"{name}.html" for name in names]
    # Not forked, because a forked process would inherit locks of JAX's threads.
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_ignore_interrupts) as executor:
        pages = list(executor.map(_publish_elsewhere, names, paths, [store] * len(names)))
    return [Page(find_study(name), *page) for name, page in zip(names, pages, strict=True)]


def _publish_elsewhere(
    name: str, path: Path, store: Path
) -> tuple[tuple[Path, ...], tuple[Finding, ...], str, int]:
    page = publish(find_study(name), path, store=store)
    return page.files, page.findings, page.size, page.runs


def _ignore_interrupts() -> None:
    # Ctrl-C reaches every process of the terminal; only the parent process acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _thumbnail(page: Page, width: int = 640) -> str:
    """A small copy of the headline's figure, or of the first one, as a data URL.

    A data URL keeps the index in one file. Empty for a page without figures.
    """
    pictures = {file.stem: file for file in page.files if file.suffix == ".png"}
    if not pictures:
        return ""
    first = page.findings[0].figure if page.findings else ""
    picture = pictures.get(first, next(iter(pictures.values())))
    with Image.open(picture) as image:
        small = image.convert("RGB")
    small.thumbnail((width, width))
    buffer = io.BytesIO()
    small.quantize(48).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
