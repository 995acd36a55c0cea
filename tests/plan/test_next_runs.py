"""Which runs to make next: expectations that come true, also where the law is another one."""

import json
from dataclasses import replace

import numpy as np
import pytest

from allometry import laws
from allometry.errors import DataError, UsageError
from allometry.fitting.fit import fit
from allometry.fitting.options import FitOptions
from allometry.plan.design.candidates import Candidates
from allometry.plan.design.next_runs import NextOptions, law_weights, next_runs
from allometry.plan.design.target import Target
from allometry.plan.design.verdict import expected_waste, verdict
from allometry.plan.frontier.cost import SIX_ND
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.questions import next_runs as ask
from allometry.plan.runs import Runs
from allometry.tables.table import Table

COLUMNS = {"N": "N", "D": "D", "L": "L"}
CHINCHILLA = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
# Losses fall along N alone and D alone as Chinchilla's do; the two add up under a power k = .4.
SKALING = {
    "E": 1.8172,
    "A": 0.3 * 482.01**2.5,
    "B": 0.3 * 2085.43**2.5,
    "alpha": 0.3478 * 2.5,
    "beta": 0.3658 * 2.5,
    "k": 0.4,
}
NOISE, TARGET = 0.005, "ln_n_opt@1e24"


def log_best(law, values, compute=1e24):
    lanes = {name: np.array([value]) for name, value in values.items()}
    return float(np.log(Frontier(law, lanes).at(compute).n[0]))


def measured(law, values, n, d, rng):
    loss = law.evaluate(values, {"N": n, "D": d})[0]
    return Table({"N": n, "D": d, "L": loss * np.exp(NOISE * rng.normal(size=len(n)))})


def first_runs(law, values, rng):
    """Seven sizes at each of four budgets, 1e18 to 1e20, N/N* from 1/4 to 4."""
    budgets = np.geomspace(1e18, 1e20, 4)
    factors = np.geomspace(1 / 4, 4, 7)
    n = np.concatenate([np.exp(log_best(law, values, c)) * factors for c in budgets])
    return measured(law, values, n, np.repeat(budgets, 7) / 6 / n, rng)


def fits_of(table, names, resamples=200):
    return {
        name: fit(table, name, COLUMNS, objective="squared_log", resamples=resamples, starts=40)
        for name in names
    }


def runs_of(table):
    return Runs.of_table(table, COLUMNS, SIX_ND)


def with_rows(table, more):
    return Table({c: np.concatenate([table[c], more[c]]) for c in "NDL"})


@pytest.fixture(scope="module")
def made():
    """28 runs of a Chinchilla law, its fit, and the runs chosen next."""
    table = first_runs(laws.chinchilla, CHINCHILLA, np.random.default_rng(0))
    fits = fits_of(table, ["chinchilla"])
    return table, fits, next_runs(fits, runs_of(table), 1e21, TARGET)


def test_runs_keep_to_the_budget_the_range_and_two_of_each(made):
    table, _, chosen = made
    ratios = np.array([run.d / run.n for run in chosen.runs])
    seen = table["D"] / table["N"]
    assert sum(run.cost for run in chosen.runs) == pytest.approx(chosen.spent)
    assert chosen.spent <= chosen.budget
    assert ratios.min() >= seen.min() / 4 * 0.999 and ratios.max() <= seen.max() * 4 * 1.001
    places = [(run.n, run.d) for run in chosen.runs]
    assert max(places.count(place) for place in places) <= 2
    assert all(run.cost == pytest.approx(6 * run.n * run.d) for run in chosen.runs)


def test_two_runs_could_show_the_law_wrong(made):
    table, _, chosen = made
    largest, off = chosen.runs[:2]
    assert "largest scale" in largest.reason and "lack of fit" in off.reason
    assert largest.cost > 0.05 * chosen.budget
    away = np.abs(np.log(off.d / off.n) - np.log(table["D"] / table["N"])).min()
    assert away > np.log(2)
    without = next_runs(made[1], runs_of(table), 1e21, TARGET, options=NextOptions(reserve=0.0))
    assert not any("largest" in run.reason for run in without.runs)


def test_more_is_known_than_by_the_usual_ways_to_spend_the_budget(made):
    chosen = made[2]
    assert set(chosen.baselines) == {
        "cheapest", "random", "d_optimal", "v_optimal", "isoflop", "l_shape",
    }  # fmt: skip
    assert chosen.after.sd < 0.7 * chosen.before.sd
    for name, baseline in chosen.baselines.items():
        assert baseline.cost <= chosen.budget, name
        assert chosen.after.sd < baseline.sd < chosen.before.sd, name


