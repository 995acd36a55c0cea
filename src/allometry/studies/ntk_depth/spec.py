"""Data and weights of random perceptrons as the arrays of a batch, drawn on the host.

They are drawn by NumPy. Its generator is three times as fast as one compiled into the program,
which would also more than double the compilation time.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from allometry.spec import Experiment
from allometry.studies.ntk_depth.sampled import Batch

__all__ = ["KernelDraw", "Shape", "batch", "shape_for"]

# Arrays have few sizes, because each combination is compiled again, in a second or more.
POINTS, WIDTHS, LAYERS = (16, 64, 256), (32, 128, 512, 1024, 2048), (20, 60)
MEMORY = 64 << 20  # bytes of a batch: larger ones do not fit into the cache and are not faster
LARGEST = 256  # most networks in a batch


class KernelDraw(Experiment):
    """One draw of data and weights of a ReLU perceptron, for its NTK.

    Attributes:
        depth: number of hidden layers, L.
        width: units in each hidden layer, M.
        d_in: input dimension, D.
        n_points: number of inputs, N, uniform on the unit sphere.
        seed: number of the draw; draws of different sizes are independent.
    """

    depth: int = Field(ge=1)
    width: int = Field(ge=1)
    d_in: int = Field(ge=1)
    n_points: int = Field(ge=1)


class Shape(NamedTuple):
    """The sizes of a batch's arrays, and whether projections of the weights are drawn."""

    points: int
    width: int
    layers: int
    projected: bool

    @property
    def networks(self) -> int:
        """Number of networks in a batch: a power of two that fits into `MEMORY`."""
        rows = 3 * self.points if self.projected else self.points + self.width
        fit = MEMORY // (4 * self.layers * self.width * (rows + self.points))
        return min(LARGEST, 1 << max(0, fit.bit_length() - 1))


def shape_for(spec: KernelDraw) -> Shape:
    """The smallest arrays that hold a network.

    Projections are drawn where they cost less than whole weights: where the width is several times
    the number of points. They require at least as many units as points.
    """
    points = _rounded_up(spec.n_points, POINTS)
    width = _rounded_up(spec.width, WIDTHS)
    projected = width >= 8 * points and spec.width >= spec.n_points
    return Shape(points, width, _rounded_up(spec.depth, LAYERS), projected)


def _rounded_up(size: int, ladder: Sequence[int]) -> int:
    """The first step of the ladder that is at least `size`; above its last, a power of two."""
    return next((step for step in ladder if step >= size), 1 << (size - 1).bit_length())


def batch(specs: Sequence[KernelDraw], shape: Shape) -> Batch:
    """Draw every network, each from its own generator, into the arrays of one batch.

    A batch is always full: after those of `specs` it has networks without points.
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
        cosine[i, :p, :p], network_factor = _inputs(rng, p, spec.d_in)
        rank = network_factor.shape[1]
        factor[i, :p, :rank] = network_factor
        first[i, :rank, :m] = _normal(rng, rank, m)
        last[i, :, :m] = _normal(rng, 1, m)
        r = p if shape.projected else m
        forward[1:hidden, i, :r, :m] = _normal(rng, hidden - 1, r, m)
        if shape.projected:
            backward[1:hidden, i, :p, :m] = _normal(rng, hidden - 1, p, m)
    # The fields are declared as JAX arrays; the compiled program converts these NumPy arrays.
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

    F has min(points, d_in) columns. It may replace the inputs, because the first layer's weights
    have the same distribution after a rotation.
    """
    x = rng.standard_normal((points, d_in))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    cosine = x @ x.T
    np.fill_diagonal(cosine, 1.0)  # arccos amplifies a rounding error near 1
    return cosine, x if d_in <= points else np.asarray(np.linalg.qr(x.T, mode="r")).T
