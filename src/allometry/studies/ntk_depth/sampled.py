"""NTKs of many random perceptrons at once, from standard Gaussian draws.

A batch holds networks of any depth and input dimension, with widths and numbers of points up to
those of its arrays. Entries beyond a network's own width and points are zero throughout.

The kernel depends on the weights through few projections. In the forward pass a layer's W is
multiplied by the N vectors h_n; in the backward pass its transpose is multiplied by N other
vectors. Where the width is many times the number of points, only these projections are drawn,
and the kernel has the same distribution. With h = F Q^T, Q orthonormal, write
W = X Q^T + V (1 - Q Q^T), where X = W Q and V are independent standard Gaussian. The vectors by
which V is multiplied from the left do not depend on V (the conditioning of Bolthausen 2014 and
Yang 2006.14548). This takes O(N^2 M) operations instead of O(N M^2), and N M random numbers
instead of M^2.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from allometry.studies.ntk_depth.limit import next_layer

__all__ = ["Batch", "Drawn", "kernels"]


class Batch(NamedTuple):
    """Data and draws of n networks in arrays for N points, M units and L layers.

    Attributes:
        d_in, width, depth: sizes of each network, ``(n,)`` integers.
        cosine: inner products of each network's inputs, ``(n, N, N)``, zero beyond its points.
        factor: F with F F^T = `cosine`, ``(n, N, N)``.
        first: projections X^T of the first layer, ``(n, N, M)``, with x W_1^T = F X^T.
        last: the output weights, ``(n, 1, M)``.
        forward: at index l, W^T of hidden layer l + 1, ``(L, n, M, M)``; or its projections X^T on
            the points, ``(L, n, N, M)``.
        backward: the projections of V, ``(L, n, N, M)``; empty if whole weights are drawn.
    """

    d_in: jax.Array
    width: jax.Array
    depth: jax.Array
    cosine: jax.Array
    factor: jax.Array
    first: jax.Array
    last: jax.Array
    forward: jax.Array
    backward: jax.Array


class Drawn(NamedTuple):
    """Kernels of a batch, each ``(n, N, N)``, zero beyond a network's own points.

    Attributes:
        ntk: the empirical NTK of `allometry.studies.ntk_depth.empirical.output`.
        limit: K_inf^(L), with L the network's depth.
        limit_next: K_inf^(L+1).
    """

    ntk: jax.Array
    limit: jax.Array
    limit_next: jax.Array


@jax.jit
def kernels(batch: Batch) -> Drawn:
    """The kernels of all networks of a batch, in one forward and one backward pass."""
    return Drawn(_backward(batch, _forward(batch)), *_limits(batch.cosine, batch.depth))


class _Passed(NamedTuple):
    """Kept for the backward pass: h_l at index l - 1, h_l h_l^T at index l, Q^T at index l."""

    states: jax.Array
    grams: jax.Array
    basis: jax.Array


def _limits(cosine: jax.Array, depth: jax.Array) -> tuple[jax.Array, jax.Array]:
    """K_inf^(L) and K_inf^(L+1) at each network's own depth."""
    is_point = jnp.diagonal(cosine, axis1=1, axis2=2) > 0
    real = is_point[:, :, None] & is_point[:, None, :]
    last = depth[:, None, None]

    def step(k: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        rho, kernel, limit, limit_next = carry
        limit = jnp.where(k == last, kernel, limit)
        limit_next = jnp.where(k == last + 1, kernel, limit_next)
        return *(jnp.where(real, a, 0.0) for a in next_layer(rho, kernel)), limit, limit_next

    start = (cosine, cosine, jnp.zeros_like(cosine), jnp.zeros_like(cosine))
    *_, limit, limit_next = jax.lax.fori_loop(1, depth.max() + 2, step, start)
    return limit, limit_next


def _forward(batch: Batch) -> _Passed:
    """The forward pass; shallow networks run as many layers as the deepest."""
    (n, points, width), layers = batch.first.shape, len(batch.forward)
    units = (jnp.arange(width) < batch.width[:, None])[:, None, :]
    projected = batch.backward.ndim > 1

    def activate(z: jax.Array) -> jax.Array:
        return jnp.where(units, jax.nn.relu(z), 0.0)

    def layer(i: jax.Array, passed: _Passed) -> _Passed:
        h, basis = passed.states[i - 1], passed.basis
        if projected:
            root = _root(passed.grams[i])
            across = jax.scipy.linalg.solve_triangular(root, h, lower=True)
            basis, h = basis.at[i].set(across), root
        new = activate(_scale(batch.width) * (h @ batch.forward[i]))
        return _Passed(passed.states.at[i].set(new), passed.grams.at[i + 1].set(_gram(new)), basis)

    h = activate(_scale(batch.d_in) * (batch.factor @ batch.first))
    grams = jnp.zeros((layers + 1, n, points, points))
    start = _Passed(
        jnp.zeros((layers, n, points, width)).at[0].set(h),
        grams.at[0].set(batch.cosine).at[1].set(_gram(h)),
        jnp.zeros_like(batch.backward),
    )
    passed: _Passed = jax.lax.fori_loop(1, batch.depth.max(), layer, start)
    return passed


def _backward(batch: Batch, passed: _Passed) -> jax.Array:
    """The kernel as a sum over layers, ``(n, N, N)``, in a backward pass."""
    depth = batch.depth[:, None, None]
    last = jnp.take_along_axis(passed.grams, batch.depth[None, :, None, None], axis=0)[0]

    def layer(j: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        delta, kernel = carry
        i = batch.depth.max() - j  # the layer whose pre-activations delta then belongs to
        back = delta @ batch.forward[i].swapaxes(1, 2)
        if batch.backward.ndim > 1:
            across = passed.basis[i]
            rest = _root(_gram(delta)) @ batch.backward[i]
            back = back @ across + rest - (rest @ across.swapaxes(1, 2)) @ across
        delta = jnp.where(i == depth, batch.last, back)
        active = (passed.states[i - 1] > 0) & (i <= depth)
        delta = jnp.where(active, _scale(batch.width) * delta, 0.0)
        before = jnp.where(i == 1, batch.d_in, batch.width)[:, None, None]
        return delta, kernel + (2 / before) * _gram(delta) * passed.grams[i - 1]

    start = (jnp.zeros_like(batch.first), (2 / batch.width[:, None, None]) * last)
    kernel: jax.Array = jax.lax.fori_loop(0, batch.depth.max(), layer, start)[1]
    return kernel


def _gram(rows: jax.Array) -> jax.Array:
    return rows @ rows.swapaxes(1, 2)


def _scale(fan_in: jax.Array) -> jax.Array:
    return jnp.sqrt(2 / fan_in)[:, None, None]


def _root(gram: jax.Array) -> jax.Array:
    """A lower triangular F with F F^T = gram.

    A Gram matrix is singular if points coincide or are padding. An amount of the size of rounding
    errors is therefore added to its diagonal.
    """
    points = gram.shape[-1]
    trace = jnp.trace(gram, axis1=1, axis2=2)[:, None, None]
    precision = np.finfo(gram.dtype)
    lift = 4 * precision.eps * trace + precision.tiny
    root: jax.Array = jnp.linalg.cholesky(gram + lift * jnp.eye(points, dtype=gram.dtype))
    return root
