"""Findings of the NTK study: its claims and the measurements."""

from collections.abc import Sequence

import numpy as np

from allometry.claims.claim import OURS
from allometry.findings import Finding, Verdict, at_most, equivalent, inside
from allometry.stats.interval import NO_VALUE, Interval
from allometry.stats.means import mean
from allometry.studies.ntk_depth.analysis import Array, Slopes
from allometry.studies.ntk_depth.numbers import Numbers
from allometry.studies.ntk_depth.within import Exponents, by_width, of_fit

__all__ = ["LAW", "MATCHED", "OFF", "PRINTED_PLANE", "SLIDES", "SOURCE", "findings_of"]

SOURCE = "J. Aiad 2025, DeNN-NTK, ntk_correction_largeexperiments_viz_wrtL.ipynb at 61e4bcb"
MEETING = "refs/wk6-hierarchy/sources/meeting"
SLIDES = f"{MEETING}/beamer.tex at 08852ba"
LAW = 'slide "Empirical Scaling of the NTK Correction"'
REGRESSION = f"J. Aiad 2025, DeNN-NTK, {SLIDES}, {LAW}"
PATHS = "ours, by the path counting of Hanin and Nica, 1909.05989, Theorem 1"
# Largest mean difference from the printed slopes that counts as agreement. It is the tolerance
# fixed before any run for the slopes of wide networks, whose means over ten draws vary least.
OFF = 0.02
# Tolerance of an exponent; it changes a law by 12% over a decade.
CLOSE = 0.05
# Tolerance for terms of order 1/M, which the second moment leaves out; the least M is 10.
LEFT_OUT = 0.1
# Half the difference between the exponents of M of the mean, -1, and of one draw, -0.5.
HALF_WAY = 0.25
# Exponents of the author's regression, and of the fluctuations of one draw.
PRINTED_PLANE = {"L": 1.171, "D": 0.047, "N": 0.900, "M": -1.009}
MATCHED = {"L": 0.5, "D": 0.0, "N": 0.0, "M": -0.5}
OVER = {"L": "depth L", "N": "the number of points N"}


def findings_of(numbers: Numbers) -> Sequence[Finding]:
    """Findings on the printed slopes, the plotted quantity and the matched correction."""
    return [
        _slopes(numbers, "L"),
        _slopes(numbers, "N"),
        _regression(numbers),
        _of_the_limit(numbers),
        _sign(numbers),
        _nearer(numbers, "L"),
        _nearer(numbers, "N"),
        _fluctuation(numbers, "M", "falls with the width as M^-0.5", "radius_by_depth"),
        _fluctuation(numbers, "L", "grows with depth as L^0.5", "exponents_beside_theory"),
        _tails(numbers),
        _mean(numbers),
    ]


def _finding(interval: Interval, **words: str) -> Finding:
    return Finding(measured=interval.value, low=interval.low, high=interval.high, **words)  # type: ignore[arg-type]


def _shown(interval: Interval, form: str = ".2f") -> str:
    return interval.shown(form) + ("" if interval.has_ends else ", no interval")


def _law(exponents: Exponents, sizes: str = "LDNM") -> str:
    return " ".join(f"{size}^{exponents[size].value:.3f}" for size in sizes)


def _each(exponents: Exponents, sizes: str, form: str) -> str:
    return ", ".join(f"{size}^{_shown(exponents[size], form)}" for size in sizes)


def _near(interval: Interval, predicted: float) -> Verdict:
    """Agrees if the whole interval is within `CLOSE` of `predicted`, disagrees if none of it is."""
    return inside(interval, predicted - CLOSE, predicted + CLOSE)


# ---- the reproduction ------------------------------------------------------------------------


