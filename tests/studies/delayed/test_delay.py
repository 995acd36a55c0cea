"""Times, phases and edges of courses made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from allometry.errors import DataError
from allometry.stats.interval import Interval
from allometry.stats.means import mean, mean_logarithm
from allometry.studies.delayed.delay import (
    DelayedRun,
    after,
    at,
    edges_of,
    finished,
    in_words,
    law_by_seed,
    phase,
    reached,
    times_of,
)
from allometry.tables.table import Table

NEVER = float("nan")


def course(t_train: float, t_test: float, **row: float) -> DelayedRun:
    return DelayedRun(row, np.array([0.0, 10.0]), {}, t_train, t_test)


@given(rate=st.floats(0.05, 0.5), bound=st.floats(0.1, 0.9))
def test_a_time_is_that_of_a_line_in_log_time_between_points(rate: float, bound: float) -> None:
    step = np.arange(0.0, 100_001, 100)
    line = rate * np.log1p(step)
    found = reached(step, line, bound)
    assert found == pytest.approx(np.expm1(bound / rate), rel=1e-9) or np.isnan(found)
    assert np.isnan(found) == (line.max() < bound)


def test_the_first_time_counts_and_none_is_made_up() -> None:
    step = np.array([0.0, 9.0, 99.0, 999.0])
    assert reached(step, np.array([0.2, 1.0, 0.1, 1.0]), 0.6) == pytest.approx(np.sqrt(10) - 1)
    assert reached(step, np.array([0.9, 1.0, 1.0, 1.0]), 0.6) == 0
    assert np.isnan(reached(step, np.array([0.2, 0.3, 0.4, 0.5]), 0.6))


@pytest.mark.parametrize(
    ("t_train", "t_test", "expected"),
    [(100, 1099, "C"), (100, 1100, "G"), (500, 20, "C"), (100, NEVER, "M"), (NEVER, 5, "X")],
)
def test_phases_are_those_of_table_one(t_train: float, t_test: float, expected: str) -> None:
    assert phase(t_train, t_test) == expected
    assert course(t_train, t_test).phase == expected


def test_edges_lie_between_the_last_that_fails_and_the_next_that_does_not() -> None:
    times = {0.3: NEVER, 0.35: 5000.0, 0.4: NEVER, 0.5: 900.0, 0.8: 200.0}
    found = [course(10, t, seed=0, fraction=f) for f, t in times.items()]
    found += [course(10, 100, seed=1, fraction=f) for f in times]
    found += [course(10, NEVER, seed=2, fraction=f) for f in times]
    assert edges_of(found, "fraction") == [(0.4, 0.5)]


def test_a_power_law_comes_back_for_each_seed_that_has_three_points() -> None:
    found = [
        course(1, 750 * k / decay, seed=k, weight_decay=decay)
        for k in (1, 2)
        for decay in (0.03, 0.1, 0.3, 1.0)
    ]
    found += [course(1, 5, seed=3, weight_decay=0.1), course(1, NEVER, seed=3, weight_decay=1.0)]
    laws = law_by_seed(found, "weight_decay")
    assert sorted(laws) == [1, 2]
    for seed, law in laws.items():
        assert law.slope == pytest.approx(-1)
        assert 10**law.intercept == pytest.approx(750 * seed)


def test_means_have_students_intervals() -> None:
    values = [0.9, 0.95, 1.0, NEVER]
    low, high = stats.t.interval(0.95, 2, 0.95, stats.sem(values[:3]))
    assert tuple(mean(values)) == pytest.approx((0.95, low, high))
    assert mean_logarithm([1.0, 100.0]).value == pytest.approx(10)
    assert np.isnan(mean([])).all()
    assert np.isnan(mean([1.0])[1:]).all()


def test_words_hold_no_nan_and_no_powers_of_ten() -> None:
    nothing = Interval(NEVER, NEVER, NEVER)
    assert in_words(nothing) == "not known"
    assert in_words(Interval(18_180.4, NEVER, NEVER)) == "18,200"
    assert in_words(Interval(930.0, -160.0, 2_020.0), 2) == "930 [-160, 2,000]"
    assert in_words(Interval(0.6, 0.51234, 0.7), unit="nats") == "0.6 [0.512, 0.7] nats"


def test_what_was_not_reached_is_said_with_its_budget() -> None:
    found = [course(1, time) for time in (300.0, NEVER)]
    made = f"within {found[0].step[-1]:,.0f} updates"
    assert after(mean([found[0].t_test]), found) == f"after 300 updates (1 of 2 not {made})"
    assert after(mean([NEVER]), found[1:]) == f"not {made}"


def made(**changes: object) -> Table:
    row = {"run_id": "a", "seed": 0, "status": "done", "steps": 500, "epochs": 100, "x": 2.0}
    along = {
        "epoch": np.array([0, 50, 100]),
        "train_accuracy": np.array([0.1, 0.9, 1.0]),
        "test_accuracy": np.array([0.1, 0.2, 0.9]),
    }
    found = Table.from_rows([{**row, **changes}])
    return Table({name: found[name] for name in found.columns}, {"a": along})


def test_courses_are_in_updates_and_give_their_times() -> None:
    (found,) = finished(made(), 0.9)
    assert found.step.tolist() == [0, 250, 500]
    assert (found.t_train, found.t_test, found.lag) == pytest.approx((250, 500, 250))
    assert at(found, "test_accuracy", 375) == pytest.approx(0.55)
    assert np.isnan(at(found, "test_accuracy", NEVER))
    (row,) = times_of([found], ("x",))
    assert row == pytest.approx(
        {"seed": 0, "x": 2.0, "t_train": 250, "t_test": 500, "lag": 250, "phase": "C"}
    )


def test_tables_that_hold_no_courses_are_refused() -> None:
    table = made()
    with pytest.raises(DataError, match="without trajectories"):
        finished(Table({name: table[name] for name in table.columns}), 0.9)
    with pytest.raises(DataError, match="no finished run"):
        finished(made(status="diverged"), 0.9)
