"""The process that draws findings and figures of a study from what is stored so far.

    python -m allometry.serve.drawing STUDY STORE NAME SIZE VARIANT

STUDY is the name or the file by which a person named the study, NAME the name it has. One JSON
document goes to stdout: ``html`` and ``findings``, or ``error`` in words. What the study's code
prints goes to stderr.
"""

import contextlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from allometry.errors import AllometryError, in_one_line

__all__ = ["main"]

NICENESS = 15  # of training beside it


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    study, store, *key = sys.argv[1:]
    name, size, variant = key
    try:
        document = drawn(study, Path(store), (name, size, variant))
    except Exception as error:  # of the study's own code too: it is shown in its place
        document = {"error": _said(error)}
    with answers:
        json.dump(document, answers)


def _said(error: Exception) -> str:
    """Why there is nothing to show, for who looks at runs that are not all there."""
    reason = in_one_line(error)
    if isinstance(error, AllometryError):
        return f"From these runs alone nothing can be drawn yet: {reason}"
    return f"The study's analysis or a figure failed on the runs there are so far: {reason}"


def drawn(study: str, store: Path, key: tuple[str, str, str]) -> dict[str, Any]:
    """Findings and figures of the runs that a size of a study has so far.

    Raises:
        AllometryError: the store or the study cannot be read, or has no such runs.
    """
    # Bring JAX and Matplotlib.
    from allometry.files.documents import plain
    from allometry.report.page import partial_report
    from allometry.store import Store
    from allometry.studies import study as find

    loaded = find(study)
    with Store(store) as opened:
        table, declared = opened.table(*key), len(opened.declared(*key))
    html, findings = partial_report(loaded, table, declared)
    return {"html": html, "findings": plain([asdict(finding) for finding in findings])}


if __name__ == "__main__":
    main()
