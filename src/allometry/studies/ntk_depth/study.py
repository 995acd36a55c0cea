"""Is the "NTK correction" that seed 002 plots a correction of finite width?

The notebook's quantity M(K - K_inf), its slopes over depth L and number of points N, and
what it lacks: the limit kernel alone as a control, the kernel that K does tend to,
(2/D) K_inf^(L+1), and intervals.
"""

from collections.abc import Sequence

import numpy as np

from allometry.findings import Finding, Verdict, at_most
from allometry.fitting.document import Fit
from allometry.stats.interval import Interval
from allometry.studies.ntk_depth.analysis import (
    Cells,
    heavy_tail,
    intervals,
    mean_shift,
    plane,
    rms,
    slopes,
    slopes_view,
    tables_view,
)
from allometry.studies.ntk_depth.figures import (
    MATCHED,
    PRINTED_PLANE,
    exponents_beside_theory,
    heavy_tails,
    radius_by_depth,
    slopes_beside_the_printed,
    the_limit_alone,
)
from allometry.studies.ntk_depth.printed import PRINTED, Row
from allometry.studies.ntk_depth.procedure import KernelDraws, Kernels
from allometry.studies.ntk_depth.spec import KernelDraw
from allometry.study import Notebook, Study
from allometry.tables.table import Table

SOURCE = "J. Aiad 2025, DeNN-NTK, ntk_correction_largeexperiments_viz_wrtL.ipynb at 61e4bcb"
REGRESSION = "J. Aiad 2025, DeNN-NTK, refs/wk6-hierarchy/sources/meeting/beamer.tex"
HEAVY_TAILS = "Hanin and Nica, Finite depth and width corrections to the NTK, 1909.05989"
HIERARCHY = "Huang and Yau, Dynamics of deep neural networks and NTK hierarchy, 1909.08156"
CLOSE = 0.05  # an exponent within this of a predicted one agrees with it
# rms difference from the printed slopes that a re-run of ten draws is granted.
GRANTED = {"L": 0.025, "N": 0.06}
# Lines of the printed table that the quick size repeats: (over, fixed, D, M).
QUICK = {
    ("L", 8, 20, 60), ("L", 8, 20, 100), ("L", 8, 20, 1000), ("L", 8, 100, 100),
    ("L", 16, 50, 200), ("L", 16, 20, 40), ("L", 25, 20, 20),
    ("N", 2, 20, 30), ("N", 4, 20, 20), ("N", 6, 50, 20),
}  # fmt: skip


def runs(size: str, seeds: Sequence[int]) -> list[KernelDraw]:
    """Every cell of the printed table at every draw; of ten of its lines at the quick size."""
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
    """`spectral_radius` of M (K - K_inf^(L)), the notebook's correction, and of three others.

    `matched_spectral_radius`: of M (K - (2/D) K_inf^(L+1)), less what K does tend to.
    `limit_spectral_radius` of M K_inf^(L), `matched_limit_spectral_radius` of
    M (2/D) K_inf^(L+1): functions of the inputs alone.
    """
    matched = np.float32(2 / drawn.spec.d_in) * drawn.limit_next
    of = np.stack((drawn.ntk - drawn.limit, drawn.ntk - matched, drawn.limit, matched))
    radii = drawn.spec.width * np.abs(np.linalg.eigvalsh(of.astype(np.float64))).max(axis=1)
    names = (
        "spectral_radius",
        "matched_spectral_radius",
        "limit_spectral_radius",
        "matched_limit_spectral_radius",
    )
    return dict(zip(names, map(float, radii), strict=True))


def moments(drawn: Kernels) -> dict[str, float]:
    """Entries of K by what they tend to: on the diagonal, squared there, and beside it.

    `diagonal`: mean of K(x, x) / ((2/D)(L + 1)), whose expectation is exactly 1.
    `diagonal_square`: mean of its square. `off_diagonal`: sum of K(x, x') over x != x'
    by the same sum of (2/D) K_inf^(L+1).
    """
    entries = drawn.ntk.astype(np.float64) * (drawn.spec.d_in / 2)
    limit = drawn.limit_next.astype(np.float64)
    diagonal = np.diagonal(entries) / (drawn.spec.depth + 1)
    beside = (entries.sum() - np.trace(entries)) / (limit.sum() - np.trace(limit))
    return {
        "diagonal": float(diagonal.mean()),
        "diagonal_square": float((diagonal**2).mean()),
        "off_diagonal": float(beside),
    }


# ---- what was found ----------------------------------------------------------------------


