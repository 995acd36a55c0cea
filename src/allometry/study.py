"""A study: a question with its runs, measures, analysis and figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from allometry.errors import UsageError
from allometry.findings import Analysis, Finding
from allometry.spec import Changes, Experiment, replace, run_ids
from allometry.tables.printed import labelled, shortened
from allometry.tables.table import Table
from allometry.training.procedure import Measures, Procedure

if TYPE_CHECKING:
    # Matplotlib takes half a second, which a run without a report does not need.
    from matplotlib.figure import Figure

__all__ = ["Notebook", "Study", "included", "procedure_of"]

FIRST_SEED = 0  # of a size that names no seeds


@dataclass(frozen=True)
class Notebook:
    """The notebook a study repeats.

    Attributes:
        number: its place among the five that Allometry began with, from 0.
        name: its author's name for it.
        printed: its printed result, one or two sentences.
    """

    number: int
    name: str
    printed: str


@dataclass(frozen=True)
class Study:
    """A question and everything needed to answer it.

    Attributes:
        name: the module's name, the name on the command line.
        title: a few words for headings.
        question: one sentence.
        prediction: the result its source expects, one sentence.
        source: author, title, identifier.
        runs: the specs of a size, seed by seed; called as ``runs(size, seeds)`` with
            `seeds` a sequence of integers.
        sizes: names of the sizes from small to large; shipped studies use "quick",
            "notebook" and "paper", a study of one's own any names.
        seeds: the default seeds of each size; a size without an entry takes the one seed 0.
        procedure: how runs are made; None trains every `RunSpec` by gradient descent.
        measures: name to function giving columns, of one trained `Network` or of what
            the procedure passes it.
        trajectory: the same, taken along training.
        analyse: table to an `Analysis`, or to a list of findings; called once for a report.
        figures: functions ``(table, analysis) -> matplotlib Figure``; the first line
            of their docstring is the caption.
        views: name to function of the table giving another table, such as the source's own
            columns (``allometry table --view``).
        notebook: the notebook it repeats, for the page that sets notebooks side by side.
        notes: what was not reached and how this differs from its source, in sentences.
        origin: where other processes load the study from: its shipped name or the path of
            its file. `allometry.studies.study` sets it; empty for one made in memory.
    """

    name: str
    title: str
    question: str
    prediction: str
    source: str
    runs: Callable[[str, Sequence[int]], Sequence[Experiment]]
    measures: Measures
    analyse: Callable[[Table], Analysis | Sequence[Finding]]
    sizes: tuple[str, ...] = ("quick", "notebook")
    seeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    trajectory: Measures = field(default_factory=dict)
    procedure: Procedure | None = None
    figures: tuple[Callable[[Table, Analysis], "Figure"], ...] = ()
    views: Mapping[str, Callable[[Table], Table]] = field(default_factory=dict)
    notebook: Notebook | None = None
    notes: tuple[str, ...] = ()
    origin: str = ""

    def analysis(self, table: Table) -> Analysis:
        """The result of `analyse` as an `Analysis`, also where it is a list of findings.

        Args:
            table: the runs; `analyse` sees all but those that are excluded.
        """
        result = self.analyse(included(table))
        return result if isinstance(result, Analysis) else Analysis(tuple(result))

    def view(self, name: str, table: Table) -> Table:
        """A table in another form, of all runs but those that are excluded.

        Raises:
            UsageError: the study has no such view.
        """
        if name not in self.views:
            views = ", ".join(self.views) or "none"
            raise UsageError(f"study {self.name} has no view {name!r}; it has {views}")
        return self.views[name](included(table))

    def __repr__(self) -> str:
        """At most 12 lines: what is asked, of which sizes, and what is measured."""
        rows = [
            ("question", self.question),
            ("predicted", self.prediction),
            ("source", self.source),
            ("sizes", self._sizes_in_words()),
            ("measures", ", ".join(dict.fromkeys((*self.measures, *self.trajectory)))),
        ]
        return "\n".join([*shortened(f"Study {self.name}: {self.title}"), *labelled(rows)])

    def _sizes_in_words(self) -> str:
        return ", ".join(f"{size} ({len(self.specs(size))} runs)" for size in self.sizes)

    def _repr_html_(self) -> str:
        return (
            f"<p><b>{escape(self.title)}</b> ({escape(self.name)})<br>{escape(self.question)}<br>"
            f"<i>Predicted:</i> {escape(self.prediction)}. <i>Source:</i> {escape(self.source)}<br>"
            f"<i>Sizes:</i> {self._sizes_in_words()}</p>"
        )

    @property
    def measure_names(self) -> tuple[str, ...]:
        """Names of measures as they are in each spec, and so in its `run_id`."""
        return (*sorted(self.measures), *sorted(f"trajectory:{n}" for n in self.trajectory))

    def specs(
        self, size: str, seeds: int | None = None, changes: Changes | None = None
    ) -> list[Experiment]:
        """The runs of one size.

        Args:
            size: one of `sizes`.
            seeds: how many, counted up from the first; None for the study's defaults.
            changes: dotted field to new value, applied to every run (``--set``).

        Raises:
            UsageError: the study has no such size, its specs no such field, or two runs are equal.
        """
        if size not in self.sizes:
            raise UsageError(
                f"study {self.name} has no size {size!r}; it has {', '.join(self.sizes)}"
            )
        run_seeds = self.seeds.get(size, (FIRST_SEED,))
        if seeds is not None:
            run_seeds = tuple(range(run_seeds[0], run_seeds[0] + seeds))
        names = {"measures": self.measure_names}
        specs = [spec.model_copy(update=names) for spec in self.runs(size, run_seeds)]
        for path, value in (changes or {}).items():
            specs = [replace(spec, path, value) for spec in specs]
        if len(set(run_ids(specs))) < len(specs):
            raise UsageError(f"study {self.name}: two runs of size {size!r} are the same")
        return specs


def included(table: Table) -> Table:
    """The rows that analyses and figures see: all but those that are excluded."""
    if "excluded_because" not in table:
        return table
    return table.take(table["status"] != "excluded").without("excluded_because")


def procedure_of(study: Study) -> Procedure:
    """The study's own procedure, or training by gradient descent."""
    if study.procedure is not None:
        return study.procedure
    # Brings JAX, which a study with a procedure of its own may not need.
    from allometry.training.loop import Training

    return Training()
