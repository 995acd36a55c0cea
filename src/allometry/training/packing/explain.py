"""The packs of some runs, what each is expected to cost, and why it is as it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from allometry.spec import RunSpec
from allometry.training.packing.calibration import Calibration, calibration
from allometry.training.packing.choose import load_of, model_of
from allometry.training.packing.cost import SHARE, Cost, cost
from allometry.training.procedure import Pack

__all__ = ["Plan", "plans"]


@dataclass(frozen=True)
class Plan:
    """One pack before it is trained.

    Attributes:
        runs: members.
        updates: optimiser updates of each.
        layout: how the members lie in memory: ``side by side``, ``stacked`` or ``alone``.
        widths: widest layer of the narrowest and of the widest member; empty if the model
            has no widths.
        seconds: predicted, compiling included, loading and measures not.
        compiling: seconds of these.
        waste: share of the FLOP spent on padding.
        memory: bytes.
        why: one line.
    """

    runs: int
    updates: int
    layout: str
    widths: tuple[int, ...]
    seconds: float
    compiling: float
    waste: float
    memory: float
    why: str


def plans(packs: Sequence[Pack], machine: Calibration | None = None) -> list[Plan]:
    """What the model of costs says of each pack.

    Args:
        packs: as `packing.make_packs` chose them.
        machine: its rates; None for what was measured here.
    """
    rates = machine or calibration()
    return [
        _plan(pack.specs, after.specs if after else (), rates)
        for pack, after in zip(packs, [*packs[1:], None], strict=True)
    ]


def _plan(specs: Sequence[RunSpec], after: Sequence[RunSpec], machine: Calibration) -> Plan:
    models, load = [model_of(spec) for spec in specs], load_of(specs[0])
    whole = cost(models, load, machine)
    widest = sorted(max(m.dense.widths[1:-1], default=1) for m in models if m.dense)
    chunked = bool(models[0].chunk)
    side = "side by side" if widest else "stacked"
    return Plan(
        runs=len(specs),
        updates=load.updates,
        layout="alone" if chunked or len(specs) == 1 else side,
        widths=(widest[0], widest[-1]) if widest else (),
        seconds=whole.seconds,
        compiling=whole.compiling,
        waste=whole.waste,
        memory=whole.memory,
        why=_why(specs, after, whole, machine),
    )


def _why(
    specs: Sequence[RunSpec], after: Sequence[RunSpec], whole: Cost, machine: Calibration
) -> str:
    model, load = model_of(specs[0]), load_of(specs[0])
    if model.chunk:
        return f"{type(model).__name__} works in chunks that fit the cache and fills the machine"
    if specs[0].train.batch_order == "torch":
        return "batches in PyTorch's order follow each model's own draws"
    models = [model_of(spec) for spec in specs]
    reasons = []
    if len(specs) > 1:
        alone = sum(cost([m], load, machine).seconds for m in models)
        reasons.append(f"one by one {alone / whole.seconds:.1f} times as long")
    if not after or not _could_join(specs[0], after[0]):
        last = "nothing else" if len(specs) == 1 else "nothing further"
        reasons.append(f"{last} shares its batches")
        return "; ".join(reasons)
    others = [model_of(spec) for spec in after]
    joined = cost([*models, *others], load, machine)
    apart = whole.seconds + cost(others, load, machine).seconds
    if joined.memory > SHARE * machine.memory:
        reasons.append(f"with the next pack {joined.memory / 2**30:.1f} GiB")
    else:
        reasons.append(f"with the next pack {joined.seconds / apart:.2f} times the time of both")
    return "; ".join(reasons)


def _could_join(one: RunSpec, other: RunSpec) -> bool:
    same = (one.seed, one.data, one.measures) == (other.seed, other.data, other.measures)
    return same and model_of(one).family() == model_of(other).family()
