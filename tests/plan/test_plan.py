"""Plans from tables, fits and given values: the document, budgets, alarms, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

import allometry as al
from allometry import laws
from allometry.errors import DataError, UsageError
from allometry.fitting.fit import fit
from allometry.fitting.options import FitOptions
from allometry.fitting.sealed import sealed
from allometry.plan.document import Plan
from allometry.plan.question import plan
from tests.plan.published import BESIROGLU

COLUMNS = {"N": "N", "D": "D", "L": "L"}
QUICK = FitOptions(starts=6, resamples=100)
PUBLISHED = {name: float(value[0]) for name, value in BESIROGLU.values.items()}
ROUNDED = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}  # Hoffmann et al.
# A law that no published coefficients describe.
TRUTH = {"E": 1.1, "A": 300.0, "B": 900.0, "alpha": 0.34, "beta": 0.35}
COMPUTE = 1e21


def best_n(compute, truth=TRUTH):
    """N* of Hoffmann et al., eq. 4."""
    a, b = truth["alpha"], truth["beta"]
    g = (a * truth["A"] / (b * truth["B"])) ** (1 / (a + b))
    return g * (compute / 6) ** (b / (a + b))


def budgets(factor=8, sizes=7, truth=TRUTH):
    """N and D on five budgets, sizes about the best."""
    compute = np.repeat(np.geomspace(1e18, 3e20, 5), sizes)
    n = best_n(compute, truth) * np.tile(np.geomspace(1 / factor, factor, sizes), 5)
    return n, compute / (6 * n)


def table(n, d, noise=0.002, truth=TRUTH, law=laws.chinchilla, **more):
    """Runs of a law with noise of ln L."""
    rng = np.random.default_rng(0)
    loss = law.evaluate(truth, {"N": n, "D": d})[0]
    return {"N": n, "D": d, "L": loss * np.exp(noise * rng.standard_normal(len(n))), **more}


def codes(source, columns=COLUMNS, **options):
    made = plan(source, columns, **{"compute": COMPUTE, "fit": QUICK, **options})
    return {alarm.code for alarm in made.alarms}


@pytest.fixture(scope="module")
def runs():
    return table(*budgets())


@pytest.fixture(scope="module")
def of_table(runs):
    return plan(runs, COLUMNS, laws=["chinchilla", "kaplan"], compute=COMPUTE, fit=QUICK)


def test_the_contract_of_a_table(of_table):
    document = json.loads(json.dumps(of_table.to_document(), allow_nan=False))
    assert document["schema"] == "allometry/plan/1"
    assert list(document["laws"]) == ["chinchilla", "kaplan"]
    for law in document["laws"].values():
        for name in ("n_opt", "d_opt", "tokens_per_param", "epochs", "loss", "loss_new_run"):
            number = law[name]
            assert set(number) == {"value", "low", "high"} and number["low"] <= number["high"]
        assert set(law["waste_band"]) == {"0.01", "0.05", "0.1"}
        assert 0 <= law["expected_waste"] <= 1 and law["inference"] is None
    assert sum(law["weight"] for law in document["laws"].values()) == pytest.approx(1)
    assert set(document["approaches"]) == {"1", "2", "3", "kaplan"}
    assert document["approaches"]["1"] is None and "approach 1" in document["reasons"]["1"]
    second = document["approaches"]["2"]
    assert {"exponent_n", "exponent_d", "n_opt", "d_opt", "bias_predicted",
            "n_opt_uncorrected"} <= set(second)  # fmt: skip
    uncorrected = second["n_opt_uncorrected"]["value"] / second["n_opt"]["value"] - 1
    assert second["bias_predicted"] == pytest.approx(uncorrected)
    assert document["approaches"]["3"]["bias_predicted"] is None
    pairs = {(pair["plan"], pair["truth"]) for pair in document["disagreement"]}
    assert pairs == {("chinchilla", "kaplan"), ("kaplan", "chinchilla")}
    assert document["extrapolation"]["compute"] == pytest.approx(COMPUTE / 3e20)
    assert document["inference"] is None


def test_a_table_plans_the_size_its_law_has(of_table, runs):
    law = of_table.first
    assert law.n_opt.low < best_n(COMPUTE) < law.n_opt.high
    assert law.n_opt.value == pytest.approx(best_n(COMPUTE), rel=0.1)
    exact = laws.chinchilla.evaluate(
        TRUTH, {"N": np.array([best_n(COMPUTE)]), "D": np.array([COMPUTE / 6 / best_n(COMPUTE)])}
    )
    assert law.loss.value == pytest.approx(exact[0, 0], rel=2e-3)
    assert law.loss_new_run.high - law.loss_new_run.low > law.loss.high - law.loss.low
    third = of_table.approaches["3"]
    assert third.n_opt == law.n_opt


def test_a_fit_plans_what_its_table_plans(of_table, runs):
    made = fit(runs, "chinchilla", COLUMNS, starts=6, resamples=100)
    planned = plan(made, compute=COMPUTE, fit=None)
    assert planned.first.n_opt == of_table.first.n_opt
    assert planned.approaches["2"].n_opt == of_table.approaches["2"].n_opt
    read = al.fitting.document.Fit.from_json(made.to_json())
    again = plan(read, compute=COMPUTE).first.n_opt
    assert tuple(again) == pytest.approx(tuple(planned.first.n_opt), rel=1e-6)


@pytest.mark.parametrize(
    ("compute", "n", "ratio", "loss"),
    [
        (1e21, 2.77846e9, 21.589, 2.305529),
        (5.76e23, 7.22487e10, 18.391, 1.974441),
        (1e24, 9.58607e10, 18.137, 1.959712),
    ],
)
def test_given_values_plan_the_closed_form(compute, n, ratio, loss):
    """The digits are those of the closed form in an independent computation."""
    law = plan(parameters=PUBLISHED, compute=compute).first
    assert law.n_opt.value == pytest.approx(n, rel=2e-6)
    assert law.tokens_per_param.value == pytest.approx(ratio, abs=5e-4)
    assert law.loss.value == pytest.approx(loss, abs=5e-7)
    assert 6 * law.n_opt.value * law.d_opt.value == pytest.approx(compute, rel=1e-12)
    for number in (law.n_opt, law.d_opt, law.loss, law.loss_new_run):
        assert np.isnan(number.low) and np.isnan(number.high)
    low, high = law.waste_band[0.01]
    assert (low / n, high / n) == pytest.approx((0.845, 1.183), abs=5e-4)


def test_documents_go_both_ways(of_table):
    served = plan(parameters=PUBLISHED, compute=1e24, inference_tokens=1e13, account="lifetime")
    for made in (of_table, served):
        read = Plan.from_json(made.to_json())
        assert read == made and read.evidence is None
        assert read.to_document() == made.to_document()
    assert Plan.from_json(of_table.to_json()) != served


def test_a_document_that_was_changed_is_refused(of_table):
    text = of_table.to_json()
    with pytest.raises(DataError, match="changed after it was written"):
        Plan.from_json(text.replace('"rows": 35', '"rows": 36'))
    document = of_table.to_document()
    for change in ({"laws": {}}, {"rows": "many"}, {"alarms": [{}]}, {"disagreement": [{}]}):
        with pytest.raises(DataError, match="incomplete or damaged"):
            Plan.from_json(json.dumps(sealed({**document, **change})))


# Budgets


def test_the_loss_of_a_compute_needs_that_compute():
    law = plan(parameters=PUBLISHED, target_loss=1.9597120).first
    assert law.compute.value == pytest.approx(1e24, rel=1e-4)
    assert law.loss.value == pytest.approx(1.959712, abs=1e-9)


def test_a_very_steep_law_reaches_the_loss_asked_for():
    """The chord of its loss in ln C stays at one end of any bracket."""
    steep = {"E": 0.28, "A": 0.001, "B": 9696.0, "alpha": 0.52, "beta": 0.59, "k": 20.0}
    law = plan(laws="skaling", parameters=steep, target_loss=3.0).first
    assert law.loss.value == pytest.approx(3.0, rel=1e-9)


def test_a_size_alone_is_the_best_size_of_its_compute():
    law = plan(parameters=PUBLISHED, size=9.58607e10).first
    assert law.compute.value == pytest.approx(1e24, rel=1e-5) and law.wasted == 0


def test_a_size_off_the_best_wastes_by_the_closed_form():
    a, b = PUBLISHED["alpha"], PUBLISHED["beta"]
    best = plan(parameters=PUBLISHED, compute=1e24).first.n_opt.value
    for ratio in (0.5, 2):
        law = plan(parameters=PUBLISHED, compute=1e24, size=ratio * best).first
        share = 1 - ((b * ratio**-a + a * ratio**b) / (a + b)) ** (-(a + b) / (a * b))
        assert law.wasted == pytest.approx(share, rel=1e-9)
        assert law.wasted == pytest.approx(0.156, abs=1e-3)


def test_tokens_for_each_parameter():
    law = plan(parameters=PUBLISHED, compute=1e24, tokens_per_parameter=20).first
    assert law.n_opt.value == pytest.approx(np.sqrt(1e24 / 120))
    assert law.d_opt.value == pytest.approx(20 * law.n_opt.value)


def test_unique_data_seen_once():
    options = {"parameters": PUBLISHED, "compute": 1e24, "repeat": "never"}
    law = plan(**options, unique_data=1e12).first
    assert law.n_opt.value == pytest.approx(1e24 / 6e12)
    assert law.loss.value == pytest.approx(1.962504, abs=5e-7)
    assert law.wasted == pytest.approx(0.1031, abs=5e-5) and law.epochs.value == 1
    enough = plan(**options, unique_data=1e13).first
    assert enough.n_opt.value == pytest.approx(9.58607e10, rel=2e-6)


def test_unique_data_that_may_be_repeated_say_what_is_assumed():
    made = plan(parameters=PUBLISHED, compute=1e24, unique_data=2e11)
    assert made.first.epochs.value > 1 and made.first.loss.value > 1.959712
    assert any("half-lives" in note for note in made.notes)
    enough = plan(parameters=PUBLISHED, compute=1e24, unique_data=1e13)
    assert not enough.notes and enough.first.epochs.value < 1


def test_the_run_that_takes_more_tokens_than_there_are_is_refused():
    for budget in ({"target_loss": 1.96}, {"compute": 1e24, "size": 1e10}):
        with pytest.raises(UsageError, match="more than the"):
            plan(parameters=PUBLISHED, unique_data=1e10, repeat="never", **budget)
    with pytest.raises(UsageError, match="more than the"):
        plan(parameters=PUBLISHED, compute=1e24, unique_data=3e12, repeat="never",
             inference_tokens=1e13, account="lifetime")  # fmt: skip


def test_data_that_suffice_for_training_alone_may_not_where_the_model_serves():
    """D is 1.7e12 for training alone and 3.3e12 where 1e13 tokens are served."""
    options = {"parameters": PUBLISHED, "compute": 1e24, "inference_tokens": 1e13,
               "account": "lifetime"}  # fmt: skip
    without, limited = plan(**options), plan(**options, unique_data=2.5e12)
    assert without.first.inference.d_opt.value > 2.5e12 > without.first.d_opt.value
    assert limited.first.inference.loss.value > without.first.inference.loss.value
    assert limited.notes


def test_a_law_of_unique_tokens_plans_with_them():
    """Muennighoff et al. 2305.16264: C 1e22 and 25e9 unique tokens, by their own grid."""
    law = laws.data_constrained
    values = {**law.fixed, "R_N": 5.309743, "R_D": 15.387756}
    made = plan(laws=law, parameters=values, compute=1e22, unique_data=25e9).first
    assert made.n_opt.value == pytest.approx(7.0224e9, rel=2e-3)
    assert made.epochs.value == pytest.approx(9.4935, rel=2e-3)
    with pytest.raises(UsageError, match="unique tokens"):
        plan(laws=law, parameters=values, compute=1e22)


def test_inference_by_either_account():
    options = {"parameters": PUBLISHED, "compute": 1e24, "inference_tokens": 1e13}
    same = plan(**options, account="equal-quality")
    given = same.first.inference
    assert given.n_opt.value == pytest.approx(4.82828e10, rel=2e-6)
    assert given.d_opt.value == pytest.approx(4.32228e12, rel=2e-6)
    saved = given.total_flops.value / given.baseline_flops.value - 1
    assert saved == pytest.approx(-0.2398, abs=5e-5)
    assert same.to_document()["inference"] == same.to_document()["laws"]["chinchilla"]["inference"]
    both = plan(**options, account="lifetime").first.inference
    assert both.n_opt.value == pytest.approx(2.51488e10, rel=2e-6)
    assert both.d_opt.value / both.n_opt.value == pytest.approx(131, abs=0.5)
    assert both.loss.value == pytest.approx(1.988529, abs=5e-7)
    assert both.baseline_flops is None
    with pytest.raises(UsageError, match="with inference the plan chooses the size"):
        plan(**options, account="lifetime", size=1e10)
    with pytest.raises(UsageError, match="account"):
        plan(**options)


# Alarms: one table that raises each, and one that does not


def test_good_runs_raise_no_alarm(of_table, runs):
    assert codes(runs) == set()


def test_a_plan_far_from_the_runs(runs):
    assert "far_extrapolation" in codes(runs, compute=1e23)
    assert "far_extrapolation" in codes(runs, compute=1e15)


def test_a_ratio_that_no_run_has(runs):
    assert "ratio_outside_data" in codes(runs, compute=COMPUTE, tokens_per_parameter=1e5)


def test_runs_on_rays():
    n = np.geomspace(2e8, 5e9, 20)
    two = codes(table(np.tile(n, 2), np.concatenate([2 * n, 200 * n])))
    near = codes(table(np.tile(n, 2), np.concatenate([18 * n, 22 * n])))
    three = codes(table(np.tile(n, 3), np.concatenate([2 * n, 20 * n, 200 * n])))
    assert "few_ratios" in two and "one_ratio" not in two
    assert {"few_ratios", "one_ratio"} <= near
    assert not {"few_ratios", "one_ratio"} & three


def test_a_loss_that_does_not_depend_on_tokens():
    flat = table(*budgets(), noise=0, truth={**TRUTH, "B": 1e-9})
    assert {"at_bound", "fit_status", "less_than_one"} & codes(flat)


def test_noise_that_hides_the_size():
    assert "wide_interval" in codes(table(*budgets(), noise=0.3))


def test_laws_that_disagree(runs):
    assert "laws_disagree" in codes(runs, laws=["chinchilla", "kaplan"])
    assert "laws_disagree" not in codes(runs, laws=["chinchilla", "chinchilla_tied"])


def test_approaches_that_disagree(reference):
    """Llama 3: 16 trillion tokens by parabolas and about 10 by the law, at 3.8e25 FLOP."""
    path = reference / "llama3_isoflop" / "isoflops_points.csv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    columns = {"N": "compute_budget/(6*training_tokens)", "D": "training_tokens",
               "L": "validation_loss"}  # fmt: skip
    assert "approaches_disagree" in codes(path, columns, compute=3.8e25)


def test_a_bias_larger_than_its_interval():
    asymmetric = {**TRUTH, "A": 3e3, "alpha": 0.45, "beta": 0.28, "B": 300.0}
    wide = table(*budgets(16, 15, asymmetric), noise=0.0002, truth=asymmetric)
    assert "approach2_bias" in codes(wide)


def test_a_budget_that_cannot_be_used(runs):
    n, d = budgets()
    too_large = best_n(1e21) * np.geomspace(4, 40, 6)  # every size on one side of the best
    few = np.array([1e9, 2e9])  # no curve at all
    one_sided = table(np.append(n, too_large), np.append(d, 1e21 / (6 * too_large)))
    assert "budgets_left_out" in codes(one_sided)
    assert "budgets_left_out" not in codes(table(np.append(n, few), np.append(d, 3e11 * few / few)))


def test_given_values_have_no_interval_and_may_be_rounded():
    unrounded = {a.code for a in plan(parameters=PUBLISHED, compute=1e24).alarms}
    rounded = {a.code for a in plan(parameters=ROUNDED, compute=1e24).alarms}
    assert unrounded == {"no_interval"}
    assert rounded == {"no_interval", "rounded_coefficients"}
    small = {a.code for a in plan(parameters=PUBLISHED, compute=1.0).alarms}
    assert "less_than_one" in small


def test_published_coefficients_in_conflict_with_the_runs():
    of_besiroglu = table(*budgets(truth=PUBLISHED), truth=PUBLISHED)
    assert "published_conflict" in codes(of_besiroglu)


@pytest.mark.parametrize(
    "question", [{"size": 3e8}, {"unique_data": 2e9}, {"unique_data": 5e9, "repeat": "never"}]
)
def test_a_run_that_is_not_the_best_by_choice_is_not_held_against_publications(question):
    """They are Besiroglu's runs: only what was asked for differs from his best size."""
    n, d = budgets(truth=PUBLISHED)
    asked = plan(table(n, d, truth=PUBLISHED), COLUMNS, compute=COMPUTE, fit=QUICK, **question)
    found = {alarm.code for alarm in asked.alarms}
    assert not found & {"published_conflict", "approaches_disagree"}
    given = plan(parameters=PUBLISHED, compute=COMPUTE, **question)
    assert "rounded_coefficients" not in {alarm.code for alarm in given.alarms}