def analyse(table: Table) -> list[Finding]:
    """What the plotted quantity is, the printed slopes, and the matched correction."""
    cells = Cells.of(table)
    plotted, alone = plane(cells, "spectral_radius"), plane(cells, "limit_spectral_radius")
    wide = cells.only(cells.size("width") >= 10 * cells.size("depth"))
    relative = plane(wide, "matched_spectral_radius", "matched_limit_spectral_radius")
    matched = plane(wide, "matched_spectral_radius")
    moments_of = intervals(cells, lambda c: {**heavy_tail(c), **mean_shift(c)})
    return [
        _of_the_limit(cells, plotted, alone),
        _regression(plotted, alone),
        _slopes(cells, "L", "depth L"),
        _slopes(cells, "N", "the number of points N"),
        _fluctuation(plotted, relative, matched, "alpha_M", "falls with the width as M^-0.5"),
        _fluctuation(plotted, relative, matched, "alpha_L", "grows with depth as L^0.5"),
        _tails(moments_of["heavy_tail"], cells),
        _mean(moments_of["mean_shift"], relative),
    ]


def _shown(value: float, low: float, high: float) -> str:
    if np.isnan(low):
        return f"{value:.2f}, no interval"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _law(found: Fit) -> str:
    p = found.parameters
    return " ".join(f"{size}^{p[f'alpha_{size}'].value:.3f}" for size in "LDNM")


def _of_the_limit(cells: Cells, plotted: Fit, alone: Fit) -> Finding:
    m = plotted.parameters["alpha_M"]
    share = np.exp(
        np.mean(np.log(cells.mean("spectral_radius") / cells.mean("limit_spectral_radius")))
    )
    return Finding(
        claim="The plotted M(K - K_inf) is a correction of finite width",
        prediction="K - K_inf vanishes as the width grows: its exponent of M is -0.5 or less "
        "(-0.5 for one draw, -1 for the mean)",
        source=HIERARCHY,
        measured=m.value - 1,
        low=m.low - 1,
        high=m.high - 1,
        verdict=at_most(Interval(m.value, m.low, m.high), 0.5),
        answer=f"K - K_inf goes as M^{m.value - 1:.2f}: it does not vanish. K_inf is normalised to "
        "1 a layer of L layers, K to 2/D a layer of L + 1; their difference is "
        f"{100 * share:.0f}% of the limit kernel alone, and the slopes are the limit's.",
        control=f"K_inf alone, no network: {_law(alone)}",
        unit="exponent of M in K - K_inf",
    )  # fmt: skip


def _regression(plotted: Fit, alone: Fit) -> Finding:
    m = plotted.parameters["alpha_M"]
    printed = PRINTED_PLANE["alpha_M"]
    return Finding(
        claim="The plotted radius goes as L^1.171 D^0.047 N^0.900 M^-1.009",
        prediction="the author's regression on all cells; judged by its exponent of M",
        source=REGRESSION,
        measured=m.value,
        low=m.low,
        high=m.high,
        verdict=_near(m.low, m.high, printed),
        answer=f"{_law(plotted)}. The radius holds the factor M, so its exponent of M is +1 and "
        "the printed sign is not the data's.",
        control=f"K_inf alone: {_law(alone)}",
        unit="exponent of M",
    )


def _near(low: float, high: float, predicted: float) -> Verdict:
    """agrees: all of the interval lies within `CLOSE` of it; disagrees: none of it does."""
    if predicted - CLOSE <= low and high <= predicted + CLOSE:
        return "agrees"
    return "disagrees" if low > predicted + CLOSE or high < predicted - CLOSE else "undecided"


