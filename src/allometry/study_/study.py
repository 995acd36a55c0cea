"""A study: a question with its runs, measures, analysis and figures."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from dataclasses import replace as with_fields
from html import escape
from inspect import signature
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from allometry.claims.claim import OURS, Claim
from allometry.errors import UsageError, in_one_line, printable
from allometry.findings import Analysis, Finding, FindingFigure
from allometry.fitting.document import Fit
from allometry.spec import Changes, Experiment, RunSpec, Spec, replace, run_ids
from allometry.spec.code import UserCode, is_shipped, user_classes, user_code
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
        title: a few words for headings; by default made of the name.
        question: one sentence; by default the title.
        prediction: the result its source expects, one sentence; by default the claims.
        source: author, title, identifier; by default the sources of the claims.
        runs: the specs of a size, seed by seed; called as ``runs(size, seeds)`` with
            `seeds` a sequence of integers.
        sizes: names of the sizes from small to large; shipped studies use "quick",
            "notebook" and "paper", a study of one's own any names.
        seeds: the default seeds of each size; a size without an entry takes the one seed 0.
        procedure: how runs are made; None trains every `RunSpec` by gradient descent.
        measures: name to function giving columns, of one trained `Network` or of what
            the procedure passes it.
        trajectory: the same, taken along training.
        claims: predictions that the package fits, judges and draws (`allometry.claims`); the first
            is the headline.
        analyse: for what no claim says: table to an `Analysis`, or to a list of findings, which
            come after those of the claims; called once for a report.
        figures: functions ``(table, analysis) -> matplotlib Figure``; the first line
            of their docstring is the caption.
        symbols: with their meanings, for its page; those of the columns of its claims (N, D, C)
            and alpha are known.
        views: name to function of the table giving another table, such as the source's own
            columns (``allometry table --view``).
        notebook: the notebook it repeats, for the page that sets notebooks side by side.
        notes: what was not reached and how this differs from its source, in sentences.
        origin: where other processes load the study from: its shipped name or the path of
            its file. `allometry.studies.study` sets it; empty for one made in memory.
    """

    name: str
    _: KW_ONLY
    title: str = ""
    question: str = ""
    prediction: str = ""
    source: str = ""
    runs: Callable[[str, Sequence[int]], Sequence[Experiment]]
    measures: Measures
    claims: Sequence[Claim] = ()
    analyse: Callable[[Table], Analysis | Sequence[Finding]] | None = None
    sizes: tuple[str, ...] = ("quick", "notebook")
    seeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    trajectory: Measures = field(default_factory=dict)
    procedure: Procedure | None = None
    figures: tuple[Callable[[Table, Analysis], "Figure"], ...] = ()
    symbols: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, Callable[[Table], Table]] = field(default_factory=dict)
    notebook: Notebook | None = None
    notes: tuple[str, ...] = ()
    origin: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.sizes, str) or not self.sizes:
            raise UsageError(
                f"study {self.name}: sizes=('quick',), names in a tuple, expected, got "
                f"{self.sizes!r}"
            )
        claims = [claim for claim in self.claims if isinstance(claim, Claim)]
        if len(claims) < len(self.claims):
            raise UsageError(
                f"study {self.name}: claims=[...] of allometry.claims expected, got {self.claims!r}"
            )
        self._check_measures_and_seeds()
        words = {
            "title": self.name.replace("_", " ").capitalize(),
            "question": self.title or self.name.replace("_", " ").capitalize(),
            "prediction": ". ".join(claim.title for claim in claims),
            "source": "; ".join(dict.fromkeys(c.source for c in claims if c.source)) or OURS,
        }
        for name, default in words.items():
            object.__setattr__(self, name, getattr(self, name) or default)

    def _check_measures_and_seeds(self) -> None:
        """Refuse measures that are no functions by name, and seeds of no size."""
        for kind in ("measures", "trajectory"):
            given = getattr(self, kind)
            if not isinstance(given, Mapping) or not all(map(callable, given.values())):
                raise UsageError(
                    f"study {self.name}: {kind}={{'losses': measures.losses}}, functions by name, "
                    f"expected, got {given!r}"
                )
        seeds = self.seeds.items() if isinstance(self.seeds, Mapping) else [("", self.seeds)]
        if not all(size in self.sizes and isinstance(some, Iterable) for size, some in seeds):
            sizes = ", ".join(f"{size!r}: (0, 1, 2)" for size in self.sizes)
            raise UsageError(
                f"study {self.name}: seeds={{{sizes}}}, seeds by size, expected, got {self.seeds!r}"
            )

    def analysis(self, table: Table) -> Analysis:
        """The claims judged, and the result of `analyse` behind them.

        Args:
            table: the runs; claims and `analyse` see all but those that are excluded.
        """
        table = included(table)
        rest = self._analysed(table)
        findings, figures, fits = list[Finding](), dict[str, FindingFigure](), dict[str, Fit]()
        for number, claim in enumerate(self.claims, start=1):
            judgement = claim.judge_or_say(table)
            name = f"claim_{number}_{claim.kind}" if judgement.figure else ""
            findings.append(with_fields(judgement.finding, figure=name))
            if judgement.figure:
                figures[name] = judgement.figure
            fits |= judgement.fits
        return Analysis(
            (*findings, *rest.findings),
            rest.numbers,
            {**fits, **rest.fits},
            {**figures, **rest.figures},
        )

    def _analysed(self, table: Table) -> Analysis:
        """What `analyse` gives, also where it is a list of findings."""
        result = self.analyse(table) if self.analyse else ()
        if isinstance(result, Analysis):
            return result
        if not isinstance(result, Sequence) or not all(isinstance(f, Finding) for f in result):
            raise UsageError(
                f"study {self.name}: analyse(table) gives an Analysis or a list of findings; got "
                f"{result!r}"
            )
        return Analysis(tuple(result))

    def without_noticed(self, table: Table) -> tuple[Sequence[Finding], str]:
        """The findings without the runs of which `noticed` says something.

        Returns:
            the findings, none where there are no such runs or no others; and why there are none
            where the analysis cannot do without these runs.
        """
        rows = included(table)
        others = [not text for text in rows["notice"].tolist()] if noticed(rows) else []
        if not any(others):
            return (), ""
        try:
            return self.analysis(rows.take(np.array(others))).findings, ""
        except Exception as error:  # of an analysis that was written for all runs
            return (), in_one_line(error)

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
        return printable(
            f"<p><b>{escape(self.title)}</b> ({escape(self.name)})<br>{escape(self.question)}<br>"
            f"<i>Predicted:</i> {escape(self.prediction)}. <i>Source:</i> {escape(self.source)}<br>"
            f"<i>Sizes:</i> {escape(self._sizes_in_words())}</p>"
        )

    @property
    def command_name(self) -> str:
        """What names it on the command line: its shipped name, or its file."""
        file = Path(self.origin)
        if file.name == "study.py":
            return f"./{file.parent.name}"
        return f"./{file.name}" if file.suffix == ".py" else self.name

    @property
    def measure_names(self) -> tuple[str, ...]:
        """Names of measures as they are in each spec, and so in its `run_id`."""
        return (*sorted(self.measures), *sorted(f"trajectory:{n}" for n in self.trajectory))

    def specs(
        self,
        size: str,
        seeds: int | Sequence[int] | None = None,
        changes: Changes | None = None,
    ) -> list[Experiment]:
        """The runs of one size, as `specs_and_code` gives them."""
        return self.specs_and_code(size, seeds, changes)[0]

    def specs_and_code(
        self,
        size: str,
        seeds: int | Sequence[int] | None = None,
        changes: Changes | None = None,
    ) -> tuple[list[Experiment], list[UserCode]]:
        """The runs of one size, and the code of the user that they are made by.

        Args:
            size: one of `sizes`.
            seeds: the seeds, or how many, counted up from the first; None for the study's
                defaults.
            changes: dotted field to new value, applied to every run (``--set``).

        Raises:
            UsageError: the study has no such size, its specs no such field, there are no runs, two
                are equal, or a trajectory would have no points.
        """
        if size not in self.sizes:
            raise UsageError(
                f"study {self.name} has no size {size!r}; it has {', '.join(self.sizes)}"
            )
        run_seeds = tuple(self.seeds.get(size, (FIRST_SEED,)))
        if seeds is not None:
            run_seeds = _asked_seeds(seeds, run_seeds[0] if run_seeds else FIRST_SEED)
        given = self._listed(size, run_seeds)
        codes = self.codes(user_classes(given))
        measures = self.measure_names
        specs = [
            spec.model_copy(update={"measures": measures, "code": code.digest})
            for spec, code in zip(given, codes, strict=True)
        ]
        for path, value in (changes or {}).items():
            specs = [replace(spec, path, value) for spec in specs]
        self._check(specs, size, run_seeds)
        return specs, list({code.digest: code for code in codes}.values())

    def _check(self, specs: Sequence[Experiment], size: str, seeds: Sequence[int]) -> None:
        """Refuse, before anything is trained or written, what cannot be meant."""
        if not specs:
            seed_names = ", ".join(map(str, seeds)) or "none"
            raise UsageError(
                f"study {self.name}, size {size!r}, seeds {seed_names}: no runs; runs(size, seeds) "
                "gave an empty list, and nothing was done"
            )
        names = run_ids(specs)
        first = {name: place for place, name in reversed(list(enumerate(names)))}
        for place, name in enumerate(names):
            if first[name] < place:
                raise UsageError(
                    f"study {self.name}: two runs of size {size!r} are the same, number "
                    f"{first[name]} and {place} of the list, counted from 0: what they are to "
                    "differ in, the seed say, is not in their specs"
                )
        if self.trajectory and self.procedure is None and not any(map(_has_points, specs)):
            raise UsageError(
                f"study {self.name}: trajectory= records nothing without points of measurement: "
                "give TrainSpec(measure_every=...), epochs from one point to the next, or "
                "measure_steps=..., how many (or --set train.measure_every=...)"
            )

    def _listed(self, size: str, seeds: Sequence[int]) -> list[Experiment]:
        """What `runs` gives."""
        try:
            signature(self.runs).bind(size, seeds)
        except TypeError:
            raise UsageError(
                f"study {self.name}: runs is called as runs(size, seeds); got a function of "
                f"{signature(self.runs)}"
            ) from None
        given = self.runs(size, seeds)
        specs = list(given) if isinstance(given, Iterable) else [given]
        kind = RunSpec if self.procedure is None else Experiment
        strange = [spec for spec in specs if not isinstance(spec, kind)]
        if strange:
            raise UsageError(
                f"study {self.name}: runs(size, seeds) gives a list of RunSpec, or with procedure= "
                f"of another Experiment; got {strange[0]!r}"
            )
        return specs

    def codes(self, classes: Sequence[frozenset[type[Spec]]]) -> list[UserCode]:
        """The code that makes runs whose specs have these classes of a user's; one for each."""
        roots = dict(self._roots())
        known = {
            some: user_code(roots, some, self.runs)._replace(
                training=user_code({}, some, self.runs).digest
            )
            for some in dict.fromkeys(classes)
        }
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