def _slopes(numbers: Numbers, over: str) -> Finding:
    ours, every = numbers.slopes.over(over), numbers.slopes
    off = ours.off
    verdict = equivalent(off, OFF)
    return _finding(
        off,
        claim=f"The slopes over {OVER[over]} are those the notebook prints",
        prediction=f"the {len(ours.printed)} printed slopes of ln(radius): the mean difference "
        f"lies within {OFF} (ours: the tolerance fixed before any run for one slope of a wide "
        "network), by Student's interval over the printed lines",
        source=f"{SOURCE}, the printed table",
        verdict=verdict,
        answer=f"{_met(every) if over == 'L' else _met(ours)}; those over {OVER[over]} differ by "
        f"{_shown(off, '+.3f')} on average, from {_tables(numbers)}."
        + (_farthest(ours) if verdict == "undecided" and len(ours.printed) > 2 else ""),
        control=f"K_inf alone, no network: {_limit_met(numbers.slopes, over)}, mean difference "
        f"{_shown(ours.limit_off, '+.3f')}",
        unit="mean difference of slopes",
        figure="slopes_beside_the_printed",
    )


def _met(ours: Slopes) -> str:
    return (
        f"{ours.met} of {len(ours.printed)} printed slopes are met within the tolerance fixed for "
        "each before any run (0.02 to 0.2)"
    )


def _limit_met(every: Slopes, over: str) -> str:
    ours = every.over(over)
    part = f"{ours.limit_met} of {len(ours.printed)}"
    if over == "N":
        return f"{part} are met"
    return f"{every.limit_met} of {len(every.printed)} are met ({part} over {OVER[over]})"


def _farthest(ours: Slopes) -> str:
    """The effect of the line that is farthest off on the mean difference, as text."""
    off, place = ours.slope - ours.target, int(ours.distances[0].argmax())
    row, others = ours.printed[place], np.arange(len(off)) != place
    fixed = "N" if row.over == "L" else "L"
    return (
        f" The median difference is {np.median(off):+.3f}. The line ({fixed} {row.fixed}, "
        f"D {row.d_in}, M {row.width}) alone differs by {off[place]:+.3f}; without it the mean is "
        f"{_shown(mean(off[others]), '+.3f')}{_over_light(ours, off)}."
    )


def _over_light(ours: Slopes, values: Array) -> str:
    """The mean over the lines with less than the largest tolerance, as text.

    The tolerances were fixed before any run by the noise expected.
    """
    light = ours.allowed < ours.allowed.max()
    if not light.any():
        return ""
    return (
        f", and the mean over the {light.sum()} lines with a tolerance below "
        f"{ours.allowed.max():g} is {_shown(mean(values[light]), '+.3f')}"
    )


