"""Tokens are drawn by softmax of the logits, which are those of the whole prompt."""

import jax
import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import chi2

from allometry.errors import DataError
from allometry.models import LanguageModel
from allometry.models.language_model.generation import generated
from allometry.spec.torch_draws import TorchDraws

V = 8
MODEL = LanguageModel(vocabulary=V, context=5, d_model=V, n_layers=1, d_head=2, d_mlp=4)
LOGITS = np.random.default_rng(3).normal(size=(V, V)).astype(np.float32)


def of_table(logits):
    """Parameters of `MODEL` with which the logits after token i are row i of a table.

    The layer adds nothing, and tokens are looked up as unit vectors; the norm multiplies them by
    the root of the width.
    """
    params = {name: np.zeros_like(array) for name, array in MODEL.init(TorchDraws(0)).items()}
    params["embedding"] = np.eye(V, dtype=np.float32)
    params["final_scale"] = np.ones(V, np.float32)
    return params | {"head": (logits.T / np.sqrt(V)).astype(np.float32)}


def draw(params, prompt=(0,), n=50, model=MODEL, **options):
    options = {"vocabulary": model.vocabulary, "temperature": 1.0, "seed": 0} | options
    return generated(model, params, prompt, n, **options)


def too_far(tokens, chances):
    """Whether the transitions are off a Markov chain's by a chi-square test at 0.1%."""
    counts = np.zeros((V, V))
    np.add.at(counts, (tokens[:-1], tokens[1:]), 1)
    expected = counts.sum(axis=1, keepdims=True) * chances
    return ((counts - expected) ** 2 / expected).sum() > chi2.isf(1e-3, V * (V - 1))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_by_softmax_of_logits_over_temperature(temperature):
    tokens = draw(of_table(LOGITS), n=4000, temperature=temperature)
    for other in (0.5, 1.0, 2.0):
        chances = softmax(LOGITS / other, axis=1)
        assert too_far(tokens, chances) == (other != temperature)


def test_temperature_0_takes_the_largest_logit_whatever_the_seed():
    best = [0]
    for _ in range(50):
        best.append(int(LOGITS[best[-1]].argmax()))
    for seed in range(3):
        tokens = draw(of_table(LOGITS), temperature=0.0, seed=seed)
        assert tokens.tolist() == best[1:]


def test_the_same_seed_gives_the_same_tokens_and_another_others():
    first, again, other = (draw(of_table(LOGITS), seed=seed).tolist() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("positions", ["rotary", "learnt"])
def test_logits_are_those_of_the_last_tokens_alone(positions):
    """As of a window that is as long as what it sees, so that nothing stands behind."""
    model = MODEL.model_copy(update={"positions": positions})
    random = np.random.default_rng(0)
    start = model.init(TorchDraws(0))
    params = {n: random.normal(size=a.shape).astype(np.float32) for n, a in start.items()}
    applied = {n: jax.jit(model.model_copy(update={"context": n}).apply) for n in (2, 5)}
    seen = [3]
    for token in draw(params, seen, 20, model, temperature=0.0).tolist():
        window = seen[-5:]
        seen.append(token)
        if len(window) not in applied:
            continue
        position = {n: a[: len(window)] for n, a in params.items() if n == "position"}
        logits = np.asarray(applied[len(window)](params | position, np.array([window])))[0, -1]
        assert logits[token] >= logits.max() - 1e-4
    long = list(range(V)) * 3
    assert draw(params, long, 9, model).tolist() == draw(params, long[-5:], 9, model).tolist()


def test_tokens_beyond_the_vocabulary_of_the_data_are_never_drawn():
    flat = of_table(np.zeros((V, V)))
    assert set(draw(flat, n=200).tolist()) == set(range(V))
    assert set(draw(flat, n=200, vocabulary=3).tolist()) == {0, 1, 2}


def test_a_network_that_diverged_draws_nothing():
    with pytest.raises(DataError, match="the network has diverged"):
        draw(of_table(LOGITS * np.float32(np.nan)))
