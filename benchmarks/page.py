"""The page docs/benchmarks.md, from the results that are kept: `make bench` writes it at its end.

    python benchmarks/page.py

A benchmark is described by the first sentence of its file. Shown is every ratio that its result
holds, with what it says of the machine it was measured on. Nothing is added: what a result does not
record is called so.
"""

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
SPREAD = {"median", "low", "high"}
# What tells the rows of a list apart, in the order in which it is said.
NAMES_OF_ROWS = ("study", "workload", "width", "count", "runs", "precision")
NOT_RECORDED = "not recorded"
KINDS = ("txt", "json")
# Tools, and parts of others.
NO_BENCHMARKS = (
    "compare", "device", "gpu_checks", "gpu_torch", "gpu_work", "machine", "page", "path_reference",
)  # fmt: skip

HEAD = """\
# Benchmarks

After this page you can say how much faster or slower Allometry is than what you would run instead,
on which processor that was measured, and how far it moved between rounds.

`make bench` repeats most of these measurements, in about half an hour, and writes this page;
nothing on it is written by hand. All ways take turns within a round, and a ratio is computed within
each round. The table shows the median over the rounds, the lowest and the highest ratio. Ratios
depend on the processor: measure on yours, with nothing else running. What each benchmark compares
is described [beside the files](../benchmarks/README.md).

`make bench-compare BASE=REV` times another commit and your working tree in turns, and marks what
moved by more than the spread. `make test-gpu` and `make bench-gpu` are for a machine with an NVIDIA
GPU.
"""
ABOUT_OTHERS = "run them yourself, `python benchmarks/NAME.py`."


def page(results: Path = HERE / "results") -> str:
    """The whole page, for the results in a folder."""
    benchmarks = {path.stem for path in HERE.glob("*.py")} - set(NO_BENCHMARKS)
    kept = {path.stem for kind in KINDS for path in results.glob(f"*.{kind}")} & benchmarks
    others = ", ".join(f"`{name}`" for name in sorted(benchmarks - kept))
    sections = "".join(_section(name, results) for name in sorted(kept))
    return f"{HEAD}{sections}\n## Without a kept result\n\n{others}: {ABOUT_OTHERS}\n"


def ratios(document: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, float]]]:
    """Every ratio in a result, with the words that lead to it."""
    if isinstance(document, list):
        for row in document:
            if isinstance(row, Mapping):
                yield from ratios(row, (*names, _name_of_row(row)))
    elif isinstance(document, Mapping):
        if document.keys() == SPREAD:
            if any(_is_ratio(name) for name in names):
                yield ": ".join(_words(name) for name in names if name), dict(document)
            return
        for name, value in document.items():
            if f"{name}_range" in document:  # the median by itself, the range beside it
                low, high = document[f"{name}_range"]
                value = {"median": value, "low": low, "high": high}
            best = f" than {document['best_rival']}" if "best_rival" in document else ""
            here = name + best if _is_ratio(name) else name
            yield from ratios(
                value, names if name in ("rows", "cells", "studies") else (*names, here)
            )


def _is_ratio(name: str) -> bool:
    return name.startswith(("times_faster", "times_less", "ratio", "share_of"))


def _name_of_row(row: Mapping[str, Any]) -> str:
    said = [(name, row[name]) for name in NAMES_OF_ROWS if name in row]
    return ", ".join(v if isinstance(v, str) else f"{name} {v:,}" for name, v in said)


def _words(name: str) -> str:
    return name if name.startswith("(") else name.replace("_", " ")


def _section(name: str, results: Path) -> str:
    files = [f for kind in KINDS if (f := results / f"{name}.{kind}").exists()]
    numbers = results / f"{name}.json"
    document = json.loads(numbers.read_text("utf-8")) if numbers in files else {}
    rows = [
        f"| {what} | {_number(s['median'])} | {_number(s['low'])} to {_number(s['high'])} |\n"
        for what, s in ratios(document)
    ]
    table = "| what is compared | ratio | lowest to highest round |\n|---|---|---|\n"
    shown = table + "".join(rows) if rows else "It forms no ratio; its figures are in the files.\n"
    links = ", ".join(f"[{f.name}](../benchmarks/results/{f.name})" for f in files)
    return f"\n## `{name}`\n\n{description(name)}\n\n{shown}\n{_machine(document)} {links}\n"


def description(name: str) -> str:
    """The first sentence of a benchmark's file."""
    return (ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text("utf-8"))) or "").split(
        "\n\n"
    )[0]


def _machine(document: Mapping[str, Any]) -> str:
    """What a result says of machine, versions, rounds and date."""
    machine = document.get("machine", {})
    versions = machine.get("versions") or {
        name: document[name] for name in ("torch", "jax") if name in document
    }
    said = {
        "Processor": machine.get("cpu"),
        "how many": machine.get("cpus"),
        "versions": ", ".join(f"{name} {v}" for name, v in sorted(versions.items())),
        "rounds": document.get("rounds"),
        "date": machine.get("date"),
    }
    if device := document.get("device"):
        said = {"Device": device, **said}
    return "; ".join(f"{what}: {value or NOT_RECORDED}" for what, value in said.items()) + "."


def _number(value: float) -> str:
    """Three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{PAGE}\n")
