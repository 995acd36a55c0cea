"""The claims of the NTK study beside what was measured."""

from collections.abc import Sequence

from allometry.claims.claim import OURS
from allometry.findings import Finding, Verdict, at_most, equivalent, inside
from allometry.fitting.document import Fit
from allometry.stats.interval import NO_VALUE, Interval
from allometry.stats.means import mean
from allometry.studies.ntk_depth.analysis import Slopes
from allometry.studies.ntk_depth.numbers import Numbers

__all__ = ["MATCHED", "OFF", "PRINTED_PLANE", "SOURCE", "findings_of"]

SOURCE = "J. Aiad 2025, DeNN-NTK, ntk_correction_largeexperiments_viz_wrtL.ipynb at 61e4bcb"
REGRESSION = "J. Aiad 2025, DeNN-NTK, refs/wk6-hierarchy/sources/meeting/beamer.tex, regression"
PATHS = "ours, by the path counting of Hanin and Nica, 1909.05989, Theorem 1"
# Mean difference from the printed slopes that counts as none: the tolerance stated before any run
# for one slope of a wide network, where ten draws leave least to chance.
OFF = 0.02
# An exponent off by this puts a law off by 12% over a decade.
CLOSE = 0.05
# Terms left out of the second moment are of order 1/M, and the narrowest networks have M = 10.
LEFT_OUT = 0.1
# Half the way from the mean's exponent of M, -1, to that of one draw, -0.5.
HALF_WAY = 0.25
# Exponents of the author's regression, and of fluctuations of one draw.
PRINTED_PLANE = {"alpha_L": 1.171, "alpha_D": 0.047, "alpha_N": 0.900, "alpha_M": -1.009}
MATCHED = {"alpha_L": 0.5, "alpha_D": 0.0, "alpha_N": 0.0, "alpha_M": -0.5}
OVER = {"L": "depth L", "N": "the number of points N"}


def findings_of(numbers: Numbers) -> Sequence[Finding]:
    """The printed slopes, what the plotted quantity is, and the matched correction."""
    return [
        _slopes(numbers, "L"),
        _slopes(numbers, "N"),
        _regression(numbers),
        _of_the_limit(numbers),
        _sign(numbers),
        _nearer(numbers, "L"),
        _nearer(numbers, "N"),
        _fluctuation(numbers, "alpha_M", "falls with the width as M^-0.5", "radius_by_depth"),
        _fluctuation(numbers, "alpha_L", "grows with depth as L^0.5", "exponents_beside_theory"),
        _tails(numbers),
        _mean(numbers),
    ]


def _finding(interval: Interval, **words: str) -> Finding:
    return Finding(measured=interval.value, low=interval.low, high=interval.high, **words)  # type: ignore[arg-type]


def _exponent(fit: Fit, name: str) -> Interval:
    parameter = fit.parameters[name]
    return Interval(parameter.value, parameter.low, parameter.high)


def _shown(interval: Interval, form: str = ".2f") -> str:
    return interval.shown(form) + ("" if interval.has_ends else ", no interval")


def _law(fit: Fit, sizes: str = "LDNM") -> str:
    return " ".join(f"{size}^{_exponent(fit, f'alpha_{size}').value:.3f}" for size in sizes)


def _near(interval: Interval, predicted: float) -> Verdict:
    """agrees: all of the interval lies within `CLOSE` of it; disagrees: none of it does."""
    return inside(interval, predicted - CLOSE, predicted + CLOSE)


# ---- the reproduction ------------------------------------------------------------------------


def _slopes(numbers: Numbers, over: str) -> Finding:
    ours, every = numbers.slopes.over(over), numbers.slopes
    off = ours.off
    return _finding(
        off,
        claim=f"The slopes over {OVER[over]} are those the notebook prints",
        prediction=f"the {len(ours.printed)} printed slopes of ln(radius): the mean difference "
        f"lies within {OFF} (ours: what was granted one wide network's slope before any run)",
        source=f"{SOURCE}, the printed table",
        verdict=equivalent(off, OFF),
        answer=f"{_met(every) if over == 'L' else _met(ours)}; those over {OVER[over]} differ by "
        f"{_shown(off, '+.3f')} on average, over {_tables(numbers)}.",
        control=f"K_inf alone, no network: {_shown(ours.limit_off, '+.3f')}",
        unit="mean difference of slopes",
        figure="slopes_beside_the_printed",
    )


