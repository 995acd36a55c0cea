"""The first study: its sizes, its analysis as the notebook does it, its verdicts, its views."""

from collections.abc import Mapping
from math import isnan, log, log2

import numpy as np
import pytest
from scipy import stats

from allometry.claims import PowerLaw, Straight
from allometry.claims.claim import OURS
from allometry.findings import Finding
from allometry.models import MLP
from allometry.stats.grid import Curves, Grid
from allometry.stats.lines import log_line
from allometry.studies.path_entropies.laws import learnt, notebook_laws, reduced
from allometry.studies.path_entropies.mlp_parameter_scaling import PAIRS, STUDY
from allometry.tables.table import Table
from tests.training.test_loop import notebook_rows

# studies.md 000.5: the fits of an independent re-run at seed 42, to the digits it prints.
PRINTED = {
    "loss": (-1.66, 0.87),
    "htse": (-1.22, 0.82),
    "hsie": (2.26, 0.77),
    "core": (-1.52, 0.55),
}
UNTRAINED_CORE = (-1.63, 0.80)

HTSE_ABOVE_LOWEST = "H'_TSE above its lowest value falls as a power law of N"
HTSE_ABOVE_A_FLOOR = "Above a fitted floor H'_TSE falls as a power law of N"
HSIE_LAW = "H'_SIE grows as the logarithm of N up to the lowest loss"


@pytest.fixture(scope="module")
def printed() -> Table:
    """The 19 networks of seed 42 as an independent run of the notebook's code prints them."""
    numbers = ("n_params", "test_loss", "htse", "hsie", "htse_untrained", "hsie_untrained")
    rows = [
        {"seed": 42, "status": "done", "hidden_sizes": row["hidden_sizes"]}
        | {name: float(row[name]) for name in numbers}
        for row in notebook_rows()
    ]
    return Table.from_rows(rows)


def equal_weights(seeds: int = 5, noise: float = 0.0) -> Table:
    """Networks of the notebook's sizes whose weights are all equal: a closed form (000.2).

    A unit of layer 2 has 10 paths of cost 1 + ln 10, one of layer 1 10 h2 of cost 2 + ln(10 h2).
    """
    random, rows = np.random.default_rng(0), []
    for seed in range(seeds):
        for h1, h2 in PAIRS:
            n_params = MLP(widths=(784, h1, h2, 10)).counts().n_params
            first, second = (2 + log(10 * h2)) / (10 * h2), (1 + log(10)) / 10
            entropies = {
                "htse": (h1 * first + h2 * second) / (h1 + h2),
                "hsie": (h1 * log2(10 * h2) + h2 * log2(10)) / (h1 + h2),
            }
            row = {"run_id": f"{seed}-{h1}", "seed": seed, "status": "done", "n_params": n_params}
            row |= {"test_loss": 0.4 + 300 / n_params + 2e-6 * n_params}
            for name, value in entropies.items():
                for of in ("", "_untrained"):
                    row[name + of] = value * (1 + random.normal(scale=noise))
            rows.append({**row, "notice": None})
    return Table.from_rows(rows)


def by_claim(table: Table) -> Mapping[str, Finding]:
    return {finding.claim: finding for finding in STUDY.analysis(table).findings}


def curves(table: Table) -> Curves:
    return Curves(table["n_params"], {name: table[name] for name in table.columns})


def test_the_sizes_are_the_notebooks() -> None:
    specs = STUDY.specs("notebook", 1)
    widths = [spec.model.widths for spec in specs if isinstance(spec.model, MLP)]
    assert [str(w[1:3]) for w in widths] == [row["hidden_sizes"] for row in notebook_rows()]
    assert {spec.seed for spec in STUDY.specs("notebook")} == {42, 43, 44, 45, 46}


