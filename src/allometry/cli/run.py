"""`allometry run`: train the pending runs of a study, or show what would be trained."""

import io
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allometry.cli.help import example
from allometry.cli.options import as_json, completed_by, in_store, with_changes, with_engine
from allometry.cli.output import finding_document, print_json, print_line, prints_on_stderr, say

if TYPE_CHECKING:
    from allometry.engines import Engine, Failure
    from allometry.engines.explanation import Explanation
    from allometry.findings import Finding
    from allometry.run import Outcome
    from allometry.training.kept import Keep
    from allometry.training.packing.explain import Plan

__all__ = ["run"]

LOGS_SHOWN, LINES_SHOWN, LONGEST_LINE = 3, 30, 2000  # limits on printed logs; --json has all


@click.command(
    short_help="Train the runs of a study not yet stored, and show its findings.",
    epilog=example("run mlp_parameter_scaling --size notebook --seeds 5"),
)
@click.argument("study", shell_complete=completed_by("studies"))
@click.option(
    "--size",
    metavar="SIZE",
    shell_complete=completed_by("sizes"),
    help="One of the study's sizes: quick, notebook, paper, or one of yours. Default: its first.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 10_000),
    help="Number of seeds, counted from the study's first.",
)
@with_engine
@click.option(
    "--checkpoint-every",
    type=click.FloatRange(min=0),
    metavar="MINUTES",
    help="Time between checkpoints of a pack in training; 0 for none. Default: 5 (local engine).",
)
@click.option(
    "--keep",
    type=click.Choice(["weights", "state"]),
    help="Keep trained networks beside the store: weights, or also the state to continue from.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Processors to use. Default: all. With equal numbers the same runs give the same bits.",
)
@click.option("--serve", is_flag=True, help="Show a live page of the store while training.")
@click.option("--explain", is_flag=True, help="Show the packs and their cost; train nothing.")
@click.option("--timings", is_flag=True, help="Print the time of each phase of this command.")
@with_changes
@in_store
@as_json
def run(
    study: str, size: str | None, seeds: int | None, start_engine: "Callable[[], Engine]",
    checkpoint_every: float | None, keep: "Keep | None", threads: int | None, serve: bool,
    explain: bool, timings: bool, changes: Mapping[str, str], store: Path, as_json: bool,
) -> None:  # fmt: skip
    """Train the runs of STUDY (a name, or your file) not yet stored, and show its findings."""
    from allometry.processors import limit
    from allometry.training.compile_cache import keep_programs
    from allometry.training.phases import phase, seconds_by_phase

    began, before = time.perf_counter(), seconds_by_phase()
    if threads:
        limit(threads)
    keep_programs()  # before any import below loads JAX
    with prints_on_stderr(), phase("import"):
        from allometry.cli.serve import serving
        from allometry.cli.terminal import Screen
        from allometry.engines.displays import Bar
        from allometry.engines.explanation import explain as explain_runs
        from allometry.run import run as run_study
        from allometry.studies import study as find

        loaded = find(study, store=store)
    with prints_on_stderr():
        size = size or loaded.sizes[0]
        if explain:
            explanation = explain_runs(loaded, size, seeds=seeds, store=store, changes=changes)
        else:
            with serving(serve, store, study):
                outcome = run_study(
                    loaded, size, seeds=seeds, store=store, changes=changes, engine=start_engine,
                    progress=Bar(Screen(stderr=True)), checkpoint_every=checkpoint_every,
                    keep=keep, when_stopped="return",
                )  # fmt: skip
            with phase("analyse"):
                findings = outcome.findings
    if explain:
        _show_explanation(explanation, as_json)
        return
    with phase("print"):
        _show_outcome(outcome, findings, size, store, seconds_by_phase(before), as_json)
        _say_failures(outcome.failures)
    if timings:
        _say_timings(seconds_by_phase(before), time.perf_counter() - began)
    if outcome.interrupted:
        say("stopped; the same command continues from here")
    if outcome.exit_code:
        sys.exit(outcome.exit_code)


