"""A study file whose procedure takes no time and can get into every kind of trouble.

Loaded by its path, as a person's own study is, also by the workers.
"""

import hashlib
import os
import signal
import stat
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from allometry import Study
from allometry.spec import Experiment, Spec
from allometry.training.procedure import Pack, Procedure
from allometry.training.result import RunResult


class Inner(Spec):
    rate: float = 0.5


class Job(Experiment):
    """What to do: `trouble` says how it goes wrong, `folder` where it keeps notes."""

    width: int
    inner: Inner = Inner()
    trouble: str = ""
    folder: str = ""
    per_pack: int = 3


def made(spec):
    """A result that follows from the spec alone, with all a store can keep."""
    draw = np.random.default_rng(int(hashlib.sha256(spec.run_id.encode()).hexdigest()[:8], 16))
    row = {
        "width": spec.width,
        "test_loss": float("nan") if spec.width == 7 else float(draw.random()),
        "float32": np.float32(draw.random()),
        "words": f"({spec.width}) é\N{SNOWMAN}",
    }
    along = {"epoch": np.arange(4), "loss": draw.random((4, 3)).astype(np.float32)}
    arrays = along if spec.width % 2 else {}
    return RunResult(spec, "diverged" if spec.width == 7 else "done", row, 0.25, arrays)


class Imagined(Procedure):
    def packs(self, specs):
        n = specs[0].per_pack
        return [Pack(tuple(specs[i : i + n])) for i in range(0, len(specs), n)]

    def updates(self, spec):
        return 10

    def run(self, pack, measures, trajectory, advance, checkpoints=None):
        for spec in pack.specs:
            sys.stdout.write(f"making width {spec.width}\n")
            TROUBLE[spec.trouble](spec)
            advance(10)
        return [made(spec) for spec in pack.specs]


def note(spec, what):
    """One line a call, in a file that all processes share."""
    with (Path(spec.folder) / what).open("a") as file:
        file.write(f"{spec.width} {os.getpid()}\n")


def die(spec):
    os.write(2, b"last words\n")
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(spec):
    marker = Path(spec.folder) / f"died{spec.width}"
    if not marker.exists():
        marker.touch()
        die(spec)


def raise_error(spec):
    raise ValueError(f"width {spec.width} cannot be")


def sleep_the_first_time(spec):
    """Longer than the five seconds SLURM gives a job between SIGTERM and SIGKILL."""
    marker = Path(spec.folder) / f"slept{spec.width}-{spec.seed}"
    first = not marker.exists()
    marker.touch()
    note(spec, "made")
    time.sleep(8 if first else 0)


def hang(spec):
    """For ever, and without a word: until somebody ends the process."""
    note(spec, "made")
    threading.Event().wait()


def babble(spec):
    """Writes to every pipe that it has."""
    for descriptor in range(3, 20):
        with suppress(OSError):
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, b"no frame, no frame, no frame")


def dawdle(spec):
    """Ten seconds, with a sign of life in each."""
    for _ in range(10):
        sys.stdout.write("still here\n")
        time.sleep(1)


TROUBLE = {
    "": lambda spec: None,
    "note": lambda spec: note(spec, "made"),
    "raise": raise_error,
    "raise_at_5": lambda spec: raise_error(spec) if spec.width == 5 else None,
    "die_at_5": lambda spec: die(spec) if spec.width == 5 else None,
    "die_once_at_5": lambda spec: die_once(spec) if spec.width == 5 else None,
    "exit_at_5": lambda spec: os._exit(3) if spec.width == 5 else None,
    "hang_at_5": lambda spec: hang(spec) if spec.width == 5 else None,
    "babble_at_5": lambda spec: babble(spec) if spec.width == 5 else None,
    "dawdle_at_5": lambda spec: dawdle(spec) if spec.width == 5 else None,
    "long": lambda spec: sleep_the_first_time(spec) if spec.width % 6 == 1 else None,
    "slow": lambda spec: (note(spec, "made"), time.sleep(0.1)),
}


def runs(size, seeds):
    return [Job(width=w, seed=s) for s in seeds for w in range(1, 13)]


STUDY = Study(
    name="imagined", title="Imagined", question="Does it come back?", prediction="Yes.",
    source="none", runs=runs, measures={}, analyse=lambda table: [], sizes=("quick",),
    seeds={"quick": (1, 2)}, procedure=Imagined(),
)  # fmt: skip
