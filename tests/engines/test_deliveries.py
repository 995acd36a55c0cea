"""A delivery keeps every bit, and nothing that was altered gets in."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest

from allometry.engines import Failure
from allometry.engines.deliveries import fail, read_delivery, write_delivery
from allometry.engines.orders import Orders
from allometry.engines.work import work
from allometry.errors import DataError, UsageError
from allometry.store.record import records
from allometry.training.procedure import Pack
from allometry.training.result import RunFailure
from tests.engines.cases import packs
from tests.engines.imagined import made
from tests.engines.lies import parts, sealed

DAMAGES = 1000  # altered deliveries, each of which must be refused


@pytest.fixture(scope="module")
def sent():
    mine, all_packs = packs()
    pack = all_packs[0]
    order = Orders(mine).write(pack)
    return order, pack, write_delivery(order, [made(s) for s in pack.specs], {"device": "none"})


def test_what_comes_out_is_stored_as_what_went_in(sent):
    order, pack, data = sent
    read = read_delivery(data, order, pack)
    assert read.failures == () and read.provenance == {"device": "none"}
    before = records([made(spec) for spec in pack.specs], "p", "now")
    assert records(read.results, "p", "now") == before


def test_numbers_that_are_not_finite_and_every_dtype_survive():
    mine, all_packs = packs()
    seventh = Pack(tuple(s for s in all_packs[2].specs if s.width == 7))
    order = Orders(mine).write(seventh)
    (result,) = read_delivery(work(order), order, seventh).results
    assert result.status == "diverged" and np.isnan(result.row["test_loss"])
    assert result.trajectories["loss"].dtype == np.float32
    np.testing.assert_array_equal(
        result.trajectories["loss"], made(seventh.specs[0]).trajectories["loss"]
    )


def test_a_failure_comes_with_its_reason_and_log(sent):
    order, pack, _ = sent
    read = read_delivery(fail(order, "ValueError: no", "line\n"), order, pack)
    (failure,) = read.failures
    assert read.results == ()
    assert (failure.reason, failure.log) == ("ValueError: no", "line\n")
    assert failure.run_ids == tuple(s.run_id for s in pack.specs)


def test_failures_of_single_runs_come_beside_the_results_of_the_others(sent):
    order, pack, _ = sent
    results = [made(spec) for spec in pack.specs]
    lost = RunFailure(pack.specs[1], "ValueError: no", "line\n")
    unfit = replace(results[2], row={"x": object()})
    data = write_delivery(order, [results[0], lost, unfit, *results[3:]], {"device": "none"})
    read = read_delivery(data, order, pack)
    assert [r.spec.run_id for r in read.results] == [
        spec.run_id for i, spec in enumerate(pack.specs) if i not in (1, 2)
    ]
    first, second = read.failures
    assert first == Failure((pack.specs[1].run_id,), "ValueError: no", "line\n")
    assert second.run_ids == (pack.specs[2].run_id,) and "column 'x'" in second.reason


@pytest.mark.parametrize("change", ["drop", "twice", "foreign", "of a result"])
def test_failures_of_other_runs_than_ordered_are_refused(sent, change):
    order, pack, _ = sent
    first, *others = [made(spec) for spec in pack.specs]
    head, blobs = parts(write_delivery(order, [RunFailure(first.spec, "no"), *others], {}))
    failed = head["failed"]
    head["failed"] = {
        "drop": [],
        "twice": [*failed, *failed],
        "foreign": [{**failed[0], "run_id": "f" * 64}],
        "of a result": [*failed, {**failed[0], "run_id": others[0].spec.run_id}],
    }[change]
    with pytest.raises(DataError, match="its runs are not the ordered ones"):
        read_delivery(sealed(json.dumps(head).encode(), blobs), order, pack)


def test_any_damaged_delivery_is_refused(sent):
    """Flipped bits, cuts, additions and swaps at random places."""
    order, pack, data = sent
    draw = random.Random(2026)
    for _ in range(DAMAGES):
        altered = bytearray(data)
        match draw.randrange(4):
            case 0:
                altered[draw.randrange(len(altered))] ^= 1 << draw.randrange(8)
            case 1:
                del altered[draw.randrange(len(altered)) :]
            case 2:
                altered += draw.randbytes(draw.randrange(1, 50))
            case 3:
                at = draw.randrange(len(altered) - 1)
                altered[at:at] = draw.randbytes(1)
        with pytest.raises(DataError):
            read_delivery(bytes(altered), order, pack)


def test_another_orders_delivery_is_refused(sent):
    _, _, data = sent
    mine, all_packs = packs()
    other = all_packs[1]
    with pytest.raises(DataError, match="another order"):
        read_delivery(data, Orders(mine).write(other), other)


@pytest.mark.parametrize("change", ["swap", "drop", "twice"])
def test_other_runs_than_ordered_are_refused(sent, change):
    order, pack, data = sent
    head, blobs = parts(data)
    runs = head["runs"]
    head["runs"] = {
        "swap": [runs[1], runs[0], *runs[2:]],
        "drop": runs[:-1],
        "twice": [*runs[:-1], runs[0]],
    }[change]
    with pytest.raises(DataError, match="its runs are not the ordered ones"):
        read_delivery(sealed(json.dumps(head).encode(), blobs), order, pack)


def test_a_failure_by_an_error_for_people_has_no_traceback_beside_its_sentence():
    spec = packs()[1][0].specs[0]
    assert RunFailure.of(spec, UsageError("columns expected")).log == ""
    assert "ValueError: no" in RunFailure.of(spec, ValueError("no")).log
