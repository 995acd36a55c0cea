"""Long campaigns of faults: seeded case by case, resumed where they were stopped, counted.

A case is one seed. What was done is kept in `.reliability/`, by a hash of the package's source, so
that a campaign that was stopped goes on, and one of other source begins anew. With RECORD_FIGURES
set the sums go to `figures.json` here, of which the table in docs/reliability.md is made.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from benchmarks.machine import cpu

from allometry.files.durable import written
from allometry.training.source import source_sha256

ROOT = Path(__file__).parents[2]
FIGURES = Path(__file__).with_name("figures.json")
SAVED_EVERY = 5.0  # seconds

T = TypeVar("T")

Case = Callable[[random.Random], Counter[str]]


def campaign(name: str, total: int, case: Case, *, kept: bool = True) -> Counter[str]:
    """Run a case for every seed below `total`; the sums of what the cases counted.

    Args:
        name: of the row in the table. total: number of cases.
        case: draws what it needs, asserts what must hold, and counts what it saw.
        kept: whether to go on where an earlier call was stopped, and to say the sums in the end;
            not for a short test.

    Raises:
        AssertionError: of a case, after its seed was printed; the next call begins with it.
    """
    return campaign_of(
        name, range(total), lambda seed: case(random.Random(f"{name} {seed}")), kept=kept
    )


def campaign_of(
    name: str, items: Sequence[T], case: Callable[[T], Counter[str]], *, kept: bool = True
) -> Counter[str]:
    """Run a case for every item of a list, which is the same at every call; as `campaign`."""
    total = len(items)
    state = ROOT / ".reliability" / f"{name}-{total}-{source_sha256()[:12]}.json"
    done = _done(state) if kept else {"cases": 0, "seconds": 0.0, "counts": {}}
    counts, began, saved = Counter(done["counts"]), time.monotonic(), time.monotonic()
    before = done["seconds"]
    try:
        for number in range(done["cases"], total):
            counted = _one(name, number, items[number], case)
            counts.update({what: int(n) for what, n in counted.items()})  # + would drop zeros
            done = {"cases": number + 1, "counts": counts}
            if kept and time.monotonic() - saved > SAVED_EVERY:
                _save(state, {**done, "seconds": before + time.monotonic() - began})
                saved = time.monotonic()
    finally:
        seconds = before + time.monotonic() - began
        if kept:
            _save(state, {**done, "seconds": seconds})
    if kept:
        record_if_asked(name, seconds, Counter({"cases": total, **counts}))
    return counts


def record_if_asked(name: str, seconds: float, figures: Counter[str]) -> None:
    """Print the figures of a campaign; with RECORD_FIGURES put them into `figures.json`, too."""
    print(f"{name}: {seconds:.0f} s: {dict(figures)}")  # noqa: T201
    if "RECORD_FIGURES" not in os.environ:
        return
    known = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    when = datetime.now(UTC).date().isoformat()
    known[name] = {"date": when, "processor": cpu(), "seconds": round(seconds), **figures}
    with written(FIGURES) as part:
        part.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", "utf-8")


def _one(name: str, number: int, item: T, case: Callable[[T], Counter[str]]) -> Counter[str]:
    try:
        return case(item)
    except BaseException:
        print(f"{name}: case {number}")  # noqa: T201
        raise


def _done(state: Path) -> dict[str, object]:
    if state.exists():
        return dict(json.loads(state.read_text("utf-8")))
    return {"cases": 0, "seconds": 0.0, "counts": {}}


def _save(state: Path, done: dict[str, object]) -> None:
    state.parent.mkdir(exist_ok=True)
    with written(state) as part:
        part.write_text(json.dumps(done), "utf-8")