def test_the_expected_standard_deviation_comes_true(made):
    """The runs chosen are made many times; ln N* then scatters as was expected."""
    table = made[0]
    chosen = next_runs(
        fits_of(table, ["chinchilla"], 0), runs_of(table), 1e21, TARGET,
        options=NextOptions(draws=0),
    )  # fmt: skip
    n, d = (np.array([getattr(run, k) for run in chosen.runs]) for k in ("n", "d"))
    rng, found = np.random.default_rng(1), []
    for _ in range(40):
        anew = measured(laws.chinchilla, CHINCHILLA, table["N"], table["D"], rng)
        more = measured(laws.chinchilla, CHINCHILLA, n, d, rng)
        one = fit(with_rows(anew, more), "chinchilla", COLUMNS, objective="squared_log",
                  resamples=0, starts=1, start=CHINCHILLA)  # fmt: skip
        found.append(log_best(one.law, one.values))
    # Of 40 draws the standard deviation is known to 11%, and the noise of 28 runs to 15%:
    # three times both together.
    assert np.std(found, ddof=1) == pytest.approx(chosen.after.sd, rel=0.56)


@pytest.mark.slow
@pytest.mark.parametrize("names", [["chinchilla", "skaling"], ["chinchilla"]])
@pytest.mark.parametrize("seed", range(4))
def test_a_wrong_law_does_not_lead_the_plan_astray(names, seed):
    """Truth is skaling with k = .4: after the runs chosen the plan is off by less than two sd.

    A greedy design for the best size under Chinchilla's law alone, free to go anywhere, was off
    by 1.6 to 1.9 in ln N* with a stated sd of .07 to .13 (the planner's brief, section C).
    """
    rng = np.random.default_rng(seed)
    table = first_runs(laws.skaling, SKALING, rng)
    chosen = next_runs(fits_of(table, names), runs_of(table), 1e21, TARGET)
    n, d = (np.array([getattr(run, k) for run in chosen.runs]) for k in ("n", "d"))
    both = with_rows(table, measured(laws.skaling, SKALING, n, d, rng))
    planned = next_runs(fits_of(both, names), runs_of(both), 1e21, TARGET).before
    truth = log_best(laws.skaling, SKALING)
    assert abs(planned.value - truth) < 2 * planned.sd
    if "skaling" in names:  # a wrong law alone is found to fit worse, and says so in its sd
        assert planned.sd < chosen.before.sd


def test_the_law_that_predicts_dearer_runs_weighs_more():
    table = first_runs(laws.skaling, SKALING, np.random.default_rng(5))
    wide = measured(
        laws.skaling, SKALING, np.geomspace(1e8, 1e10, 8), np.geomspace(2e11, 2e9, 8),
        np.random.default_rng(6),
    )  # fmt: skip
    both = with_rows(table, wide)
    weights = law_weights(fits_of(both, ["chinchilla", "skaling"], 0), runs_of(both))
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["skaling"] > weights["chinchilla"]


@pytest.mark.parametrize("target", ["waste@1e24", "loss@1e11,2e12", "law"])
def test_every_target_is_told_more_of(target):
    table = first_runs(laws.skaling, SKALING, np.random.default_rng(2))
    fits = fits_of(table, ["chinchilla", "skaling"], 0)
    chosen = next_runs(fits, runs_of(table), 1e21, target, options=NextOptions(most=10))
    assert chosen.target == str(Target.of_text(target))
    assert 0 < len(chosen.runs) <= 10
    assert chosen.after.sd < chosen.before.sd
    assert (chosen.stop.worth_it is None) == (target != "waste@1e24")
    if target == "waste@1e24":
        assert chosen.after.value < chosen.before.value < 1
        assert chosen.waste_after == pytest.approx(chosen.after.value)


def test_the_document_has_what_its_contract_says(made):
    document = json.loads(json.dumps(made[2].to_document(), allow_nan=False))
    assert document["schema"] == "allometry/next/1"
    assert set(document["runs"][0]) == {"N", "D", "cost", "reason"}
    assert set(document["before"]) == set(document["after"]) == {"value", "sd"}
    assert all("sd" in baseline for baseline in document["baselines"].values())
    assert document["stop"]["sentence"]


def test_stop_weighs_what_a_run_saves_against_what_it_costs():
    cost = np.array([1e20, 1e22])
    # 1% of 1e24 wasted; the runs would leave .999% and .2%: savings of 1e19 and 8e21.
    assert not verdict(0.01, np.array([0.00999, 0.002]), cost, 1e24).worth_it
    stop = verdict(0.01, np.array([0.00999, 0.002]), cost, 1e25)
    assert stop.worth_it and stop.gain == pytest.approx(8e22) and stop.cost == 1e22
    assert verdict(None, None, cost, None).worth_it is None


def test_after_stop_no_more_runs_are_asked_for(made):
    table, fits, _ = made
    few = NextOptions(most=4)
    small = next_runs(fits, runs_of(table), 1e21, "ln_n_opt@1e19", options=few)
    assert small.stop.worth_it is False and not any("left after" in n for n in small.notes)
    large = next_runs(fits, runs_of(table), 1e21, "ln_n_opt@1e24", options=few)
    assert large.stop.worth_it and any("left after" in n for n in large.notes)


