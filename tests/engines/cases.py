"""What the tests of the engines share: the imagined study, what a store holds, a run."""

import os
import signal
import sqlite3
import threading
import time
from pathlib import Path

from allometry import studies
from allometry.engines.local import LocalEngine
from allometry.engines.progress import Silent
from allometry.run import run
from allometry.study import procedure_of
from allometry.training.procedure import Pack

FILE = Path(__file__).with_name("imagined.py")
RUNS = 24
KEPT = "run_id, spec, status, row, arrays_sha256, trajectories"


def study():
    """As a person's own file is loaded."""
    return studies.study(FILE)


def packs():
    mine = study()
    return mine, procedure_of(mine).packs(mine.specs("quick"))


def alone(spec):
    return Pack((spec,))


def content(path):
    """All a store keeps of its runs but the time they took, and what and when made them."""
    with sqlite3.connect(path) as raw:
        rows = raw.execute(f"SELECT {KEPT} FROM runs ORDER BY run_id").fetchall()
    raw.close()
    return rows


def made_here(there, file=FILE, **changes):
    """The content of a store filled in this process: what every engine must equal."""
    path = there / "here.db"
    outcome = run(file, store=path, engine=LocalEngine(), changes=changes)
    assert outcome.pending == 0
    return content(path)


def begun(folder):
    """(width, process) of every run begun that keeps notes."""
    file = Path(folder) / "made"
    lines = file.read_text().splitlines() if file.exists() else []
    return [tuple(map(int, line.split())) for line in lines]


def when(condition, action, seconds=60):
    """Do it once the condition holds, in a thread; and a list of what it gave."""

    def wait():
        until = time.monotonic() + seconds
        while not condition() and time.monotonic() < until:
            time.sleep(0.02)
        done.append(action())

    done = []
    thread = threading.Thread(target=wait)
    thread.start()
    return thread, done


class InterruptOnce(Silent):
    """Asked to stop when the first pack is stored."""

    asked = False

    def finished(self, results):
        if not self.asked:
            self.asked = True
            os.kill(os.getpid(), signal.SIGTERM)
