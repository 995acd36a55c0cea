"""The claims of the NTK study beside what was measured."""

from collections.abc import Sequence

from allometry.findings import Finding, Verdict, at_most, contains, inside
from allometry.fitting.document import Fit
from allometry.stats.interval import NO_VALUE, Interval
from allometry.studies.ntk_depth.numbers import Numbers

__all__ = ["GRANTED", "HIERARCHY", "MATCHED", "PRINTED_PLANE", "SOURCE", "findings_of"]

SOURCE = "J. Aiad 2025, DeNN-NTK, ntk_correction_largeexperiments_viz_wrtL.ipynb at 61e4bcb"
REGRESSION = "J. Aiad 2025, DeNN-NTK, refs/wk6-hierarchy/sources/meeting/beamer.tex"
HEAVY_TAILS = "Hanin and Nica, Finite depth and width corrections to the NTK, 1909.05989"
HIERARCHY = "Huang and Yau, Dynamics of deep neural networks and NTK hierarchy, 1909.08156"
CLOSE = 0.05  # an exponent within this of a predicted one agrees with it
# rms difference from the printed slopes that a re-run of ten draws is granted.
GRANTED = {"L": 0.025, "N": 0.06}
# Exponents of the author's regression, and of fluctuations of one draw (HEAVY_TAILS).
PRINTED_PLANE = {"alpha_L": 1.171, "alpha_D": 0.047, "alpha_N": 0.900, "alpha_M": -1.009}
MATCHED = {"alpha_L": 0.5, "alpha_D": 0.0, "alpha_N": 0.0, "alpha_M": -0.5}


def findings_of(numbers: Numbers) -> Sequence[Finding]:
    """What the plotted quantity is, the printed slopes, and the matched correction."""
    return [
        _of_the_limit(numbers),
        _regression(numbers),
        _slopes(numbers, "L", "depth L"),
        _slopes(numbers, "N", "the number of points N"),
        _fluctuation(numbers, "alpha_M", "falls with the width as M^-0.5"),
        _fluctuation(numbers, "alpha_L", "grows with depth as L^0.5"),
        _tails(numbers),
        _mean(numbers),
    ]


def _exponent(fit: Fit, name: str) -> Interval:
    parameter = fit.parameters[name]
    return Interval(parameter.value, parameter.low, parameter.high)


def _shown(interval: Interval) -> str:
    return interval.shown(".2f") + ("" if interval.has_ends else ", no interval")


def _law(fit: Fit) -> str:
    return " ".join(f"{size}^{_exponent(fit, f'alpha_{size}').value:.3f}" for size in "LDNM")


def _near(interval: Interval, predicted: float) -> Verdict:
    """agrees: all of the interval lies within `CLOSE` of it; disagrees: none of it does."""
    return inside(interval, predicted - CLOSE, predicted + CLOSE)


def _of_the_limit(numbers: Numbers) -> Finding:
    # The plotted radius holds the factor M, which K - K_inf does not have.
    exponent = Interval(*(end - 1 for end in _exponent(numbers.plotted, "alpha_M")))
    return Finding(
        claim="The plotted M(K - K_inf) is a correction of finite width",
        prediction="K - K_inf vanishes as the width grows: its exponent of M is -0.5 or less "
        "(-0.5 for one draw, -1 for the mean)",
        source=HIERARCHY,
        measured=exponent.value,
        low=exponent.low,
        high=exponent.high,
        verdict=at_most(exponent, -0.5),
        answer=f"K - K_inf goes as M^{exponent.value:.2f}: it does not vanish. K_inf is normalised "
        "to 1 a layer of L layers, K to 2/D a layer of L + 1; their difference is "
        f"{100 * numbers.share:.0f}% of the limit kernel alone, and the slopes are the limit's.",
        control=f"K_inf alone, no network: {_law(numbers.limit)}",
        unit="exponent of M in K - K_inf",
    )


def _regression(numbers: Numbers) -> Finding:
    exponent = _exponent(numbers.plotted, "alpha_M")
    return Finding(
        claim="The plotted radius goes as L^1.171 D^0.047 N^0.900 M^-1.009",
        prediction="the author's regression on all cells; judged by its exponent of M",
        source=REGRESSION,
        measured=exponent.value,
        low=exponent.low,
        high=exponent.high,
        verdict=_near(exponent, PRINTED_PLANE["alpha_M"]),
        answer=f"{_law(numbers.plotted)}. The radius holds the factor M, so its exponent of M is "
        "+1 and the printed sign is not the data's.",
        control=f"K_inf alone: {_law(numbers.limit)}",
        unit="exponent of M",
    )


