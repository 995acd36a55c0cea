"""What `allometry run` would do, and why: packs and their predicted costs."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allometry.cli.output import print_json

if TYPE_CHECKING:
    from allometry.study import Study
    from allometry.training.packing.explain import Plan

__all__ = ["explain"]


def explain(
    study: "Study", size: str, seeds: int | None, changes: Mapping[str, str], store: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Show the packs of the runs that are not stored yet; trains and writes nothing."""
    from allometry.store import Store
    from allometry.study import procedure_of
    from allometry.training.loop import Training
    from allometry.training.packing.explain import plans
    from allometry.training.procedure import pending_packs

    specs = declared = study.specs(size, seeds, changes)
    if store.exists():
        with Store(store) as opened:
            specs = opened.pending(declared)
    procedure = procedure_of(study)
    packs = pending_packs(procedure.packs(declared), specs)
    known = isinstance(procedure, Training)
    chosen = plans(packs) if known else []
    if as_json:
        print_json(
            "explain",
            study=study.name,
            size=size,
            runs=len(specs),
            predicted=known,
            packs=[asdict(plan) for plan in chosen] or [{"runs": len(p.specs)} for p in packs],
        )
        return
    click.echo(f"{study.name} ({size}): {len(specs)} runs to train in {len(packs)} packs")
    if not known:
        sizes = ", ".join(str(len(pack.specs)) for pack in packs)
        click.echo(f"packs by the study's own procedure, of unpredicted cost; runs each: {sizes}")
        return
    for i, plan in enumerate(chosen, start=1):
        click.echo(f"  {i:>4}  {_line(plan)}")
    total = sum(plan.seconds for plan in chosen)
    click.echo(f"predicted: {total:.3g} s, loading and measures apart")


def _line(plan: "Plan") -> str:
    runs = "1 run" if plan.runs == 1 else f"{plan.runs} runs"
    narrow, wide = plan.widths or (0, 0)
    width = f", width {wide if narrow == wide else f'{narrow} to {wide}'}" if wide else ""
    return (
        f"{runs} {plan.layout}{width}: {plan.seconds:.3g} s ({plan.compiling:.2g} s compiling), "
        f"{plan.waste:.1%} padding, {plan.memory / 2**20:.0f} MiB; {plan.why}"
    )
