"""Profiles, influence and saved fits solve the problem that the fit solved."""

import json

import numpy as np
import pytest

from allometry import laws
from allometry.errors import DataError, UsageError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.fitting.influence import influence, influence_on
from allometry.fitting.multiverse import multiverse
from allometry.fitting.profile import of_fit
from allometry.fitting.published import check
from allometry.tables.table import Table

XY = {"x": "x", "y": "y"}


def runs(rows=24, seed=0):
    """A power law with a floor; a column of weights, one of groups, some rows too large."""
    rng = np.random.default_rng(seed)
    x = np.geomspace(1e2, 1e6, rows)
    y = (0.4 + 20 * x**-0.4) * np.exp(0.02 * rng.normal(size=rows))
    return Table({"x": x, "y": y, "w": rng.uniform(0.2, 3.0, rows), "g": np.arange(rows) % 4})


CHOICES = {
    "plain": {},
    "weights": {"weights": "w"},
    "fixed": {"fixed": {"E": 0.35}},
    "conditions": {"where": ("x<=3e5",), "drop_largest": {"y": 1}},
    "all": {"weights": "w", "fixed": {"E": 0.35}, "where": ("x<=3e5",)},
}


@pytest.mark.parametrize("options", CHOICES.values(), ids=CHOICES)
def test_a_row_left_out_gives_what_a_fit_without_it_gives(options):
    table, options = runs(), {"objective": "squared_log", **options}
    changes = influence(table, "power_floor", XY, resamples=50, **options)
    whole = fit(table, "power_floor", XY, resamples=0, **options)
    assert len(changes) == whole.rows and changes["converged"].all()
    for row in (0, 1, len(changes) - 1):
        left_out = int(changes["left_out"][row])
        rest = table.take(np.arange(len(table)) != left_out - 1)
        if "drop_largest" in options:  # the largest of the rest is another row
            rest = rest.take(rest["y"] < table["y"].max())
        again = fit(rest, "power_floor", XY, resamples=0, **{**options, "drop_largest": None})
        for name, value in again.values.items():
            assert changes[name][row] == pytest.approx(value, rel=1e-5), name


def test_a_group_left_out_is_left_out_whole_and_with_its_weights():
    table = runs()
    changes = influence(table, "power_floor", XY, leave_out="g", weights="w", delta=0.05)
    assert sorted(changes["left_out"]) == [0, 1, 2, 3]
    rest = table.take(table["g"] != changes["left_out"][0])
    again = fit(rest, "power_floor", XY, weights="w", delta=0.05, resamples=0)
    assert changes["alpha"][0] == pytest.approx(again.values["alpha"], rel=1e-5)
    with pytest.raises(UsageError, match="only one value"):
        influence(table.with_columns(g=np.zeros(24)), "power_floor", XY, leave_out="g")


def test_influence_on_a_law_with_its_companion_is_refused():
    rng = np.random.default_rng(0)
    n, d = 10 ** rng.uniform(7, 9, 12), 10 ** rng.uniform(9, 11, 12)
    table = Table({"n": n, "d": d, "lr": 2 * n**-0.7 * d**0.3, "bs": 0.6 * d**0.57})
    both = fit(table, laws.lr_batch, N="n", D="d", lr="lr", batch="bs", resamples=5)
    with pytest.raises(UsageError, match="fitted together with a second law"):
        influence_on(both)


@pytest.mark.parametrize("options", CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize("objective", ["huber_log", "squared_log", "absolute_log"])
def test_a_saved_fit_has_the_same_problem(options, objective):
    whole = fit(runs(), "power_floor", XY, resamples=50, objective=objective, **options)
    saved = Fit.from_json(whole.to_json())
    assert saved == whole
    problem, again = whole.problem, saved.problem
    assert again.law is problem.law and again.objective == problem.objective
    assert again.fixed == problem.fixed == options.get("fixed", {})
    assert np.array_equal(again.rows.y, problem.rows.y)
    assert np.array_equal(again.rows.weights, problem.rows.weights)
    assert np.array_equal(again.rows.kept, problem.rows.kept)
    assert np.array_equal(again.rows.sizes["x"], problem.rows.sizes["x"])
    assert again.total(saved.values) == problem.total(whole.values) == whole.objective.value
    for profile, same in zip(of_fit(whole).values(), of_fit(saved).values(), strict=True):
        assert np.array_equal(profile.statistic, same.statistic)
        assert (profile.low, profile.high) == (same.low, same.high)
    first, second = influence_on(whole), influence_on(saved)
    for column in first.columns:
        assert np.allclose(first[column], second[column], rtol=1e-6), column


def test_a_profile_knows_the_weights_and_what_is_fixed():
    table = runs()
    heavy = np.where(np.arange(24) % 3 == 0, 2.0, 1.0)
    twice = table.take(np.repeat(np.arange(24), heavy.astype(int)))
    options = {"objective": "squared_log", "fixed": {"E": 0.35}, "resamples": 0}
    weighted = of_fit(fit(table.with_columns(w=heavy), "power_floor", XY, weights="w", **options))
    doubled = of_fit(fit(twice, "power_floor", XY, **options))
    assert weighted.keys() == doubled.keys() == {"A", "alpha"}
    middle = [np.sqrt(p["alpha"].low * p["alpha"].high) for p in (weighted, doubled)]
    assert middle[0] == pytest.approx(middle[1], rel=1e-3)  # 32 rows are surer than 24


def test_a_multiverse_shares_weights_and_fixed_parameters():
    table = runs()
    rows = multiverse(table, "power_floor", XY, weights="w", fixed={"E": 0.35}, resamples=0)
    assert set(rows["E"]) == {0.35}
    alone = fit(
        table, "power_floor", XY, weights="w", fixed={"E": 0.35}, resamples=0, objective="huber_log"
    )
    assert rows["alpha"][0] == alone.values["alpha"]


def test_published_values_are_judged_by_the_weighted_rows():
    judged = check(runs(), "power_floor", XY, {"E": 0.4, "A": 20.0, "alpha": 0.4}, weights="w")
    assert judged.objective == judged.best.problem.total({"E": 0.4, "A": 20.0, "alpha": 0.4})
    assert judged.excess > 0 and judged.status.code == "not_at_optimum"
    with pytest.raises(UsageError, match="needs a value of A"):
        check(runs(), "power_floor", XY, {"E": 0.4, "alpha": 0.4})


@pytest.mark.parametrize(
    ("word", "other"),
    [("identified", "certain"), ("fractional", "magic"), ("converged", "fine"),
     ("huber_log", "huber")],
)  # fmt: skip
def test_a_word_that_is_no_choice_is_refused_in_a_document(word, other):
    made = fit(runs(), "power_floor", XY, resamples=50, objective="huber_log",
               interval="fractional")  # fmt: skip
    text = json.dumps(made.to_document())  # without a seal, which would refuse any change
    assert f'"{word}"' in text
    with pytest.raises(DataError, match=other):
        Fit.from_json(text.replace(f'"{word}"', f'"{other}"', 1))