def test_the_five_fits_are_those_of_the_independent_run(printed: Table) -> None:
    laws = notebook_laws(curves(printed))
    for name, (slope, r2) in PRINTED.items():
        assert laws[name].slope == pytest.approx(slope, abs=0.02), name
        assert laws[name].r2 == pytest.approx(r2, abs=0.02), name
    core = notebook_laws(curves(printed), "_untrained")["core"]
    assert (core.slope, core.r2) == pytest.approx(UNTRAINED_CORE, abs=0.02)


def test_the_cut_keeps_twelve_sizes_and_the_fit_uses_eleven(printed: Table) -> None:
    part = reduced(curves(printed))
    assert len(part.size) == 12 and part.size[-1] == 11993
    assert (part["loss"] > 0).sum() == 11


def test_the_laws_view_agrees_with_scipy(printed: Table) -> None:
    view = STUDY.view("laws", printed)
    assert len(view) == 10 and set(view["sizes"].tolist()) == {12}
    (loss,) = (row for row in view if row["law"] == "loss" and row["networks"] == "trained")
    part = reduced(curves(printed))
    kept = part["loss"] > 0
    oracle = stats.linregress(np.log10(part.size[kept]), np.log10(part["loss"][kept]))
    assert loss["slope"] == pytest.approx(oracle.slope)
    assert loss["p"] == pytest.approx(oracle.pvalue)


def test_the_notebook_view_has_the_notebooks_columns(printed: Table) -> None:
    view = STUDY.view("notebook", printed)
    assert view.columns == (
        "seed", "hidden_sizes", "num_params_N", "final_test_loss", "final_htse", "final_hsie",
    )  # fmt: skip
    assert view["num_params_N"].tolist() == sorted(printed["n_params"].tolist())


# ---- verdicts ----------------------------------------------------------------------------


def test_the_closed_form_of_equal_weights_is_no_power_without_a_floor_whatever_its_r2() -> None:
    table = equal_weights(noise=1e-3)
    one = table.where(seed=0)
    assert log_line(one["n_params"], one["htse"]).r2 == pytest.approx(0.963, abs=0.001)
    finding = PowerLaw("n_params", "htse").judge(table).finding
    assert finding.verdict == "disagrees"
    assert finding.high < -0.2


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_a_power_of_n_bends_above_its_lowest_value_and_is_one_above_a_fitted_floor(
    floor: float,
) -> None:
    table = equal_weights(noise=1e-3)
    scatter = np.random.default_rng(1).normal(scale=1e-4, size=len(table))
    power = (floor + 3 * table["n_params"] ** -0.3) * (1 + scatter)
    found = by_claim(table.with_columns(htse=power))
    assert found[HTSE_ABOVE_LOWEST].verdict == "disagrees"
    assert found[HTSE_ABOVE_LOWEST].low > 1
    assert found[HTSE_ABOVE_A_FLOOR].verdict == "agrees"
    assert found[HTSE_ABOVE_A_FLOOR].source == OURS


def test_a_floor_that_the_runs_do_not_determine_gives_no_verdict() -> None:
    table = equal_weights(seeds=2, noise=1e-2)
    few = np.isin(table["n_params"], np.unique(table["n_params"])[::3])
    found = by_claim(table.take(few))[HTSE_ABOVE_A_FLOOR]
    assert found.verdict == "undecided" and isnan(found.measured)
    assert "do not determine a floor" in found.answer


def test_htse_is_judged_on_the_notebooks_axes(printed: Table) -> None:
    """Its own 19 networks: to 11,993, less the lowest value there."""
    found = by_claim(printed)[HTSE_ABOVE_LOWEST]
    assert "the exponent is -1.22" in found.answer and "R² 0.82" in found.answer


