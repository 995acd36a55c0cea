"""An analysis makes its intervals and each fit once; figures draw from it and compute no other."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from allometry.studies.path_entropies import (
    data_laws,
    laws,
    mlp_data_scaling,
    mlp_parameter_scaling,
)
from allometry.tables.table import Table

STUDIES = {
    "N": (mlp_parameter_scaling.STUDY, "n_params", laws, 5),
    "D": (mlp_data_scaling.STUDY, "n_data", data_laws, 3),
}


def runs(size: str, seeds: int) -> Table:
    """Twelve sizes of known laws with a little noise; the loss is lowest at the tenth."""
    random = np.random.default_rng(0)
    rows = []
    for seed in range(42, 42 + seeds):
        for place, n in enumerate(np.geomspace(100, 50_000, 12)):
            noise = random.normal(scale=0.002, size=5)
            rows.append({
                "run_id": f"{seed}-{place}", "seed": seed, "status": "done", size: int(n),
                "test_loss": 0.3 + 5 * n**-0.5 + 0.02 * max(0, place - 9) + noise[0] / 100,
                "htse": 3 * n**-0.3 + 1e-4 * n**0.5 * (1 + noise[1]),
                "hsie": 6 - 0.05 * n**0.2 * (1 + noise[2]),
                "htse_untrained": 3 * n**-0.3 * (1 + noise[3] / 10),
                "hsie_untrained": 6 + noise[4] / 10,
            })  # fmt: skip
            for name in ("htse", "hsie"):
                for of in ("", "_untrained"):
                    rows[-1][f"{name}_all{of}"] = rows[-1][f"{name}{of}"]
    return Table.from_rows(rows)


@pytest.mark.parametrize("name", STUDIES)
def test_intervals_and_each_fit_once(name, monkeypatch):
    study, size, module, fits = STUDIES[name]
    calls = []
    intervals, fit = module.intervals_of, module.fit
    monkeypatch.setattr(
        module, "intervals_of", lambda *a: calls.append("intervals") or intervals(*a)
    )
    monkeypatch.setattr(module, "fit", lambda *a, **k: calls.append("fit") or fit(*a, **k))
    table = runs(size, seeds=3)
    analysis = study.analysis(table)
    assert sorted(calls) == [*["fit"] * fits, "intervals"]
    assert all(isinstance(draw(table, analysis), Figure) for draw in study.figures)
    assert len(calls) == 1 + fits


@pytest.mark.parametrize("name", STUDIES)
def test_one_seed_has_fits_and_figures_too(name):
    study, size, _, fits = STUDIES[name]
    table = runs(size, seeds=1)
    analysis = study.analysis(table)
    of_the_study = [*analysis.fits.values()][:fits]  # that of a claim is behind them
    assert len(of_the_study) == fits
    assert all(fit.interval.cluster == (size,) for fit in of_the_study)
    assert all(isinstance(draw(table, analysis), Figure) for draw in study.figures)
