"""What a pack asks of a cluster, by the model of costs: processors, memory, a share of a GPU."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from allometry.study import Study, procedure_of
from allometry.training.procedure import Pack

if TYPE_CHECKING:
    from allometry.models.model import Model
    from allometry.training.packing.calibration import Calibration
    from allometry.training.packing.cost import Load

__all__ = ["GIB", "Asking", "Needs", "asking", "needs_of"]

GIB = 1 << 30
# A processor that another pack could use must be busy so much of the time (Amdahl).
BUSY = 0.75
# FLOP of a step for each processor: a quarter of a millisecond, beside which the handing over
# of a dozen products to another thread, 10 us each, is little.
WORTH = 5e7
MOST = 16
# Python, JAX and a data set of images: 0.55 to 1.0 GiB in the quick sizes of our studies.
PROCESS = GIB
MARGIN = 2.0  # the model counts what is held at a time; copies come and go
PARTS = 8  # of a GPU
AT_ONCE = ((1.0, 1e30),)


@dataclass(frozen=True)
class Needs:
    """What a pack is given.

    Attributes:
        cpus: processors, and threads it trains with.
        gpus: of them, or a share of one.
        memory: bytes; None where nobody knows, and nothing is asked.
    """

    cpus: float = 1
    gpus: float = 0.0
    memory: int | None = None


Asking = Callable[[Pack, Study], Needs]


def asking(cpus: float | None, gpus: float | None) -> Asking:
    """What to ask for each pack; the user's own numbers, where there are any, come first."""

    def asked(pack: Pack, study: Study) -> Needs:
        found = needs_of(pack, study)
        return replace(
            found,
            cpus=found.cpus if cpus is None else cpus,
            gpus=found.gpus if gpus is None else gpus,
        )

    return asked


def needs_of(
    pack: Pack, study: Study, machine: "Calibration | None" = None, *, gpu: bool | None = None
) -> Needs:
    """What a pack of a study needs: one processor where the cost model does not know the study.

    Args:
        pack: as the engine's `packs` gave it.
        study: whose it is.
        machine: its rates; None for what was measured here.
        gpu: whether workers train on a GPU; None for: as this process does.
    """
    procedure = procedure_of(study)
    # A procedure of its own may do without JAX; then the module of the other is not loaded.
    if "allometry.training.loop" not in sys.modules:
        return Needs()
    import jax

    from allometry.training.loop import Training
    from allometry.training.packing.calibration import calibration
    from allometry.training.packing.choose import load_of, model_of

    if not isinstance(procedure, Training):
        return Needs()
    models = tuple(model_of(spec) for spec in pack.specs)
    on_gpu = jax.default_backend() == "gpu" if gpu is None else gpu
    return _needs(models, load_of(pack.specs[0]), machine or calibration(), on_gpu)


@lru_cache(maxsize=256)  # seeds of one study need the same
def _needs(models: "tuple[Model, ...]", load: "Load", machine: "Calibration", gpu: bool) -> Needs:
    from allometry.training.packing.cost import cost

    whole = cost(models, load, machine)
    # A model that works in chunks holds the activations of one.
    at_once = replace(load, batch=min(load.batch, models[0].chunk or load.batch))
    held = MARGIN * cost(models, at_once, machine).memory
    if gpu:
        share = math.ceil(PARTS * held / machine.memory) / PARTS
        return Needs(cpus=1, gpus=min(1.0, share), memory=_round(PROCESS + held))
    # What is left of a step whose products take no time, passes over the optimiser's arrays
    # above all, is not split; products by one processor run at the rate of one too small to be.
    others = cost(models, load, replace(machine, products=AT_ONCE, batched=AT_ONCE))
    rest = (others.seconds - others.compiling) / load.updates
    products = whole.flop / machine.products[0][1]
    busy = ((products + rest) / BUSY - products) / rest
    cpus = max(1.0, min(busy, whole.flop / WORTH, MOST))
    return Needs(
        cpus=2 ** math.floor(math.log2(cpus)),
        memory=_round(PROCESS + held),
    )


def _round(memory: float) -> int:
    """Up to GiB by powers of two: packs that ask alike share an array of jobs."""
    return int(GIB * 2 ** math.ceil(math.log2(memory / GIB)))
