"""A thousand lies under a right seal: each is refused in words, or stored and read as it was told.

What others delivered is stored whatever one worker sends.
"""

import json
import random
import time

import numpy as np
import pytest

from allometry.engines.coordinator import _Account
from allometry.engines.deliveries import NOT_FINITE, read_delivery, write_delivery
from allometry.engines.orders import Orders
from allometry.errors import DataError
from allometry.store import Store
from allometry.store.record import canonical, decode_arrays
from allometry.training.procedure import Pack
from tests.engines.cases import packs
from tests.engines.imagined import made
from tests.engines.lies import lie, parts, sealed

WORKER = {"device": "none", "cpus": 2, "git_commit": None, "git_dirty": False}


class Sweep:
    """Two packs of a study, a lying worker's and an honest one's, and their store."""

    def __init__(self, folder):
        self.study, (first, second, *_) = packs()
        self.pack, self.other = Pack(first.specs[:3]), second
        self.order, order = (Orders(self.study).write(p) for p in (self.pack, self.other))
        self.true = self._delivery(self.order, self.pack)
        self.others = read_delivery(self._delivery(order, self.other), order, self.other)
        self.path = folder / "s.db"
        with Store(self.path, write=True) as store:
            specs = [*self.pack.specs, *self.other.specs]
            store.declare(self.study.name, "quick", "", specs)

    def _delivery(self, order, pack):
        return write_delivery(order, [made(spec) for spec in pack.specs], WORKER)

    def took(self, data):
        """Whether a delivery got in; then it was committed and read with what another sent."""
        try:
            told = read_delivery(data, self.order, self.pack)
        except DataError as error:
            assert len(str(error)) < 1000
            return False
        account = _Account("test")
        account.enter(told)
        account.enter(self.others)
        with Store(self.path, write=True) as store:
            for finished in account.settle():
                store.commit(finished.results, finished.provenance)
            table = store.table(self.study.name, "quick")
            documents = store.provenance(self.study.name, "quick")
            assert not store.verify().damaged
            store.forget(table["run_id"].tolist())
        self._check(data, told, table, documents)
        return True

    def _check(self, data, told, table, documents):
        """What is read is what was told, by a reading of its own."""
        head, blobs = parts(data)
        at = {run_id: i for i, run_id in enumerate(table["run_id"].tolist())}
        assert len(at) == len(told.results) + len(self.others.results)
        assert {spec.run_id for spec in self.other.specs} <= at.keys()
        first = 0
        for run in head.get("runs", []):
            for name, cell in json.loads(run["row"]).items():
                cell = float(cell["float"]) if cell in NOT_FINITE else cell
                read = table[name][at[run["run_id"]]]
                assert _same(read, cell), (name, read, cell)
            if run["bytes"]:
                arrays = decode_arrays(blobs[first : first + run["bytes"]])
                read = table.trajectories[run["run_id"]]
                assert read.keys() == arrays.keys()
                assert all(read[n].tobytes() == a.tobytes() for n, a in arrays.items())
            first += run["bytes"]
        said = head.get("provenance", {})
        assert not told.results or any(
            canonical({**said, **{k: d[k] for k in ("engine", "when")}}) == canonical(d)
            for d, _ in documents
        )


def _same(read, cell):
    """A cell as a column gives it: as it is, or as the nearest float where floats stand beside."""
    if cell is None:
        return read is None or np.isnan(read)
    if isinstance(cell, str):
        return str(read) == cell
    return read == cell or float(read) == float(cell) or (cell != cell and np.isnan(read))


@pytest.fixture
def sweep(tmp_path):
    return Sweep(tmp_path)


def told(sweep, lies, seed):
    draw = random.Random(seed)
    began, taken = time.perf_counter(), 0
    slowest = 0.0
    for _ in range(lies):
        data = lie(sweep.true, draw)
        at = time.perf_counter()
        taken += sweep.took(data)
        slowest = max(slowest, time.perf_counter() - at)
    print(  # noqa: T201
        f"{lies} lies: {lies - taken} refused, {taken} stored and read as told; "
        f"{time.perf_counter() - began:.1f} s, the slowest {slowest:.2f} s"
    )
    return taken


def test_the_truth_gets_in(sweep):
    assert sweep.took(sweep.true)