def test_rows_left_out_are_said(runs):
    """A diverged run has no loss; that it was not used is said. A filter need not be repeated."""
    loss = runs["L"].copy()
    loss[[3, 8]], loss[5] = np.nan, np.inf
    made = plan({**runs, "L": loss}, COLUMNS, compute=COMPUTE,
                fit=FitOptions(starts=6, resamples=0, where=["N<=1e10"]))  # fmt: skip
    assert "3 rows left out: 3 L missing or not finite" in made.notes


def test_another_count_of_parameters(runs):
    body = runs["N"] - 47491 * runs["N"] ** (1 / 3)  # Pearce & Song 2406.12907
    assert "counting" in codes({**runs, "body": body}, other_n="body")
    assert "counting" not in codes({**runs, "body": 0.999 * runs["N"]}, other_n="body")


def test_a_column_of_compute_in_other_units(runs):
    flops = 6 * runs["N"] * runs["D"]
    columns = {**COLUMNS, "C": "C"}
    assert "compute_column" in codes({**runs, "C": flops / 8.64e19}, columns)  # PF-days
    assert "compute_column" not in codes({**runs, "C": 1.1 * flops}, columns)


@pytest.mark.parametrize("units", [("D", "N", 1, 1), ("N", "D", 1e6, 1e9), ("N", "D", 1e6, 1)])
def test_sizes_that_are_swapped_or_in_other_units(runs, units):
    n, d, unit_of_n, unit_of_d = units
    other = {"N": runs[n] / unit_of_n, "D": runs[d] / unit_of_d, "L": runs["L"]}
    assert "unusual_ratio" in codes(other)


