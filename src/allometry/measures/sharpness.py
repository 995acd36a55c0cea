"""The sharpness of the training loss: the largest eigenvalue of its Hessian."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray

from allometry.measures.examples import EXAMPLES, Batch, batches, drawn_rows
from allometry.measures.network import Network
from allometry.models.model import Model
from allometry.models.precision import scope
from allometry.spec.losses import Loss

__all__ = ["largest_eigenvalue", "sharpness"]

Vector = NDArray[np.float64]

TOLERANCE = 1e-3
PRODUCTS = 200


def sharpness(
    net: Network,
    *,
    examples: int = EXAMPLES,
    tolerance: float = TOLERANCE,
    products: int = PRODUCTS,
) -> dict[str, float]:
    """The largest eigenvalue of the Hessian of the training loss.

    Cohen et al., 2103.00065: full-batch gradient descent at a constant learning rate
    eta rises to a sharpness of about 2 / eta. Computed by Lanczos' method with Hessian-vector
    products, the derivatives of the gradient along a vector. Dropout is off.

    Args:
        examples: most training examples used; drawn by the run's seed.
        tolerance: largest ``|H v - s v|`` of the resulting sharpness s and unit vector v, as a
            share of s. An eigenvalue lies within this distance of s.
        products: most Hessian-vector products.

    Returns:
        `sharpness`, NaN where the products did not suffice.
    """
    rows = drawn_rows(len(net.split.train_x), examples, net.spec.seed)
    loss: Loss = net.spec.train.loss
    with scope(net.spec.train.precision):
        parts = list(batches(net.split.train_x, net.split.train_y, rows))
        params = jax.device_put(dict(net.params))
        numbers, _ = ravel_pytree(params)

        def product(vector: Vector) -> Vector:
            along, total = jnp.asarray(vector, numbers.dtype), np.zeros(len(vector))
            for batch in parts:
                total += np.asarray(_hessian_product(net.model, loss, params, along, batch))
            return total / len(rows)

        noise = float(np.finfo(numbers.dtype).eps)
        value = largest_eigenvalue(product, numbers.size, tolerance, products, noise)
    return {"sharpness": value}


@partial(jax.jit, static_argnames=("model", "loss"))
def _hessian_product(
    model: Model, loss: Loss, params: Any, vector: jax.Array, batch: Batch
) -> jax.Array:
    """The Hessian of the summed loss times a vector ``(n_params,)``."""
    flat, unravel = ravel_pytree(params)

    def total(numbers: jax.Array) -> jax.Array:
        return batch.inside @ loss.each(model.apply(unravel(numbers), batch.x), batch.y)

    along: jax.Array = jax.jvp(jax.grad(total), (flat,), (vector,))[1]
    return along


def largest_eigenvalue(
    product: Callable[[Vector], Vector],
    n: int,
    tolerance: float = TOLERANCE,
    products: int = PRODUCTS,
    noise: float = 0.0,
) -> float:
    """The largest, most positive, eigenvalue of a symmetric matrix by Lanczos' method.

    Golub & Van Loan, Matrix Computations, section 10.1, from a start drawn with seed 0. Vectors
    are not reorthogonalised: this duplicates eigenvalues but makes none wrong (Paige 1980), and
    only three vectors are kept. The method ends when the residual of the largest Ritz pair, which
    bounds the distance to an eigenvalue, is small.

    Args:
        product: function of a vector ``(n,)``, its product with the matrix.
        tolerance: largest residual, as a share of the eigenvalue.
        products: most calls of `product`.
        noise: relative error of a product. A residual below ten times this share of the largest
            eigenvalue by size counts as zero.

    Returns:
        NaN where the products did not suffice, or are not finite.
    """
    from scipy.linalg import eigh_tridiagonal

    vector = np.random.default_rng(0).standard_normal(n)
    vector /= np.linalg.norm(vector)
    before, diagonal, beside = np.zeros(n), [], [0.0]
    for _ in range(products):
        rest = product(vector) - beside[-1] * before
        if not np.isfinite(rest).all():
            return math.nan
        diagonal.append(float(rest @ vector))
        rest -= diagonal[-1] * vector
        length = float(np.linalg.norm(rest))
        values, vectors = eigh_tridiagonal(np.array(diagonal), np.array(beside[1:]))
        residual = length * abs(float(vectors[-1, -1]))
        size = float(np.abs(values).max())
        if residual <= tolerance * abs(values[-1]) + 10 * noise * size:
            return float(values[-1])
        before, vector = vector, rest / length
        beside.append(length)
    return math.nan