def _met(ours: Slopes) -> str:
    return (
        f"{ours.within} of {len(ours.printed)} printed slopes are met within the tolerance stated "
        "for each beforehand (0.02 to 0.2)"
    )


def _tables(numbers: Numbers) -> str:
    tables = max(1, numbers.cells.draws // 10)
    return f"{tables} table{'s' * (tables > 1)} of ten draws"


def _regression(numbers: Numbers) -> Finding:
    names = ("alpha_L", "alpha_D", "alpha_N")
    each = [_near(_exponent(numbers.plotted, name), PRINTED_PLANE[name]) for name in names]
    order: Sequence[Verdict] = ("disagrees", "undecided", "agrees")
    depth = _exponent(numbers.plotted, "alpha_L")
    return _finding(
        depth,
        claim="The radius grows as L^1.171 D^0.047 N^0.900 with depth, dimension and points",
        prediction="the author's regression on all cells; each exponent is granted within "
        f"{CLOSE} (ours: 12% over a decade), and the number beside it is that of L",
        source=REGRESSION,
        verdict=min(each, key=order.index),
        answer="Ours is "
        + ", ".join(f"{n[-1]}^{_shown(_exponent(numbers.plotted, n), '.3f')}" for n in names)
        + ".",
        control=f"K_inf alone, no network: {_law(numbers.limit, 'LDN')}",
        unit="exponent of L",
        figure="exponents_beside_theory",
    )


# ---- what the plotted quantity is --------------------------------------------------------------


def _of_the_limit(numbers: Numbers) -> Finding:
    # The plotted radius holds the factor M, which K - K_inf does not have.
    exponent = Interval(*(end - 1 for end in _exponent(numbers.plotted, "alpha_M")))
    return _finding(
        exponent,
        claim="The plotted M(K - K_inf) is a correction of finite width",
        prediction="K - K_inf vanishes as the width grows, as the name says and as the conjecture "
        "lambda_min >= 0.75 L/N - C N L/M takes it to: exponent of M -0.5 or less (bound ours: one "
        "draw has -0.5, the mean -1)",
        source="J. Aiad 2025, DeNN-NTK, refs/wk6-hierarchy/sources/meeting, conjecture",
        verdict=at_most(exponent, -0.5),
        answer=f"K - K_inf goes as M^{exponent.value:.2f} and does not vanish: K_inf has "
        "diagonal L, K tends to (2/D) K_inf^(L+1) with diagonal 2(L+1)/D, and the radius is "
        f"{100 * numbers.share:.0f}% of that of the limit kernel alone.",
        control=f"K_inf alone, no network: {_law(numbers.limit)}",
        unit="exponent of M in K - K_inf",
        figure="the_limit_alone",
    )


def _sign(numbers: Numbers) -> Finding:
    exponent = _exponent(numbers.plotted, "alpha_M")
    return _finding(
        exponent,
        claim="The radius falls with the width as M^-1.009",
        prediction=f"the author's regression on all cells, granted within {CLOSE} (ours)",
        source=REGRESSION,
        verdict=_near(exponent, PRINTED_PLANE["alpha_M"]),
        answer=f"The plotted radius goes as M^{exponent.value:.3f}: it holds the factor M, and "
        "the printed exponent has the other sign.",
        control=f"K_inf alone: {_law(numbers.limit, 'M')}",
        unit="exponent of M",
        figure="exponents_beside_theory",
    )


def _nearer(numbers: Numbers, over: str) -> Finding:
    networks, limit = numbers.slopes.over(over).distances
    gain = mean(networks - limit)
    return _finding(
        gain,
        claim=f"Networks give the slopes over {OVER[over]} more nearly than K_inf alone",
        prediction="mean distance from the printed slopes less that of K_inf alone, which no "
        "network enters, below 0",
        source=OURS,
        verdict=at_most(gain, 0.0),
        answer=f"From the printed slopes over {OVER[over]} those of networks are "
        f"{mean(networks).value:.3f} away on average and those of K_inf alone "
        f"{mean(limit).value:.3f}: difference {_shown(gain, '+.3f')}.",
        control="0 where networks add nothing to the limit kernel",
        unit="difference of mean distances",
        figure="slopes_beside_the_printed",
    )


# ---- the matched correction ------------------------------------------------------------------


def _fluctuation(numbers: Numbers, name: str, what: str, figure: str) -> Finding:
    exponents = {size: _exponent(numbers.relative, f"alpha_{size}") for size in "LDNM"}
    exponent, predicted = _exponent(numbers.relative, name), MATCHED[name]
    plotted = _exponent(numbers.plotted, "alpha_M").value - 1
    return _finding(
        exponent,
        claim=f"The matched correction of one draw, relative to its limit, {what}",
        prediction="a variance of exp(5L/M) - 1 up to constants, so fluctuations of the square "
        f"root of L/M where M is 10 L or more: exponent {predicted}, granted within {CLOSE} "
        "(norm and margin ours)",
        source=PATHS,
        verdict=_near(exponent, predicted),
        answer="|K - (2/D) K_inf^(L+1)| by |(2/D) K_inf^(L+1)| has exponents "
        + ", ".join(f"{size} {_shown(interval)}" for size, interval in exponents.items())
        + ".",
        control=f"as the notebook plots it, M^{plotted:.2f}"
        if name == "alpha_M"
        else f"times M and not relative: {_law(numbers.matched)}",
        unit=f"exponent of {name[-1]}",
        figure=figure,
    )


def _tails(numbers: Numbers) -> Finding:
    ratio, slope = numbers.tail["of_leading"], numbers.tail["slope"]
    moment, wide = numbers.second_moment, numbers.wide_tail
    return _finding(
        ratio,
        claim="The second moment E[K(x,x)²]/E[K(x,x)]² grows with L/M as path counting says",
        prediction="the mean over pairs of layers d apart of (1 + 5/M)^(L-d) (1 + 1/M)^d, which "
        "is exp(5L/M) up to constants: slopes on 5L/M up to 1 have ratio 1, granted within "
        f"{LEFT_OUT} (ours: terms of order 1/M are left out, and M is 10 or more)",
        source=PATHS,
        verdict=inside(ratio, 1 - LEFT_OUT, 1 + LEFT_OUT),
        answer=f"The logarithm of the second moment grows by {_shown(slope, '.3f')} of 5L/M, where "
        f"path counting has {moment.slope(moment.leading):.3f}: terms of different layers share "
        "part of the network.",
        control=f"widths of 100 on: {_shown(wide['of_leading'])}" if wide else "",
        unit="of the slope predicted",
        figure="heavy_tails",
    )


def _mean(numbers: Numbers) -> Finding:
    # A mean whose interval is unknown is lost in its noise; its value says nothing.
    shift = numbers.tail["mean_shift"]
    shift = shift if shift.has_ends else NO_VALUE
    return _finding(
        shift,
        claim="The mean of the matched correction falls as 1/M",
        prediction="fluctuations of one draw go as M^-0.5 and average out, so the mean is of "
        f"the next order: exponent -1 of M beside the diagonal, granted within {HALF_WAY}, half "
        "the way to one draw's (on the diagonal the mean is exact)",
        source=OURS,
        verdict=inside(shift, -1 - HALF_WAY, -1 + HALF_WAY),
        answer=f"The mean beside the diagonal goes as M to the {_shown(shift)}, at depths 8 to 18."
        if shift.has_ends
        else "The mean of these draws is too small beside its noise to have an exponent.",
        control=f"one draw: {_shown(_exponent(numbers.relative, 'alpha_M'))}",
        unit="exponent of M" if shift.has_ends else "",
        figure="heavy_tails",
    )
