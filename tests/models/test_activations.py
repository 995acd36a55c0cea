"""Activations: which keep zero at zero, and that they are those of their names."""

import math
from typing import get_args

import jax.numpy as jnp
import pytest

from allometry.models.activations import ACTIVATIONS, NONZERO_AT_ZERO, Activation

# At 0.7 and -0.7, by their formulas.
AT = {
    "relu": (0.7, 0.0),
    "tanh": (math.tanh(0.7), -math.tanh(0.7)),
    "gelu": tuple(x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in (0.7, -0.7)),
    "silu": tuple(x / (1 + math.exp(-x)) for x in (0.7, -0.7)),
    "leaky_relu": (0.7, -0.007),
    "elu": (0.7, math.exp(-0.7) - 1),
    "sin": (math.sin(0.7), -math.sin(0.7)),
    "identity": (0.7, -0.7),
    "sigmoid": tuple(1 / (1 + math.exp(-x)) for x in (0.7, -0.7)),
    "softplus": tuple(math.log(1 + math.exp(x)) for x in (0.7, -0.7)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_that_of_its_name(name: str) -> None:
    assert ACTIVATIONS[name](jnp.array([0.7, -0.7])).tolist() == pytest.approx(AT[name], abs=1e-6)


def test_those_that_move_zero_are_known() -> None:
    assert set(ACTIVATIONS) == set(get_args(Activation))
    moved = {name for name, function in ACTIVATIONS.items() if function(jnp.zeros(())) != 0}
    assert moved == NONZERO_AT_ZERO