def _slopes(numbers: Numbers, over: str, name: str) -> Finding:
    ours = numbers.slopes.over(over)
    rms, limit_rms = numbers.rms[over], numbers.limit_rms[over]
    tables = max(1, numbers.cells.draws // 10)
    many = len(ours.printed) > 1
    return Finding(
        claim=f"The slopes over {name} are those the notebook prints",
        prediction=f"root mean square difference up to {GRANTED[over]} (two tables of ten draws "
        "differ by chance)",
        source=SOURCE,
        measured=rms.value,
        low=rms.low,
        high=rms.high,
        verdict=at_most(rms, GRANTED[over]),
        answer=f"Of {len(ours.printed)} printed slopes ours differ by {rms.value:.3f} (root mean "
        f"square; medians over {tables} table{'s' * (tables > 1)} of ten draws)."
        if many
        else "Fewer than two of the printed lines were run.",
        control=f"K_inf alone, no network: {limit_rms.value:.3f}" if many else "",
        unit="rms difference of slopes",
    )


def _fluctuation(numbers: Numbers, name: str, what: str) -> Finding:
    exponents = {size: _exponent(numbers.relative, f"alpha_{size}") for size in "LDNM"}
    exponent, predicted = _exponent(numbers.relative, name), MATCHED[name]
    plotted = _exponent(numbers.plotted, "alpha_M").value - 1
    return Finding(
        claim=f"The matched correction of one draw, relative to its limit, {what}",
        prediction=f"fluctuations of the square root of L/M, exponent {predicted}, granted within "
        f"{CLOSE}; widths of 10 L or more",
        source=HEAVY_TAILS,
        measured=exponent.value,
        low=exponent.low,
        high=exponent.high,
        verdict=_near(exponent, predicted),
        answer="|K - (2/D) K_inf^(L+1)| by |(2/D) K_inf^(L+1)| has exponents "
        + ", ".join(f"{size} {_shown(interval)}" for size, interval in exponents.items())
        + f"; M|K - (2/D) K_inf^(L+1)| itself goes as {_law(numbers.matched)}.",
        control=f"as the notebook plots it, M^{plotted:.2f}" if name == "alpha_M" else "",
        unit=f"exponent of {name[-1]}",
    )


def _tails(numbers: Numbers) -> Finding:
    slope = numbers.heavy_tail
    return Finding(
        claim="The second moment E[K(x,x)²]/E[K(x,x)]² grows as exp(5L/M)",
        prediction="exponent 5L/M up to constants: slope 1 of the logarithm on 5L/M, granted "
        f"within {CLOSE}; 5L/M up to 1",
        source=HEAVY_TAILS,
        measured=slope.value,
        low=slope.low,
        high=slope.high,
        verdict=_near(slope, 1.0),
        answer=f"Its logarithm grows by {_shown(slope)} of 5L/M. As a bound it holds; it is not "
        "reached: K sums L + 1 layers, and terms of different layers share part of the network.",
        control=f"widths of 100 on: {_shown(numbers.wide_heavy_tail)}",
        unit="slope on 5L/M",
    )


def _mean(numbers: Numbers) -> Finding:
    # A mean whose interval is unknown is lost in its noise; its value says nothing.
    shift = numbers.mean_shift if numbers.mean_shift.has_ends else NO_VALUE
    return Finding(
        claim="The mean of the matched correction falls as 1/M",
        prediction="exponent -1 of M, not the -0.5 of one draw, for entries beside the diagonal "
        "(on it the mean is exact)",
        source=HIERARCHY,
        measured=shift.value,
        low=shift.low,
        high=shift.high,
        verdict=_falls_as_the_mean(shift),
        answer=f"Exponent {_shown(shift)} over depths 8 to 18."
        if shift.has_ends
        else "The mean of these draws is too small beside its noise to have an exponent.",
        control=f"one draw: {_shown(_exponent(numbers.relative, 'alpha_M'))}",
        unit="exponent of M" if shift.has_ends else "",
    )


def _falls_as_the_mean(shift: Interval) -> Verdict:
    """agrees: -1 is in the interval and the exponent of one draw is not; disagrees: -1 is not."""
    if contains(shift, -1.0) == "agrees":
        return "agrees" if shift.high < MATCHED["alpha_M"] else "undecided"
    return contains(shift, -1.0)
