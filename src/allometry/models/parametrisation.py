"""How start values and learning rates depend on the width.

Layers are numbered from the input; arrays are called ``weight0``, ``bias0`` and, for a norm,
``scale0`` and ``shift0``. `ratios` are the widths from input to output, divided by those of the
base network. They are 1 for inputs and outputs, whose number does not grow.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from allometry.models.model import Params

__all__ = ["Parametrisation", "layer_of", "mup_rates", "mup_start", "ntk_rates"]

Parametrisation = Literal["standard", "ntk", "mup"]


def layer_of(name: str) -> tuple[str, int]:
    """("weight", 2) of ``weight2``."""
    kind = name.rstrip("0123456789")
    return kind, int(name[len(kind) :])


def mup_start(params: Params, ratios: Sequence[float]) -> dict[str, NDArray[np.float32]]:
    """PyTorch's start values rescaled to muP; both are equal at the base widths.

    Table 3 of Yang et al., 2203.03466: the variance is 1 / fan_in for input and hidden weights, as
    in PyTorch, 1 / fan_in^2 for output weights, and independent of the width for biases.
    """
    start = {}
    for name, array in params.items():
        kind, layer = layer_of(name)
        factor = 1.0
        if kind == "weight" and layer == len(ratios) - 2:
            factor = 1 / math.sqrt(ratios[layer])
        elif kind == "bias":
            factor = math.sqrt(ratios[layer])
        start[name] = array * np.float32(factor)
    return start


def mup_rates(
    names: Iterable[str], ratios: Sequence[float], kind: Literal["sgd", "adam"]
) -> Mapping[str, float]:
    """Factors on the learning rates by Table 3 of Yang et al., 2203.03466.

    SGD: fan_out for input weights and biases, 1 for hidden weights, 1 / fan_in for output weights.
    That is fan_out / fan_in, which also serves hidden layers of different widths (Yang, Simon &
    Bernstein, 2310.17813); a bias has a fan_in of 1. Adam: 1 for input weights and biases,
    1 / fan_in for hidden and output weights. Scales and shifts of norms are treated as biases.
    """
    factors = {}
    for name in names:
        array, layer = layer_of(name)
        fan_in = ratios[layer] if array == "weight" else 1.0
        fan_out = ratios[layer + 1] if kind == "sgd" else 1.0
        factors[name] = fan_out / fan_in
    return factors


def ntk_rates(fan_in: Mapping[str, int], kind: Literal["sgd", "adam"]) -> Mapping[str, float]:
    """Factors on the learning rates of weights that are divided by the root of their fan-in.

    SGD has one rate for all layers (Jacot et al., 1806.07572). Adam moves every weight by about the
    rate, so a sum over fan_in weights, divided by the root of fan_in, moves by this root times the
    rate. The rate is therefore divided by the root (Everett et al., 2407.05872, NTK
    parametrisation).

    Args:
        fan_in: of each weight, by name.
    """
    if kind == "sgd":
        return {}
    return {name: 1 / math.sqrt(n) for name, n in fan_in.items()}
