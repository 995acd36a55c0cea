"""Fits by group: differences by another method, shared parameters, groups that cannot be fitted."""

import json
from collections import Counter

import numpy as np
import pytest
from scipy import stats

import allometry as al
from allometry.errors import DataError, UsageError
from allometry.fitting import objectives
from allometry.fitting.groups import _difference, _verdict, fit_groups
from allometry.fitting.intervals import Estimate
from allometry.fitting.problem import surface
from allometry.fitting.search import start_points
from allometry.fitting.shared import GROUP, GroupLaw
from allometry.tables.table import Table
from tests.test_every_law import LAWS, sizes_of, truth_of

PARAMS = np.repeat([2e4, 6e4, 2e5, 6e5, 2e6, 6e6], 3)
CONV = [
    0.62067, 0.64397, 0.63714, 0.47331, 0.48837, 0.44240, 0.32616, 0.31834, 0.33214,
    0.25664, 0.24763, 0.25216, 0.16746, 0.17997, 0.17345, 0.14162, 0.13728, 0.13759,
]  # fmt: skip
MIXER = [
    0.53727, 0.55003, 0.55090, 0.42465, 0.42238, 0.42807, 0.32875, 0.32888, 0.33248,
    0.26133, 0.27537, 0.25351, 0.21557, 0.20491, 0.20548, 0.15949, 0.16637, 0.16577,
]  # fmt: skip
FAMILIES = Table(
    {
        "family": ["conv"] * 18 + ["mixer"] * 18,
        "params": np.tile(PARAMS, 2),
        "seed": np.tile([0, 1, 2], 12),
        "error": CONV + MIXER,
    }
)
XY = {"x": "params", "y": "error"}


def by_family(table=FAMILIES, **options):
    options = {"objective": "squared_log", **options}
    return fit_groups(table, "power", XY, by="family", **options)


def ordinary_least_squares(interaction):
    """Coefficients, standard errors and the sum of squares of log error on log size."""
    other = np.repeat([0.0, 1.0], 18)
    x, y = np.log(FAMILIES["params"]), np.log(FAMILIES["error"])
    design = np.stack([np.ones(36), other, x, *([other * x] if interaction else [])], 1)
    beta, (total,), *_ = np.linalg.lstsq(design, y, rcond=None)
    spare = 36 - design.shape[1]
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * total / spare)
    return beta, errors, total, spare


def test_each_fit_is_the_fit_of_its_rows_alone():
    groups = by_family(resamples=50)
    assert list(groups.fits) == ["conv", "mixer"] and not groups.refused
    for family, fit in groups.fits.items():
        alone = al.fit(FAMILIES, "power", XY, objective="squared_log", resamples=50,
                       where=[f"family=={family}"])  # fmt: skip
        assert fit.parameters == alone.parameters and fit.data_hash == alone.data_hash


def test_the_difference_of_exponents_is_that_of_least_squares_with_an_interaction():
    beta, errors, _, spare = ordinary_least_squares(interaction=True)
    half = stats.t.ppf(0.975, spare) * errors[3]
    (alpha,) = [d for d in by_family().differences if d.parameter == "alpha"]
    assert (alpha.first, alpha.second, alpha.verdict) == ("conv", "mixer", "different")
    assert alpha.value == pytest.approx(beta[3], rel=1e-8)
    assert alpha.value == pytest.approx(0.0610, abs=5e-5)
    assert [alpha.low, alpha.high] == pytest.approx([beta[3] - half, beta[3] + half], abs=1.5e-3)
    assert [alpha.low, alpha.high] == pytest.approx([0.0502, 0.0718], abs=1.5e-3)


def test_the_interval_of_a_difference_of_normal_intervals_is_that_of_the_normal_difference():
    one, other = Estimate(3.0, 2.0, 4.0, "identified"), Estimate(1.0, 0.5, 1.5, "identified")
    assert _difference(one, other) == pytest.approx((2.0, 2 - 1.25**0.5, 2 + 1.25**0.5))


