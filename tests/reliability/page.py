"""The table of docs/reliability.md: ``python -m tests.reliability.page`` writes it.

What a campaign is named in `figures.json`, what it does, and what must hold, are said here.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from tests.reliability.campaign import FIGURES, ROOT

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: made by `make reliability` -->\n", "<!-- end of figures -->\n"
HEAD = "| what is done | what must hold | figures | when, and how long |\n|---|---|---|---|\n"

SAME = (
    "what was acknowledged is there, nothing finished is made again, the end is that of a run "
    "never stopped"
)
TOLD = "what a person sees is as it was, or it is said in words"
WHOLE = "what has its final name is the file from before, or the new one"

ANSWERED = (
    "one sentence and an exit code of [the list](command-line.md), no traceback, at once; the "
    "files stay as they are"
)

CAMPAIGNS: Mapping[str, tuple[str, str]] = {
    "kills_of_sweeps": ("`kill -9` of tiny sweeps at random moments", SAME),
    "kills_of_the_command": (
        "`kill -9` of `allometry run` with two workers as it trains and keeps checkpoints: the "
        "coordinator, a worker, or all of them", f"{SAME}, bit for bit",
    ),
    "kills_of_writers": ("`kill -9` of `fit -o`, `table -o`, `report`, `backup`, `merge`", WHOLE),
    "kills_of_kept_networks": ("`kill -9` of `run --keep weights`", WHOLE),
    "system_calls": (
        "every system call of a sweep on its store: killed at it, made to fail with EIO, with "
        "ENOSPC once and from then on", f"{SAME}; failures end with code 74, in words",
    ),
    "power_loss": (
        "power lost at random moments of a recorded sweep, what was not synced kept, torn or lost "
        "at random", SAME,
    ),
    "recovery": (
        "a killed store of 10,000 runs is opened, and the next run stored",
        "open to commit in half a second, at most two",
    ),
    "recovery_of_a_million_runs": ("the same with a million runs", "it works"),
    "any_order": (
        "deliveries in any order, up to five times, damaged ones among them, beside all else that "
        "is done to a store", "the store has each run once, as it was",
    ),
    "many_processes": (
        "64 processes produce, one writes, 8 read all the while",
        "whole packs, no error in reading",
    ),
    "damaged_stores": ("stores with flipped bits; zero, swapped, torn pages; cut", TOLD),
    "damaged_logs": ("the same of a store's log, with its index and without", TOLD),
    "damaged_checkpoints": ("the same of checkpoints", "unused with a warning, or as it was"),
    "damaged_caches": (
        "the same of files of data sets, compiled programs, verdicts on one's own parts",
        "fetched, compiled, judged again",
    ),
    "damaged_fits": ("the same of saved fits", TOLD),
    "malformed_tables": (
        "`fit`, `compare`, `influence`, `multiverse`, `plan`, `next` of malformed CSV, TSV, JSON, "
        "JSON lines and Parquet", ANSWERED,
    ),
    "malformed_documents": (
        "`plan`, `next`, `fit` of fit documents with other values, most under a right seal",
        ANSWERED,
    ),
    "malformed_specs": (
        "words for `--set`; stored specs, rows, provenance under right hashes, read by every "
        "command on a store", ANSWERED,
    ),
    "malformed_studies": (
        "`run`, `table`, `report` and others of study files with wrong fields, values, exceptions, "
        "encodings, and cut or spoilt", f"{ANSWERED}; the line, where their own code fails",
    ),
    "malformed_studies_in_processes": ("the same in processes of their own", ANSWERED),
    "commands_on_damaged_stores": (
        "`status`, `verify`, `backup` of damaged stores", "the file is named; no traceback",
    ),
    "clocks": (
        "clocks set between 1970 and 2100, at each call another; files of any date", SAME,
    ),
    "jobs_in_a_queue": ("jobs in SLURM sent back and told to end, again and again", SAME),
}  # fmt: skip


def table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each campaign, whether it has figures or not."""
    assert figures.keys() <= CAMPAIGNS.keys(), "a campaign that the page does not explain"
    rows = [
        f"| {what} | {holds} | {_numbers(figures.get(name, {}))} | {_when(figures.get(name))} |\n"
        for name, (what, holds) in CAMPAIGNS.items()
    ]
    processors = sorted({entry["processor"] for entry in figures.values()})
    return HEAD + "".join(rows) + f"\nMeasured on: {'; '.join(processors) or 'nothing yet'}.\n"


def _numbers(entry: Mapping[str, Any]) -> str:
    names = [name for name in entry if name not in ("date", "processor", "seconds")]
    return ", ".join(f"{name.replace('_', ' ')} {entry[name]:,}" for name in names)


def _when(entry: Mapping[str, Any] | None) -> str:
    return f"{entry['date']}, {entry['seconds']:,} s" if entry else "not measured yet"


def with_table(page: str, figures: Mapping[str, Mapping[str, Any]]) -> str:
    """A page with the table of these figures between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    assert mark, "the page has no place for the table"
    return before + BEGIN + table(figures) + END + after


def known() -> dict[str, Any]:
    """The figures that were recorded."""
    return dict(json.loads(FIGURES.read_text("utf-8"))) if FIGURES.exists() else {}


if __name__ == "__main__":
    text = with_table(PAGE.read_text("utf-8"), known())
    PAGE.write_text(text, "utf-8")
    sys.stdout.write(f"{PAGE}\n")
