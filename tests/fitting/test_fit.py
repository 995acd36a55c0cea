"""The fitter: known answers, another way to the same answer, and what it must refuse."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allometry import laws
from allometry.errors import DataError, UsageError
from allometry.figures.fits import draw_fit
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.report.fit_in_words import estimate_rows
from allometry.tables.table import Table

N19 = np.geomspace(100, 1e5, 19).round()


def sweep(noise=0.05, seed=0, floor=0.0):
    rng = np.random.default_rng(seed)
    n = np.repeat(N19, 5)
    loss = (3 * n**-0.35 + floor) * np.exp(noise * rng.normal(size=len(n)))
    return Table({"n_params": n, "seed": np.tile(np.arange(5), 19), "test_loss": loss})


XY = {"x": "n_params", "y": "test_loss"}


def test_power_by_squares_is_ordinary_least_squares():
    table = sweep()
    slope, intercept = np.polyfit(np.log(table["n_params"]), np.log(table["test_loss"]), 1)
    found = fit(table, "power", XY, objective="squared_log", resamples=0).values
    assert found["alpha"] == pytest.approx(-slope, rel=1e-12)
    assert found["A"] == pytest.approx(np.exp(intercept), rel=1e-12)


def test_log_by_squares_is_ordinary_least_squares():
    table = sweep()
    slope, intercept = np.polyfit(np.log(table["n_params"]), table["test_loss"], 1)
    found = fit(table, "log", XY, objective="squared", resamples=0).values
    assert found["b"] == pytest.approx(-slope, rel=1e-11)
    assert found["a"] == pytest.approx(intercept, rel=1e-11)


def test_resamples_of_a_linear_fit_are_weighted_least_squares():
    table = sweep()
    made = fit(table, "power", XY, objective="squared_log", resamples=200, cluster="n_params",
               interval="pairs")  # fmt: skip
    x, y = np.log(table["n_params"]), np.log(table["test_loss"])
    rng = np.random.default_rng(0)
    counts = rng.multinomial(19, np.full(19, 1 / 19), size=200)[:, np.repeat(np.arange(19), 5)]
    for k in (0, 7, 199):
        slope = np.polyfit(x, y, 1, w=np.sqrt(counts[k]))[0]
        assert made.draws["alpha"][k] == pytest.approx(-slope, rel=1e-8)


@settings(max_examples=20, deadline=None)
@given(alpha=st.floats(0.1, 1.0), floor=st.floats(0.05, 1.0), scale=st.floats(0.5, 50))
def test_noiseless_power_with_floor_is_recovered(alpha, floor, scale):
    y = floor + scale * N19**-alpha
    found = fit(Table({"x": N19, "y": y}), "power_floor", {"x": "x", "y": "y"}, resamples=0)
    assert found.values["alpha"] == pytest.approx(alpha, rel=1e-4)
    assert found.values["E"] == pytest.approx(floor, rel=1e-3)


@pytest.mark.parametrize("law", ["power", "power_floor", "log", "exponential"])
@pytest.mark.parametrize("objective", ["huber_log", "squared_log", "squared"])
def test_no_nudge_of_any_parameter_does_better(law, objective):
    table = sweep(floor=0.1)
    made = fit(table, law, XY, objective=objective, resamples=0)
    from allometry.fitting import objectives

    aim = objectives.named(objective)
    form, sizes, y = laws.named(law), {"x": table["n_params"]}, table["test_loss"]
    for name in form.names:
        for factor in (0.999, 0.9999, 1.0001, 1.001):
            values = {**made.values, name: made.values[name] * factor}
            worse = aim.total(aim.residuals(y, form.evaluate(values, sizes)[0]))
            assert not worse < made.objective.value * (1 - 1e-9)


def test_the_document_round_trips():
    made = fit(sweep(floor=0.1), "power_floor", XY, resamples=200, cluster=("n_params", "seed"))
    back = Fit.from_json(made.to_json())
    assert back == made
    at = {"x": [1e6, 1e7]}
    assert np.array_equal(back.predict(at), made.predict(at))
    assert np.array_equal(back.predict_interval(at), made.predict_interval(at))
    document = json.loads(made.to_json())
    assert document["schema"] == "allometry/fit/2"
    assert {
        "law",
        "formula",
        "rows",
        "dropped",
        "objective",
        "parameters",
        "derived",
        "status",
        "certificate",
        "interval",
        "seconds",
        "data_hash",
    } <= set(document)


def test_same_seed_same_fit_and_the_hash_names_the_data():
    first, second = (fit(sweep(), "power", XY, resamples=100) for _ in range(2))
    assert first == second and np.array_equal(first.draws["A"], second.draws["A"])
    assert fit(sweep(seed=1), "power", XY, resamples=0).data_hash != first.data_hash


def test_every_dropped_row_is_named_with_its_rule():
    table = Table({"x": [1.0, 2, 4, -8, 16, 32, 64], "y": [9.0, 8, float("nan"), 6, 5, 4, 3]})
    made = fit(
        table, "power", {"x": "x", "y": "y"}, resamples=0, drop_largest={"y": 1}, where=["x<=32"]
    )
    assert made.rows == 3
    assert made.dropped == [
        (7, "outside x<=32"),
        (3, "y missing or not finite"),
        (4, "x not positive"),
        (1, "among the 1 largest y"),
    ]


def test_a_constant_size_and_a_copied_size_are_refused():
    y = np.linspace(3, 2, 6)
    with pytest.raises(DataError, match="constant"):
        fit(Table({"x": np.ones(6), "y": y}), "power", {"x": "x", "y": "y"})
    n = np.geomspace(1, 10, 6)
    with pytest.raises(DataError, match="same numbers"):
        fit(Table({"n": n, "d": n, "l": y}), "chinchilla", {"N": "n", "D": "d", "L": "l"})


def test_too_few_rows_unknown_law_and_wrong_symbols_are_refused():
    table = Table({"x": [1.0, 2], "y": [2.0, 1]})
    with pytest.raises(DataError, match="3 parameters"):
        fit(table, "power_floor", {"x": "x", "y": "y"})
    with pytest.raises(UsageError, match="no law 'powr'"):
        fit(table, "powr", {"x": "x", "y": "y"})
    with pytest.raises(UsageError, match="missing y"):
        fit(table, "power", {"x": "x"})


def test_text_in_a_mapped_column_names_row_and_column():
    table = Table({"x": ["1", "2", "oops"], "y": [1.0, 2.0, 3.0]})
    with pytest.raises(DataError, match="row 1, column 'x'"):
        fit(table, "power", {"x": "x", "y": "y"})


def test_a_floor_the_data_cannot_see_is_an_upper_bound_only():
    made = fit(sweep(noise=0.02), "power_floor", XY, resamples=300)
    assert made.parameters["E"].verdict == "upper_bound_only"
    assert made.status.code in ("not_identified", "bound_active")


def test_as_many_rows_as_parameters_are_no_evidence():
    made = fit(Table({"x": [1.0, 2.0], "y": [3.0, 1.0]}), "power", {"x": "x", "y": "y"})
    assert made.status.code == "no_spare_rows" and "Add rows" in made.status.advice
    assert {e.verdict for e in made.parameters.values()} == {"no_interval"}
    more = fit(Table({"x": [1.0, 2, 4], "y": [3.0, 1, 0.4]}), "power", {"x": "x", "y": "y"})
    assert more.status.code == "not_identified"  # one row more than parameters: t is wide


def test_a_law_too_rich_for_the_data_says_that_its_resamples_did_not_converge():
    x = np.geomspace(1e2, 1e6, 40)
    bent = (0.5 + 8 * x**-0.3) * (1 + (x / 3e3) ** 2) ** -0.1
    y = bent * np.exp(0.01 * np.random.default_rng(0).normal(size=40))
    made = fit(Table({"x": x, "y": y}), "bnsl2", {"x": "x", "y": "y"}, resamples=50, starts=40)
    assert made.interval.converged < 0.99 and made.status.code != "converged"
    assert "50 resamples did not converge" in made.status.advice


def test_a_picture_has_curve_band_and_points():
    made = fit(sweep(floor=0.1), "power_floor", XY, resamples=100)
    from matplotlib.figure import Figure

    left, right = Figure().subplots(1, 2)
    ax = draw_fit(made, left, right)
    assert ax.get_xscale() == "log" and len(ax.lines) == 2 and len(ax.collections) == 1
    assert len(right.lines) == 2


def test_a_pinned_floor_stays_and_the_rest_is_refitted():
    table, huber = sweep(floor=0.1), {"objective": "huber_log"}
    free = fit(table, "power_floor", XY, resamples=0, **huber)
    same = fit(table, "power_floor", XY, fixed={"E": free.values["E"]}, resamples=100, **huber)
    assert same.values == pytest.approx(free.values, rel=1e-6)
    assert same.parameters["E"].verdict == "fixed"
    other = fit(table, "power_floor", XY, fixed={"E": 0.05}, resamples=0, **huber)
    assert other.values["E"] == 0.05
    assert other.objective.value > free.objective.value
    with pytest.raises(UsageError, match="no parameter F"):
        fit(table, "power_floor", XY, fixed={"F": 1.0})


def test_a_weight_of_two_is_a_row_twice():
    table = sweep(floor=0.3)
    heavy = np.where(np.arange(len(table)) % 3 == 0, 2.0, 1.0)
    twice = table.take(np.repeat(np.arange(len(table)), heavy.astype(int)))
    weighted = fit(
        table.with_columns(w=heavy),
        "power_floor",
        XY,
        weights="w",
        resamples=0,
        objective="huber_log",
    )
    assert weighted.values == pytest.approx(
        fit(twice, "power_floor", XY, resamples=0, objective="huber_log").values, rel=1e-6
    )
    noisy = table.with_columns(s=table["test_loss"] / np.sqrt(heavy))
    assert fit(
        noisy, "power_floor", XY, noise="s", resamples=0, objective="huber_log"
    ).values == pytest.approx(weighted.values, rel=1e-9)


def test_learning_rate_and_batch_are_told_as_one_fit():
    rng = np.random.default_rng(0)
    n, d = 10 ** rng.uniform(7, 9, 30), 10 ** rng.uniform(9, 11, 30)
    table = Table({"n": n, "d": d, "lr": 2 * n**-0.7 * d**0.3, "bs": 0.6 * d**0.57})
    columns = {"N": "n", "D": "d", "lr": "lr", "batch": "bs"}
    made = fit(table, "lr_batch", columns, resamples=50)
    assert made.values == pytest.approx(
        {"c": 2, "a": -0.7, "b": 0.3, "e": 0.6, "g": 0.57}, rel=1e-6
    )
    assert Fit.from_json(made.to_json()) == made
    meanings = {row.name: row.meaning for row in estimate_rows(made)}
    assert meanings["e"] == "best batch size at D = 1"
    assert meanings["g"] == "exponent of D in the best batch size"
    assert set(
        fit(table, "lr_batch", {k: columns[k] for k in ("N", "D", "lr")}, resamples=0).values
    ) == {"c", "a", "b"}


def test_compute_stands_in_for_data_and_says_so():
    n = np.geomspace(1e6, 1e9, 20)
    d = np.geomspace(1e9, 1e10, 20)[np.random.default_rng(0).permutation(20)]
    loss = 1.7 + 400 * n**-0.34 + 400 * d**-0.28
    table = Table({"n": n, "d": d, "c": 6 * n * d, "l": loss})
    by_d = fit(table, "chinchilla", {"N": "n", "D": "d", "L": "l"}, resamples=0)
    by_c = fit(table, "chinchilla", {"N": "n", "C": "c", "L": "l"}, resamples=0)
    assert by_c.values == pytest.approx(by_d.values, rel=1e-4)
    assert by_c.notes == ("D was computed as C / (6 N)",)


def test_numbers_beyond_reason_are_refused_by_row():
    with pytest.raises(DataError, match=r"row 2, column 'x'.*1e\+80"):
        fit(Table({"x": [1, 1e80, 3], "y": [3.0, 2, 1]}), "power", {"x": "x", "y": "y"})


def test_a_loaded_document_that_is_damaged_is_refused():
    for text in ("", "[]", "{}", '{"schema": "allometry/fit/1"}', '{"schema": "other/1"}'):
        with pytest.raises(DataError):
            Fit.from_json(text)


def test_pictures_of_profile_basins_and_held_out_rows():
    from allometry.figures.fits import draw_basins, draw_held_out, draw_profile
    from allometry.fitting.profile import of_fit

    made = fit(sweep(floor=0.1), "power_floor", XY, resamples=100)
    walked = of_fit(made)["alpha"]
    assert len(draw_profile(walked).lines[0].get_xdata()) == len(walked.values)
    assert len(draw_basins(made.endings).lines[0].get_ydata()) == made.certificate.starts
    far = np.geomspace(1e6, 1e7, 5)
    ax = draw_held_out(made, {"x": far}, 0.1 + 3 * far**-0.35)
    assert ax.get_xlabel() == "predicted" and len(ax.collections) == 1
    with pytest.raises(UsageError, match="got 5 and 2"):
        draw_held_out(made, {"x": far}, [1.0, 2.0])


def relative_noise():
    """Case 08: error = 30 n^-0.35 with 6% noise, and its standard deviation in units of error."""
    return Table(
        {
            "samples": [
                1000,
                2154,
                4641,
                10000,
                21544,
                46415,
                100000,
                215443,
                464158,
                1000000,
                2154434,
                4641588,
                10000000,
                21544346,
                46415888,
                100000000,
            ],
            "error": [
                2.674,
                2.0808,
                1.5369,
                1.1322,
                0.8884,
                0.65758,
                0.53541,
                0.44195,
                0.30266,
                0.22959,
                0.18759,
                0.14226,
                0.10712,
                0.07695,
                0.062091,
                0.049572,
            ],
            "error_sd": [
                0.16,
                0.123,
                0.0937,
                0.0717,
                0.0548,
                0.0419,
                0.032,
                0.0245,
                0.0187,
                0.0143,
                0.0109,
                0.00835,
                0.00639,
                0.00488,
                0.00373,
                0.00285,
            ],
        }
    )


def test_noise_is_in_units_of_y_so_equal_relative_noise_changes_nothing_in_logs():
    table = relative_noise()
    made = fit(
        table, "power", {"x": "samples", "y": "error"},
        objective="squared_log", noise="error_sd", resamples=0,
    )  # fmt: skip
    relative = table["error_sd"] / table["error"]
    x, y = np.log(table["samples"]), np.log(table["error"])
    slope, _ = np.polyfit(x, y, 1, w=1 / relative)  # weighted least squares in logs
    assert made.values["alpha"] == pytest.approx(-slope, rel=1e-9)
    assert made.values["alpha"] == pytest.approx(0.3480, abs=5e-5)


def test_noise_weighs_as_curve_fit_does_with_its_sigma():
    from scipy.optimize import curve_fit

    table = relative_noise()
    sigma = table["error_sd"]
    made = fit(
        table, "power", {"x": "samples", "y": "error"},
        objective="squared", noise="error_sd", resamples=0,
    )  # fmt: skip
    (a, alpha), _ = curve_fit(
        lambda x, a, alpha: a * x**-alpha,
        table["samples"].astype(float), table["error"], p0=(30, 0.35), sigma=sigma,
    )  # fmt: skip
    assert made.values["alpha"] == pytest.approx(alpha, rel=1e-4)
    assert made.values["A"] == pytest.approx(a, rel=1e-3)


def test_a_saved_fit_without_intervals_is_equal_to_the_fit():
    made = fit(sweep(), "power", XY, resamples=0)
    assert Fit.from_json(made.to_json()) == made


def test_a_document_with_too_few_rows_of_data_is_refused():
    document = fit(sweep(), "power", XY, resamples=0).to_document()
    document["data"] = {**document["data"], "x": document["data"]["x"][:3]}
    with pytest.raises(DataError, match="every column must have 95 rows"):
        Fit.from_json(json.dumps(document))


def test_raw_parameters_are_floats_where_a_scale_would_be_beyond_the_largest():
    """A scale of kaplan carries the response to the power 1 / alpha: 1e6 ** 100 is no float."""
    rng = np.random.default_rng(7246)
    n, d = 10 ** rng.uniform(6, 11, 8), 10 ** rng.uniform(8, 13, 8)
    loss = (1.7 + 400 * n**-0.34 + 1500 * d**-0.37) * np.exp(0.1875 * rng.normal(size=8))
    runs = Table({"N": n, "D": d, "L": 1e6 * loss})
    made = fit(runs, "kaplan", N="N", D="D", L="L", objective="squared_log", resamples=0, starts=16)
    assert np.isfinite(made.objective.value) and all(map(np.isfinite, made.values.values()))
    assert np.isfinite(made.predict(made.data)).all()
