"""Laws are compared on the same rows, and a group or a law that cannot be fitted is named."""

import json

import numpy as np
import pytest

from allometry.errors import DataError, UsageError
from allometry.fitting.compare import compare, document
from allometry.fitting.fit import fit
from allometry.tables.table import Table

XY = {"x": "x", "y": "y"}


def with_untrained(seed, untrained=8):
    """Sixteen rows of a power law with a floor, and rows at x = 0, where it has no value."""
    rng = np.random.default_rng(seed)
    x = np.geomspace(10, 80, 16)
    y = (0.1 + 4 * x**-0.5) * np.exp(0.03 * rng.normal(size=16))
    at_zero = 2.0 * np.exp(0.002 * rng.normal(size=8))
    return Table({"x": np.r_[np.zeros(untrained), x], "y": np.r_[at_zero[:untrained], y]})


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_one_law_cannot_use_are_left_out_for_all(seed):
    group, without = (
        compare(with_untrained(seed, n), XY, ["power_floor", "exponential"], backtest=False)[0]
        for n in (8, 0)
    )
    assert group.chosen == "power_floor"
    assert {n: s.weight for n, s in group.laws.items()} == {
        n: s.weight for n, s in without.laws.items()
    }
    assert [s.fit.rows for s in group.laws.values()] == [16, 16]
    assert (group.rows, group.left_out) == (16, 8)
    assert group.notes == (
        "8 of 24 rows were left out for every law: 8 x not positive (needed by power_floor)",
    )
    assert document([group])["groups"][0]["left_out"] == 8


def test_a_law_that_can_use_them_all_uses_them_all_alone():
    group = compare(with_untrained(0), XY, ["exponential"], backtest=False)[0]
    assert (group.rows, group.left_out, group.notes) == (24, 0, ())


def test_a_comparison_with_too_few_common_rows_is_refused():
    x = np.r_[np.zeros(10), 10.0, 20.0]
    table = Table({"x": x, "y": 0.3 + np.exp(-x / 10)})
    group = compare(table, XY, ["power", "exponential"], backtest=False)[0]
    assert group.laws["exponential"].fit is None  # two common rows for its three parameters
    assert "2 of 2 rows" in group.laws["exponential"].reason
    with pytest.raises(DataError, match="2 of 12 rows are left"):
        compare(table, XY, ["power_floor"], backtest=False)


def test_the_rows_of_a_law_that_is_not_fitted_do_not_matter():
    table = with_untrained(0).take(np.arange(10))  # eight rows at zero, two others
    group = compare(table, XY, ["exponential", "power_floor"], backtest=False)[0]
    assert "2 of 10 rows" in group.laws["power_floor"].reason
    assert (group.chosen, group.rows) == ("exponential", 10)


def test_every_law_is_scored_on_the_same_rows_set_aside():
    table = with_untrained(0)
    largest = table["x"] > 60
    table = Table(
        {**{c: table[c] for c in table.columns}, "fit": (~largest & (table["x"] > 0)) * 1}
    )
    group = compare(table, XY, ["power_floor", "exponential"], fit_where=["fit==1"])[0]
    assert np.isfinite([s.extrapolation_rmsle for s in group.laws.values()]).all()
    assert group.test_rows == 8 + largest.sum()
    assert group.notes == (
        f"8 of {group.test_rows} rows set aside were not scored: not every law can use them",
    )


def families(rows_of_second):
    x = np.geomspace(1e2, 1e5, 12)
    y = 3 * x**-0.3 * np.exp(0.01 * np.random.default_rng(0).normal(size=12))
    n = rows_of_second
    return Table(
        {"family": ["conv"] * 12 + ["mixer"] * n, "x": np.r_[x, x[:n]], "y": np.r_[y, y[:n]]}
    )


def test_a_short_group_is_named_and_does_not_stop_the_others():
    first, second = compare(families(1), XY, ["power", "power_floor"], by=["family"])
    assert first.chosen == "power" and not first.reason
    assert second.chosen is None and "family=mixer: law power has 2 parameters" in second.reason
    groups = document([first, second])["groups"]
    assert groups[1]["chosen"] is None and groups[1]["reason"] == second.reason
    with pytest.raises(UsageError, match="no rows to fit"):  # no group is left
        compare(families(1), XY, ["power"], by=["family"], fit_where=["x<1"])


ELO = Table(
    {
        "x": 1000.0 * 4.0 ** np.arange(7),
        "y": [-310.2, -214.8, -120.5, -21.9, 70.4, 168.7, 262.1],
    }
)


