"""Networks of one hidden layer that read the same samples, with their units in one matrix.

The first layers of all networks of a pack are one matrix, so they need one product and no
padding. The backward pass is written by hand. With pre-activations z, output weights v,
g = (sigmoid(logit) - y)/n and D = g where z > 0, else 0:

    G = [bits, one-hot]' D     dL/dW = G v     dL/db = sum of G's control rows, times v
    dL/dv_j = sum_i g_i relu(z_ij) = sum_c (W + b)_cj G_cj

In the last line b is added to the control rows of W. It holds because each sample has exactly one
control bit set, and it saves a pass over the activations.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from allometry.spec.torch_draws import TorchDraws
from allometry.studies.sparse_parity.spec import ParityRun
from allometry.studies.sparse_parity.task import Samples, bits, labels

__all__ = ["Params", "cross_entropy", "gradient", "logits", "start"]

# Up to this number of tasks the control bits are part of the matrix product with the data bits;
# for more, rows are looked up and summed by task. Measured for 20,000 samples of 100 bits, 200
# units and 10 tasks on two cores: 7.1 ms per step against 7.8 ms.
FEW_TASKS = 16


class Params(NamedTuple):
    """Weights of the K networks of a pack, with U hidden units in total.

    Attributes:
        control: first-layer weights of the control bits, ``(n_tasks, U)``.
        data: first-layer weights of the data bits, ``(n_bits, U)``.
        bias: of the hidden units, ``(U,)``.
        out: output weights, ``(U,)``.
        out_bias: of the outputs, ``(K,)``.
    """

    control: jax.Array
    data: jax.Array
    bias: jax.Array
    out: jax.Array
    out_bias: jax.Array


def start(specs: Sequence[ParityRun]) -> Params:
    """PyTorch's default initial values of two ``nn.Linear`` layers, by each network's seed."""
    parts = []
    for spec in specs:
        draws = TorchDraws(spec.seed)
        weight, bias = draws.linear(spec.n_tasks + spec.n_bits, spec.width)
        out, out_bias = draws.linear(spec.width, 1)
        control, data = np.split(weight.T, [spec.n_tasks])
        parts.append((control, data, bias, out[0], out_bias))
    return Params(*(jnp.asarray(np.concatenate(p, axis=-1)) for p in zip(*parts, strict=True)))


def logits(params: Params, widths: tuple[int, ...], samples: Samples) -> jax.Array:
    """Log-odds of label 1 for each sample and network, ``(n, K)``."""
    return _readout(params, widths, _pre_activations(params, samples)[0])


def cross_entropy(logit: jax.Array, y: jax.Array) -> jax.Array:
    """Cross-entropy in nats, ``(n, K)``, from log-odds ``(n, K)`` and labels ``(n,)``."""
    return jnp.logaddexp(0.0, logit) - logit * y[:, None]


def gradient(
    params: Params, widths: tuple[int, ...], samples: Samples, masks: jax.Array, n: int
) -> tuple[jax.Array, Params]:
    """Sum of the samples' losses divided by n, and its gradient.

    For a batch of n samples in several parts, the results of the parts add up to those of the
    batch.

    Returns:
        The loss ``(K,)`` and the derivatives with respect to each array of `params`.
    """
    z, inputs = _pre_activations(params, samples)
    logit, y = _readout(params, widths, z), labels(samples, masks)
    g = (jax.nn.sigmoid(logit) - y[:, None]) / n
    d = jnp.where(z > 0, _to_units(g, widths), 0.0)
    n_tasks = len(params.control)
    if inputs.shape[1] > len(params.data):
        by_task, by_bit = jnp.split(inputs.T @ d, [n_tasks])
    else:
        by_task, by_bit = jax.ops.segment_sum(d, samples.tasks, n_tasks), inputs.T @ d
    by_out = ((params.control + params.bias) * by_task).sum(0) + (params.data * by_bit).sum(0)
    return cross_entropy(logit, y).sum(0) / n, Params(
        by_task * params.out,
        by_bit * params.out,
        by_task.sum(0) * params.out,
        by_out,
        g.sum(0),
    )


def _pre_activations(params: Params, samples: Samples) -> tuple[jax.Array, jax.Array]:
    """Pre-activations z ``(n, U)`` and the inputs of the matrix product.

    The inputs are the data bits, preceded by the control bits for at most `FEW_TASKS` tasks.
    """
    x = bits(samples.words, len(params.data))
    control, n_tasks = params.control + params.bias, len(params.control)
    if n_tasks > FEW_TASKS:
        return x @ params.data + control[samples.tasks], x
    x = jnp.concatenate([jax.nn.one_hot(samples.tasks, n_tasks), x], axis=1)
    return x @ jnp.concatenate([control, params.data]), x


def _readout(params: Params, widths: tuple[int, ...], z: jax.Array) -> jax.Array:
    # One product per network. In a block-diagonal matrix the infinities of one network would
    # become NaN in the others, as 0 times infinity.
    ends = np.cumsum(widths)[:-1].tolist()
    parts = zip(jnp.split(z, ends, axis=1), jnp.split(params.out, ends), strict=True)
    return jnp.stack([jnp.maximum(h, 0) @ v for h, v in parts], axis=1) + params.out_bias


def _to_units(g: jax.Array, widths: tuple[int, ...]) -> jax.Array:
    """The columns of each network ``(n, K)`` repeated for each of its units, ``(n, U)``."""
    if len(widths) == 1:
        return g
    return g[:, np.repeat(np.arange(len(widths)), widths)]
