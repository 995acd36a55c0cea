"""y falls, or grows, as a power of x, with a floor or without; and its exponent."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from allometry.claims.claim import Claim, Judgement
from allometry.claims.lines import FEWEST_FOR_A_BEND, LineAxes, bend
from allometry.claims.slope import BEND
from allometry.claims.words import (
    in_words,
    n_seeds,
    over,
    region,
    region_in_words,
    verdict_over_seeds,
)
from allometry.errors import UsageError
from allometry.findings import FindingFigure, Verdict, inside
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.stats.cells import cells_of
from allometry.stats.grid import Curves
from allometry.stats.interval import Interval
from allometry.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Fitted", "PowerLaw"]


class Fitted(NamedTuple):
    """A law beside a claim.

    Attributes:
        law: fitted to the runs.
        change: of its exponent over the range of x, as a part of it.
        form: whether it is a power law. verdict: of the claim.
        measured: the parameter predicted, or `change` where none is.
    """

    law: Fit
    change: Interval
    form: Verdict
    verdict: Verdict
    measured: Interval


@dataclass(frozen=True)
class PowerLaw(Claim):
    """y = floor + A x^-alpha, with a parameter in the region predicted.

    The law is fitted by `allometry.fit`, runs of one size and of one seed resampled together. It
    is a power law where its exponent does not change over the sizes: the exponent at the largest x
    less that at the smallest, over their mean, lies within `bend`. Where none of that interval
    does, the claim disagrees whatever the exponent is.

    Attributes:
        floor: what y falls to: 0, a number, or ``"fitted"``.
        predicts: of the parameters of the law (``alpha``, ``A``, ``E``) one and its region
            ``(low, high)``; none for a claim that it is a power law.
        bend: largest change of the exponent, as a part of it; the default is `BEND`.
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
        if len(self.predicts) > 1:
            raise UsageError(
                f"claim {self.title!r}: one parameter is predicted by a claim, got "
                f"{', '.join(self.predicts)}: write a claim for each"
            )
        if isinstance(self.floor, str) and self.floor != "fitted":
            raise UsageError(
                f"claim on {self.y!r}: floor a number or 'fitted' expected, got {self.floor!r}"
            )
        known = ("alpha", "A", *(["E"] if self.floor == "fitted" else []))
        for name, ends in self.predicts.items():
            if name not in known:
                raise UsageError(
                    f"claim on {self.y!r}: predicts one of {', '.join(known)} expected, got "
                    f"{name!r} (E is the floor, where it is fitted)"
                )
            region(ends, f"{name} of {self.y}")
        if not self.bend > 0:
            raise UsageError(f"claim on {self.y!r}: bend above 0 expected, got {self.bend!r}")

    def sentence(self) -> str:
        law = f"The {self.word(self.y)} is a power law of the {self.word(self.x)}"
        floor = {"fitted": " above a floor", 0.0: ""}.get(self.floor, f" above {self.floor}")
        parameters = [f", {name} {region_in_words(ends)}" for name, ends in self.predicts.items()]
        return law + floor + "".join(parameters)

    def judge(self, table: Table) -> Judgement:
        runs = self.runs(table)
        law, change, form, verdict, measured = self.fitted(runs)
        control = self.control_column(runs)
        finding = self.finding(
            measured,
            verdict_over_seeds(verdict, runs),
            answer=self._answer(law, change, form, runs),
            control=self._of_control(runs, control) if control else "",
            unit="" if self.predicts else "of the exponent",
        )

        def draw() -> "Figure":
            from allometry.claims.pictures import draw_power_law

            x, y = (runs[name].astype(float) for name in (self.x, self.y))
            untrained = runs[control].astype(float) if control else None
            return draw_power_law(self.labels, x, y, law, untrained, self.tips(runs))

        return Judgement(finding, FindingFigure(draw, self.caption), {self.title: law})

    def prediction(self) -> str:
        form = f"an exponent that changes by at most {self.bend:.0%} of itself (margin ours)"
        parameters = [f"{name} {region_in_words(ends)}" for name, ends in self.predicts.items()]
        return "; ".join([*parameters, form])

    def fitted(self, runs: Table) -> Fitted:
        """The law of some runs, whether it is a power law, and what that says of the claim."""
        law = self._law(runs)
        change = self._bend(runs, law)
        form = inside(change, -self.bend, self.bend)
        name = next(iter(self.predicts), "")
        if not name:
            return Fitted(law, change, form, form, change)
        parameter, verdict = law.parameters[name], form
        if form != "disagrees":
            sound = parameter.verdict == "identified"
            verdict = inside(parameter.interval, *self.predicts[name]) if sound else "undecided"
        return Fitted(law, change, form, verdict, parameter.interval)

    def _law(self, runs: Table) -> Fit:
        """The law fitted, rows of one x and of one seed resampled together."""
        clusters = [
            name for name in (self.x, "seed") if name in runs and len(np.unique(runs[name])) > 1
        ]
        fixed = {"E": float(self.floor)} if self.floor not in (0, "fitted") else None
        law = "power" if self.floor == 0 else "power_floor"
        return fit(
            runs, law, {"x": self.x, "y": self.y}, fixed=fixed,
            # One run a size: each row is a cluster already.
            cluster=tuple(clusters) if n_seeds(runs) > 1 else None,
        )  # fmt: skip

    def _bend(self, runs: Table, law: Fit) -> Interval:
        """How much the exponent changes over the range of x, as a part of it."""
        x, y = runs[self.x].astype(float), runs[self.y].astype(float)
        alpha = law.values["alpha"]
        with np.errstate(invalid="ignore", divide="ignore"):
            # What is left of the fit, on the line of its exponent: with no floor this is log y.
            above = np.log10(y / law.predict({"x": x})) - alpha * np.log10(x)
        rows = runs.with_columns(**{ABOVE: above, AT: np.log10(x)})
        grid = cells_of(rows.take(np.isfinite(above)), [AT], [ABOVE])
        return grid.jackknife(_bend, fixed_sizes=True)["bend"]

    def _answer(self, law: Fit, change: Interval, form: Verdict, runs: Table) -> str:
        """One sentence that stands alone, and what to know of the fit."""
        y, x = self.word(self.y), self.word(self.x)
        alpha = law.parameters["alpha"].interval
        fitted = self.floor == "fitted"
        floor = f" towards {in_words(law.parameters['E'].interval)}" if fitted else ""
        changes = f"changes by {in_words(change, '.0%')} of itself"
        goes = f"The {y} goes as x^-alpha in the {x}{floor}, alpha {in_words(alpha)}"
        sentences = {
            "agrees": f"{goes}, and alpha {changes} over the range",
            "disagrees": f"The {y} is no power law of the {x}: its exponent, "
            f"{in_words(alpha)} on average, {changes} over the range",
            "undecided": f"{goes}; that alpha {changes} over the range leaves open whether it is "
            "a power law",
        }
        if not isfinite(change.value):
            sentences["undecided"] += f"; {FEWEST_FOR_A_BEND} sizes are needed to see a bend"
        state = law.status.code.replace("_", " ")
        unsure = "" if law.status.code in SOUND else f" The fit is {state}: see below."
        return f"{sentences[form]} ({over(runs, self.x)}).{unsure}"

    def _of_control(self, runs: Table, control: str) -> str:
        """The slope of the control on logarithmic axes, without its sign: an exponent."""
        values = runs[control].astype(float)
        usable = runs.take(np.isfinite(values) & (values > 0))
        if not len(usable):
            return ""
        if np.ptp(usable[control].astype(float)) == 0:
            return "untrained: the same at all sizes"
        falls = partial(_exponent, x=self.x, y=control)
        alpha = cells_of(usable, [self.x], [control]).jackknife(falls)["alpha"]
        return f"untrained: alpha {in_words(alpha)}" if isfinite(alpha.value) else ""


ABOVE, AT = "log_above_floor", "log_size"  # columns added to the runs
SOUND = ("converged", "few_clusters")  # states of a fit that need no word in a sentence


def _bend(curves: Curves) -> dict[str, float]:
    return {"bend": bend(curves[AT], curves[ABOVE])}


def _exponent(curves: Curves, x: str, y: str) -> dict[str, float]:
    return {"alpha": -LineAxes().statistics(curves[x], curves[y])["slope"]}