def test_lies_are_refused_or_stored_as_told(sweep):
    taken = told(sweep, 150, seed=1)
    assert 0 < taken < 75


@pytest.mark.slow
def test_a_thousand_lies_are_refused_or_stored_as_told(sweep):
    taken = told(sweep, 1000, seed=2)
    assert 0 < taken < 500


LIES = {
    "NaN in the provenance": ("head['provenance'].update(x=float('nan'))", "NaN"),
    "a list in the provenance": ("head['provenance'].update(x=[1])", "provenance.x"),
    "code in the provenance": (
        "head['provenance'].update(code='x')",
        "only the coordinator may set the code",
    ),
    "a provenance that is none": ("head.update(provenance=[])", "provenance"),
    "seconds of 400 digits": ("run.update(seconds=10**400)", "cannot be kept exactly"),
    "negative seconds": ("run.update(seconds=-1.0)", "seconds"),
    "true seconds": ("run.update(seconds=True)", "seconds"),
    "true bytes": ("run.update(bytes=True)", "bytes"),
    "negative bytes": ("run.update(bytes=-1)", "bytes"),
    "too many bytes": ("run.update(bytes=10**12)", "bytes"),
    "another status": ("run.update(status='failed')", "status"),
    "another field": ("run.update(more=1)", "more"),
    "a deep row": ("run.update(row='{\"a\":' + '[' * 200_000)", "deep"),
    "a long number": ("run.update(row='{\"a\":%d}' % 10**400)", "cannot be kept exactly"),
    "2**64": ("run.update(row='{\"a\":%d}' % 2**64)", "cannot be kept exactly"),
    "two cells": ('run.update(row=\'{"a":1,"a":2}\')', "twice"),
    "half a character": (r"""run.update(row='{"\\ud800":1}')""", "half a character"),
    "no row": ("run.update(row='[]')", "not a JSON object"),
    "a reserved column": ('run.update(row=\'{"run_id":"x"}\')', "already"),
    "a list in a cell": ("run.update(row='{\"a\":[1]}')", "list"),
    "no float": ('run.update(row=\'{"a":{"float":"x"}}\')', "dict"),
    "one run twice": ("head['runs'].append(run)", "not the ordered ones"),
    "another order": ("head.update(order='f' * 64)", "another order"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_named(sweep, name):
    change, said = LIES[name]
    head, blobs = parts(sweep.true)
    exec(change, {"head": head, "run": head["runs"][0]})
    with pytest.raises(DataError, match=said):
        read_delivery(sealed(json.dumps(head).encode(), blobs), sweep.order, sweep.pack)


@pytest.mark.parametrize(
    ("text", "length", "said"),
    [
        (b"[" * 200_000, None, "deep"),
        (b"[]", None, "not a JSON object"),
        (b"", None, "longer than the delivery"),
        (b"{}", 2**63, "longer than the delivery"),
        (b"{}", 3, "longer than the delivery"),
        (b'{"schema":' + b"9" * 100_000 + b"}", None, "cannot be kept exactly"),
        (b"\xff", None, "UTF-8"),
    ],
)
def test_a_header_that_is_none_is_refused(sweep, text, length, said):
    with pytest.raises(DataError, match=said):
        read_delivery(sealed(text, length=length), sweep.order, sweep.pack)


def test_what_is_no_bytes_is_refused(sweep):
    for data in (None, "x" * 100, 5, [b"x"]):
        with pytest.raises(DataError, match="bytes"):
            read_delivery(data, sweep.order, sweep.pack)


def test_a_negative_zero_of_seconds_is_stored_as_zero(sweep):
    head, blobs = parts(sweep.true)
    head["runs"][0]["seconds"] = -0.0
    assert sweep.took(sealed(json.dumps(head).encode(), blobs))


def test_numbers_at_the_ends_of_64_bits_are_kept_exactly(sweep):
    head, blobs = parts(sweep.true)
    for run, number in zip(head["runs"], (-(2**63), 2**64 - 1, 0), strict=True):
        run["row"] = f'{{"whole":{number}}}'
    data = sealed(json.dumps(head).encode(), blobs)
    rows = [result.row["whole"] for result in read_delivery(data, sweep.order, sweep.pack).results]
    assert rows == [-(2**63), 2**64 - 1, 0]