def _tables(numbers: Numbers) -> str:
    tables = max(1, numbers.cells.draws // 10)
    return f"{tables} table{'s' * (tables > 1)} of ten draws"


def _regression(numbers: Numbers) -> Finding:
    ours, limit = of_fit(numbers.plotted), of_fit(numbers.limit)
    verdicts = [_near(ours[size], PRINTED_PLANE[size]) for size in "LDN"]
    order: Sequence[Verdict] = ("disagrees", "undecided", "agrees")
    return _finding(
        ours["L"],
        claim="The radius grows as L^1.171 D^0.047 N^0.900 with depth, dimension and points",
        prediction="the author's regression on all cells, repeated, gives each exponent to within "
        f"{CLOSE} (ours: 12% over a decade); the measured value shown is that of L",
        source=REGRESSION,
        verdict=min(verdicts, key=order.index),
        answer=f"The same regression gives {_each(ours, 'LDN', '.3f')}. This depends on which "
        "cells the table has: among cells that are equal in the other three sizes it is "
        f"{_each(numbers.plotted_within, 'LDN', '.3f')}.",
        control=f"K_inf alone, no network: {_law(limit, 'LDN')} by the same regression, "
        f"{_law(numbers.limit_within, 'LDN')} among cells equal in the other sizes",
        unit="exponent of L",
        figure="exponents_beside_theory",
    )


# ---- what the plotted quantity is --------------------------------------------------------------


def _of_the_limit(numbers: Numbers) -> Finding:
    exponent = by_width(numbers.plotted_within)["M"]
    verdict = at_most(exponent, -0.5)
    return _finding(
        exponent,
        claim="The plotted M(K - K_inf) is a correction of finite width",
        prediction='K - K_inf vanishes as the width grows: the slides say "Decays as ~1/M, as '
        'expected from theory", and the report takes K to be K_inf plus a term in 1/M. Both '
        "conjecture from this that lambda_min >= 0.75 L/N - C N L/M, a bound that the slides call "
        'very loose ("Important Caveat"). Tested: the exponent of M is -0.5 or less (ours: one '
        "draw has -0.5, the mean -1)",
        source=f"{REGRESSION}; {MEETING}/report.tex, Spectral Properties of the Infinite-Width NTK",
        verdict=verdict,
        answer=f"Among cells with equal L, D and N, K - K_inf goes as M^{exponent.value:.3f}"
        f"{' and does not vanish' * (verdict == 'disagrees')}: the diagonal of K_inf is L, but K "
        "converges to (2/D) K_inf^(L+1), whose diagonal is 2(L+1)/D. The radius is "
        f"{100 * numbers.share:.0f}% of that of K_inf alone, in geometric mean over cells.",
        control=f"K_inf alone, no network: M^{_shown(by_width(numbers.limit_within)['M'], '.4f')}",
        unit="exponent of M in K - K_inf",
        figure="the_limit_alone",
    )


def _sign(numbers: Numbers) -> Finding:
    radius, printed = of_fit(numbers.plotted), PRINTED_PLANE["M"]
    kernel, inside_cells = by_width(radius)["M"], by_width(numbers.plotted_within)["M"]
    slip = (
        "Without its sign the printed exponent is that of M(K - K_inf), so a sign error is likely; "
        "this is our inference. "
        if _near(radius["M"], -printed) == "agrees"
        else ""
    )
    return _finding(
        kernel,
        claim="K - K_inf decays with the width as M^-1.009",
        prediction="the author's regression on all cells, repeated: he prints "
        "||K - K_inf|| ~ L^1.171 D^0.047 N^0.900 M^-1.009, and says that ||M(K - K_inf)|| is "
        'measured (slide "Experimental Setup for NTK Correction"); the exponent of M to within '
        f"{CLOSE} (ours)",
        source=REGRESSION,
        verdict=_near(kernel, printed),
        answer=f"By that regression K - K_inf goes as M^{kernel.value:.3f} and M(K - K_inf) as "
        f"M^{radius['M'].value:.3f}. {slip}The last digits of these exponents depend on which "
        "cells the table has: among cells with equal L, D and N, K - K_inf goes as "
        f"M^{_shown(inside_cells, '.4f')}.",
        control="K_inf alone, which does not depend on M: "
        f"{_law(by_width(of_fit(numbers.limit)), 'M')} by the same regression, "
        f"{_law(by_width(numbers.limit_within), 'M')} among cells with equal L, D and N",
        unit="exponent of M in K - K_inf",
        figure="exponents_beside_theory",
    )


def _nearer(numbers: Numbers, over: str) -> Finding:
    ours = numbers.slopes.over(over)
    networks, limit = ours.distances
    gain = mean(networks - limit)
    return _finding(
        gain,
        claim=f"Networks reproduce the slopes over {OVER[over]} more closely than K_inf alone",
        prediction="the mean distance of the networks' slopes from the printed ones, minus that of "
        "the slopes of K_inf alone (no network), is below 0, by Student's interval over the "
        "printed lines",
        source=OURS,
        verdict=at_most(gain, 0.0),
        answer=f"The mean distance from the printed slopes over {OVER[over]} is "
        f"{mean(networks).value:.3f} for networks and {mean(limit).value:.3f} for K_inf alone, a "
        f"difference of {_shown(gain, '+.3f')}." + (_noise(ours) if len(ours.printed) > 2 else ""),
        control="0 if networks add nothing to the limit kernel",
        unit="difference of mean distances",
        figure="slopes_beside_the_printed",
    )


def _noise(ours: Slopes) -> str:
    """The share of noise in the networks' mean square distance, and other averages, as text."""
    gains = np.subtract(*ours.distances)
    share = float(np.mean(ours.error**2) / np.mean(ours.distances[0] ** 2))
    noise = (
        f" The noise of our tables of ten draws, which K_inf alone does not have, is {share:.0%} "
        "of the networks' mean square distance."
    )
    return (noise if np.isfinite(share) else "") + (
        f" The median difference is {np.median(gains):+.3f}{_over_light(ours, gains)}."
    )


# ---- the matched correction ------------------------------------------------------------------


def _fluctuation(numbers: Numbers, size: str, what: str, figure: str) -> Finding:
    exponent, predicted = numbers.relative[size], MATCHED[size]
    plotted = by_width(numbers.plotted_within)["M"].value
    return _finding(
        exponent,
        claim=f"The matched correction of one draw, relative to its limit, {what}",
        prediction="the variance is exp(5L/M) - 1 up to constants, so where M is 10 L or more "
        f"fluctuations go as the square root of L/M: exponent {predicted} among cells equal in the "
        f"other sizes, to within {CLOSE} (the norm and the bound are ours)",
        source=PATHS,
        verdict=_near(exponent, predicted),
        answer="|K - (2/D) K_inf^(L+1)| / |(2/D) K_inf^(L+1)| has exponents "
        + ", ".join(f"{letter} {_shown(numbers.relative[letter], '.3f')}" for letter in "LDNM")
        + ".",
        control=f"K - K_inf, which the notebook plots times M: M^{plotted:.3f}"
        if size == "M"
        else f"M times the matched correction, not relative: {_law(numbers.matched)}",
        unit=f"exponent of {size}",
        figure=figure,
    )


def _tails(numbers: Numbers) -> Finding:
    ratio, slope = numbers.tail["of_leading"], numbers.tail["slope"]
    moment, wide = numbers.second_moment, numbers.wide_tail
    return _finding(
        ratio,
        claim="The second moment E[K(x,x)²]/E[K(x,x)]² grows with L/M as path counting says",
        prediction="the mean over pairs of layers d apart of (1 + 5/M)^(L-d) (1 + 1/M)^d, which "
        "is exp(5L/M) up to constants: for 5L/M up to 1, measured and predicted slopes on 5L/M "
        f"have ratio 1 to within {LEFT_OUT} (ours: terms of order 1/M are left out, and M is 10 or "
        "more)",
        source=PATHS,
        verdict=inside(ratio, 1 - LEFT_OUT, 1 + LEFT_OUT),
        answer=f"The slope of the logarithm of the second moment on 5L/M is "
        f"{_shown(slope, '.3f')}; path counting gives {moment.slope(moment.leading):.3f}, which is "
        "below 1 because terms of different layers share only part of the network.",
        control=f"widths of 100 or more: {_shown(wide['of_leading'])}" if wide else "",
        unit="of the predicted slope",
        figure="heavy_tails",
    )


def _mean(numbers: Numbers) -> Finding:
    # Without an interval the mean is below its noise, and its exponent has no meaning.
    shift = numbers.tail["mean_shift"]
    shift = shift if shift.has_ends else NO_VALUE
    return _finding(
        shift,
        claim="The mean of the matched correction falls as 1/M",
        prediction="fluctuations of one draw go as M^-0.5 and average out, so the mean is of "
        f"the next order: off the diagonal the exponent of M is -1 to within {HALF_WAY}, half the "
        "difference to that of one draw (on the diagonal the mean is 0)",
        source=OURS,
        verdict=inside(shift, -1 - HALF_WAY, -1 + HALF_WAY),
        answer=f"The mean off the diagonal goes as M^{_shown(shift)}, at depths 8 to 18."
        if shift.has_ends
        else "The mean of these draws is too small relative to its noise to give an exponent.",
        control=f"one draw: {_shown(numbers.relative['M'])}",
        unit="exponent of M" if shift.has_ends else "",
        figure="heavy_tails",
    )
