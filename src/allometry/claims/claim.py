"""The base of every claim: its columns, the source of its prediction, and its judgement."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from allometry.errors import DataError, UsageError, did_you_mean, quoted
from allometry.findings import Finding, FindingFigure, Verdict
from allometry.fitting.document import Fit
from allometry.laws import Array
from allometry.stats.interval import NO_VALUE, Interval
from allometry.tables.conditions import meeting, parsed
from allometry.tables.run_texts import run_texts
from allometry.tables.table import Table

__all__ = ["OURS", "Claim", "Judgement", "Labels"]

OURS = "ours"  # the source of a prediction that is from no published work
LARGEST = 1e60  # larger numbers, and ones below the inverse, are taken for damaged data
# Names, with units, of the columns that every run of the default procedure has.
COLUMNS = {
    "n_params": "parameter count N",
    "n_params_no_biases": "number of weights",
    "n_data": "number of examples D",
    "compute": "training compute C (FLOP)",
    "compute_6nd": "training compute 6ND (FLOP)",
    "train_loss": "training loss",
    "test_loss": "test loss",
    "valid_loss": "validation loss",
    "train_accuracy": "training accuracy",
    "test_accuracy": "test accuracy",
    "learning_rate": "learning rate",
    "batch_size": "batch size",
    "steps": "number of updates",
}


class Labels(NamedTuple):
    """Texts of a figure: its headline, and its axis labels with units."""

    title: str
    x: str
    y: str


@dataclass(frozen=True)
class Judgement:
    """A claim compared with its measurement.

    Attributes:
        finding: the finding, with its verdict.
        figure: a figure of the measurement; None where there is nothing to draw.
        fits: the fits by name.
    """

    finding: Finding
    figure: FindingFigure | None = None
    fits: Mapping[str, Fit] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A prediction about the columns of the runs, which is judged by the rules of this package.

    Every measured number has a 95% interval. The verdict is *agrees* where the whole interval lies
    in the region that the claim allows, *disagrees* where the whole interval lies outside it, and
    *undecided* otherwise. With one seed the verdict is *undecided*, because every interval has to
    include the scatter between seeds.

    Attributes:
        x, y: columns.
        says: the claim in words; by default made from the columns.
        source: the work that makes the prediction, with section or equation. Where it is empty, the
            finding has ``ours`` as its source.
        where: conditions on the runs, such as ``["n_params>=1000"]``.
        control: column of the same measure taken where no effect is possible, such as before
            training. By default `y` with ``_untrained`` appended, if the table has this column.
        words: names of columns in sentences and on axes: ``{"test_loss": "test loss (nats)"}``.
    """

    x: str
    y: str
    _: KW_ONLY
    says: str = ""
    source: str = ""
    where: Sequence[str] = ()
    control: str = ""
    words: Mapping[str, str] = field(default_factory=dict)

    kind: ClassVar[str]  # kind of claim, in the name of its figure
    states: ClassVar[tuple[str, ...]] = ("done",)  # statuses of the runs that count
    caption: ClassVar[str]  # of its figure

    def __post_init__(self) -> None:
        if isinstance(self.where, str):
            object.__setattr__(self, "where", (self.where,))
        if not isinstance(self.where, Sequence) or not all(isinstance(t, str) for t in self.where):
            raise UsageError(
                f"claim on {self.y!r}: where=['COLUMN<=VALUE'], conditions, expected, got "
                f"{quoted(self.where)}"
            )
        for text in self.where:
            parsed(text)
        if not isinstance(self.words, Mapping):
            raise UsageError(
                f"claim on {self.y!r}: words={{'column': 'its name (its unit)'}} expected, got "
                f"{quoted(self.words)}"
            )

    @abstractmethod
    def judge(self, table: Table) -> Judgement:
        """Compare the claim with the runs.

        Args:
            table: the runs of a study; those whose status is in `states` count.

        Raises:
            UsageError: a column that the runs do not have, or text where numbers are needed.
            DataError: too few runs, or numbers that the claim is not defined for.
        """

    def judge_or_say(self, table: Table) -> Judgement:
        """Like `judge`, but a DataError becomes an undecided finding that gives the reason.

        Raises:
            UsageError: a column that the runs do not have, or text where numbers are needed.
        """
        try:
            return self.judge(table)
        except DataError as error:
            return Judgement(self.finding(NO_VALUE, "undecided", answer=f"{error}."))

    @abstractmethod
    def prediction(self) -> str:
        """What is predicted, in words."""

    # ---- what all kinds share ------------------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the claim is about."""
        return self.x, self.y

    @property
    def numbers(self) -> tuple[str, ...]:
        """The `columns` that hold numbers."""
        return self.columns

    def runs(self, table: Table) -> Table:
        """The runs that the claim is about: their numbers as floats, all finite.

        Raises:
            UsageError: a column is missing or holds text. DataError: no run is left.
        """
        done = self._finished(table)
        missing = [name for name in self.columns if name not in table]
        if missing:
            raise UsageError(
                f"claim {self.title!r}: no column {', '.join(missing)}; the runs have "
                f"{', '.join(table.columns)}{did_you_mean(missing[0], table.columns)}"
            )
        rows = done.take(meeting(done, self.where))
        rows = rows.with_columns(**{name: self.floats(rows, name) for name in self.numbers})
        if "seed" in rows and rows["seed"].dtype.kind == "O":  # mixed types cannot be sorted
            rows = rows.with_columns(seed=[str(seed) for seed in rows["seed"].tolist()])
        finite = [np.isfinite(rows[name]) for name in self.numbers]
        usable = rows.take(np.all(finite, axis=0))
        if not len(usable):
            conditions = f" that meet {', '.join(self.where)}" if self.where else ""
            lost = f" with a finite {' and '.join(self.numbers)}" if len(rows) else ""
            raise DataError(f"claim {self.title!r}: no finished runs{conditions}{lost}")
        return usable

    def _finished(self, table: Table) -> Table:
        """The runs in a state that counts, before any condition."""
        states = table["status"].tolist() if "status" in table else ["done"] * len(table)
        if "done" not in states:
            raise DataError(f"claim {self.title!r}: no finished runs")
        return table.take(np.array([state in self.states for state in states]))

    def floats(self, runs: Table, name: str) -> Array:
        """A column as floats, (runs,), NaN where missing.

        Raises:
            UsageError: the column holds text. DataError: a number is too large or too small.
        """
        try:
            values = runs.numbers(name, "of a claim")
        except DataError as error:  # a mistake of the claim: more runs would not help
            raise UsageError(f"claim {self.title!r}: {error}") from error
        except OverflowError:
            values = np.array([LARGEST])
        size = np.abs(values[np.isfinite(values) & (values != 0)])
        if ((size >= LARGEST) | (size <= 1 / LARGEST)).any():
            raise DataError(
                f"claim {self.title!r}: numbers between {1 / LARGEST:g} and {LARGEST:g} expected, "
                f"{name} has others; leave these runs out by a condition"
            )
        return values

    def check_positive(self, what: str, values: Array, advice: str) -> None:
        """Refuse numbers that have no logarithm.

        Args:
            what: what the numbers are, in words. advice: what to do about them.

        Raises:
            DataError: one is 0 or less. This can happen by chance, so it is no UsageError.
        """
        lost = int((values <= 0).sum())
        if lost:
            raise DataError(
                f"claim {self.title!r}: {what} above 0 expected, for its logarithm; {lost} of "
                f"{len(values)} are not: {advice}"
            )

    @property
    def title(self) -> str:
        """`says`; where that is empty, `sentence()` with the conditions on the runs."""
        of = f" ({', '.join(self.where)})" if self.where else ""
        return self.says or f"{self.sentence()}{of}"

    @abstractmethod
    def sentence(self) -> str:
        """The claim in words, used where `says` is empty."""

    def word(self, column: str) -> str:
        """The name of a column in a sentence, without its unit."""
        return self.label(column).partition(" (")[0]

    def label(self, column: str) -> str:
        """The name of a column on an axis, with its unit."""
        return self.words.get(column) or COLUMNS.get(column, column.replace("_", " "))

    def labels(self, verdict: Verdict) -> Labels:
        """Texts of the claim's figure. Its title has the verdict, as it may be shown alone."""
        return Labels(f"{self.title}: {verdict}", self.label(self.x), self.label(self.y))

    def tips(self, runs: Table) -> list[str]:
        """A text for each run's mark in a figure: the run's name, seed and numbers."""
        return run_texts(runs, self.columns)

    def control_column(self, table: Table) -> str:
        """The control column; empty where there is none."""
        name = self.control or f"{self.y}_untrained"
        if self.control and name not in table:
            raise UsageError(f"claim {self.title!r}: no control column {name!r}")
        return name if name in table else ""

    def finding(
        self, measured: Interval, verdict: Verdict, *, answer: str, control: str = "",
        unit: str = "",
    ) -> Finding:  # fmt: skip
        """A finding of this claim."""
        return Finding(
            claim=self.title,
            prediction=self.prediction(),
            source=self.source or OURS,
            measured=measured.value,
            low=measured.low,
            high=measured.high,
            verdict=verdict,
            answer=answer,
            control=control,
            unit=unit,
        )