def _show_outcome(
    outcome: "Outcome", findings: "Sequence[Finding]", size: str, store: Path,
    timings: Mapping[str, float], as_json: bool,
) -> None:  # fmt: skip
    from allometry.cli.terminal import show_findings

    name = outcome.study.name
    if as_json:
        print_json(
            "outcome",
            study=name,
            size=size,
            store=str(store),
            runs=len(outcome.table),
            trained=outcome.trained,
            stored_before=outcome.stored_before,
            diverged=outcome.diverged,
            excluded=outcome.excluded,
            pending=outcome.pending,
            interrupted=outcome.interrupted,
            notices=outcome.notices,
            failures=[asdict(failure) for failure in outcome.failures],
            seconds=outcome.seconds,
            timings=timings,
            findings=[finding_document(f) for f in findings],
        )
        return
    excluded = f", {outcome.excluded} excluded" if outcome.excluded else ""
    say(
        f"{name} ({size}): {outcome.trained} runs trained, {outcome.stored_before} were stored, "
        f"{outcome.diverged} diverged, {outcome.pending} pending{excluded}; {store}"
    )
    show_findings(findings)
    _say_notices(outcome)


def _say_timings(timings: Mapping[str, float], elapsed: float) -> None:
    """Print the time of each phase; times of packs in parallel threads add up."""
    for name, seconds in timings.items():
        say(f"{name:>10} {seconds:8.2f} s")
    say(f"{'elapsed':>10} {elapsed:8.2f} s; above, the times of packs run in parallel add up")


def _say_notices(outcome: "Outcome") -> None:
    """Print notices about runs, and the verdicts without these runs."""
    for sentence, runs in outcome.notices.items():
        say(f"noticed: {runs} {'run' if runs == 1 else 'runs'}: {sentence}")
    if outcome.pending:
        return
    from allometry.findings import same_results

    findings, reason = outcome.study.without_noticed(outcome.table)
    if reason:
        say(f"without them the analysis fails: {reason}")
    if findings and same_results(findings, outcome.findings):
        say("without them all verdicts and numbers are the same")
        return
    for finding in findings:
        say(f"without them: {finding.verdict}: {finding.claim}; {finding.shown}".rstrip("; "))


def _say_failures(failures: "Sequence[Failure]") -> None:
    """Print each reason with its runs, and for the first few the last lines of a log."""
    alike: dict[str, list[Failure]] = {}
    for failure in failures:
        alike.setdefault(failure.reason, []).append(failure)
    for i, (reason, group) in enumerate(alike.items()):
        names = [run_id[:12] for failure in group for run_id in failure.run_ids]
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        say(f"failed: {', '.join(names[:4])}{more}: {reason}")
        if i < LOGS_SHOWN:
            # Not str.splitlines, which also splits at form feeds and other characters.
            lines = list(io.StringIO(group[0].log, newline=None))
            for line in lines[-LINES_SHOWN:]:
                say(f"    {line.rstrip()[:LONGEST_LINE]}")
    if failures:
        say("these runs stay pending: the same command tries them again")


def _show_explanation(explanation: "Explanation", as_json: bool) -> None:
    plans, sizes = explanation.plans, explanation.pack_sizes
    if as_json:
        print_json(
            "explain",
            study=explanation.study,
            size=explanation.size,
            runs=explanation.runs,
            predicted=explanation.predicted,
            packs=[asdict(plan) for plan in plans] or [{"runs": runs} for runs in sizes],
        )
        return
    print_line(
        f"{explanation.study} ({explanation.size}): {explanation.runs} runs to train in "
        f"{len(sizes)} packs"
    )
    if not explanation.predicted:
        runs = ", ".join(map(str, sizes))
        print_line(f"cost unknown for the study's own procedure; runs in each pack: {runs}")
        return
    for i, plan in enumerate(plans, start=1):
        print_line(f"  {i:>4}  {_plan_line(plan)}")
    print_line(f"predicted: {explanation.seconds:.3g} s, without loading and measures")


def _plan_line(plan: "Plan") -> str:
    runs = "1 run" if plan.runs == 1 else f"{plan.runs} runs"
    narrow, wide = plan.widths or (0, 0)
    width = f", width {wide if narrow == wide else f'{narrow} to {wide}'}" if wide else ""
    return (
        f"{runs} {plan.layout}{width}: {plan.seconds:.3g} s ({plan.compiling:.2g} s compiling), "
        f"{plan.waste:.1%} padding, {plan.memory / 2**20:.0f} MiB; {plan.why}"
    )
