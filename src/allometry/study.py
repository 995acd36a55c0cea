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

TRAJECTORIES = "trajectories"  # a view that every study has


@dataclass(frozen=True)
class Notebook:
    """The notebook that a study repeats.

    Attributes:
        number: its index, from 0, among the five notebooks that Allometry began with.
        name: its author's name for it.
        printed: its printed result, one or two sentences.
    """

    number: int
    name: str
    printed: str


def _all_are(kind: type | tuple[type, ...], value: object) -> bool:
    """Whether the value is a tuple or list of instances of `kind`."""
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
        name: name on the command line; for a shipped study the name of its module.
        title: a few words for headings; by default derived from the name.
        question: one sentence; by default the title.
        prediction: the result that the source expects, one sentence; by default the claims.
        source: author, title, identifier; by default the sources of the claims.
        runs: function ``runs(size, seeds)`` that returns the specs of a size; `seeds` is a
            sequence of integers.
        sizes: names of the sizes from small to large; shipped studies use "quick",
            "notebook" and "paper", your study may use any names.
        seeds: default seeds of each size; a size without an entry uses the single seed 0.
        procedure: how runs are trained; None trains every `RunSpec` by gradient descent.
        later: function ``later(size, table)`` that plans further runs from results. It is
            called once all runs so far are stored, with the table of those that are not
            excluded. It returns a `Stage`, or None if there is nothing more to train. The store
            keeps the plan of the stage, with the time, before its runs are declared. After each
            stage the function is called again with a table that includes the stage's runs.
        measures: name to function that returns columns. The function gets one trained `Network`,
            or what the procedure passes to measures.
        trajectory: measures taken along training.
        claims: predictions that the package fits, judges and draws (`allometry.claims`); the first
            is the headline.
        analyse: function of the table for everything the claims do not cover. It returns an
            `Analysis` or a list of findings, which follow those of the claims. Called once for a
            report.
        figures: functions ``(table, analysis) -> matplotlib Figure``; the first line
            of their docstring is the caption.
        symbols: symbol to meaning, for the study's page. Symbols of the columns of its claims
            (N, D, C) and alpha need no entry.
        views: name to function from the table to another table, such as one with the source's
            columns (``allometry table --view``).
        notebook: the notebook it repeats, for the page that compares notebooks.
        notes: sentences on what was not reached and on differences from the source.
        origin: where other processes load the study from: its shipped name or the path of
            its file. `allometry.studies.study` sets it; empty for a study made in memory.
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
        """Judge the claims, and append the result of `analyse`.

        Args:
            table: the runs; excluded runs are dropped before claims and `analyse` see them.
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
        """The result of `analyse`; a list of findings is wrapped in an `Analysis`."""
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
        """The findings from the runs without a notice (see `noticed`).

        Returns:
            the findings, empty if no run or every run has a notice; and an error message if the
            analysis fails without these runs, else an empty string.
        """
        rows = included(table)
        others = [not text for text in rows["notice"].tolist()] if noticed(rows) else []
        if not any(others):
            return (), ""
        try:
            return self.analysis(rows.take(np.array(others))).findings, ""
        except Exception as error:  # an analysis written for all runs may fail on fewer
            return (), in_one_line(error)

    def view(self, name: str, table: Table) -> Table:
        """Another form of the table, without excluded runs.

        Every study has the view ``trajectories`` (`Table.along_training`), unless it defines its
        own view of that name.

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
        """At most 12 lines: the question, the prediction, the sizes and the measures."""
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
        """The study's argument on the command line: its shipped name, or its file."""
        file = Path(self.origin)
        if file.name == "study.py":
            return f"./{file.parent.name}"
        return f"./{file.name}" if file.suffix == ".py" else self.name


def noticed(table: Table) -> dict[str, int]:
    """Notices about runs with impossible values or no learning, each with its run count."""
    texts = table["notice"].tolist() if "notice" in table else []
    return dict(Counter(text for text in texts if text))


def procedure_of(study: Study) -> Procedure:
    """The study's own procedure, or training by gradient descent."""
    if study.procedure is not None:
        return study.procedure
    # Imports JAX, which a study with its own procedure may not need.
    from allometry.training.loop import Training

    return Training()
