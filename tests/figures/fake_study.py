"""A study without training: a known power law, one diverged run, two figures, two fits."""

import numpy as np

from allometry.figures import (
    IntervalRow,
    curve,
    headline,
    interval_panel,
    letters,
    panels,
    runs_panel,
)
from allometry.findings import Analysis, Finding
from allometry.fitting.fit import fit
from allometry.study import Study
from allometry.tables.table import Table

ALPHA = 0.5
PROVENANCE = [
    {"package": "allometry 0.1.0", "device": "cpu", "when": "2026-01-01T00:00:00Z"},
    {"package": "allometry 0.1.0", "device": "cpu", "when": "2026-01-02T00:00:00Z"},
]
COMMAND = "allometry run fake && allometry report fake -o fake.html"


def runs(word: str = "relu", seeds: int = 3) -> Table:
    """Six sizes, y = 3 N^-0.5 with one percent of noise; the last run diverged."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "run_id": f"{n * 100 + s:064x}",
            "seed": 42 + s,
            "activation": word,
            "n_params": n,
            "test_loss": 3 * n**-ALPHA * float(np.exp(0.01 * rng.normal())),
            "steps": 100,
            "learning_rate": 0.001,
            "status": "done",
        }
        for n in (1000, 2000, 4000, 8000, 16000, 32000)
        for s in range(seeds)
    ]
    rows[-1] = {**rows[-1], "test_loss": float("nan"), "status": "diverged"}
    return Table.from_rows(rows)


def law(table: Table):
    return fit(
        table.where(status="done"),
        "power",
        {"x": "n_params", "y": "test_loss"},
        objective="squared_log",
        resamples=60,
        cluster="seed",
    )


def laws_of(table: Table):
    return {"Loss of all done runs": law(table)}


def analyse(table: Table) -> Analysis:
    fits = laws_of(table)
    alpha = fits["Loss of all done runs"].parameters["alpha"]
    findings = [
        Finding(
            claim="Does loss fall as a power of N?",
            prediction="L falls as N^-0.5",
            source="Nobody 2020, eq. 1",
            measured=alpha.value,
            low=alpha.low,
            high=alpha.high,
            verdict="agrees",
            answer="Loss falls as N^-0.5, as predicted.",
            control="untrained: 0.00 [-0.01, 0.01]",
        ),
        Finding(
            claim="Is H'_TSE made by training?",
            prediction="it is",
            source="Nobody 2020",
            measured=float("nan"),
            low=float("nan"),
            high=float("nan"),
            verdict="disagrees",
            answer="Untrained networks have it too.",
        ),
    ]
    return Analysis(findings, fits=fits)


def loss_figure(table, analysis):
    """Test loss of 18 runs against N, three seeds at each of six sizes; the line is the power law
    of all done runs, the band its 95% interval from resampling seeds.

    This second paragraph is no part of the caption.
    """
    (fitted,) = analysis.fits.values()
    figure, axes = panels(1, 2)
    line = curve(
        lambda x: fitted.predict({"x": x}),
        (1000, 16000),
        beyond=(1000, 64000),
        interval=lambda x: fitted.predict_interval({"x": x}),
        label="N^-0.5",
    )
    for ax in axes[0]:
        runs_panel(
            table["n_params"],
            table["test_loss"],
            ax=ax,
            curves=[line],
            used=table["n_params"] <= 16000,
            xlabel="parameters N",
            ylabel="loss (nats)",
        )
    letters(axes)
    headline(figure, "Loss falls as N^-0.5")
    return figure


def exponent_figure(table, analysis):
    """The exponent with its interval."""
    figure, axes = panels(width=89)
    f = analysis.findings[0]
    interval_panel(
        [IntervalRow("trained", f.measured, f.low, f.high, predicted=0.5)], ax=axes[0, 0]
    )
    headline(figure, "The exponent is a half")
    return figure


STUDY = Study(
    name="fake",
    title="A fake study",
    question="Does anything change with size?",
    prediction="Loss falls as N^-0.5.",
    source="Nobody, Nothing (2020)",
    runs=lambda size, seeds: [],
    measures={},
    analyse=analyse,
    figures=(loss_figure, exponent_figure),
    notes=("Nothing larger than N = 32,000 was trained.",),
)
