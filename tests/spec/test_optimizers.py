"""Update rules as one network sees them."""

import numpy as np
import pytest

from allometry.spec.optimizers import AdamW, Lion


@pytest.mark.parametrize("kind", [AdamW, Lion])
def test_a_rule_built_on_a_masked_one_decays_weights_alone(kind):
    class Own(kind):
        """Uses the direction of the shipped rule, as a rule of one's own does."""

    params = {"weight": np.ones((2, 3), np.float32), "bias": np.ones(2, np.float32)}
    zero = {name: np.zeros_like(array) for name, array in params.items()}
    rule = Own(learning_rate=0.1, weight_decay=0.5, decays="weights").direction()
    direction, _ = rule.update(zero, rule.init(params), params)
    np.testing.assert_allclose(direction["weight"], 0.5)
    np.testing.assert_array_equal(direction["bias"], 0)
