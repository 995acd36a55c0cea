"""Resources a pack requests from a cluster, by the cost model: processors, memory, GPU share."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
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
# Least share of the time that each added processor must be busy (Amdahl's law).
BUSY = 0.75
# Least FLOP of a step for each processor: a quarter of a millisecond. Handing a dozen products
# to another thread costs 10 us each, which is little in comparison.
WORTH = 5e7
MOST = 16
# Python, JAX and a data set of images: 0.55 to 1.0 GiB in the quick sizes of the shipped studies.
PROCESS = GIB
MARGIN = 2.0  # for temporary copies, which the cost model does not count
PARTS = 8  # a GPU is shared in eighths
AT_ONCE = ((1.0, 1e30),)


@dataclass(frozen=True)
class Needs:
    """The resources a pack needs.

    Attributes:
        cpus: number of processors, which is the number of threads it trains with.
        gpus: number of GPUs, or a share of one.
        memory: bytes; None if unknown, and then no memory is requested.
        seconds: predicted time on this machine; None if unknown. Not compared, so that packs that
            differ only in it share an array of jobs.
    """

    cpus: float = 1
    gpus: float = 0.0
    memory: int | None = None
    seconds: float | None = field(default=None, compare=False)


Asking = Callable[[Pack, Study], Needs]


def asking(cpus: float | None, gpus: float | None) -> Asking:
    """A function that gives the needs of a pack: by the cost model, unless set here."""

    def needs_or_given(pack: Pack, study: Study) -> Needs:
        needs = needs_of(pack, study)
        return replace(
            needs,
            cpus=needs.cpus if cpus is None else cpus,
            gpus=needs.gpus if gpus is None else gpus,
        )

    return needs_or_given


def needs_of(
    pack: Pack, study: Study, machine: "Calibration | None" = None, *, gpu: bool | None = None
) -> Needs:
    """The needs of a pack; one processor if the cost model does not cover the study's procedure.

    Args:
        pack: a pack made by the study's procedure.
        study: the study it belongs to.
        machine: measured rates of a machine; None for those of this machine.
        gpu: whether workers train on a GPU; None for the same device type as this process.
    """
    procedure = procedure_of(study)
    # A study with its own procedure may not need JAX, so it is not loaded just to find out.
    if "allometry.training.loop" not in sys.modules:
        return Needs()
    import jax

    from allometry.training.loop import Training
    from allometry.training.packing.calibration import calibration
    from allometry.training.packing.choose import load_of
    from allometry.training.packing.sharing import has_own_batches, model_of

    if not isinstance(procedure, Training):
        return Needs()
    models = tuple(model_of(spec) for spec in pack.specs)
    on_gpu = jax.default_backend() == "gpu" if gpu is None else gpu
    load = load_of(pack.specs, own=has_own_batches(pack.specs))
    return _needs(models, load, machine or calibration(), on_gpu)


@lru_cache(maxsize=256)  # seeds of one study need the same
def _needs(models: "tuple[Model, ...]", load: "Load", machine: "Calibration", gpu: bool) -> Needs:
    from allometry.training.packing.cost import cost

    pack_cost = cost(models, load, machine)
    # A model that works in chunks keeps the activations of one chunk in memory.
    at_once = replace(load, batch=min(load.batch, models[0].chunk or load.batch))
    memory = MARGIN * cost(models, at_once, machine).memory
    if gpu:
        share = math.ceil(PARTS * memory / machine.memory) / PARTS
        gpus = min(1.0, share)
        return Needs(1, gpus, _round(PROCESS + memory), pack_cost.seconds)
    # Only matrix products are split over processors. The rest of a step, mostly passes over the
    # optimiser's arrays, is the predicted cost with products of infinite speed. The rate of the
    # smallest measured product is that of one processor.
    free = replace(machine, products=AT_ONCE, batched=AT_ONCE)
    without_products = cost(models, load, free)
    rest = (without_products.seconds - without_products.compiling) / load.updates
    products = pack_cost.flop / machine.products[0][1]
    busy = ((products + rest) / BUSY - products) / rest
    cpus = max(1.0, min(busy, pack_cost.flop / WORTH, MOST))
    return Needs(
        cpus=2 ** math.floor(math.log2(cpus)),
        memory=_round(PROCESS + memory),
        seconds=pack_cost.seconds,
    )


def _round(memory: float) -> int:
    """Bytes rounded up to a power of two in GiB, so that similar packs share an array of jobs."""
    return int(GIB * 2 ** math.ceil(math.log2(memory / GIB)))
