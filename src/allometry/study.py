"""A study: a question with its runs, measures, analysis and figures."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from dataclasses import replace as with_fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from allometry.claims.claim import OURS, Claim
from allometry.errors import (
    Rule,
    UsageError,
    called,
    check_fields,
    did_you_mean,
    in_one_line,
    printable,
    quoted,
)
from allometry.findings import Analysis, Finding, FindingFigure
from allometry.fitting.document import Fit
from allometry.study_runs import FUNCTIONS, Runs, included
from allometry.tables.printed import labelled, shortened
from allometry.tables.table import Table
from allometry.training.procedure import Procedure

if TYPE_CHECKING:
    # Matplotlib takes half a second, which a run without a report does not need.
    from matplotlib.figure import Figure

__all__ = ["Notebook", "Study", "included", "noticed", "procedure_of"]

TRAJECTORIES = "trajectories"  # the view that every study has


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


def _all_are(kind: type | tuple[type, ...], value: object) -> bool:
    """Whether it is a tuple or list of such values."""
    return isinstance(value, tuple | list) and all(isinstance(one, kind) for one in value)


TEXT = Rule(lambda text: isinstance(text, str), "text")
RULES = {
    **dict.fromkeys(("title", "question", "prediction", "source"), TEXT),
    "claims": Rule(lambda claims: _all_are(Claim, claims), "[...] of allometry.claims"),
    "analyse": Rule(lambda analyse: analyse is None or callable(analyse), "a function of a table"),
    "figures": Rule(
        lambda figures: isinstance(figures, tuple | list) and all(map(callable, figures)),
        "(draw,), functions of (table, analysis),",
    ),
    "symbols": Rule(
        lambda symbols: (
            isinstance(symbols, Mapping)
            and _all_are(str, [text for pair in symbols.items() for text in pair])
        ),
        "{'N': 'parameters'}, texts by symbol,",
    ),
    "views": FUNCTIONS,
    "notebook": Rule(lambda notebook: isinstance(notebook, Notebook | None), "a Notebook"),
    "notes": Rule(lambda notes: _all_are(str, notes), "('a sentence',)"),
}


@dataclass(frozen=True, repr=False)
class Study(Runs):
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
        later: for runs that are planned from the results of others: called as
            ``later(size, table)`` once all runs so far are stored, with their table without
            those that are excluded. It gives a `Stage`, whose plan is kept in the store, with
            the time, before its runs are declared; or None when there is no more to train.
            Called again after each stage, with the runs of it.
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

    _: KW_ONLY
    title: str = ""
    question: str = ""
    prediction: str = ""
    source: str = ""
    claims: Sequence[Claim] = ()
    analyse: Callable[[Table], Analysis | Sequence[Finding]] | None = None
    figures: tuple[Callable[[Table, Analysis], "Figure"], ...] = ()
    symbols: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, Callable[[Table], Table]] = field(default_factory=dict)
    notebook: Notebook | None = None
    notes: tuple[str, ...] = ()
    origin: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fields(f"study {self.name}", self, RULES)
        words = {
            "title": self.name.replace("_", " ").capitalize(),
            "question": self.title or self.name.replace("_", " ").capitalize(),
            "prediction": ". ".join(claim.title for claim in self.claims),
            "source": "; ".join(dict.fromkeys(c.source for c in self.claims if c.source)) or OURS,
        }
        for name, default in words.items():
            object.__setattr__(self, name, getattr(self, name) or default)

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
            rest.passages,
        )

    def _analysed(self, table: Table) -> Analysis:
        """What `analyse` gives, also where it is a list of findings."""
        what = f"study {self.name}: analyse is called as analyse(table)"
        result = called(what, self.analyse, table) if self.analyse else ()
        if isinstance(result, Analysis):
            return result
        if not isinstance(result, Sequence) or not all(isinstance(f, Finding) for f in result):
            raise UsageError(
                f"study {self.name}: analyse(table) gives an Analysis or a list of findings; got "
                f"{quoted(result)}"
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

        Every study has ``trajectories``, `Table.along_training`, if not one of its own.

        Raises:
            UsageError: the study has no such view.
        """
        if name == TRAJECTORIES and name not in self.views:
            return included(table).along_training()
        if name not in self.views:
            views = ", ".join(dict.fromkeys((*self.views, TRAJECTORIES)))
            hint = did_you_mean(name, (*self.views, TRAJECTORIES))
            raise UsageError(f"study {self.name} has no view {name!r}; it has {views}{hint}")
        what = f"study {self.name}: view {name!r} is called with a table"
        made = called(what, self.views[name], included(table))
        if not isinstance(made, Table):
            raise UsageError(
                f"study {self.name}: view {name!r} of a table gives a Table, got {quoted(made)}"
            )
        return made

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