def test_losses_by_two_tokenizers(runs):
    names = ["a"] * 35
    assert "tokenizers" not in codes({**runs, "tokenizer": names})
    assert "tokenizers" in codes({**runs, "tokenizer": [*names[:-1], "b"]})


def test_a_law_without_a_best_size_is_left_out_or_refused(runs):
    good, other = (fit(runs, law, COLUMNS, starts=6, resamples=20) for law in
                   ("chinchilla", "skaling"))  # fmt: skip
    alpha = replace(other.parameters["alpha"], value=-0.1)
    rising = replace(other, parameters={**other.parameters, "alpha": alpha})
    made = plan([good, rising], compute=COMPUTE)
    assert list(made.laws) == ["chinchilla"]
    assert next(a.code for a in made.alarms) == "no_best_size" and not made.disagreement
    with pytest.raises(DataError, match="skaling plans no run"):
        plan(rising, compute=COMPUTE)
    absurd = {"E": 0.3, "A": 4e3, "B": 9e3, "alpha": -0.4, "beta": 0.45, "k": 0.5}
    with pytest.raises(DataError, match="plans no run"):
        plan(laws="skaling", parameters=absurd, compute=COMPUTE)


# What is refused


def test_a_law_of_more_than_parameters_and_tokens_is_refused():
    for law in (laws.precision, laws.sparsity):
        values = dict.fromkeys(law.names, 0.5)
        with pytest.raises(UsageError, match="splits compute between N and D"):
            plan(laws=law, parameters=values, compute=COMPUTE)


