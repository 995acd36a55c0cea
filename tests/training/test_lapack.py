"""Programs that call LAPACK are run one at a time; a person's other programs run at once."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from allometry.engines.threads import in_threads
from allometry.models import MLP
from allometry.spec import RunSpec
from allometry.training import loop
from allometry.training.lapack import calls_lapack
from allometry.training.loop import train_pack
from allometry.training.procedure import Pack
from tests.training.test_loop import small

MATRICES = jnp.ones((3, 4, 4)) + jnp.eye(4)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (jnp.linalg.qr, True),
        (jnp.linalg.inv, True),
        (jnp.linalg.eigh, True),
        (jnp.linalg.cholesky, True),
        (jnp.linalg.svd, True),
        (lambda a: jax.lax.fori_loop(0, 3, lambda i, x: jnp.linalg.qr(x)[0], a), True),
        (lambda a: a @ a, False),
        (jnp.tanh, False),
        (jnp.linalg.norm, False),
    ],
)
def test_it_is_known_whether_a_program_calls_lapack(function, expected):
    assert calls_lapack(jax.jit(function), MATRICES) is expected


class Plain(MLP):
    """A model of a person's own without LAPACK in its updates."""


class Orthogonal(MLP):
    """Its first layer starts as an orthogonal matrix, one of a batch of them."""

    def init(self, draws):
        params = super().init(draws)
        many = np.stack([params["weight0"].T] * 64)
        return {**params, "weight0": np.asarray(jnp.linalg.qr(many)[0][0].T)}


class Solving(MLP):
    """Solves a system of equations in every update."""

    def apply(self, params, x):
        weight = params["weight0"]
        gram = weight @ weight.T + jnp.eye(len(weight))
        return super().apply({**params, "weight0": jnp.linalg.solve(gram, weight)}, x)


def in_two_threads(kind: type[MLP], monkeypatch) -> tuple[int, int]:
    """Runs that finished, and the most packs that were in the midst of training at once."""
    inside, most, change = 0, 0, threading.Condition()
    update = loop.update

    def watched(descent, state, batches):
        nonlocal inside, most
        with change:
            inside, most = inside + 1, max(most, inside + 1)
            change.notify_all()
            change.wait_for(lambda: most == 2, timeout=2)  # for another to come in
        try:
            return jax.block_until_ready(update(descent, state, batches))
        finally:
            with change:
                inside -= 1

    monkeypatch.setattr(loop, "update", watched)
    base = small((7, 5, 3), epochs=2)
    specs = [
        RunSpec.model_validate({**dict(base), "model": kind(widths=(7, width, 3))})
        for width in (4, 5)
    ]
    packs = [Pack((spec,)) for spec in specs]
    made = in_threads(
        packs, lambda pack, told: train_pack(pack, {}, {}, told), lambda n: None, lambda: False, 2
    )
    results = [result for pack in made for result in pack]
    return sum(result.status == "done" for result in results), most


@pytest.mark.parametrize(("kind", "at_once"), [(Plain, 2), (Orthogonal, 2), (Solving, 1)])
def test_models_of_ones_own_train_at_once_where_they_keep_off_lapack(kind, at_once, monkeypatch):
    assert in_two_threads(kind, monkeypatch) == (2, at_once)


def test_starts_of_ones_own_are_drawn_one_at_a_time(monkeypatch):
    drawing, most, lock = 0, 0, threading.Lock()

    class Counting(Orthogonal):
        def init(self, draws):
            nonlocal drawing, most
            with lock:
                drawing, most = drawing + 1, max(most, drawing + 1)
            threading.Event().wait(0.1)  # for another to come in
            try:
                return super().init(draws)
            finally:
                with lock:
                    drawing -= 1

    assert in_two_threads(Counting, monkeypatch)[0] == 2
    assert most == 1