@pytest.mark.slow
def test_differences_of_equal_groups_hold_zero_as_often_as_they_should():
    """400 pairs of equal groups: a 95% interval leaves out zero in 5%, error 1.1%."""
    rng = np.random.default_rng(0)
    outside = 0
    for _ in range(400):
        error = np.log(3 * np.tile(PARAMS, 2) ** -0.25) + 0.05 * rng.normal(size=36)
        table = FAMILIES.with_columns(error=np.exp(error))
        differences = by_family(table, resamples=200, starts=1).differences
        outside += differences[0].verdict == "different"
    assert 0.02 < outside / 400 < 0.09


def test_a_shared_exponent_is_that_of_parallel_lines_and_the_test_says_it_does_not_do():
    beta, errors, total, _ = ordinary_least_squares(interaction=False)
    apart = ordinary_least_squares(interaction=True)[2]
    shared = by_family(shared=["alpha"], interval="residual").shared
    values, alpha = shared.fit.values, shared.fit.parameters["alpha"]
    assert list(values) == ["A[conv]", "A[mixer]", "alpha"]
    assert shared.fit.formula == "y = A[family] x^-alpha"
    assert values["alpha"] == pytest.approx(-beta[2], rel=1e-6)
    assert values["alpha"] == pytest.approx(0.2393, abs=5e-5)
    assert np.log(values["A[conv]"]) == pytest.approx(beta[0], rel=1e-6)
    assert np.log(values["A[mixer]"]) == pytest.approx(beta[0] + beta[1], rel=1e-6)
    assert shared.fit.draws["alpha"].std() == pytest.approx(errors[2], rel=0.08)
    assert shared.fit.draws["alpha"].std() == pytest.approx(0.0059, rel=0.08)
    assert alpha.low < 0.2393 < alpha.high and alpha.verdict == "identified"
    test = shared.test
    assert test.f == pytest.approx((total - apart) / (apart / 32), rel=1e-6)
    assert test.f == pytest.approx(11.5**2, rel=0.01)
    assert (test.parameters, test.rows) == (1, 32)
    assert test.p == pytest.approx(2 * stats.t.sf(test.f**0.5, 32), rel=1e-6)


@pytest.mark.slow
def test_the_test_of_a_shared_exponent_rejects_equal_groups_as_often_as_it_should():
    rng = np.random.default_rng(1)
    p = []
    for _ in range(200):
        error = np.log(3 * np.tile(PARAMS, 2) ** -0.25) + 0.05 * rng.normal(size=36)
        table = FAMILIES.with_columns(error=np.exp(error))
        p.append(by_family(table, shared=["alpha"], resamples=0, starts=2).shared.test.p)
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_a_joint_fit_predicts_each_group_by_its_number():
    shared = by_family(shared=["alpha"], resamples=0).shared
    a, alpha = shared.fit.values["A[mixer]"], shared.fit.values["alpha"]
    predicted = shared.fit.predict({"x": [1e5, 1e6], GROUP: 2})
    assert predicted == pytest.approx(a * np.array([1e5, 1e6]) ** -alpha, rel=1e-12)


def test_a_short_group_is_named_and_the_others_are_fitted():
    table = FAMILIES.take([*range(36), 0])
    table = table.with_columns(family=[*table["family"][:36], "short"])
    groups = by_family(table, shared=["alpha"], resamples=20)
    assert list(groups.fits) == ["conv", "mixer"] and list(groups.refused) == ["short"]
    assert "2 parameters" in groups.refused["short"]
    assert groups.shared.fit.rows == 36


def test_rows_without_a_group_are_counted():
    table = FAMILIES.with_columns(family=[None, "", *FAMILIES["family"][2:]])
    groups = by_family(table, resamples=0)
    assert groups.left_out == 2 and groups.fits["conv"].rows == 16


