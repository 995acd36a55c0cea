"""What a model promises of a pack: a member trains as it does alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError
from allometry.models.model import Model, Params
from allometry.spec.torch_draws import TorchDraws
from allometry.testing.case import Case, close, moved
from allometry.training.packing.layouts import Padded
from allometry.training.program import scope

__all__ = ["check_packed"]

UPDATES = 2
STEP = 0.05  # length of an update, a share of that of the parameters: enough to see what moves
# Shares of the largest change of an array, and of all arrays: sums in another order, no more.
OF_ARRAY, OF_ALL = 1e-3, 1e-5


def check_packed(case: Case) -> Iterator[str]:
    """Members of different seeds, and of different `member_fields`, trained together and alone."""
    if case.model.chunk:
        return  # it trains alone
    models = [case.model, case.model]
    if case.other is not None:
        # Draws while training go by shape: members of other shapes are packed apart.
        models += [] if case.model.stochastic else [case.other]
    elif case.model.member_fields and not case.model.stochastic:
        yield (
            f"member_fields is {case.model.member_fields}: give other=, a model that differs in "
            "them, so that a pack of both can be checked"
        )
    starts = [moved(model.init(TorchDraws(seed))) for seed, model in enumerate(models)]
    if len({tuple(start) for start in starts}) > 1:
        yield f"other has parameters of other names: {list(starts[0])} and {list(starts[-1])}"
        return
    try:
        with scope("float64"):  # digits to spare: what differs is no rounding
            yield from _compared(case, models, starts, np.float64)
    except UsageError:  # the model refuses float64
        yield from _compared(case, models, starts, np.float32)


def _compared(
    case: Case, models: Sequence[Model], starts: Sequence[Params], dtype: type[np.floating[Any]]
) -> Iterator[str]:
    """Differences between the members of a pack and the same networks alone."""
    starts = [{name: array.astype(dtype) for name, array in start.items()} for start in starts]
    keys = jax.random.split(jax.random.key(0), len(models))
    programs = {model: jax.jit(partial(_gradient, case, model)) for model in models}
    alone = [
        _trained(programs[model], {}, start, key)
        for model, start, key in zip(models, starts, keys, strict=True)
    ]
    layout = Padded.of(models[0], starts)
    try:
        together = _trained_together(case, models, layout.stack(starts), keys)
    except Exception as error:  # anybody's model may raise anything
        yield (
            "apply works alone and fails in a pack, where the parameters are padded and the fields "
            f"{case.model.member_fields} are traced numbers: go by the shapes of the parameters, "
            f"with no shape and no Python condition from these fields ({type(error).__name__})"
        )
        return
    if moved_padding := _padding(together, starts):
        yield (
            f"in a pack the padding of {moved_padding} does not stay zero: a unit whose weights "
            "are zero must give zero (an activation with f(0) != 0 needs a mask by the true width)"
        )
    elif differing := _differences(layout.unstack(together), alone, starts):
        yield (
            f"in a pack {differing} train otherwise than alone: means and norms need the true "
            "width, a field of member_fields, where the arrays are padded"
        )


def _trained_together(
    case: Case, models: Sequence[Model], packed: Params, keys: jax.Array
) -> Params:
    """Padded parameters ``(K, ...)`` after the updates, all members in one program."""
    values = [{name: getattr(m, name) for name in m.member_fields} for m in models]
    fields = jax.tree.map(lambda *numbers: jnp.asarray(numbers), *values)
    gradient = jax.vmap(partial(_gradient, case, models[0]))
    return _trained(jax.jit(gradient), fields, packed, keys)


def _trained(
    gradient: Callable[..., Params], fields: Mapping[str, Any], params: Params, key: jax.Array
) -> Params:
    """Parameters after some updates, each along a gradient of the length of ones.

    Args:
        fields: values that take the place of the model's own, traced in a pack.
    """
    trained = {name: np.asarray(array) for name, array in params.items()}
    for _ in range(UPDATES):
        move = gradient(fields, trained, key)
        trained = {name: array - np.asarray(move[name]) for name, array in trained.items()}
    return trained


def _gradient(
    case: Case,
    model: Model,
    fields: Mapping[str, Any],
    params: dict[str, jax.Array],
    key: jax.Array,
) -> dict[str, jax.Array]:
    """Gradient of the mean squared error, of a length in proportion to that of the parameters."""
    member = model.model_copy(update=fields)
    dtype = next(iter(params.values())).dtype
    x, targets = jnp.asarray(case.x, dtype), jnp.asarray(_targets(case), dtype)

    def loss(params: dict[str, jax.Array]) -> jax.Array:
        return jnp.square(member.apply_training(params, x, key) - targets).mean()

    gradient = jax.grad(loss)(params)
    length = STEP * _length(params) / _length(gradient)
    return {name: length * array for name, array in gradient.items()}


def _targets(case: Case) -> NDArray[np.float64]:
    return np.random.default_rng(3).normal(size=case.outputs.shape)


def _length(arrays: Mapping[str, jax.Array]) -> jax.Array:
    return jnp.sqrt(sum(jnp.square(array).sum() for array in arrays.values()))


def _padding(together: Params, starts: Sequence[Params]) -> list[str]:
    """Arrays of which an entry beyond a member's own shape has moved."""
    names = []
    for name, packed in together.items():
        outside = np.array(packed)
        for k, start in enumerate(starts):
            outside[k][tuple(slice(n) for n in start[name].shape)] = 0
        names += [name] if np.any(outside) else []
    return names


def _differences(
    packed: Sequence[Params], alone: Sequence[Params], starts: Sequence[Params]
) -> list[str]:
    """Arrays that a pack trains otherwise than the network alone."""
    names: dict[str, None] = {}
    for together, single, start in zip(packed, alone, starts, strict=True):
        expected = {name: single[name] - array for name, array in start.items()}
        floor = OF_ALL * max(np.abs(change).max() for change in expected.values())
        for name, change in expected.items():
            if not close(together[name] - start[name], change, OF_ARRAY, floor):
                names[name] = None
    return list(names)
