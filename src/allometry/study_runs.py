"""The runs of a study, listed or planned from results: checks, and the code that defines them."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from operator import index
from typing import Any

import numpy as np

from allometry.errors import Rule, UsageError, called, check_fields, did_you_mean, printable, quoted
from allometry.spec import Changes, Experiment, RunSpec, Spec, replace, run_ids
from allometry.spec.code import UserCode, is_known, is_shipped, user_classes, user_code
from allometry.spec.code import changes as changes_of_code
from allometry.store import EarlierCode, Store
from allometry.tables.table import Table
from allometry.training.procedure import Measures, Procedure

__all__ = ["Declared", "Runs", "Stage", "included"]

_log = logging.getLogger(__name__)  # warnings go to stderr unless a program says otherwise

FIRST_SEED = 0  # first seed of a size without default seeds


def _is_name(value: object) -> bool:
    """Whether it is a word that can be part of file names, tables and command lines."""
    return isinstance(value, str) and value.isprintable() and not {"/", "\\"} & {*value}


def _are_functions(value: object) -> bool:
    """Whether the value is a mapping from names to functions."""
    return (
        isinstance(value, Mapping)
        and all(isinstance(name, str) for name in value)
        and all(map(callable, value.values()))
    )


def _are_seeds(value: object) -> bool:
    """Whether the value is a mapping from sizes to sequences of seeds."""
    return isinstance(value, Mapping) and all(
        np.iterable(seeds) and not isinstance(seeds, str) for seeds in value.values()
    )


FUNCTIONS = Rule(_are_functions, "{'losses': measures.losses}, functions by name,")
RULES = {
    "name": Rule(lambda name: bool(name) and _is_name(name), "'mine', a word without '/',"),
    "runs": Rule(callable, "a function of (size, seeds)"),
    "later": Rule(lambda later: later is None or callable(later), "a function of (size, table)"),
    "sizes": Rule(
        lambda sizes: isinstance(sizes, tuple | list) and bool(sizes) and all(map(_is_name, sizes)),
        "('quick',), names in a tuple,",
    ),
    "measures": FUNCTIONS,
    "trajectory": FUNCTIONS,
    "seeds": Rule(_are_seeds, "{'quick': (0, 1, 2)}, seeds by size,"),
    "procedure": Rule(
        lambda procedure: procedure is None or isinstance(procedure, Procedure),
        "a Procedure, such as Function(train),",
    ),
}


@dataclass(frozen=True)
class Stage:
    """Runs planned from the table of earlier runs, with predictions about them.

    Attributes:
        name: a few words, for the store and the page.
        runs: the specs; none of them may be in the table.
        predicted: predictions as JSON data, such as the losses of these runs. The store keeps
            them, with the time, before the runs are declared (`Table.plans`).
    """

    name: str
    runs: Sequence[Experiment]
    predicted: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Runs:
    """What a study trains and measures; `Study` documents the attributes."""

    name: str
    _: KW_ONLY
    runs: Callable[[str, Sequence[int]], Sequence[Experiment]]
    later: Callable[[str, Table], Stage | None] | None = None
    sizes: tuple[str, ...] = ("quick", "notebook")
    seeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    measures: Measures
    trajectory: Measures = field(default_factory=dict)
    procedure: Procedure | None = None

    def __post_init__(self) -> None:
        """Refuse invalid fields."""
        name = printable(self.name) if isinstance(self.name, str) else quoted(self.name)
        check_fields(f"study {name}", self, RULES)
        if not all(size in self.sizes for size in self.seeds):
            sizes = ", ".join(f"{size!r}: (0, 1, 2)" for size in self.sizes)
            raise UsageError(
                f"study {self.name}: seeds={{{sizes}}}, seeds by size, expected, got "
                f"{quoted(self.seeds)}"
            )

    @property
    def measure_names(self) -> tuple[str, ...]:
        """Names of the measures as stored in each spec, and so part of its `run_id`."""
        return (*sorted(self.measures), *sorted(f"trajectory:{n}" for n in self.trajectory))

    def specs(
        self,
        size: str,
        seeds: int | Sequence[int] | None = None,
        changes: Changes | None = None,
    ) -> list[Experiment]:
        """The runs of one size; see `specs_and_code`."""
        return self.specs_and_code(size, seeds, changes)[0]

    def specs_and_code(
        self,
        size: str,
        seeds: int | Sequence[int] | None = None,
        changes: Changes | None = None,
    ) -> tuple[list[Experiment], list[UserCode]]:
        """The runs of one size, and the user code that defines them.

        Args:
            size: one of `sizes`.
            seeds: the seeds; or their number, counted up from the size's first seed; None for
                the study's defaults.
            changes: dotted field to new value, applied to every run (``--set``).

        Raises:
            UsageError: the study has no such size, its specs have no such field, there are no
                runs, two runs are equal, or a trajectory would have no points.
        """
        self._check_size(size)
        run_seeds = tuple(self.seeds.get(size, (FIRST_SEED,)))
        if seeds is not None:
            run_seeds = _asked_seeds(seeds, run_seeds[0] if run_seeds else FIRST_SEED)
        given = self._listed(size, run_seeds)
        if not given:
            seed_names = ", ".join(map(str, run_seeds)) or "none"
            raise UsageError(
                f"study {self.name}, size {size!r}, seeds {seed_names}: no runs; runs(size, seeds) "
                "returned an empty list, and nothing was done"
            )
        specs, codes = self._with_code(size, given, changes)
        if self.trajectory and self.procedure is None and not any(map(_has_points, specs)):
            raise UsageError(
                f"study {self.name}: trajectory= records nothing without measuring points: give "
                "TrainSpec(measure_every=...), the epochs between two points, or "
                "measure_steps=..., the number of points (or --set train.measure_every=...)"
            )
        return specs, codes

    def next_stage(
        self, size: str, table: Table, changes: Changes | None
    ) -> tuple[Stage, list[UserCode]] | None:
        """The runs that the study plans from earlier runs, with the user code that defines them.

        Args:
            size: size of the runs.
            table: all runs so far, including those of earlier stages, without excluded runs.
            changes: dotted field to new value, applied to every run (``--set``).

        Returns:
            None if there is nothing more to train.

        Raises:
            UsageError: `later` returned neither a `Stage` nor None, or a stage with invalid runs.
        """
        self._check_size(size)
        if self.later is None:
            return None
        what = f"study {self.name}: later is called as later(size, table)"
        stage = called(what, self.later, size, table)
        if stage is None:
            return None
        if not isinstance(stage, Stage):
            raise UsageError(
                f"study {self.name}: later(size, table) must return a Stage(name, runs=[...]) or "
                f"None, got {quoted(stage)}"
            )
        given = self._checked(f"stage {stage.name!r}: runs", stage.runs)
        if not given:
            raise UsageError(
                f"study {self.name}: stage {stage.name!r} has no runs; later(size, table) must "
                "return None if there is nothing more to train"
            )
        runs, codes = self._with_code(size, given, changes)
        again = set(run_ids(runs)) & set(table["run_id"].tolist())
        if again:
            raise UsageError(
                f"study {self.name}: stage {stage.name!r} plans {len(again)} runs that are already "
                "in the table: later(size, table) must return runs that are not, or None"
            )
        return Stage(stage.name, runs, stage.predicted), codes

    def _check_size(self, size: str) -> None:
        if size not in self.sizes:
            raise UsageError(
                f"study {self.name} has no size {size!r}; it has {', '.join(self.sizes)}"
                f"{did_you_mean(str(size), self.sizes)}"
            )

    def _listed(self, size: str, seeds: Sequence[int]) -> list[Experiment]:
        """The specs that `runs` returns."""
        what = f"study {self.name}: runs is called as runs(size, seeds)"
        return self._checked("runs(size, seeds)", called(what, self.runs, size, seeds))

    def _checked(self, what: str, given: object) -> list[Experiment]:
        """The specs of an iterable of specs, or of a single spec.

        Args:
            what: the function that returned them, for the message.

        Raises:
            UsageError: a value that is no spec of the expected class.
        """
        specs: list[Any] = list(given) if np.iterable(given) else [given]
        kind = RunSpec if self.procedure is None else Experiment
        strange = [spec for spec in specs if not isinstance(spec, kind)]
        if strange:
            raise UsageError(
                f"study {self.name}: {what} must be a list of RunSpec (with procedure= of another "
                f"Experiment), got {quoted(strange[0])}"
            )
        return specs

    def _with_code(
        self, size: str, given: Sequence[Experiment], changes: Changes | None
    ) -> tuple[list[Experiment], list[UserCode]]:
        """The runs with measures, code digest and changes filled in, and their user code."""
        codes = self.codes(user_classes(given))
        measures = self.measure_names
        specs = [
            spec.model_copy(update={"measures": measures, "code": code.digest})
            for spec, code in zip(given, codes, strict=True)
        ]
        for path, value in (changes or {}).items():
            specs = [replace(spec, path, value) for spec in specs]
        self._check(specs, size)
        return specs, list({code.digest: code for code in codes}.values())

    def _check(self, specs: Sequence[Experiment], size: str) -> None:
        """Refuse a list with two equal runs, before anything is trained or written."""
        names = run_ids(specs)
        first = {name: place for place, name in reversed(list(enumerate(names)))}
        for place, name in enumerate(names):
            if first[name] < place:
                raise UsageError(
                    f"study {self.name}: two runs of size {size!r} are the same, number "
                    f"{first[name]} and {place} of the list, counted from 0: their specs must "
                    "differ, in the seed for example"
                )

    def codes(self, classes: Sequence[frozenset[type[Spec]]]) -> list[UserCode]:
        """The user code behind runs, one entry for each set of user-defined spec classes."""
        roots = dict(self._roots())
        known = {
            key: user_code(roots, key, self.runs)._replace(
                training=user_code({}, key, self.runs).digest
            )
            for key in dict.fromkeys(classes)
        }
        return [known[key] for key in classes]

    def _roots(self) -> Iterator[tuple[str, object]]:
        """The objects of this study that decide its runs, except shipped ones under their name."""
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
    """The seeds: as listed, or as many as asked for, counted from `first`."""
    try:
        if np.iterable(seeds):
            return tuple(index(seed) for seed in seeds)
        return tuple(range(first, first + index(seeds)))
    except TypeError:
        raise UsageError(
            f"seeds: a number of seeds such as 3, or a list such as [0, 1], expected, got "
            f"{quoted(seeds)}"
        ) from None


def _has_points(spec: Experiment) -> bool:
    """Whether the default procedure would measure this run along training."""
    train = getattr(spec, "train", None)
    return bool(getattr(train, "measure_every", 0) or getattr(train, "measure_steps", 0))


def included(table: Table) -> Table:
    """The rows that analyses and figures see: all except excluded runs."""
    if "excluded_because" not in table:
        return table
    return table.take(table["status"] != "excluded").without("excluded_because")


# ---- in a store ------------------------------------------------------------------------------


@dataclass
class Declared:
    """The runs of a study in an open store, and the runs that the study plans from them.

    Attributes:
        stages: specs of the runs that the study lists, then those of each later stage.
        codes: user code that defines the runs.
        quarantined: number of damaged runs that were set aside.
    """

    study: Runs
    size: str
    variant: str
    changes: Changes | None
    store: Store
    stages: list[list[Experiment]]
    codes: list[UserCode]
    quarantined: int = 0

    @property
    def specs(self) -> list[Experiment]:
        """The specs of all runs so far."""
        return [spec for stage in self.stages for spec in stage]

    def mend(self, specs: Sequence[Experiment]) -> None:
        """Set aside the damaged ones among these runs."""
        self.quarantined += sum(bool(one.run_id) for one in self.store.mend(specs))

    def add_stages(self) -> bool:
        """Plan every further stage that the stored runs allow, and store the plans.

        Returns:
            whether runs were added.
        """
        before = len(self.specs)
        while self.study.later and not self.store.pending(self.specs):
            table = included(self.store.table_of(self.study.name, self.specs))
            planned = self.study.next_stage(self.size, table, self.changes)
            if planned is None:
                break
            stage, codes = planned
            known = set(run_ids(self.specs))
            if known.issuperset(run_ids(stage.runs)):  # all excluded, so `later` cannot see them
                break
            key = (self.study.name, self.size, self.variant)
            self.store.plan(*key, stage.name, stage.runs, stage.predicted)
            self.mend(stage.runs)
            self.stages.append([run for run in stage.runs if run.run_id not in known])
            self.codes += [code for code in codes if code not in self.codes]
        return len(self.specs) > before

    def declare(self) -> list[Experiment]:
        """Declare all runs so far; return those that are not stored."""
        key = (self.study.name, self.size, self.variant)
        earlier = self.store.declare(*key, self.specs)
        _warn_of_code(self.study, self.codes, earlier, self.store)
        return self.store.pending(self.specs)


def _warn_of_code(
    study: Runs, codes: Sequence[UserCode], earlier: Sequence[EarlierCode], store: Store
) -> None:
    """Warn of code without source, and of stored runs made by other code; one line for each."""
    for code in codes:
        if not is_known(code.digest):
            _log.warning(
                "%s: %s: no source to be read, so stored results of these runs cannot be reused; "
                "write the study to a file, or load it again if it was edited",
                study.name, ", ".join(code.unknown),
            )  # fmt: skip
    now = {name: part for code in codes for name, part in code.parts.items()}
    for before in earlier:
        changed = changes_of_code(before.parts, now)
        _log.warning(
            "%s: %s since %d stored runs were made; they stay: allometry table %s --set code=%s "
            "--store %s",
            study.name, changed or "its code changed", before.runs, study.name, before.name,
            store.path,
        )  # fmt: skip
