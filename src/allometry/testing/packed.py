"""The promise of a model about packs: a member trains as it does alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError
from allometry.models.model import Model, Params
from allometry.models.precision import scope
from allometry.spec.torch_draws import TorchDraws
from allometry.testing.case import Case, close, moved
from allometry.training.packing.layouts import Padded
from allometry.training.packing.sharing import member_fields

__all__ = ["check_packed"]

UPDATES = 2
STEP = 0.05  # length of an update as a share of that of the parameters: enough to see it
# Shares of the largest change of an array, and of all arrays: rounding of sums in another order.
OF_ARRAY, OF_ALL = 1e-3, 1e-5


def check_packed(case: Case) -> Iterator[str]:
    """Members of different seeds, and of different `member_fields`, trained together and alone."""
    if case.model.chunk:
        return  # it trains alone
    models = [case.model, case.model]
    if case.other is not None:
        # Draws in training depend on the shapes, so members of other shapes are packed apart.
        models += [] if case.model.stochastic else [case.other]
    elif member_fields(case.model) and not case.model.stochastic:
        yield (
            f"member_fields is {member_fields(case.model)}: give other=, a model that differs in "
            "them, so that a pack of both can be checked"
        )
    starts = [moved(model.init(TorchDraws(seed))) for seed, model in enumerate(models)]
    if len({tuple(start) for start in starts}) > 1:
        yield f"other has parameters of other names: {list(starts[0])} and {list(starts[-1])}"
        return
    try:
        with scope("float64"):  # so that no difference is due to rounding
            yield from _compared(case, models, starts, np.float64)
    except UsageError:  # the model refuses float64
        yield from _compared(case, models, starts, np.float32)


def _compared(
    case: Case, models: Sequence[Model], starts: Sequence[Params], dtype: type[np.floating[Any]]
) -> Iterator[str]:
    """Differences between the members of a pack and the same networks alone."""
    starts = [{name: array.astype(dtype) for name, array in start.items()} for start in starts]
    keys = jax.random.split(jax.random.key(0), len(models)) if models[0].stochastic else None
    programs = {model: jax.jit(partial(_alone, case, model)) for model in models}
    alone = [
        _trained(programs[model], start, None if keys is None else keys[k])
        for k, (model, start) in enumerate(zip(models, starts, strict=True))
    ]
    layout = Padded.of(models, starts)
    try:
        gradient = jax.jit(partial(_together, case, layout))
        together = _trained(gradient, layout.stack(starts), keys)
    except Exception as error:  # a user's model may raise any exception
        yield (
            "apply works alone and fails in a pack, where the parameters are padded and the fields "
            f"{member_fields(case.model)} are traced numbers: take shapes from the parameters, and "
            f"no shape or Python condition from these fields ({type(error).__name__})"
        )
        return
    if moved_padding := _padding(together, starts):
        yield (
            f"in a pack the padding of {moved_padding} does not stay zero: a unit whose weights "
            "are zero must give zero (an activation with f(0) != 0 needs a mask by the true width)"
        )
    elif differing := _differences(layout.unstack(together), alone, starts):
        yield (
            f"in a pack {differing} train differently than alone: where arrays are padded, means "
            "and norms need the true width, a field of member_fields"
        )


def _trained(gradient: Callable[..., Params], params: Params, keys: jax.Array | None) -> Params:
    """Parameters after some updates."""
    trained = dict(params)
    for _ in range(UPDATES):
        move = gradient(trained, keys)
        trained = {name: array - np.asarray(move[name]) for name, array in trained.items()}
    return trained


def _alone(case: Case, model: Model, params: Any, key: jax.Array | None) -> Any:
    """An update of one network."""

    def loss(params: Any) -> jax.Array:
        x = jnp.asarray(case.x, _dtype(params))
        outputs = model.apply(params, x) if key is None else model.apply_training(params, x, key)
        return jnp.square(outputs - _targets(case)).mean()

    return _update(params, jax.grad(loss)(params))


def _together(case: Case, layout: Padded, packed: Any, keys: jax.Array | None) -> Any:
    """An update of every member of a pack."""

    def loss(packed: Any) -> jax.Array:
        outputs = layout.apply(packed, jnp.asarray(case.x, _dtype(packed)), keys)
        return jnp.square(outputs - _targets(case)).mean(axis=tuple(range(1, outputs.ndim))).sum()

    return layout.each(_update, packed, jax.grad(loss)(packed))


def _dtype(params: Mapping[str, jax.Array]) -> Any:
    return next(iter(params.values())).dtype


def _update(params: Mapping[str, jax.Array], gradient: Mapping[str, jax.Array]) -> Any:
    """The gradient, scaled to a length in proportion to that of the parameters."""
    length = STEP * _length(params) / _length(gradient)
    return {name: length * array for name, array in gradient.items()}


def _targets(case: Case) -> NDArray[np.float32]:
    return np.random.default_rng(3).normal(size=case.outputs.shape).astype(np.float32)


def _length(arrays: Mapping[str, jax.Array]) -> jax.Array:
    return jnp.sqrt(sum(jnp.square(array).sum() for array in arrays.values()))


def _padding(together: Params, starts: Sequence[Params]) -> list[str]:
    """Arrays in which an entry of the padding has moved."""
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
    """Arrays that train differently in a pack than alone."""
    names: dict[str, None] = {}
    for together, single, start in zip(packed, alone, starts, strict=True):
        expected = {name: single[name] - array for name, array in start.items()}
        floor = OF_ALL * max(np.abs(change).max() for change in expected.values())
        for name, change in expected.items():
            if not close(together[name] - start[name], change, OF_ARRAY, floor):
                names[name] = None
    return list(names)
