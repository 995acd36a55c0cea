"""Whether data, model and loss of the runs of a pack fit each other, before anything trains."""

from collections.abc import Sequence

import jax

from allometry.datasets.splits import Split
from allometry.errors import UsageError
from allometry.models.model import Model, Params
from allometry.spec import RunSpec

__all__ = ["check_compatible"]

PARTS = {"train": "training", "test": "test", "valid": "validation"}


def check_compatible(
    specs: Sequence[RunSpec],
    models: Sequence[Model],
    starts: Sequence[Params],
    splits: Sequence[Split],
) -> None:
    """Refuse targets that the loss has no meaning for, and outputs that are none.

    Raises:
        UsageError: in words that name the remedy.
    """
    loss, checked = specs[0].train.loss, set()
    for spec, model, start, split in zip(specs, models, starts, splits, strict=True):
        model.check(split.train_x.shape[1], loss.least_outputs(split.train_y))
        if spec.train.stop is not None and split.valid_x is None:
            raise UsageError(
                "train.stop looks at the validation loss, and the data have no validation split: "
                "give some, validation=0.1 say"
            )
        key = id(split), model.n_outputs
        if key in checked:
            continue
        checked.add(key)
        x, y = split.train_x[:2], split.train_y[:2]
        outputs = jax.eval_shape(model.apply, dict(start), x)
        if outputs.ndim != 2 or outputs.shape[0] != len(x):
            raise UsageError(
                f"{type(model).__name__}.apply: outputs of shape (B, n_out) for {len(x)} examples "
                f"expected, got {outputs.shape}"
            )
        targets = {PARTS[part]: values for part, (_, values) in split.parts().items()}
        loss.check(targets, outputs.shape[1])
        each = jax.eval_shape(loss.each, outputs, y)
        if each.shape != (len(x),):
            raise UsageError(
                f"{type(loss).__name__}.each: one number an example expected, shape ({len(x)},), "
                f"got {each.shape}; take means over the outputs alone (axis=-1)"
            )