def test_what_was_decided_with_the_fit_is_refused(runs):
    made = fit(runs, "chinchilla", COLUMNS, starts=4, resamples=0)
    for options in (
        {"laws": "skaling"}, {"columns": COLUMNS}, {"fit": FitOptions(level=0.5)},
        {"fit": FitOptions(where=("N<1e9",))}, {"fit_where": ("N<1e9",)},
        {"other_n": "N"}, {"run": "run"},
    ):  # fmt: skip
        with pytest.raises(UsageError):
            plan(made, compute=COMPUTE, **options)
    assert plan(made, compute=COMPUTE, laws="chinchilla").first.law == "chinchilla"


def test_a_column_called_d_that_is_not_d_stays_what_it_is(runs):
    """D follows from C and N; a column D is the number of parameters here."""
    other = {"D": runs["N"], "flops": 6 * runs["N"] * runs["D"], "L": runs["L"]}
    made = plan(other, {"N": "D", "C": "flops", "L": "L"}, compute=COMPUTE, fit=QUICK)
    assert made.first.n_opt.value == pytest.approx(best_n(COMPUTE), rel=0.1)


@pytest.mark.parametrize(
    "budget",
    [
        {}, {"compute": 0.0}, {"compute": np.nan}, {"compute": np.inf}, {"compute": -1e21},
        {"compute": 1e21, "target_loss": 2.0}, {"size": 1e9, "target_loss": 2.0},
        {"tokens_per_parameter": 20}, {"compute": 1e21, "size": 1e9, "tokens_per_parameter": 20},
        {"target_loss": 1.8}, {"compute": 1e21, "unique_data": 0},
        {"compute": 1e21, "repeat": "twice"},
        {"compute": 1e21, "inference_tokens": -1.0, "account": "lifetime"},
    ],
)  # fmt: skip
def test_budgets_that_cannot_be(budget):
    with pytest.raises(UsageError):
        plan(parameters=PUBLISHED, **budget)
