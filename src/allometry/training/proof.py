"""Tests of packs with user-defined parts: members trained together are compared with each alone.

For losses and update rules a pack is correct by construction, because they see one network at a
time (`packing.sharing`). A user-defined model with `member_fields` promises that padding stays zero
and that it uses its true widths. This promise is tested here before training. If members train
differently in a pack than alone, they train only with members of equal shapes, or alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from pydantic import SerializeAsAny

from allometry.datasets.batches import Batches
from allometry.errors import AllometryError, in_one_line
from allometry.models.model import Params
from allometry.models.precision import scope
from allometry.spec import RunSpec
from allometry.spec.code import is_shipped
from allometry.spec.losses import Loss
from allometry.training.descent import update
from allometry.training.evaluation import means
from allometry.training.packing.sharing import (
    has_own_batches,
    member_fields,
    model_of,
    optimizer_of,
    program_key,
)
from allometry.training.procedure import Pack
from allometry.training.program import prepare
from allometry.training.verdicts import kept_verdict

__all__ = ["proved"]

SCALE = 1e3  # factor on the loss, so that gradient clipping takes effect
UPDATES = 2  # the second update sees what the first left in the padding and in the rule's arrays
EXAMPLES = 8  # examples in a batch
TOLERANCE = 1e-3  # share of the distance from the start; float32 sums may differ in order


class Scaled(Loss):
    """Another loss times a factor."""

    loss: SerializeAsAny[Loss]
    factor: float

    def each(self, outputs: Any, targets: Any) -> Any:
        return self.factor * self.loss.each(outputs, targets)


class _Parts(NamedTuple):
    """The properties that decide a test: the program, whether batches are own, else the batch."""

    program: Any
    own: bool
    batch: Any


def proved(packs: Sequence[Pack]) -> list[Pack]:
    """Test packs with user-defined parts, and split those that fail.

    Parts are identified by their class objects and not by name, so an edited class is tested again.
    Packs with the same parts are tested together, on the narrowest and the widest of all members.
    If this test fails, each pack is tested separately.
    """
    sound = _sound(packs)
    # Without user-defined parts `sound` is empty, and the keys of packs need not be computed.
    return [
        part
        for pack in packs
        for part in ([pack] if sound and _parts(pack) in sound else _proved(pack))
    ]


def _sound(packs: Sequence[Pack]) -> set[_Parts]:
    """The parts whose members train together as they do alone."""
    of_parts: dict[_Parts, list[RunSpec]] = {}
    for pack in packs:
        if len(pack.specs) > 1 and _foreign(pack.specs[0]):
            of_parts.setdefault(_parts(pack), []).extend(pack.specs)
    return {
        parts for parts, specs in of_parts.items()
        if not _difference(_Members(_seeing(_telling(specs), own=parts.own)))
    }  # fmt: skip


def _parts(pack: Pack) -> _Parts:
    first, own = pack.specs[0], has_own_batches(pack.specs)
    batch = None if own else (first.train.batch_size, model_of(first).n_inputs)
    return _Parts(program_key(first), own, batch)


def _seeing(specs: Sequence[RunSpec], *, own: bool) -> tuple[RunSpec, ...]:
    """Members of several packs changed to be members of one: with own batches, or all the same."""
    if own:
        return tuple(spec.model_copy(update={"seed": k}) for k, spec in enumerate(specs))
    first = {"seed": specs[0].seed, "data": specs[0].data}
    return tuple(spec.model_copy(update=first) for spec in specs)


def _proved(pack: Pack) -> Iterator[Pack]:
    specs = pack.specs
    if len(specs) == 1 or not _foreign(specs[0]):
        yield pack
        return
    members = _telling(specs)
    names = _differing(specs)
    difference = _difference(_Members(members))
    if not difference:
        yield pack
        return
    if len({model_of(spec) for spec in specs}) == 1:
        yield from (Pack((spec,), f"trains alone: {difference}") for spec in specs)
        return
    note = f"only equal shapes together: members that differ in {', '.join(names)} {difference}"
    groups: dict[Any, list[RunSpec]] = {}
    for spec in specs:
        groups.setdefault(model_of(spec), []).append(spec)
    for group in groups.values():
        yield from _proved(Pack(tuple(group), note))


def _foreign(spec: RunSpec) -> bool:
    """Whether model, optimiser or loss is user-defined."""
    parts = model_of(spec), optimizer_of(spec), spec.train.loss
    return not all(map(is_shipped, parts))


def _differing(specs: Sequence[RunSpec]) -> list[str]:
    """Fields of the models in which members differ."""
    models = [model_of(spec) for spec in specs]
    fields = member_fields(models[0])
    return [name for name in fields if len({getattr(m, name) for m in models}) > 1]


def _telling(specs: Sequence[RunSpec]) -> tuple[RunSpec, ...]:
    """The narrowest and the widest member, and one more for each field in which these are equal."""
    by_size = sorted(specs, key=lambda spec: model_of(spec).counts().n_params)
    telling = [by_size[0], by_size[-1]]
    for name in _differing(specs):
        values = [getattr(model_of(spec), name) for spec in telling]
        if len(set(values)) == 1:
            telling.append(next(s for s in specs if getattr(model_of(s), name) != values[0]))
    return tuple(telling)


class _Members:
    """Members as the key of a cache: equal if the same program is compiled for them."""

    def __init__(self, specs: tuple[RunSpec, ...]):
        self.specs = specs
        self._key = (
            tuple(program_key(spec) for spec in specs),
            tuple(model_of(spec) for spec in specs),
            len({(spec.seed, spec.data) for spec in specs}) > 1,
        )

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Members) and self._key == other._key


@lru_cache(maxsize=256)
def _difference(members: _Members) -> str:
    """How training together differs from training alone, in words; empty if it does not."""
    return kept_verdict(members.specs, lambda: _judged(members.specs))


def _judged(specs: Sequence[RunSpec]) -> str:
    with scope(specs[0].train.precision):
        try:
            together = _trained(specs)
        except (TypeError, ValueError) as error:  # raised by the code of a user-defined model
            if isinstance(error, AllometryError):
                raise
            return f"cannot be computed as traced numbers ({in_one_line(error)})"
        for k, spec in enumerate(specs):
            (start, end, loss), (_, alone, loss_alone) = together[k], _trained((spec,))[0]
            if not np.isclose(loss, loss_alone, rtol=TOLERANCE, atol=1e-6, equal_nan=True):
                return (
                    f"have other outputs in a pack than alone (loss {loss:.4g}, {loss_alone:.4g})"
                )
            way = _norm({name: alone[name] - start[name] for name in alone})
            apart = _norm({name: alone[name] - end[name] for name in alone})
            if not apart <= TOLERANCE * way + 1e-9:
                return (
                    "are updated differently in a pack than alone (by "
                    f"{apart / way:.2g} of the change)"
                )
    return ""


def _trained(specs: Sequence[RunSpec]) -> list[tuple[Params, Params, float]]:
    """For each member: parameters before and after some updates, and the loss before."""
    program, state = prepare(specs)
    layout = program.descent.layout
    loss = Scaled(loss=program.descent.loss, factor=SCALE)
    descent = replace(program.descent, loss=loss)
    start = layout.unstack(state.params)
    splits = [
        split._replace(
            train_x=split.train_x[:EXAMPLES], train_y=split.train_y[:EXAMPLES],
            test_x=split.test_x[:1], test_y=split.test_y[:1], valid_x=None, valid_y=None,
        )
        for split in (program.splits if program.own_batches else program.splits[:1])
    ]  # fmt: skip
    own = program.placed(splits)
    losses = means(program.descent, state.params, splits, own)["train_loss"]
    after, _ = update(descent, state, _batches(program.rows, program.own_batches, splits))
    return list(zip(start, layout.unstack(after.params), losses.tolist(), strict=True))


def _batches(rows: Any, own: bool, splits: Sequence[Any]) -> Batches:
    """The batches of `UPDATES` updates, all on the first examples of each member."""
    counts = np.array([min(EXAMPLES, len(split.train_x)) for split in splits])[:, None]
    places = np.minimum(np.arange(EXAMPLES), counts - 1)
    weight = (np.arange(EXAMPLES) < counts).astype(np.float32)
    if own:
        places = places + rows[:, None]
    positions, weights = (np.stack([array] * UPDATES) for array in (places, weight))
    positions = positions.astype(np.int32)
    if not own:
        positions, weights = positions[:, 0], weights[:, 0]
    return Batches(jnp.asarray(positions), jnp.asarray(weights), None, UPDATES, 0)  # type: ignore[arg-type]


def _norm(arrays: Params) -> float:
    return float(np.sqrt(sum((array.astype(float) ** 2).sum() for array in arrays.values())))
