"""Norms of padded arrays, and the work of a norm counted from its definition."""

from typing import Any

import jax
import numpy as np
import pytest

from allometry.models import Model
from allometry.models.norms import NORM_FLOP, Norm, norm_start, normalise
from allometry.spec.torch_draws import TorchDraws

UNITS = 512


@pytest.mark.parametrize("norm", ["layer", "rms", "group"])
def test_padding_changes_nothing_and_stays_zero(norm: Norm) -> None:
    """With the true width as a number that the program does not know."""
    random, groups = np.random.default_rng(0), 3 if norm == "group" else 1
    x = random.normal(size=(5, 2, 12)).astype(np.float32)
    params = {n: a + random.random(12) for n, a in norm_start(norm, 0, 12, bias=True).items()}
    pad = [(0, 0), (0, 0), (0, 4)]
    padded = {name: np.pad(array, (0, 4)) for name, array in params.items()}

    def run(params: Any, x: Any, width: Any) -> Any:
        return normalise(params, norm, 0, x, width, groups)

    alone = run(params, x, 12)
    packed = np.asarray(jax.jit(run)(padded, np.pad(x, pad), 12))
    np.testing.assert_allclose(packed[..., :12], alone, rtol=1e-5, atol=1e-6)
    assert not packed[..., 12:].any()


class Normalised(Model):
    """One layer and a norm, written down without regard to padding."""

    rms: bool

    def init(self, draws: TorchDraws) -> Any:
        return {"weight": draws.linear(2, UNITS)[0], "scale": np.ones(UNITS, np.float32)}

    def apply(self, params: Any, x: Any) -> Any:
        h = x @ params["weight"].T
        if not self.rms:
            h = h - h.sum(axis=1, keepdims=True) / UNITS
        mean_square = (h * h).sum(axis=1, keepdims=True) / UNITS
        return h * jax.lax.rsqrt(mean_square + 1e-5) * params["scale"]


@pytest.mark.parametrize(("norm", "rms"), [("layer", False), ("rms", True)])
def test_work_of_a_norm_is_that_of_its_definition(norm: Norm, rms: bool) -> None:
    counted = Normalised(rms=rms).counts()
    forward, backward = ((flop - 4 * UNITS) / UNITS for flop in counted[2:])
    assert forward == pytest.approx(NORM_FLOP[norm].forward, abs=0.05)
    # Automatic differentiation has the gradient of h * h as two products and their sum, 2 more.
    assert backward == pytest.approx(NORM_FLOP[norm].backward + 2, abs=0.05)
