"""Kernels at initialisation as runs of a study: each run is one draw of data and weights."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from allometry.studies.ntk_depth.sampled import kernels
from allometry.studies.ntk_depth.spec import KernelDraw, Shape, batch, shape_for
from allometry.training.checkpoints import Checkpoints
from allometry.training.procedure import Measures, Pack, Procedure
from allometry.training.result import Cell, RunResult, measured_row

__all__ = ["KernelDraws", "Kernels"]


@dataclass(frozen=True)
class Kernels:
    """The argument of this procedure's measures: the kernels of one draw, each (N, N), float32.

    Attributes:
        spec: the run's spec.
        ntk: the empirical NTK of the network in NTK parameterisation.
        limit: K_inf^(L), normalised to 1 per layer.
        limit_next: K_inf^(L+1).
    """

    spec: KernelDraw
    ntk: NDArray[np.float32]
    limit: NDArray[np.float32]
    limit_next: NDArray[np.float32]


class KernelDraws(Procedure):
    """The procedure of every `KernelDraw`: draws with arrays of one shape run in one program."""

    def packs(self, specs: Sequence[KernelDraw]) -> list[Pack]:
        groups: dict[Shape, list[KernelDraw]] = defaultdict(list)
        for spec in specs:
            groups[shape_for(spec)].append(spec)
        return [Pack(tuple(sorted(group, key=_order))) for group in groups.values()]

    def updates(self, spec: KernelDraw) -> int:
        """Number of layers, the unit in which progress is counted."""
        return spec.depth

    def run(
        self,
        pack: Pack,
        measures: Measures,
        trajectory: Measures,
        advance: Callable[[int], None],
        checkpoints: Checkpoints | None = None,
    ) -> list[RunResult]:
        """Draw a pack.

        Args:
            measures: functions of a `Kernels`.
            trajectory, checkpoints: not used.
        """
        out, shape = [], shape_for(pack.specs[0])
        for start in range(0, len(pack.specs), shape.networks):
            began = time.perf_counter()
            specs = pack.specs[start : start + shape.networks]
            measured = [_measured(drawn, measures) for drawn in _drawn(specs, shape)]
            seconds = (time.perf_counter() - began) / len(specs)
            out += [replace(result, seconds=seconds) for result in measured]
            advance(sum(spec.depth for spec in specs))
        return out


def _order(spec: KernelDraw) -> tuple[int, ...]:
    """Sort key: depth first, because a batch runs as many layers as its deepest network."""
    return spec.depth, spec.width, spec.n_points, spec.d_in, spec.seed


def _drawn(specs: Sequence[KernelDraw], shape: Shape) -> list[Kernels]:
    arrays = [np.asarray(kernel) for kernel in kernels(batch(specs, shape))]
    return [
        Kernels(spec, *(array[i, : spec.n_points, : spec.n_points] for array in arrays))
        for i, spec in enumerate(specs)
    ]


def _measured(drawn: Kernels, measures: Measures) -> RunResult:
    """The spec's columns and those of the measures, without the time: it is known per batch."""
    spec = drawn.spec
    columns: dict[str, Cell] = {
        "depth": spec.depth,
        "width": spec.width,
        "d_in": spec.d_in,
        "n_points": spec.n_points,
        "draw": spec.seed,
    }
    finite = bool(np.isfinite(drawn.ntk).all())
    row = measured_row(columns, measures, drawn, diverged=not finite)
    return RunResult(spec, "done" if finite else "diverged", row, seconds=0.0)
