"""The process that draws findings and figures of a study from the runs stored so far.

    python -m allometry.serve.drawing STUDY STORE NAME SIZE VARIANT

STUDY is a shipped name or the file of the study, NAME the study's name. One JSON document goes to
stdout, with ``html`` and ``findings``, or with ``error``, a message. Output of the study's code
goes to stderr.
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

NICENESS = 15  # lower priority than that of training


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    study, store, *key = sys.argv[1:]
    name, size, variant = key
    try:
        document = drawn(study, Path(store), (name, size, variant))
    except Exception as error:  # also of the study's code: the page shows the message
        document = {"error": _said(error)}
    with answers:
        json.dump(document, answers)


def _said(error: Exception) -> str:
    """The message that the page shows instead of findings."""
    reason = in_one_line(error)
    if isinstance(error, AllometryError):
        return f"Nothing can be drawn from the runs so far: {reason}"
    return f"The study's analysis or a figure failed on the runs so far: {reason}"


def drawn(study: str, store: Path, key: tuple[str, str, str]) -> dict[str, Any]:
    """Findings and figures of the stored runs of a size of a study.

    Raises:
        AllometryError: the store or the study cannot be read, or has no such runs.
    """
    # These import JAX and Matplotlib.
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
