"""Whether the working tree is faster or slower than another commit, measured in turns.

    python benchmarks/compare.py REV                      (or: make bench-compare BASE=REV)
    python benchmarks/compare.py REV --only list --rounds 20 --json compare.json

REV is laid out as a git worktree in a temporary folder, which is removed at the end. Every
measurement is a process of its own that starts cold, in this Python, with the packages installed
here. Each side keeps its compiled programs in a folder of its own, which one round that does not
count has filled; data sets and the calibration of costs are shared. In each round every workload
runs once on both sides, one straight after the other; the order changes from round to round (base,
new; new, base; ...), so that a drift of the machine falls on both.

The rule, written down before anything was measured. The ratio of a workload is new to base, formed
within a round; shown is the median over rounds with its exact 95% interval, from ranks (a sign
test), which takes no less than six rounds. The spread of a side is the distance between the
quartiles of its times. A workload has moved if the interval does not hold 1 AND the medians of the
two sides differ by more than either spread. If nothing has changed, the interval alone leaves out 1
for at most one workload in twenty.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import numpy as np
from scipy.stats import quantile_test

from allometry.datasets.cache import cache_root
from machine import BUSY, facts

ROOT = Path(__file__).parents[1]
STUDIES = ("mlp_parameter_scaling", "cnn_size_by_data", "ntk_depth", "sparse_parity", "grokking")
LEVEL = 0.95
SHARED = ("calibration", "datasets", "tokens")  # of the cache, by both sides


class FailedError(Exception):
    """A command ended with an error; the text is its last line."""


@dataclass(frozen=True)
class Side:
    """A source tree, and a folder for what its processes write."""

    name: str
    root: Path
    folder: Path

    def python(self, *arguments: str) -> float:
        """Wall seconds of a new process of Python with this tree's package."""
        began = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=self.environment(), text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        if ended.returncode:
            last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise FailedError(f"exit code {ended.returncode}: {last}")
        return seconds

    def allometry(self, *arguments: str) -> float:
        """Wall seconds of the command line in a new process."""
        return self.python("-m", "allometry", *arguments)

    def environment(self) -> dict[str, str]:
        of_theirs = {"JAX_COMPILATION_CACHE_DIR", "ALLOMETRY_PROGRAMS", "ALLOMETRY_STORE"}
        kept = {name: value for name, value in os.environ.items() if name not in of_theirs}
        source, cache = self.root / "src", self.folder / "cache"
        return {**kept, "PYTHONPATH": str(source), "ALLOMETRY_CACHE": str(cache)}


@dataclass(frozen=True)
class Workload:
    """What is timed: `measure` gives a number of `unit`, the smaller the better."""

    name: str
    unit: str
    measure: Callable[[Side], float]


@dataclass(frozen=True)
class Verdict:
    """What the times of one workload say, by the rule above.

    Args:
        base, new: medians, in the workload's unit.
        base_spread, new_spread: between the quartiles.
        ratio: median of new to base within a round.
        interval: of the ratio, None for fewer than six rounds.
    """

    base: float
    new: float
    base_spread: float
    new_spread: float
    ratio: float
    interval: tuple[float, float] | None
    moved: bool


def judge(base: Sequence[float], new: Sequence[float]) -> Verdict:
    """The rule, on the times of both sides by round."""
    times = np.array([base, new], float)
    low, medians, high = np.percentile(times, (25, 50, 75), axis=1)
    ratios = times[1] / times[0]
    ends = quantile_test(ratios, p=0.5).confidence_interval(LEVEL)
    interval = None if np.isnan([*ends]).any() else (float(ends.low), float(ends.high))
    spreads = high - low
    beyond = abs(medians[1] - medians[0]) > spreads.max()
    moved = interval is not None and not interval[0] <= 1 <= interval[1] and bool(beyond)
    numbers = (*map(float, medians), *map(float, spreads), float(np.median(ratios)))
    return Verdict(*numbers, interval, moved)


# ---- in turns --------------------------------------------------------------------------------


