"""R6: deliveries in any order, any number of times, beside everything else that is done to a store.

A state machine holds beside the store a dict of what must be in it. After each step the store
gives exactly that.
"""

import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from allometry.engines.deliveries import read_delivery, write_delivery
from allometry.errors import DataError
from allometry.store import Store
from allometry.training.procedure import Pack
from tests.reliability.campaign import record_if_asked
from tests.store.cases import PROVENANCE, result, specs

# Syncing takes no time there, and no power is lost here.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
RUNS, PACK = 24, 3
SPECS = specs(RUNS)
PACKS = [Pack(tuple(SPECS[i : i + PACK])) for i in range(0, RUNS, PACK)]
RESULTS = {spec.run_id: result(spec) for spec in SPECS}
packs = st.integers(0, len(PACKS) - 1)
runs = st.integers(0, RUNS - 1)


class AnyOrder(RuleBasedStateMachine):
    steps = 0

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.path = self.folder / "s.db"
        self.store = Store(self.path, write=True)
        self.store.declare("tiny", "quick", "", SPECS)
        self.stored: set[str] = set()
        self.excluded: dict[str, str] = {}
        self.copies = 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    @rule(order=st.lists(packs, min_size=1, max_size=8), times=st.integers(1, 5))
    def deliver(self, order: list[int], times: int) -> None:
        """By up to eight workers, each delivery up to five times."""
        for number in order * times:
            pack = PACKS[number]
            order_sent = f"order {number}".encode()
            data = write_delivery(order_sent, [result(s) for s in pack.specs], PROVENANCE)
            delivery = read_delivery(data, order_sent, pack)
            new = self.store.commit(delivery.results, delivery.provenance)
            names = {spec.run_id for spec in pack.specs}
            assert new == len(names - self.stored)
            self.stored |= names

    @rule(number=packs, at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def deliver_damaged(self, number: int, at: float, bit: int) -> None:
        pack = PACKS[number]
        data = bytearray(write_delivery(b"o", [result(s) for s in pack.specs], PROVENANCE))
        data[int(at * len(data))] ^= 1 << bit
        with pytest.raises(DataError):
            read_delivery(bytes(data), b"o", pack)

    @rule()
    def go_on_in_another_process(self) -> None:
        self.store.close()
        self.store = Store(self.path, write=True)

    @rule(number=runs)
    def exclude(self, number: int) -> None:
        run_id = SPECS[number].run_id
        assert self.store.exclude([run_id], f"because {number}") == (run_id in self.stored)
        if run_id in self.stored:
            self.excluded[run_id] = f"because {number}"

    @rule(number=runs)
    def include(self, number: int) -> None:
        run_id = SPECS[number].run_id
        assert self.store.include([run_id]) == (self.excluded.pop(run_id, None) is not None)

    @rule(number=packs)
    def forget(self, number: int) -> None:
        names = {spec.run_id for spec in PACKS[number].specs}
        assert self.store.forget(names) == len(names & self.stored)
        self.stored -= names
        self.excluded = {n: reason for n, reason in self.excluded.items() if n not in names}

    @precondition(lambda self: self.stored)
    @rule(draw=st.data())
    def damage(self, draw: st.DataObject) -> None:
        """A run that is no longer as it was written is set aside, and pending again."""
        run_id = draw.draw(st.sampled_from(sorted(self.stored)))
        self.store.close()
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("UPDATE runs SET seconds = seconds + 1 WHERE run_id = ?", (run_id,))
            connection.commit()
        self.store = Store(self.path, write=True)
        damaged = self.store.check(SPECS)
        assert [one.run_id for one in damaged] == [run_id]
        self.store.quarantine(damaged)
        self.stored.discard(run_id)

    @rule()
    def copy(self) -> None:
        self.copies += 1
        copy = self.folder / f"c{self.copies}.db"
        self.store.backup(copy)
        with Store(copy) as other:
            assert set(other.run_ids()) == self.stored

    @rule(seeds=st.sampled_from([(42,), (42, 43)]))
    def declare(self, seeds: tuple[int, ...]) -> None:
        self.store.declare("tiny", "quick", "", specs(RUNS, seeds))

    @invariant()
    def the_store_has_what_it_must(self) -> None:
        if not hasattr(self, "store"):
            return
        type(self).steps += 1
        assert {s.run_id for s in SPECS} - {s.run_id for s in self.store.pending(SPECS)} == (
            self.stored
        )
        with Store(self.path) as reader:
            table = reader.table("tiny", "quick", only={s.run_id for s in SPECS})
            assert reader.exclusions() == {**reader.exclusions(), **self.excluded}
        assert table["run_id"].tolist() == [s.run_id for s in SPECS if s.run_id in self.stored]
        for row in table:
            expected = RESULTS[row["run_id"]]
            wanted = "excluded" if row["run_id"] in self.excluded else expected.status
            assert row["status"] == wanted
            np.testing.assert_equal({name: row[name] for name in expected.row}, expected.row)


QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.mark.parametrize("sequences", [4, pytest.param(200, marks=pytest.mark.slow)])
def test_deliveries_in_any_order_any_number_of_times(sequences):
    AnyOrder.steps, began = 0, time.monotonic()
    case = AnyOrder.TestCase
    case.settings = settings(
        max_examples=sequences, stateful_step_count=50, deadline=None, suppress_health_check=QUIET,
        print_blob=True,
    )  # fmt: skip
    case().runTest()
    # The sequences are drawn with their lengths: of a few all may be short.
    assert AnyOrder.steps > (40 if sequences >= 200 else 1) * sequences
    if sequences >= 200:
        figures = Counter(sequences=sequences, steps=AnyOrder.steps, lost=0, stored_twice=0)
        record_if_asked("any_order", time.monotonic() - began, figures)