def test_a_parameter_that_one_group_does_not_identify_is_not_compared():
    x = np.tile(np.geomspace(1, 1e4, 12), 2)
    bent, straight = 1 + 3 * x[:12] ** -0.6, 3 * x[:12] ** -0.3
    noise = np.exp(0.02 * np.random.default_rng(0).normal(size=24))
    table = Table({"g": [1] * 12 + [2] * 12, "x": x, "y": np.r_[bent, straight] * noise})
    groups = fit_groups(table, "power_floor", {"x": "x", "y": "y"}, by=["g"])
    verdicts = {d.parameter: d.verdict for d in groups.differences}
    assert groups.fits["2"].parameters["E"].verdict != "identified"
    assert verdicts["E"] == "not_identified"


def test_weights_conditions_fixed_parameters_and_clusters_are_kept_in_the_joint_fit():
    table = FAMILIES.with_columns(w=np.linspace(1, 2, 36))
    options = {"objective": "squared_log", "weights": "w", "where": ["params<5e6"],
               "fixed": {"E": 0.01}, "cluster": "params", "resamples": 30}  # fmt: skip
    groups = fit_groups(table, "power_floor", XY, by="family", shared=["alpha"], **options)
    joint = groups.shared.fit
    assert joint.rows == 30 and joint.parameters["E"].verdict == "fixed"
    assert joint.interval.cluster == ("params within family",)
    assert list(joint.problem.rows.weights) == pytest.approx(
        list(table["w"][table["params"] < 5e6] / table["w"][table["params"] < 5e6].mean())
    )
    assert list(joint.values) == ["E", "A[conv]", "A[mixer]", "alpha"]
    assert groups.shared.test is None and "cluster" in groups.shared.reason
    assert groups.fits["conv"].values["E"] == joint.values["E"] == 0.01
    independent = {**options, "cluster": None}
    single = fit_groups(table, "power_floor", XY, by="family", shared=["alpha"], **independent)
    assert single.shared.test.parameters == 1


def test_a_coefficient_held_fixed_is_one_in_all_groups():
    shared = by_family(shared=["alpha"], fixed={"A": 6.0}, resamples=0).shared
    x = np.log(FAMILIES["params"])
    expected = (x @ (np.log(6.0) - np.log(FAMILIES["error"]))) / (x @ x)
    assert shared.fit.values == pytest.approx({"A": 6.0, "alpha": expected}, rel=1e-6)


def test_fits_that_did_not_converge_are_not_compared():
    one = Estimate(3.0, 2.9, 3.1, "identified")
    assert _verdict([one, one], 0.1, 0.2, proven=False) == "not_converged"
    assert _verdict([one, one], 0.1, 0.2, proven=True) == "different"


def test_a_coefficient_may_be_shared_where_the_exponent_is_held_fixed():
    shared = by_family(shared=["A"], fixed={"alpha": 0.24}, resamples=0).shared
    log_a = np.log(FAMILIES["error"]) + 0.24 * np.log(FAMILIES["params"])
    assert shared.names == ("A",) and list(shared.fit.values) == ["A", "alpha"]
    assert shared.fit.values["A"] == pytest.approx(np.exp(log_a.mean()), rel=1e-8)


def test_several_columns_make_groups_and_all_pairs_are_compared():
    groups = fit_groups(FAMILIES, "power", XY, by=["family", "seed"], resamples=20)
    assert list(groups.fits)[:2] == ["conv, 0", "conv, 1"] and len(groups.fits) == 6
    pairs = Counter(d.parameter for d in groups.differences)
    assert pairs == {"alpha": 15, "A": 15} and groups.differences[0].parameter == "alpha"


def test_the_document_is_plain_and_holds_each_fit():
    groups = by_family(shared=["alpha"], resamples=10)
    document = json.loads(json.dumps(groups.to_document(), allow_nan=False))
    assert document["schema"] == "allometry/fit_groups/1"
    assert document["groups"]["mixer"]["schema"] == "allometry/fit/1"
    assert document["differences"][0]["parameter"] == "alpha"
    assert document["shared"]["names"] == ["alpha"] and document["shared"]["test"]["rows"] == 32