def measure(
    workloads: Sequence[Workload],
    sides: tuple[Side, Side],
    rounds: int,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[dict[str, tuple[list[float], list[float]]], dict[str, str]]:
    """Times of base and new by workload, and why a workload was given up.

    The first round fills caches and does not count. A workload that fails on a side is left out
    from then on.
    """
    times: dict[str, tuple[list[float], list[float]]] = {w.name: ([], []) for w in workloads}
    failed: dict[str, str] = {}
    for number in range(rounds + 1):
        turns = (0, 1) if number % 2 else (1, 0)
        for workload in workloads:
            for side in turns:
                if workload.name in failed:
                    continue
                try:
                    value = workload.measure(sides[side])
                except FailedError as error:
                    failed[workload.name] = f"{sides[side].name}: {error}"
                    continue
                if number:
                    times[workload.name][side].append(value)
        tell(f"round {number} of {rounds} done" if number else "caches filled")
    return {name: t for name, t in times.items() if name not in failed}, failed


# ---- the workloads ---------------------------------------------------------------------------


def workloads() -> list[Workload]:
    """All that are compared by default, the short ones first."""
    return [
        Workload("list", "s", lambda side: side.allometry("list")),
        Workload("status", "s", lambda side: side.allometry("status", "--store", _stored(side))),
        Workload(
            "table", "s",
            lambda side: side.allometry("table", "ntk_depth", "--store", _stored(side)),
        ),
        *(Workload(f"quick-{study}", "s", _run(study, "--size", "quick")) for study in STUDIES),
        Workload("cost-per-run", "ms", _cost_per_run),
        *(
            Workload(
                f"notebook-mlp-seeds-{n}", "s",
                _run(STUDIES[0], "--size", "notebook", "--seeds", str(n)),
            )
            for n in (1, 2)
        ),
    ]  # fmt: skip


def _run(study: str, *options: str) -> Callable[[Side], float]:
    """`allometry run` into a new store."""

    def seconds(side: Side) -> float:
        with tempfile.TemporaryDirectory(dir=side.folder) as folder:
            return side.allometry("run", study, *options, "--store", f"{folder}/new.db")

    return seconds


def _stored(side: Side) -> str:
    """A store with the 810 quick runs of `ntk_depth`, made at the first call."""
    store = side.folder / "stored.db"
    if not store.exists():
        side.allometry("run", "ntk_depth", "--size", "quick", "--store", str(store))
    return str(store)


def _cost_per_run(side: Side) -> float:
    """Milliseconds a run among a thousand, by `cost_per_run.py` of the working tree."""
    result = side.folder / "cost.json"
    script = str(Path(__file__).with_name("cost_per_run.py"))
    side.python(script, "--runs", "1000", "--rounds", "1", "--json", str(result))
    rows = json.loads(result.read_text("utf-8"))["rows"]
    return float(next(row["ms_a_run"] for row in rows if row["runs"] == 1000))


# ---- the two sides ---------------------------------------------------------------------------


@contextmanager
def both_sides(base: str, repository: Path = ROOT) -> Iterator[tuple[Side, Side]]:
    """The commit `base` as a worktree, and the working tree; removed whatever happens.

    Raises:
        FailedError: git knows no such commit, or a side runs another package than its own.
    """
    commit = _git(repository, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}")
    if not commit:
        if shutil.which("git") is None:
            raise FailedError("git is needed to lay out the other commit, and is not installed")
        raise FailedError(f"git knows no commit {base!r}: name one, BASE=main say")
    with tempfile.TemporaryDirectory(prefix="allometry-compare-") as folder:
        tree = Path(folder, "tree")
        try:
            subprocess.run(
                ["git", "-C", str(repository), "worktree", "add", "--quiet", "--detach",
                 str(tree), commit],
                check=True,
            )  # fmt: skip
            sides = (
                _prepared(Side(f"base ({commit[:9]})", tree, Path(folder, "base"))),
                _prepared(Side("new (working tree)", repository, Path(folder, "new"))),
            )
            yield sides
        finally:
            # A worktree that was half made is removed like a whole one; its entry goes with it.
            _git(repository, "worktree", "remove", "--force", str(tree))


def _prepared(side: Side) -> Side:
    cache = side.folder / "cache"
    cache.mkdir(parents=True)
    for name in SHARED:
        there = cache_root() / name
        there.mkdir(parents=True, exist_ok=True)
        (cache / name).symlink_to(there.resolve(), target_is_directory=True)
    package = side.root / "src" / "allometry"
    expected = "import allometry, os, sys; sys.exit(not os.path.samefile(*sys.argv[1:], *"
    try:
        side.python("-c", f"{expected}allometry.__path__))", str(package))
    except FailedError as error:
        raise FailedError(f"{side.name} does not run the package in {package}: {error}") from error
    return side


def _git(repository: Path, *arguments: str) -> str:
    """What git prints; nothing where it fails."""
    ended = subprocess.run(
        ["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=False
    )
    return ended.stdout.strip() if ended.returncode == 0 else ""


# ---- what is shown ---------------------------------------------------------------------------


def table(
    verdicts: dict[str, Verdict], units: dict[str, str], failed: dict[str, str], rounds: int
) -> str:
    """A line for each workload, those that moved marked."""
    lines = [f"{'workload':28}{'base':>20}{'new':>20}   new/base [95% interval]"]
    for name, v in verdicts.items():
        base = f"{v.base:.3f} ~{v.base_spread:.3f} {units[name]}"
        new = f"{v.new:.3f} ~{v.new_spread:.3f} {units[name]}"
        ends = "too few rounds" if v.interval is None else "{:.3f}, {:.3f}".format(*v.interval)
        mark = ("   SLOWER" if v.ratio > 1 else "   FASTER") if v.moved else ""
        lines.append(f"{name:28}{base:>20}{new:>20}   {v.ratio:.3f} [{ends}]{mark}")
    lines += [f"{name:28}not compared: {why}" for name, why in failed.items()]
    moved = sum(v.moved for v in verdicts.values())
    lines.append(
        f"medians of {rounds} rounds, ~ the distance between quartiles; {moved} of "
        f"{len(verdicts)} moved, of which chance alone gives {(1 - LEVEL) * len(verdicts):.1f} "
        "at most, on average"
    )
    if rounds < 6:
        lines.append("fewer than six rounds have no 95% interval: nothing can be told")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None, repository: Path = ROOT) -> int:
    """Compare, print and write; 1 where a workload did not run, 2 for a wrong question."""
    known = workloads()
    options = _options(argv, [w.name for w in known])
    asked = [w for w in known if not options.only or w.name in options.only]
    machine = facts()
    say(f"{machine['cpu']}, {machine['cpus']} processors, load {machine['load']}")
    if machine["load"] > BUSY * machine["cpus"]:
        say("warning: the machine is not idle; what differs may be other programs")
    signal.signal(signal.SIGTERM, _end)
    try:
        with both_sides(options.base, repository) as sides:
            times, failed = measure(asked, sides, options.rounds, say)
    except FailedError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("stopped; the worktree is removed")
        return 130
    verdicts = {name: judge(*both) for name, both in times.items()}
    units = {w.name: w.unit for w in asked}
    sys.stdout.write(table(verdicts, units, failed, options.rounds))
    if options.json:
        rows = {
            name: {"unit": units[name], **asdict(v), "times": times[name]}
            for name, v in verdicts.items()
        }
        document = {
            "schema": "allometry/benchmark/compare/1", "machine": machine,
            "sides": [side.name for side in sides], "rounds": options.rounds,
            "rule": (__doc__ or "").split("\n\n")[-1].strip(), "workloads": rows,
            "failed": failed,
        }  # fmt: skip
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if failed else 0


def say(line: str) -> None:
    """Print beside the result, which goes to stdout."""
    print(line, file=sys.stderr, flush=True)


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _options(argv: Sequence[str] | None, names: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("base", help="the commit to compare the working tree with")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", type=Path, help="write all times to this file")
    options = parser.parse_args(argv)
    if options.rounds < 1:
        parser.error(f"--rounds: at least 1 expected, got {options.rounds}")
    return options


if __name__ == "__main__":
    sys.exit(main())
