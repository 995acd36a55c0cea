"""The first study: its sizes, its analysis as the notebook does it, its verdicts, its views."""

from collections.abc import Mapping
from math import isnan, log, log2

import numpy as np
import pytest
from scipy import stats

from allometry.claims.claim import OURS
from allometry.findings import Finding
from allometry.models import MLP
from allometry.stats.grid import Curves
from allometry.stats.lines import log_line
from allometry.studies.path_entropies.laws import learnt, notebook_laws, reduced
from allometry.studies.path_entropies.mlp_parameter_scaling import HTSE_IS_A_POWER, PAIRS, STUDY
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


def test_a_closed_form_that_is_no_power_has_a_high_r2_and_is_judged_no_power() -> None:
    table = equal_weights(noise=1e-3)
    one = table.where(seed=0)
    assert log_line(one["n_params"], one["htse"]).r2 == pytest.approx(0.963, abs=0.001)
    finding = by_claim(table)["H'_TSE falls as a power law of N"]
    assert finding.verdict == "disagrees"
    assert finding.high < -0.2


def test_a_power_of_n_is_judged_to_be_one() -> None:
    table = equal_weights(noise=1e-3)
    random = np.random.default_rng(1)
    power = 3 * table["n_params"] ** -0.3 * (1 + random.normal(scale=1e-3, size=len(table)))
    found = HTSE_IS_A_POWER.judge(table.with_columns(htse=power)).finding
    assert found.verdict == "agrees"


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
    found = by_claim(equal_weights(noise=1e-3))
    assert found["With more parameters H'_TSE falls and H'_SIE grows"].verdict == "agrees"
    for symbol in ("H'_TSE", "H'_SIE"):
        share = found[f"The slope of {symbol} in N is made by training"]
        assert share.measured == pytest.approx(1, abs=0.01)
        assert (share.verdict, share.source) == ("disagrees", OURS)


def test_the_range_over_seeds_of_the_cut_is_no_interval() -> None:
    table = equal_weights(noise=1e-3)
    # Seeds 0 and 1 have their lowest loss elsewhere.
    loss = table["test_loss"] - 0.3 * (table["n_params"] == 4771) * (table["seed"] < 2)
    cut = STUDY.analysis(table.with_columns(test_loss=loss)).findings[-1]
    assert isnan(cut.low) and isnan(cut.high)
    assert cut.verdict == "disagrees" and "4,771 to 11,993" in cut.answer


def test_one_seed_gives_no_verdict() -> None:
    findings = STUDY.analysis(equal_weights(seeds=1)).findings
    assert {finding.verdict for finding in findings} == {"undecided"}


def test_every_finding_names_a_figure_of_the_study() -> None:
    names = {figure.__name__ for figure in STUDY.figures}
    assert {f.figure for f in STUDY.analysis(equal_weights(noise=1e-3)).findings} == names