def test_expected_waste_is_the_closed_form_near_the_best_size():
    split = laws.chinchilla.allocation({k: np.array([v]) for k, v in CHINCHILLA.items()})
    half = (CHINCHILLA["alpha"] + CHINCHILLA["beta"]) / 2
    assert expected_waste(0.05, half, split)[0] == pytest.approx(half * 0.05**2, rel=0.02)
    assert expected_waste(20.0, half, split)[0] < 1
    assert expected_waste(20.0, half, None)[0] <= 1


def test_a_table_of_candidates_is_kept_to(made):
    table, fits, _ = made
    runs = runs_of(table)
    offered = Table({"n": [1e8, 1e9, 1e9, 1e10, np.nan], "d": [2e9, 1e10, 1e11, 1e13, 1e9]})
    columns = {"N": "n", "D": "d"}
    candidates = Candidates.of_table(offered, columns, runs, SIX_ND, 1e21)
    assert len(candidates) == 3 and len(candidates.notes) == 2
    chosen = next_runs(fits, runs, 1e21, TARGET, candidates)
    assert {(run.n, run.d) for run in chosen.runs} <= {(1e8, 2e9), (1e9, 1e10), (1e9, 1e11)}
    with pytest.raises(DataError, match="costs at most"):
        Candidates.of_table(offered, columns, runs, SIX_ND, 1e10)
    with pytest.raises(UsageError, match="of D or C; got N"):
        Candidates.of_table(offered, {"N": "n"}, runs, SIX_ND, 1e21)


def test_candidates_by_compute_and_candidates_with_other_columns(made):
    """Their tokens follow from their compute; another name of a column is said to be theirs."""
    table, _, _ = made
    runs = table.with_columns(C=6 * table["N"] * table["D"])
    asked = {"budget": 1e21, "target": "ln_n_opt@1e24", "at_most": 3, "laws": "chinchilla",
             "fit": FitOptions(starts=4, resamples=20)}  # fmt: skip
    few = {"N": [1e8, 3e8, 1e9], "D": [1e10, 3e10, 1e10]}
    by_compute = {"N": few["N"], "C": [6 * n * d for n, d in zip(*few.values(), strict=True)]}
    of_tokens = ask(runs, {"N": "N", "D": "D", "L": "L"}, candidates=few, **asked)
    of_compute = ask(runs, {"N": "N", "C": "C", "L": "L"}, candidates=by_compute, **asked)
    sizes = [[(run.n, round(run.d)) for run in found.runs] for found in (of_tokens, of_compute)]
    assert sizes[0] == sizes[1]
    with pytest.raises(UsageError, match="table of candidates has no column 'D'"):
        ask(runs, {"N": "N", "D": "D", "L": "L"}, candidates=by_compute, **asked)


def test_a_run_that_exists_is_made_once_more_at_most(made):
    runs = runs_of(made[0])
    again = Candidates.of_runs(runs.n[:3], runs.d[:3], runs.compute[:3], runs)
    assert again.allowed.tolist() == [1, 1, 1]


def test_a_budget_below_every_candidate_is_refused(made):
    table, fits, _ = made
    with pytest.raises(DataError, match="at most"):
        next_runs(fits, runs_of(table), 1e10, TARGET)


@pytest.mark.parametrize(
    "text", ["", "n_opt@1e24", "ln_n_opt", "ln_n_opt@-1", "ln_n_opt@1,2", "loss@1e9", "law@3",
             "waste@x", "ln_n_opt@inf"],
)  # fmt: skip
def test_what_is_no_target_is_refused(text):
    with pytest.raises(UsageError, match="target"):
        Target.of_text(text)


@pytest.mark.parametrize("text", ["ln_n_opt@1e24", "waste@1.2345678e24", "loss@7e10,1.4e12", "law"])
def test_a_target_is_written_as_it_is_typed(text):
    assert str(Target.of_text(text)) == text


def test_questions_without_an_answer_are_refused(made):
    table, fits, _ = made
    runs = runs_of(table)
    with pytest.raises(UsageError, match="two laws"):
        next_runs(fits, runs, 1e21, "law")
    with pytest.raises(UsageError, match="positive"):
        next_runs(fits, runs, -1.0, TARGET)
    with pytest.raises(UsageError, match="at least one"):
        next_runs({}, runs, 1e21, TARGET)
    with pytest.raises(UsageError, match="exponent"):
        NextOptions(exponent=-1.0)


def test_a_table_of_two_hundred_and_forty_runs(made):
    rng = np.random.default_rng(0)
    n = np.exp(rng.uniform(np.log(1e8), np.log(1e10), 240))
    table = measured(laws.chinchilla, CHINCHILLA, n, n * np.exp(rng.uniform(0, 6, 240)), rng)
    fits = fits_of(table, ["chinchilla", "skaling"])
    runs = runs_of(table)
    assert next_runs(fits, runs, 1e22, TARGET).runs


def test_a_run_made_twice_has_two_seeds(made):
    chosen = made[2]
    twice = replace(chosen, runs=(chosen.runs[0], chosen.runs[1], chosen.runs[0]))
    specs = twice.specs(lambda n, d, seed: (n, d, seed))
    first, second = ((run.n, run.d) for run in chosen.runs[:2])
    assert specs == [(*first, 0), (*second, 0), (*first, 1)]