def test_without_squares_there_is_no_test_and_the_reason_is_given():
    shared = by_family(shared=["alpha"], resamples=0, objective="huber_log").shared
    assert shared.test is None and "squared_log" in shared.reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"by": "famly"}, "did you mean 'family'"),
        ({"by": []}, "name at least one column"),
        ({"shared": ["alfa"]}, "did you mean 'alpha'"),
        ({"shared": ["A"]}, "A depends on the unit of the sizes unless alpha is shared too"),
        ({"where": ["family==conv"], "shared": ["alpha"]}, "two groups or more"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, words):
    with pytest.raises(UsageError, match=words):
        fit_groups(FAMILIES, "power", XY, resamples=0, **{"by": "family", **change})


def test_no_group_that_can_be_fitted_is_an_error_with_the_reason():
    with pytest.raises(DataError, match=r"none of 2 groups could be fitted; conv: .*constant"):
        by_family(FAMILIES.take(FAMILIES["params"] == 2e4), resamples=0)


# ---- the law of all groups, of every law ------------------------------------------------------


def shareable(law):
    """Parameters that may be shared alone."""
    names = []
    for name in law.names:
        try:
            GroupLaw(law, ("a", "b"), (name,))
        except UsageError:
            continue
        names.append(name)
    return tuple(names)


def joint_of(law):
    """The law of two groups with what may be shared, the sizes of both, and their values."""
    groups = GroupLaw(law, ("a", "b"), shareable(law))
    one = sizes_of(law)
    n = len(next(iter(one.values())))
    sizes = {s: np.tile(v, 2) for s, v in one.items()} | {GROUP: np.repeat([1.0, 2.0], n)}
    values = groups.expanded(truth_of(law))
    return groups.joint(["g"]), sizes, values


