"""Is the "NTK correction" that notebook 002 plots a correction of finite width?

The study repeats the notebook's quantity M(K - K_inf) and its slopes over depth L and number of
points N. It adds the limit kernel alone as a control, the kernel (2/D) K_inf^(L+1) to which K
converges with width, and confidence intervals.
"""

from collections.abc import Sequence

import numpy as np

from allometry.findings import Analysis
from allometry.studies.ntk_depth.analysis import slopes_view, tables_view
from allometry.studies.ntk_depth.figures import (
    exponents_beside_theory,
    heavy_tails,
    radius_by_depth,
    slopes_beside_the_printed,
    the_limit_alone,
)
from allometry.studies.ntk_depth.findings import LAW, SLIDES, SOURCE, findings_of
from allometry.studies.ntk_depth.numbers import Numbers
from allometry.studies.ntk_depth.printed import PRINTED, Row
from allometry.studies.ntk_depth.procedure import KernelDraws, Kernels
from allometry.studies.ntk_depth.spec import KernelDraw
from allometry.study import Notebook, Study
from allometry.tables.table import Table

# Lines of the printed table that the quick size reproduces: (over, fixed, D, M).
QUICK = {
    ("L", 8, 20, 60), ("L", 8, 20, 100), ("L", 8, 20, 1000), ("L", 8, 100, 100),
    ("L", 16, 50, 200), ("L", 16, 20, 40), ("L", 25, 20, 20),
    ("N", 2, 20, 30), ("N", 4, 20, 20), ("N", 6, 50, 20),
}  # fmt: skip


def runs(size: str, seeds: Sequence[int]) -> list[KernelDraw]:
    """A run for every cell and draw of the printed table; of ten of its lines at ``quick``."""
    cells = dict.fromkeys(cell for row in _lines(size) for cell in row.cells)
    return [
        KernelDraw(n_points=n, d_in=d, width=m, depth=depth, seed=seed)
        for n, d, m, depth in cells
        for seed in seeds
    ]


def _lines(size: str) -> list[Row]:
    return {
        "quick": [r for r in PRINTED if (r.over, r.fixed, r.d_in, r.width) in QUICK],
        "notebook": list(PRINTED),
    }[size]


# ---- measures ----------------------------------------------------------------------------


def spectral_radii(drawn: Kernels) -> dict[str, float]:
    """Spectral radii of the corrections and of the limit kernels, times the width M.

    `spectral_radius`: of M (K - K_inf^(L)), the notebook's correction.
    `matched_spectral_radius`: of M (K - (2/D) K_inf^(L+1)), relative to the kernel to which K
    converges with width. `limit_spectral_radius`: of M K_inf^(L).
    `matched_limit_spectral_radius`: of M (2/D) K_inf^(L+1). The last two depend on the inputs
    alone.
    """
    matched = np.float32(2 / drawn.spec.d_in) * drawn.limit_next
    kernels = np.stack((drawn.ntk - drawn.limit, drawn.ntk - matched, drawn.limit, matched))
    radii = drawn.spec.width * np.abs(np.linalg.eigvalsh(kernels.astype(np.float64))).max(axis=1)
    names = (
        "spectral_radius",
        "matched_spectral_radius",
        "limit_spectral_radius",
        "matched_limit_spectral_radius",
    )
    return dict(zip(names, map(float, radii), strict=True))


def moments(drawn: Kernels) -> dict[str, float]:
    """Entries of K relative to their limits for infinite width.

    `diagonal`: mean of K(x, x) / ((2/D)(L + 1)), whose expectation is exactly 1.
    `diagonal_square`: mean of the square of the same. `off_diagonal`: sum of K(x, x') over
    x != x', divided by the same sum of (2/D) K_inf^(L+1).
    """
    entries = drawn.ntk.astype(np.float64) * (drawn.spec.d_in / 2)
    limit = drawn.limit_next.astype(np.float64)
    diagonal = np.diagonal(entries) / (drawn.spec.depth + 1)
    off_diagonal = (entries.sum() - np.trace(entries)) / (limit.sum() - np.trace(limit))
    return {
        "diagonal": float(diagonal.mean()),
        "diagonal_square": float((diagonal**2).mean()),
        "off_diagonal": float(off_diagonal),
    }


# ---- the analysis ------------------------------------------------------------------------


def analyse(table: Table) -> Analysis:
    """Findings on the printed slopes, the plotted quantity and the matched correction."""
    numbers = Numbers.of(table)
    return Analysis(
        findings=findings_of(numbers),
        numbers={"ntk_depth": numbers},
        fits={
            "Radius of M(K - K_inf), the author's regression": numbers.plotted,
            "Radius of M K_inf (no network), the same regression": numbers.limit,
        },
    )


STUDY = Study(
    name="ntk_depth",
    title="NTK corrections of deep perceptrons against depth, width, points and dimension",
    question="Is the NTK correction that grows with depth an effect of finite width?",
    prediction='||K - K_inf|| ~ L^1.171 D^0.047 N^0.900 M^-1.009, "Decays as ~1/M, as expected '
    'from theory"',
    source=f"{SOURCE}; {SLIDES}, {LAW}",
    symbols={
        "K": "tangent kernel of a network at the points, an N × N matrix",
        "K_inf": "kernel of infinite width, as the notebook computes it",
        "L": "depth, the number of hidden layers",
        "D": "dimension of the inputs",
        "N": "number of points",
        "M": "width of the hidden layers",
        "lambda_min": "smallest eigenvalue of K, which the author divides by N",
    },
    runs=runs,
    seeds={"quick": tuple(range(42, 52)), "notebook": tuple(range(42, 72))},
    procedure=KernelDraws(),
    measures={"spectral_radii": spectral_radii, "moments": moments},
    analyse=analyse,
    figures=(
        slopes_beside_the_printed,
        the_limit_alone,
        radius_by_depth,
        exponents_beside_theory,
        heavy_tails,
    ),
    views={"slopes": slopes_view, "tables": tables_view},
    notebook=Notebook(
        number=2,
        name="NTK correction against depth",
        printed="103 slopes of the radius over depth, 1.06 to 1.44, and 61 over the number of "
        "points, 0.74 to 1.03, read as laws of a finite-width correction.",
    ),
    notes=(
        "Each cell has thirty draws, where the notebook has ten. They form three tables like the "
        "notebook's, and a slope is the mean over the three. Single tables differ because of heavy "
        "tails. A single mean over all thirty draws differs more, since one rare draw changes it.",
        "Data and weights are drawn for every cell and draw, as in the notebook, but from other "
        "random numbers. For wide layers only projections of the weights are drawn, which have the "
        "same distribution.",
        "Deep cells exist only for small N, D and M. A regression on all cells, like the author's, "
        "therefore attributes curvature in one size to an exponent of another. The other exponents "
        "here compare cells that are equal in the other three sizes. Their intervals are from a "
        "jackknife over groups of cells; groups that differ only in depth are left out together. "
        "With too few groups, as at the quick size, there is no interval.",
        "The numbers of points that a line over N was fitted to are reconstructed; those of the "
        "line (L 2, D 20, M 40) are doubtful.",
        "The author's results of the next day, with depths up to 1000, are not reproduced here.",
    ),
)