def test_rows_that_a_logarithm_cannot_take_are_counted_and_the_objective_that_can_is_named():
    group = compare(ELO, XY, ["log", "power"], objective="huber_log")[0]
    assert (group.rows, group.left_out) == (3, 4)
    assert group.notes[0] == "4 of 7 rows were left out for every law: 4 y not positive"
    assert any("squared fits y itself" in note for note in document([group])["notes"])
    with pytest.raises(DataError, match=r"4 y not positive.*objective squared fits y itself"):
        fit(ELO, "log", XY, where=["y<0"], objective="huber_log")
    made = fit(ELO, "log", XY, resamples=0, objective="huber_log")
    assert any("squared fits y itself" in note for note in made.notes)


def test_where_y_is_negative_the_default_takes_every_row():
    group = compare(ELO, XY, ["log", "power"])[0]
    assert (group.rows, group.left_out) == (7, 0) and group.objective == "squared"
    made = fit(ELO, "log", XY)
    assert made.rows == 7 and made.values["b"] == pytest.approx(-68.91, abs=0.01)
    assert made.objective.name == "squared" and "negative" in made.objective.reason


def test_additive_objectives_are_scored_in_units_of_y():
    group = compare(ELO, XY, ["log", "sigmoid"], objective="squared", hold_out=2, backtest=True)[0]
    log = group.laws["log"]
    assert (group.chosen, group.rows, group.test_rows) == ("log", 5, 2)
    line = np.polyfit(np.log(ELO["x"][:5]), ELO["y"][:5], 1)
    errors = np.polyval(line, np.log(ELO["x"][5:])) - ELO["y"][5:]
    assert log.extrapolation.rmse == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert np.isfinite(log.backtest.rmse) and np.isnan(log.backtest_rmsle)
    written = document([group])["groups"][0]
    assert written["measure"] == "rmse" and "extrapolation_rmse" in written["averaged"]
    assert group.predict({"x": ELO["x"]}) == pytest.approx(
        sum(s.weight * s.fit.predict({"x": ELO["x"]}) for s in group.laws.values())
    )
    negative = Table({"x": ELO["x"], "y": ELO["y"] - 500})
    assert compare(negative, XY, ["log"], objective="squared")[0].laws["log"].backtest.rmse < 10


def test_options_of_a_fit_are_options_of_a_comparison():
    rng = np.random.default_rng(0)
    x = np.geomspace(1e2, 1e5, 30)
    y = (0.4 + 3 * x**-0.4) * np.exp(0.01 * rng.normal(size=30))
    noise = np.where(np.arange(30) % 3, 0.01, 1.0)
    table = Table({"x": x, "y": np.where(noise == 1, 2 * y, y), "noise": noise, "w": noise**-2})
    laws = ["power", "power_floor"]
    for options in ({"noise": "noise"}, {"weights": "w"}, {"where": ["noise<1"]}):
        score = compare(table, XY, laws, backtest=False, delta=0.01, **options)[0].laws
        single = fit(table, "power_floor", XY, resamples=0, delta=0.01, **options)
        assert score["power_floor"].fit.values == pytest.approx(single.values)
        assert score["power_floor"].weight > 0.9
    held = compare(table, XY, laws, where=["noise<1"], fixed={"E": 0.3}, starts=16)[0].laws
    assert held["power_floor"].fit.values["E"] == pytest.approx(0.3)
    assert held["power_floor"].fit.certificate.starts == 16
    cut = compare(table, XY, laws, drop_largest={"x": 3}, backtest=False)[0]
    assert (cut.rows, cut.left_out) == (27, 0) and cut.laws["power"].fit.data["x"].max() == x[26]
    with pytest.raises(UsageError, match=r"has a parameter F.*they have A, alpha"):
        compare(table, XY, laws, fixed={"F": 1})


def test_tables_of_all_kinds_end_in_weights_and_plain_json_or_in_a_refusal():
    rng = np.random.default_rng(5)
    compared = 0
    for _ in range(20):
        n = int(rng.integers(2, 20))
        x = [np.geomspace(1, 1e4, n), np.arange(n) - 2.0, rng.lognormal(3, 2, n)][rng.integers(3)]
        y = rng.choice([0, 0.3, -1]) + (np.abs(x) + 1e-9) ** -rng.uniform(-1, 2)
        y[rng.integers(n)] = rng.choice([np.nan, 0, -1, np.inf, 2])
        names = list(rng.choice(["power_floor", "exponential", "log", "sigmoid", "m3"], 2, False))
        objective = rng.choice(["huber_log", "squared", "absolute_log"])
        try:
            groups = compare(
                {"x": x, "y": y}, XY, names, objective=objective, hold_out=n % 3, starts=4
            )
        except (DataError, UsageError):
            continue
        compared += 1
        json.dumps(document(groups), allow_nan=False)
        assert sum(s.weight for s in groups[0].laws.values()) == pytest.approx(1)
    assert compared > 7