@pytest.mark.parametrize("name", LAWS)
def test_the_law_of_all_groups_is_the_law_in_each(name):
    law = LAWS[name]
    joint, sizes, values = joint_of(law)
    y = joint.evaluate(values, sizes)[0]
    one = law.evaluate(truth_of(law), sizes_of(law))[0]
    np.testing.assert_allclose(y, np.tile(one, 2), rtol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_its_raw_parameters_predict_what_centred_ones_do(name):
    joint, sizes, values = joint_of(LAWS[name])
    y = joint.evaluate(values, sizes)[0]
    problem = surface(joint, objectives.named("squared"), sizes, y)
    u = start_points(problem, 4, 0)
    centred = joint.evaluate(problem.values(u), problem.sizes) * problem.centre[joint.response]
    raw = joint.evaluate(problem.raw(u), sizes)
    assert np.isfinite(raw).all()
    np.testing.assert_allclose(raw, centred, rtol=1e-7)


@pytest.mark.parametrize("name", LAWS)
def test_its_derivatives_are_those_of_its_value(name):
    joint, sizes, values = joint_of(LAWS[name])
    y = joint.evaluate(values, sizes)[0]
    problem = surface(joint, objectives.named("squared"), sizes, y)
    u = start_points(problem, 3, 1)
    ones, delta = np.ones(len(y)), np.full((3, 1), np.inf)
    _, slope, _ = problem.evaluate(u, ones, delta)
    for j in range(u.shape[1]):
        step = 1e-5 * np.maximum(1.0, np.abs(u[:, j]))
        nudge = np.zeros_like(u)
        nudge[:, j] = step
        ahead, behind = (problem.evaluate(u + s * nudge, ones, delta)[0] for s in (1, -1))
        expected = (ahead - behind) / (2 * step)
        np.testing.assert_allclose(
            slope[:, j], expected, rtol=2e-5, atol=2e-6 * np.abs(slope).max()
        )


def test_exponents_and_floors_may_be_shared_alone_coefficients_may_not():
    assert shareable(LAWS["chinchilla"]) == ("E", "alpha", "beta")
    assert shareable(LAWS["sigmoid"]) == ("lo", "hi", "k", "z0")


def test_groups_that_read_the_same_are_two_groups():
    x = np.tile(np.geomspace(1e4, 1e7, 6), 3)
    table = Table(
        {
            "x": x,
            "y": 5 * x**-0.2,
            "width": ["1, 2"] * 6 + ["1"] * 6 + ["3"] * 6,
            "depth": ["3"] * 6 + ["2, 3"] * 6 + ["3"] * 6,
        }
    )
    columns = {"x": "x", "y": "y"}
    groups = fit_groups(table, "power", columns, by=["width", "depth"], resamples=0)
    assert list(groups.fits) == ["'1, 2', '3'", "'1', '2, 3'", "'3', '3'"]
    mixed = table.with_columns(width=[1] * 6 + ["1"] * 6 + ["3"] * 6)
    assert list(fit_groups(mixed, "power", columns, by="width", resamples=0).fits) == [
        "1",
        "'1'",
        "'3'",
    ]


def optimizers(noise):
    """Runs of two optimizers whose law has the second one's N and D worth 1.35 and 1.25."""
    n, d = np.geomspace(1e7, 1e10, 6).repeat(5), np.tile(np.geomspace(1e9, 1e12, 5), 6)
    rho = np.repeat([[1.0, 1.0], [1.35, 1.25]], 30, axis=0)
    n, d = np.tile(n, 2), np.tile(d, 2)
    loss = 1.8 + 480 * (rho[:, 0] * n) ** -0.35 + 2100 * (rho[:, 1] * d) ** -0.37
    loss = loss * np.exp(noise * np.random.default_rng(4).normal(size=60))
    return Table({"optimizer": ["adam"] * 30 + ["muon"] * 30, "n": n, "d": d, "loss": loss})


def of_optimizers(noise, resamples):
    return fit_groups(optimizers(noise), "chinchilla", {"N": "n", "D": "d", "L": "loss"},
                      by="optimizer", shared=["E", "alpha", "beta"], objective="squared_log",
                      resamples=resamples).shared.fit  # fmt: skip


def test_multipliers_of_parameters_and_tokens_are_recovered():
    derived = of_optimizers(0.0, 0).derived
    rho = {name: derived[name].value for name in ("rho_N[muon]", "rho_D[muon]")}
    assert rho == pytest.approx({"rho_N[muon]": 1.35, "rho_D[muon]": 1.25}, rel=1e-5)
    assert "rho_N[adam]" not in derived


def test_the_intervals_of_multipliers_hold_the_truth_and_leave_out_one():
    shared = of_optimizers(0.002, 400)
    for name, truth in (("rho_N[muon]", 1.35), ("rho_D[muon]", 1.25)):
        assert 1 < shared.derived[name].low < truth < shared.derived[name].high
        assert shared.derived[name].verdict == "identified"
        assert shared.law.meanings[name].startswith(f"{name[4]} of adam that is worth")


def test_there_are_no_multipliers_where_exponents_differ():
    columns = {"N": "n", "D": "d", "L": "loss"}
    groups = fit_groups(optimizers(0.002), "chinchilla", columns, by="optimizer", shared=["E"],
                        objective="squared_log", resamples=0)  # fmt: skip
    assert not [name for name in groups.shared.fit.derived if name.startswith("rho")]


def test_groups_show_themselves_in_twelve_lines_and_as_a_table():
    rows = FAMILIES.columns
    hostile = Table({**{n: FAMILIES[n] for n in rows}, "family": ["<b>"] * 18 + ["mixer"] * 18})
    fits = fit_groups(hostile, "power", XY, by="family", resamples=20, starts=2)
    text, html = repr(fits), fits._repr_html_()
    assert len(text.splitlines()) <= 12 and "Fits of power by family: y = A x^-alpha" in text
    for group, fit in fits.fits.items():
        assert group in text and fit.shown()["alpha"] in text and fit.shown()["alpha"] in html
    assert "<b>" not in html.replace("<p><b>Fits", "") and "&lt;b&gt;" in html
