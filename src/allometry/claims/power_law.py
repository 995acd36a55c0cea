"""Claims that y is a power law of x, with or without a floor, and about its parameters."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from math import isfinite, nan
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from allometry.claims.claim import Claim, Judgement
from allometry.claims.lines import FEWEST_FOR_A_BEND, LineAxes, is_constant
from allometry.claims.slope import BEND
from allometry.claims.words import (
    in_words,
    is_number,
    judged,
    n_seeds,
    over,
    region,
    region_in_words,
)
from allometry.errors import DataError, UsageError, quoted
from allometry.findings import FindingFigure, Verdict
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.laws import Array
from allometry.stats.cells import cells_of
from allometry.stats.grid import Curves, jackknifed
from allometry.stats.interval import Interval
from allometry.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Fitted", "PowerLaw"]


class Fitted(NamedTuple):
    """A fitted law, and what it says about a claim.

    Attributes:
        law: the law fitted to the runs.
        numbers: its parameters, and ``bend``, the relative change of its exponent over the range
            of x.
        form: the verdict on whether the runs follow a power law. verdict: that on the claim.
        measured: the predicted parameter, or the bend where the claim predicts no parameter.
    """

    law: Fit
    numbers: Mapping[str, Interval]
    form: Verdict
    verdict: Verdict
    measured: Interval


@dataclass(frozen=True)
class PowerLaw(Claim):
    """y = floor + A x^-alpha, with a parameter in the region predicted.

    The law is fitted by `allometry.fit`. It is fitted again without each seed and without each
    size, and the jackknife of these fits gives the intervals. The runs follow a power law where the
    exponent does not change over the sizes: its relative change from the smallest to the largest x
    lies within `bend`. Where the whole interval of the change lies outside, the claim disagrees,
    whatever the exponent is.

    Attributes:
        floor: the limit of y for large x: 0, a number, or ``"fitted"``.
        predicts: one parameter of the law, ``alpha``, ``A`` or, for a fitted floor, ``E``, and its
            region ``(low, high)``. Empty for the claim that y is a power law of x.
        bend: largest relative change of the exponent; the default is `BEND`.
    """

    _: KW_ONLY
    floor: float | str = 0.0
    predicts: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    bend: float = BEND

    kind: ClassVar[str] = "power_law"
    caption: ClassVar[str] = (
        "Small marks are runs, large ones means over seeds; the line is the law fitted, the band "
        "its 95% interval, the residuals are below."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.predicts, Mapping):
            raise UsageError(
                f"claim on {self.y!r}: predicts={{'alpha': (low, high)}} expected, got "
                f"{self.predicts!r}"
            )
        if len(self.predicts) > 1:
            raise UsageError(
                f"claim {self.title!r}: predicts=... with one parameter expected, got "
                f"{', '.join(self.predicts)}: write a claim for each"
            )
        number = not isinstance(self.floor, str) and is_number(self.floor) and self.floor >= 0
        if self.floor != "fitted" and not number:
            raise UsageError(
                f"claim on {self.y!r}: floor=0, a number above 0 or 'fitted' expected, got "
                f"{self.floor!r}"
            )
        known = ("alpha", "A", *(["E"] if self.floor == "fitted" else []))
        for name, ends in self.predicts.items():
            if name not in known:
                raise UsageError(
                    f"claim on {self.y!r}: predicts one of {', '.join(known)} expected, got "
                    f"{name!r} (E is the floor, where it is fitted)"
                )
            region(ends, f"{name} of {self.y}")
        if not (is_number(self.bend) and self.bend > 0):
            raise UsageError(f"claim on {self.y!r}: bend above 0 expected, got {quoted(self.bend)}")

    def sentence(self) -> str:
        law = f"The {self.word(self.y)} is a power law of the {self.word(self.x)}"
        floor = {"fitted": " above a floor", 0.0: ""}.get(self.floor, f" above {self.floor}")
        parameters = [f", {name} {region_in_words(ends)}" for name, ends in self.predicts.items()]
        return law + floor + "".join(parameters)

    def judge(self, table: Table) -> Judgement:
        runs = self.runs(table)
        law, numbers, form, verdict, measured = self.fitted(runs)
        control = self.control_column(runs)
        finding = self.finding(
            measured,
            verdict,
            answer=self._answer(law, numbers, form, runs),
            control=self._of_control(runs, control) if control else "",
            unit="" if self.predicts else "of the exponent",
        )

        def draw() -> "Figure":
            from allometry.claims.pictures import draw_power_law

            untrained = self.floats(runs, control) if control else None
            x, y = runs[self.x], runs[self.y]
            return draw_power_law(self.labels(verdict), x, y, law, untrained, self.tips(runs))

        return Judgement(finding, FindingFigure(draw, self.caption), {self.title: law})

    def prediction(self) -> str:
        form = f"an exponent that changes by at most {self.bend:.0%} of itself (margin ours)"
        parameters = [f"{name} {region_in_words(ends)}" for name, ends in self.predicts.items()]
        return "; ".join([*parameters, form])

    def fitted(self, runs: Table) -> Fitted:
        """Fit the law to some runs and judge the claim by it."""
        self._check(runs)
        law = self._law(runs)
        numbers = self._numbers(runs, law)
        form = judged(numbers["bend"], -self.bend, self.bend, runs)
        if self.floor == "fitted" and not _floor_is_known(numbers["E"], law, runs[self.x]):
            form = "undecided"  # the bend depends on the floor
        name = next(iter(self.predicts), "")
        if not name:
            return Fitted(law, numbers, form, form, numbers["bend"])
        verdict = form
        if form != "disagrees":
            sound = law.parameters[name].verdict == "identified"
            within = judged(numbers[name], *self.predicts[name], runs)
            verdict = within if sound else "undecided"
        return Fitted(law, numbers, form, verdict, numbers[name])

    @property
    def _fewest(self) -> int:
        """Sizes needed to see a bend; a fitted floor needs one more."""
        return FEWEST_FOR_A_BEND + (self.floor == "fitted")

    @property
    def _held(self) -> dict[str, float]:
        """Parameters that are held at a given value: the floor, unless it is 0 or fitted."""
        return {} if self.floor in (0, "fitted") else {"E": float(self.floor)}

    def _check(self, runs: Table) -> None:
        """Refuse runs that no power law can be fitted to.

        Raises:
            DataError: numbers at or below 0, y constant, or two runs of one seed and size.
        """
        for name in (self.x, self.y):
            self.check_positive(name, runs[name], "choose runs by a condition")
        cells_of(runs, [self.x], [self.y])
        if len(runs) > 1 and is_constant(runs[self.y]):
            raise DataError(
                f"claim {self.title!r}: {self.y} is {runs[self.y][0]:.6g} in every run, which has "
                "no exponent"
            )

    def _law(self, runs: Table) -> Fit:
        """The fitted law; with several seeds its own intervals come from resampling seeds."""
        law = "power" if self.floor == 0 else "power_floor"
        cluster = "seed" if n_seeds(runs) > 1 else None
        return fit(runs, law, {"x": self.x, "y": self.y}, fixed=self._held or None, cluster=cluster)

    def _numbers(self, runs: Table, law: Fit) -> dict[str, Interval]:
        """Parameters and bend of a law, with their jackknife intervals.

        For a parameter, each seed and each size is left out. The bend describes the curve at these
        sizes, so only seeds are left out. An interval has no ends where the remaining runs are too
        few to fit the law.
        """
        many = len(np.unique(runs[self.x])) >= self._fewest
        without = {
            name: [
                self._statistics(runs.take(runs[name] != value), law)
                for value in np.unique(runs[name])
            ]
            for name in ("seed", self.x)
            if many and name in runs and len(np.unique(runs[name])) > 1
        }
        seeds = without.get("seed", [])
        ways = {name: [*without.values()] for name in law.parameters} | {"bend": [seeds]}
        values = self._statistics(runs, law)
        return {
            name: jackknifed(values[name], [np.array([v[name] for v in way]) for way in ways[name]])
            for name in ways
        }

    def _statistics(self, runs: Table, law: Fit) -> dict[str, float]:
        """Parameters and bend of a law; it is fitted again where these are not all of its runs."""
        at_bounds = law.certificate.active_bounds
        if len(np.unique(runs[self.x])) < self._fewest - 1:
            return dict.fromkeys((*law.parameters, "bend"), nan)
        if len(runs) < law.rows:
            law = fit(
                runs, law.law, law.columns, objective=law.objective.name,
                delta=law.objective.delta, interval="none", resamples=0, fixed=self._held or None,
            )  # fmt: skip
        outside = {*at_bounds} - {"E"}  # such a law does not describe the runs
        bend = nan if outside else self._bend(runs, law, "E" in at_bounds)
        return {**law.values, "bend": bend}

    def _bend(self, runs: Table, law: Fit, no_floor: bool) -> float:
        """Relative change of the exponent over the range of x; NaN for too few sizes.

        The law is y = E + A x^-(alpha + beta ln x), to first order in beta. The estimate of beta
        regresses the mean residuals of log y on the derivative of log y by beta, from which its
        projection on the derivatives by the other parameters is removed. A fitted floor is one of
        these, as it can imitate a bend. Without a floor, the result is that of a parabola.

        Args:
            no_floor: whether the floor fitted to all runs is at its bound.
        """
        residuals = np.log(runs[self.y] / law.predict({"x": runs[self.x]}))
        rows = {"x": runs[self.x], "residual": residuals} | (
            {"seed": runs["seed"]} if "seed" in runs else {}
        )
        means = cells_of(Table(rows), ["x"], ["residual"]).mean()
        at, values = np.log(means["x"]) - np.log(means["x"]).mean(), law.values
        fitted = law.predict({"x": means["x"]})
        power = 1 - values.get("E", 0.0) / fitted  # share of y above the floor
        others = [power, power * at]
        if self.floor == "fitted" and not no_floor:
            others.append(1 / fitted)
        if len(at) < len(others) + 2:
            return nan
        by_others = np.stack(others, axis=1)
        by_beta = -power * at**2
        rest = by_beta - by_others @ np.linalg.lstsq(by_others, by_beta, rcond=None)[0]
        beta = (rest @ means["residual"]) / (rest @ rest)
        return float(2 * beta * np.ptp(at) / values["alpha"])

    def _answer(self, law: Fit, numbers: Mapping[str, Interval], form: Verdict, runs: Table) -> str:
        """One sentence that can be read alone, and a remark on a fit that is not sound."""
        y, x = self.word(self.y), self.word(self.x)
        alpha, change = numbers["alpha"], numbers["bend"]
        fitted = self.floor == "fitted"
        floor = f" towards {in_words(numbers['E'])}" if fitted else ""
        changes = f"changes by {in_words(change, '.0%')} of itself"
        goes = f"The {y} goes as x^-alpha in the {x}{floor}, alpha {in_words(alpha)}"
        sentences = {
            "agrees": f"{goes}, and alpha {changes} over the range",
            "disagrees": f"The {y} is not a power law of the {x}: its exponent, "
            f"{in_words(alpha)} on average, {changes} over the range",
            "undecided": f"{goes}; that alpha {changes} over the range leaves open whether it is "
            "a power law",
        }
        if len(np.unique(runs[self.x])) < self._fewest:
            sentences["undecided"] += f"; {self._fewest} sizes are needed to see a bend"
        state = law.status.code.replace("_", " ")
        unsure = "" if law.status.code in SOUND else f" The fit is {state}: see below."
        return f"{sentences[form]} ({over(runs, self.x)}).{unsure}"

    def _of_control(self, runs: Table, control: str) -> str:
        """The exponent of the control in words: minus its slope on logarithmic axes."""
        values = self.floats(runs, control)
        usable = runs.with_columns(**{control: values}).take(np.isfinite(values))
        if not len(usable):
            return ""
        if is_constant(usable[control]):
            return "untrained: the same at all sizes"
        falls = partial(_exponent, x=self.x, y=control)
        alpha = cells_of(usable, [self.x], [control]).jackknife(falls)["alpha"]
        return f"untrained: alpha {in_words(alpha)}" if isfinite(alpha.value) else ""


def _floor_is_known(floor: Interval, law: Fit, x: Array) -> bool:
    """Whether the floor is known well enough to judge the bend of the law above it.

    Its interval is at most as wide as the height of the law above the floor at the largest x, where
    the floor matters most; or the floor is at its bound.
    """
    above = float(law.predict({"x": np.array([x.max()])})[0]) - floor.value
    return "E" in law.certificate.active_bounds or floor.high - floor.low <= above


SOUND = ("converged", "few_clusters")  # states of a fit that a finding need not mention


def _exponent(curves: Curves, x: str, y: str) -> dict[str, float]:
    return {"alpha": -LineAxes().statistics(curves[x], curves[y])["slope"]}
