"""Data and weights of random perceptrons as arrays of a batch, drawn on the host.

NumPy draws them: its generator is three times as fast as one compiled into the
program, whose compilation it would more than double.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from allometry.spec import Experiment
from allometry.studies.ntk_depth.sampled import Batch

__all__ = ["KernelDraw", "Shape", "batch", "shape_for"]

# Arrays come in few sizes, since each combination compiles again, at a second or more.
POINTS, WIDTHS, LAYERS = (16, 64, 256), (32, 128, 512, 1024, 2048), (20, 60)
MEMORY = 64 << 20  # bytes of a batch: larger ones leave the cache and gain nothing
LARGEST = 256  # networks in a batch


class KernelDraw(Experiment):
    """One draw of data and weights of a ReLU perceptron, for its NTK.

    Attributes:
        depth: hidden layers, L. width: units in each, M.
        d_in: input dimension, D. n_points: inputs, N, uniform on the unit sphere.
        seed: which draw; draws of different sizes are independent.
    """

    depth: int = Field(ge=1)
    width: int = Field(ge=1)
    d_in: int = Field(ge=1)
    n_points: int = Field(ge=1)


class Shape(NamedTuple):
    """Of the arrays a batch lies in, and whether projections of weights are drawn."""

    points: int
    width: int
    layers: int
    projected: bool

    @property
    def networks(self) -> int:
        """In a batch: a power of two that fits into `MEMORY`."""
        rows = 3 * self.points if self.projected else self.points + self.width
        fit = MEMORY // (4 * self.layers * self.width * (rows + self.points))
        return min(LARGEST, 1 << max(0, fit.bit_length() - 1))


def shape_for(spec: KernelDraw) -> Shape:
    """The smallest arrays that hold a network.

    Projections cost less than whole weights where the width is several times the
    number of points; there must be at least as many units as points.
    """
    points = _held(spec.n_points, POINTS)
    width = _held(spec.width, WIDTHS)
    projected = width >= 8 * points and spec.width >= spec.n_points
    return Shape(points, width, _held(spec.depth, LAYERS), projected)


def _held(size: int, ladder: Sequence[int]) -> int:
    """The first of a ladder that is large enough; beyond its end, powers of two."""
    return next((step for step in ladder if step >= size), 1 << (size - 1).bit_length())


def batch(specs: Sequence[KernelDraw], shape: Shape) -> Batch:
    """Draw every network, each from a generator of its own, and lay them side by side.

    A batch is always full: what is beyond `specs` are networks without points.
    """
    n, points, width, layers = shape.networks, shape.points, shape.width, shape.layers
    rows = points if shape.projected else width

    def zeros(*sizes: int) -> NDArray[np.float32]:
        return np.zeros(sizes, np.float32)

    sizes = np.ones((3, n), np.int32)
    cosine, factor = zeros(n, points, points), zeros(n, points, points)
    first, last = zeros(n, points, width), zeros(n, 1, width)
    forward = zeros(layers, n, rows, width)
    backward = zeros(layers, n, points, width) if shape.projected else zeros(0)
    for i, spec in enumerate(specs):
        rng = _generator(spec)
        sizes[:, i] = spec.d_in, spec.width, spec.depth
        p, m, hidden = spec.n_points, spec.width, spec.depth
        cosine[i, :p, :p], own = _inputs(rng, p, spec.d_in)
        factor[i, :p, : own.shape[1]] = own
        first[i, : own.shape[1], :m] = _normal(rng, own.shape[1], m)
        last[i, :, :m] = _normal(rng, 1, m)
        r = p if shape.projected else m
        forward[1:hidden, i, :r, :m] = _normal(rng, hidden - 1, r, m)
        if shape.projected:
            backward[1:hidden, i, :p, :m] = _normal(rng, hidden - 1, p, m)
    # NumPy's arrays stand for JAX's until the program takes them.
    arrays: list[Any] = [*sizes, cosine, factor, first, last, forward, backward]
    return Batch(*arrays)


def _generator(spec: KernelDraw) -> np.random.Generator:
    sizes = (spec.seed, spec.n_points, spec.d_in, spec.width, spec.depth)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(sizes)))


def _normal(rng: np.random.Generator, *sizes: int) -> NDArray[np.float32]:
    return rng.standard_normal(sizes, np.float32)


def _inputs(
    rng: np.random.Generator, points: int, d_in: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosines C ``(points, points)`` of Gaussian data, and F with F F^T = C.

    F has as many columns as there are points or dimensions, whichever are fewer: a
    rotation of the inputs is one of the first layer's weights.
    """
    x = rng.standard_normal((points, d_in))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    cosine = x @ x.T
    np.fill_diagonal(cosine, 1.0)  # arccos makes much of a rounding error beside 1
    return cosine, x if d_in <= points else np.asarray(np.linalg.qr(x.T, mode="r")).T
