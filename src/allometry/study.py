"""A study: a question with its runs, measures, analysis and figures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from allometry.errors import UsageError
from allometry.findings import Analysis, Finding
from allometry.spec import Changes, Experiment, Spec, replace, run_ids
from allometry.spec.code import UserCode, is_shipped, user_classes, user_code
from allometry.tables.table import Table
from allometry.training.procedure import Measures, Procedure

if TYPE_CHECKING:
    # Matplotlib takes half a second, which a run without a report does not need.
    from matplotlib.figure import Figure

__all__ = ["Notebook", "Study", "procedure_of"]

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
        """The result of `analyse` as an `Analysis`, also where it is a list of findings."""
        result = self.analyse(table)
        return result if isinstance(result, Analysis) else Analysis(tuple(result))

    def view(self, name: str, table: Table) -> Table:
        """A table in another form.

        Raises:
            UsageError: the study has no such view.
        """
        if name not in self.views:
            views = ", ".join(self.views) or "none"
            raise UsageError(f"study {self.name} has no view {name!r}; it has {views}")
        return self.views[name](table)

    def _repr_html_(self) -> str:
        sizes = ", ".join(f"{size} ({len(self.specs(size))} runs)" for size in self.sizes)
        return (
            f"<p><b>{escape(self.title)}</b> ({escape(self.name)})<br>{escape(self.question)}<br>"
            f"<i>Predicted:</i> {escape(self.prediction)}. <i>Source:</i> {escape(self.source)}<br>"
            f"<i>Sizes:</i> {sizes}</p>"
        )

    @property
    def measure_names(self) -> tuple[str, ...]:
        """Names of measures as they are in each spec, and so in its `run_id`."""
        return (*sorted(self.measures), *sorted(f"trajectory:{n}" for n in self.trajectory))

    def specs(
        self, size: str, seeds: int | None = None, changes: Changes | None = None
    ) -> list[Experiment]:
        """The runs of one size, as `specs_and_code` gives them."""
        return self.specs_and_code(size, seeds, changes)[0]

    def specs_and_code(
        self, size: str, seeds: int | None = None, changes: Changes | None = None
    ) -> tuple[list[Experiment], list[UserCode]]:
        """The runs of one size, and the code of the user that they are made by.

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
        given = self.runs(size, run_seeds)
        codes = self.codes(user_classes(given))
        measures = self.measure_names
        specs = [
            spec.model_copy(update={"measures": measures, "code": code.digest})
            for spec, code in zip(given, codes, strict=True)
        ]
        for path, value in (changes or {}).items():
            specs = [replace(spec, path, value) for spec in specs]
        if len(set(run_ids(specs))) < len(specs):
            raise UsageError(f"study {self.name}: two runs of size {size!r} are the same")
        return specs, list({code.digest: code for code in codes}.values())

    def codes(self, classes: Sequence[frozenset[type[Spec]]]) -> list[UserCode]:
        """The code that makes runs whose specs have these classes of a user's; one for each."""
        roots = dict(self._roots())
        known = {some: user_code(roots, some, self.runs) for some in dict.fromkeys(classes)}
        return [known[some] for some in classes]

    def _roots(self) -> Iterator[tuple[str, object]]:
        """What of this study decides its runs, shipped parts under their own names left out."""
        shipped = is_shipped(self.runs)
        kinds = (("measure", self.measures), ("trajectory", self.trajectory))
        for kind, functions in kinds:
            for name, function in functions.items():
                if not (is_shipped(function) and (shipped or _is_measure(name, function))):
                    yield f"{kind} {name}", function
        if self.procedure is not None:
            code = self.procedure.code
            if not is_shipped(code) or (getattr(code, "__dict__", None) and not shipped):
                yield "procedure", code


def _is_measure(name: str, function: Callable[..., object]) -> bool:
    """Whether this is the shipped measure of that name."""
    module = getattr(function, "__module__", "")
    made_by_a_call = getattr(function, "__closure__", None)
    ours = module.startswith("allometry.measures.") and not made_by_a_call
    return ours and function.__name__ == name


def procedure_of(study: Study) -> Procedure:
    """The study's own procedure, or training by gradient descent."""
    if study.procedure is not None:
        return study.procedure
    # Brings JAX, which a study with a procedure of its own may not need.
    from allometry.training.loop import Training

    return Training()