def _asked_seeds(seeds: int | Sequence[int], first: int) -> tuple[int, ...]:
    """The seeds asked for: these, or so many from the first."""
    try:
        if isinstance(seeds, Iterable):
            return tuple(index(seed) for seed in seeds)
        return tuple(range(first, first + index(seeds)))
    except TypeError:
        raise UsageError(
            f"seeds: how many, 3 say, or a list of them, [0, 1] say, expected, got {seeds!r}"
        ) from None


def _has_points(spec: Experiment) -> bool:
    """Whether a run is measured along training, as the default procedure does it."""
    train = getattr(spec, "train", None)
    return bool(getattr(train, "measure_every", 0) or getattr(train, "measure_steps", 0))


def included(table: Table) -> Table:
    """The rows that analyses and figures see: all but those that are excluded."""
    if "excluded_because" not in table:
        return table
    return table.take(table["status"] != "excluded").without("excluded_because")


def noticed(table: Table) -> dict[str, int]:
    """What was noticed of runs that cannot be, or have learnt nothing, with how many they are."""
    texts = table["notice"].tolist() if "notice" in table else []
    return dict(Counter(text for text in texts if text))


def procedure_of(study: Study) -> Procedure:
    """The study's own procedure, or training by gradient descent."""
    if study.procedure is not None:
        return study.procedure
    # Brings JAX, which a study with a procedure of its own may not need.
    from allometry.training.loop import Training

    return Training()