def test_hsie_is_judged_up_to_the_lowest_loss_as_the_notebook_fits_it() -> None:
    table = equal_weights(noise=1e-3)
    size = table["n_params"]
    scatter = np.random.default_rng(1).normal(scale=1e-3, size=len(table))
    straight = -5 + 2.7 * np.log10(size) + scatter
    beyond = straight - 3 * np.maximum(0, np.log10(size / 13_000))
    assert by_claim(table.with_columns(hsie=straight))[HSIE_LAW].verdict == "agrees"
    found = by_claim(table.with_columns(hsie=beyond))[HSIE_LAW]
    assert found.verdict == "agrees"
    assert Straight("n_params", "hsie", ylog=False).judge(
        table.with_columns(hsie=beyond)
    ).finding.verdict == "disagrees"  # fmt: skip
    bent = straight + 2 * np.log10(size / 3_000) ** 2
    assert by_claim(table.with_columns(hsie=bent))[HSIE_LAW].verdict == "disagrees"


def test_a_number_has_one_interval() -> None:
    """The exponent of the means stands in two findings, with the jackknife of the grid."""
    table = equal_weights(noise=1e-2)
    findings = STUDY.analysis(table).findings
    grid = Grid.of(table, "n_params", ("htse",))
    exponent = grid.jackknife(lambda c: {"slope": log_line(c.size, c["htse"]).slope})["slope"]
    assert findings[0].interval == pytest.approx(exponent)
    assert f"to the power {exponent.shown('.2f')}" in findings[0].answer
    assert f"against trained {exponent.shown('.2f')}" in findings[1].control


def test_networks_that_never_left_chance_are_no_trained_networks() -> None:
    table = equal_weights(noise=1e-3)
    dead = (table["n_params"] == 807) | ((table["n_params"] == 1593) & (table["seed"] == 0))
    # Their entropies are as before training: they hide what training does to the others.
    trained = np.where(dead, table["hsie"], table["hsie"] - 4e3 / table["n_params"])
    notice = ["the outputs are the same for all examples" if d else None for d in dead]
    table = table.with_columns(hsie=trained, notice=notice)
    alive = table.take(~dead)
    assert len(learnt(table)) == 95 - 6
    ours, theirs = by_claim(table), by_claim(alive)
    for claim, finding in ours.items():
        assert repr(finding.measured) == repr(theirs[claim].measured), claim
    headline = STUDY.analysis(table).findings[0]
    assert "89 networks, without 6 that never left chance" in headline.answer


def test_untrained_networks_that_have_the_slope_already_say_so() -> None:
    table = equal_weights(noise=1e-3)
    found = by_claim(table)
    assert found["With more parameters H'_TSE falls and H'_SIE grows"].verdict == "agrees"
    claim = "Before training the networks show most of the slope of {} in N"
    for symbol in ("H'_TSE", "H'_SIE"):
        share = found[claim.format(symbol)]
        assert share.measured == pytest.approx(1, abs=0.01)
        assert (share.verdict, share.source) == ("agrees", OURS)
    flat = 3 + 0.1 * (table["hsie_untrained"] - 3)
    made = by_claim(table.with_columns(hsie_untrained=flat))[claim.format("H'_SIE")]
    assert made.measured == pytest.approx(0.1, abs=0.01) and made.verdict == "disagrees"


def test_the_range_over_seeds_of_the_cut_is_no_interval() -> None:
    table = equal_weights(noise=1e-3)
    # Seeds 0 and 1 have their lowest loss elsewhere.
    loss = table["test_loss"] - 0.3 * (table["n_params"] == 4771) * (table["seed"] < 2)
    cut = STUDY.analysis(table.with_columns(test_loss=loss)).findings[-1]
    assert isnan(cut.low) and isnan(cut.high)
    assert cut.verdict == "agrees" and "4,771 to 11,993" in cut.answer
    assert STUDY.analysis(table).findings[-1].verdict == "undecided", "one cut of five seeds"


def test_one_seed_gives_no_verdict() -> None:
    findings = STUDY.analysis(equal_weights(seeds=1)).findings
    assert {finding.verdict for finding in findings} == {"undecided"}


def test_every_finding_names_a_figure_of_the_study() -> None:
    analysis = STUDY.analysis(equal_weights(noise=1e-3))
    names = {figure.__name__ for figure in STUDY.figures} | set(analysis.figures)
    assert {finding.figure for finding in analysis.findings} == names