def _slopes(cells: Cells, over: str, name: str) -> Finding:
    part = slopes(cells).over(over)
    found, alone = rms(part), rms(part, limit=True)
    tables = max(1, cells.draws // 10)
    many = len(part.printed) > 1
    return Finding(
        claim=f"The slopes over {name} are those the notebook prints",
        prediction=f"root mean square difference up to {GRANTED[over]} (two tables of ten draws "
        "differ by chance)",
        source=SOURCE,
        measured=found.value,
        low=found.low,
        high=found.high,
        verdict=at_most(found, GRANTED[over]) if many else "undecided",
        answer=f"Of {len(part.printed)} printed slopes ours differ by {found.value:.3f} (root mean "
        f"square; medians over {tables} table{'s' * (tables > 1)} of ten draws)."
        if many
        else "Fewer than two of the printed lines were run.",
        control=f"K_inf alone, no network: {alone.value:.3f}" if many else "",
        unit="rms difference of slopes",
    )


def _fluctuation(plotted: Fit, relative: Fit, matched: Fit, name: str, what: str) -> Finding:
    p = relative.parameters
    e, predicted = p[name], MATCHED[name]
    rest = ", ".join(
        f"{size} {_shown(x.value, x.low, x.high)}" for size in "LDNM" for x in [p[f"alpha_{size}"]]
    )
    return Finding(
        claim=f"The matched correction of one draw, relative to its limit, {what}",
        prediction=f"fluctuations of the square root of L/M, exponent {predicted}, granted within "
        f"{CLOSE}; widths of 10 L or more",
        source=HEAVY_TAILS,
        measured=e.value,
        low=e.low,
        high=e.high,
        verdict=_near(e.low, e.high, predicted),
        answer=f"|K - (2/D) K_inf^(L+1)| by |(2/D) K_inf^(L+1)| has exponents {rest}; "
        f"M|K - (2/D) K_inf^(L+1)| itself goes as {_law(matched)}.",
        control=f"as the notebook plots it, M^{plotted.parameters['alpha_M'].value - 1:.2f}"
        if name == "alpha_M"
        else "",
        unit=f"exponent of {name[-1]}",
    )


def _tails(slope: Interval, cells: Cells) -> Finding:
    narrow = intervals(
        cells.only(cells.size("width") >= 100), heavy_tail, resamples=100
    )["heavy_tail"] if (cells.size("width") >= 100).any() else slope  # fmt: skip
    return Finding(
        claim="The second moment E[K(x,x)²]/E[K(x,x)]² grows as exp(5L/M)",
        prediction="exponent 5L/M up to constants: slope 1 of the logarithm on 5L/M, granted "
        f"within {CLOSE}; 5L/M up to 1",
        source=HEAVY_TAILS,
        measured=slope.value,
        low=slope.low,
        high=slope.high,
        verdict="undecided" if np.isnan(slope.low) else _near(slope.low, slope.high, 1.0),
        answer=f"Its logarithm grows by {_shown(*slope)} of 5L/M. As a bound it holds; it is not "
        "reached: K sums L + 1 layers, and terms of different layers share part of the network.",
        control=f"widths of 100 on: {_shown(*narrow)}",
        unit="slope on 5L/M",
    )


def _mean(shift: Interval, relative: Fit) -> Finding:
    known = not np.isnan(shift.low)
    verdict: Verdict = "undecided"
    if known and not shift.low <= -1 <= shift.high:
        verdict = "disagrees"
    elif known and shift.high < MATCHED["alpha_M"]:
        verdict = "agrees"
    m = relative.parameters["alpha_M"]
    return Finding(
        claim="The mean of the matched correction falls as 1/M",
        prediction="exponent -1 of M, not the -0.5 of one draw, for entries beside the diagonal "
        "(on it the mean is exact)",
        source=HIERARCHY,
        measured=shift.value if known else np.nan,
        low=shift.low if known else np.nan,
        high=shift.high if known else np.nan,
        verdict=verdict,
        answer=f"Exponent {_shown(*shift)} over depths 8 to 18."
        if known
        else "The mean of these draws is too small beside its noise to have an exponent.",
        control=f"one draw: {_shown(m.value, m.low, m.high)}",
        unit="exponent of M" if known else "",
    )  # fmt: skip


def fits(table: Table) -> dict[str, Fit]:
    """One power law in all four sizes, for the plotted radius, its control and the matched one."""
    cells = Cells.of(table)
    wide = cells.only(cells.size("width") >= 10 * cells.size("depth"))
    return {
        "Radius of M(K - K_inf), as plotted": plane(cells, "spectral_radius"),
        "Radius of M K_inf, no network": plane(cells, "limit_spectral_radius"),
        "Matched radius, M of 10 L or more": plane(wide, "matched_spectral_radius"),
    }


STUDY = Study(
    name="ntk_depth",
    title="NTK corrections of deep perceptrons against depth, width, points and dimension",
    question="Is the NTK correction that grows with depth an effect of finite width?",
    prediction="The radius of M(K - K_inf) grows as L^1.171 D^0.047 N^0.900 M^-1.009",
    source=SOURCE,
    runs=runs,
    seeds={"quick": tuple(range(42, 52)), "notebook": tuple(range(42, 72))},
    procedure=KernelDraws(),
    measures={"spectral_radii": spectral_radii, "moments": moments},
    analyse=analyse,
    figures=(
        the_limit_alone,
        slopes_beside_the_printed,
        radius_by_depth,
        exponents_beside_theory,
        heavy_tails,
    ),
    fits=fits,
    views={"slopes": slopes_view, "tables": tables_view},
    notebook=Notebook(
        number=2,
        name="NTK correction against depth",
        printed="103 slopes of the radius over depth, 1.06 to 1.44, and 61 over the number of "
        "points, 0.74 to 1.03, taken as laws of a finite-width correction.",
    ),
    notes=(
        "Thirty draws of a cell where the notebook has ten: three tables like its own, and slopes "
        "are medians over the three. Heavy tails make single tables differ; means over all thirty "
        "differ more, since one rare draw moves them.",
        "Data and weights are drawn anew for every cell and draw, as in the notebook, from other "
        "random numbers. Wide layers are drawn through their projections, equal in distribution.",
        "Which numbers of points a line over N was fitted to is a reconstruction; the line "
        "(L 2, D 20, M 40) is doubtful.",
        "Results of the next day, with depths to 1000, are not repeated here.",
    ),
)
