"""Packs in threads: all are made, one at a time is told of, none is waited for in vain."""

import threading
import time
from dataclasses import replace

import pytest

from allometry import studies
from allometry.engines.local import LocalEngine
from allometry.engines.threads import at_once, in_threads
from allometry.study import procedure_of
from allometry.training.procedure import Pack, Procedure
from tests.training.packing.test_calibration import RATES

PACKS = [Pack((i,)) for i in range(12)]


def number(pack):
    return pack.specs[0]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_pack_is_made_once_and_no_more_at_a_time_than_asked(threads):
    running, most, lock = 0, 0, threading.Lock()
    all_there = threading.Barrier(threads)

    def make(pack, tell):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if number(pack) < threads:  # the first ones wait until as many are there
            all_there.wait(timeout=10)
        with lock:
            running -= 1
        return number(pack)

    made = list(in_threads(PACKS, make, lambda n: None, lambda: False, threads))
    assert sorted(made) == list(range(12))
    assert most == threads


def test_units_of_work_are_told_one_thread_at_a_time():
    inside, total = 0, 0

    def advance(units):
        nonlocal inside, total
        inside += 1
        assert inside == 1
        time.sleep(0.0005)
        total += units
        inside -= 1

    def make(pack, tell):
        for _ in range(20):
            tell(3)

    list(in_threads(PACKS, make, advance, lambda: False, 4))
    assert total == 12 * 20 * 3


def test_asked_to_stop_it_finishes_what_it_has_started():
    started = []

    def make(pack, tell):
        started.append(number(pack))
        time.sleep(0.01)
        return number(pack)

    made = list(in_threads(PACKS, make, lambda n: None, lambda: len(started) >= 3, 2))
    assert sorted(made) == sorted(started) and 3 <= len(made) <= 4


def test_an_error_is_raised_and_leaves_no_thread_behind():
    def make(pack, tell):
        if number(pack) == 1:
            raise ValueError("no such thing")
        while True:  # until told that nobody waits
            time.sleep(0.001)
            tell(1)

    before = threading.active_count()
    with pytest.raises(ValueError, match="no such thing"):
        list(in_threads(PACKS, make, lambda n: None, lambda: False, 3))
    assert threading.active_count() == before


def test_one_who_stops_listening_leaves_no_thread_behind():
    def make(pack, tell):
        for _ in range(1000 if number(pack) else 1):
            time.sleep(0.001)
            tell(1)

    before = threading.active_count()
    results = in_threads(PACKS, make, lambda n: None, lambda: False, 3)
    next(results)
    results.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_as_many_as_get_most_done_but_never_more_than_packs(threads):
    machine = replace(RATES, threads=threads)
    assert at_once(PACKS, machine) == threads
    assert at_once(PACKS[:1], machine) == 1
    assert at_once(PACKS[:0], machine) == 0


def test_kernels_are_not_made_at_once():
    """Batches of matrices are solved, and two such programs at once never ended."""
    study = studies.study("ntk_depth")
    procedure = procedure_of(study)
    assert not procedure.concurrent(procedure.packs(study.specs("quick", seeds=2)))


def test_packs_of_a_procedure_that_says_nothing_go_one_after_another(monkeypatch):
    # When packs are made is looked at here, not what is made.
    monkeypatch.setattr("allometry.engines.local.sorted_out", lambda made, specs: ([], ()))
    inside, most, expected = 0, 0, 1
    all_there = threading.Barrier(at_once(PACKS))

    class Quiet(Procedure):
        def packs(self, specs):
            return PACKS

        def run(self, pack, measures, trajectory, advance, checkpoints=None):
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            if expected > 1 and number(pack) < expected:
                all_there.wait(timeout=10)
            inside -= 1
            return []

    class Loud(Quiet):
        def concurrent(self, packs):
            return True

    study = studies.study("mlp_parameter_scaling")
    for procedure, expected in ((Quiet(), 1), (Loud(), at_once(PACKS))):
        most = 0
        mine = replace(study, procedure=procedure)
        list(LocalEngine().run(PACKS, mine, lambda n: None, lambda: False))
        assert most == expected
