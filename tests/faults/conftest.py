"""A sweep that can be killed, and the oracle that says what must have survived."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allometry.errors import UsageError
from allometry.store import Store
from tests.store.cases import result, study

HERE = Path(__file__).parent


class Victim:
    """The process of `sweep.py`, and one child of it at a time."""

    def __init__(self, root: Path):
        self._process = subprocess.Popen(
            [sys.executable, HERE / "sweep.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")])},
        )  # fmt: skip

    def prepare(self, job: dict[str, Any]) -> int:
        """Fork a child that waits for `go`; its process number."""
        return int(self._say(json.dumps(job), "pid"))

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")

    def wait(self) -> int:
        """The exit code of the child, minus the signal that ended it."""
        return int(self._say("reap", "exit"))

    def run(self, job: dict[str, Any]) -> int:
        self.prepare(job)
        self.go()
        return self.wait()

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def _say(self, line: str, answer: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        return self._hear(answer)

    def _hear(self, answer: str) -> str:
        assert self._process.stdout is not None
        word, _, value = self._process.stdout.readline().partition(" ")
        assert word == answer, f"the victim said {word!r}"
        return value


@dataclass
class Sweep:
    """One store, the log of all that worked on it, and what must hold between the two."""

    folder: Path
    runs: int = 20
    pack: int = 2
    pause: float = 0.001
    logs: Path | None = None  # where the oracle is kept, beside the store when None
    attempts: int = field(default=0, init=False)

    def __post_init__(self):
        self.folder.mkdir(exist_ok=True)
        self.store = self.folder / "s.db"
        self.log = (self.logs or self.folder) / "log"
        self.specs = study(self.runs, 1, self.pack).specs("quick")
        self.expected = {s.run_id: result(s) for s in self.specs}

    def job(self, **more: Any) -> dict[str, Any]:
        self.attempts += 1
        asked = {"runs": self.runs, "pack": self.pack, "pause": self.pause}
        return {"store": str(self.store), "log": str(self.log), **asked, **more}

    def said(self) -> str:
        err = Path(f"{self.log}.err")
        return err.read_text() if err.exists() else ""

    def check(self) -> int:
        """Nothing acknowledged lost, nothing partial, nothing twice; how many are stored."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        events = [(line.split()[0], line.split()[1:]) for line in lines]
        acknowledged = {i for word, ids in events if word == "stored" for i in ids}
        stored = self.stored()
        assert acknowledged <= stored, "an acknowledged run is lost"
        self._check_no_work_twice(events)
        for word, ids in events:
            if word == "start":
                assert len(stored & set(ids)) in (0, len(ids)), "a pack is stored in part"
        return len(stored)

    def _check_no_work_twice(self, events: list[tuple[str, list[str]]]) -> None:
        done: set[str] = set()
        starts = again = 0
        seen: set[str] = set()
        for word, ids in events:
            if word == "stored":
                done |= set(ids)
                continue
            assert not done & set(ids), "an acknowledged run is trained again"
            starts += 1
            again += bool(seen & set(ids))
            seen |= set(ids)
        assert again <= self.attempts - 1, "more was trained again than the packs in flight"

    def stored(self) -> set[str]:
        """The runs in the store, each of them as it was given."""
        try:
            store = Store(self.store)
        except UsageError:
            return set()
        with store:
            assert store.verify().damaged == ()
            if not store.status():
                return set()
            (status,) = store.status()
            assert status.declared == self.runs
            assert status.pending == self.runs - status.done - status.diverged
            table = store.table("tiny", "quick")
            order = [s.run_id for s in self.specs if s.run_id in set(table["run_id"])]
            assert table["run_id"].tolist() == order
            for row in table:
                self._check_row(row, table.trajectories[row["run_id"]])
        return set(order)

    def _check_row(self, row: dict[str, Any], arrays: dict[str, Any]) -> None:
        expected = self.expected[row["run_id"]]
        assert row["status"] == expected.status
        for name, value in expected.row.items():
            np.testing.assert_equal(row[name], value)
        for name, array in expected.trajectories.items():
            np.testing.assert_array_equal(arrays[name], array, strict=True)


@pytest.fixture(scope="module")
def victim(pytestconfig: pytest.Config) -> Iterator[Victim]:
    process = Victim(pytestconfig.rootpath)
    yield process
    process.close()
