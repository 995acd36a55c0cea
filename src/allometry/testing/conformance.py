"""The conformance test of a model: every promise checked on one network, and on a small pack."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError
from allometry.models.counting import n_inputs_of
from allometry.models.model import Model, PairModel, Params
from allometry.spec.torch_draws import TorchDraws
from allometry.testing.alone import (
    check_examples,
    check_gradient,
    check_outputs,
    check_precision,
    check_rates,
    check_sizes,
    check_start,
    check_training,
    check_value,
)
from allometry.testing.case import Case, moved
from allometry.testing.packed import check_packed
from allometry.training.packing.sharing import member_fields

__all__ = ["check_model"]

EXAMPLES = 12
CHECKS = (
    check_gradient, check_precision, check_sizes, check_rates, check_training, check_packed,
)  # fmt: skip


def check_model(
    model: Model, *, other: Model | None = None, examples: NDArray[Any] | None = None
) -> None:
    """Check that a model does what training, packing and the store rely on.

    Start values are drawn from the seed alone. Outputs are ``(B, n_out)``, and those of an example
    do not depend on the others. Every parameter has a gradient. Sizes are true. Draws in training
    follow the key. Members of a padded pack train as they do alone, and the padding stays zero.

    Args:
        other: a model that differs in `member_fields` alone, preferably in sizes; needed where
            the model has such fields and draws nothing in training.
        examples: ``(B, ...)`` as the data set gives them. By default normal draws, with as many
            features as the weights have columns.

    Raises:
        UsageError: with a sentence for each promise that is not kept, or for an `other` that
            differs in other fields.
    """
    if other is not None:
        _check_other(model, other)
    failures = list(_failures(model, other, examples))
    if failures:
        raise UsageError(
            f"{model!r} does not keep {len(failures)} of the promises of a model:\n"
            + "\n".join(f"- {failure}" for failure in failures)
        )


def _check_other(model: Model, other: Model) -> None:
    """Refuse a second model that cannot share a pack with the first."""
    if type(other) is not type(model):
        raise UsageError(f"other= of the same class expected, got {type(other).__name__}")
    fields = set(type(model).model_fields)
    differ = {name for name in fields if getattr(model, name) != getattr(other, name)}
    allowed = set(member_fields(model))
    if not allowed:
        raise UsageError(
            f"{type(model).__name__} has no member_fields, which a class with an `apply` of its "
            "own declares itself: members of its packs differ in seeds alone, leave out other="
        )
    if not differ or not differ <= allowed:
        raise UsageError(
            f"other= that differs in member_fields {sorted(allowed)} alone expected, it differs in "
            f"{sorted(differ)}"
        )


def _failures(model: Model, other: Model | None, examples: NDArray[Any] | None) -> Iterator[str]:
    """A sentence for each failure; later checks are left out where earlier ones fail."""
    first = [
        *_reported("a frozen value", check_value, model),
        *_reported("init", check_start, model),
    ]
    yield from first
    if first:
        return
    start = model.init(TorchDraws(0))
    features = _features(model, start, examples)
    if features is None:
        yield (
            "apply takes none of the widths that the arrays of init have as columns: give "
            "examples=, an array (B, ...) as the data set has it"
        )
        return
    case = Case(model, moved(start), features, other)
    # A failure here would make all later checks fail too.
    for check in (check_outputs, check_examples):
        if broken := list(_reported("apply", check, case)):
            yield from broken
            return
    for check in CHECKS:
        yield from _reported(check.__name__, check, case)


def _reported(what: str, check: Callable[[Any], Iterator[str]], subject: Any) -> Iterator[str]:
    """The failures that a check gives; an error in the model's own code is one more."""
    try:
        yield from check(subject)
    except Exception as error:  # a user's model may raise any exception
        first_line = str(error).strip().partition("\n")[0]
        yield f"{what}: {type(error).__name__}: {first_line}"


def _features(model: Model, start: Params, examples: NDArray[Any] | None) -> NDArray[Any] | None:
    """Features ``(B, n_in)`` that the model takes, None if no width is found."""
    if examples is not None:
        (features,) = model.features(TorchDraws(0), [np.asarray(examples, np.float32)])
        return features
    random = np.random.default_rng(0)
    if isinstance(model, PairModel):
        return random.integers(0, model.p, (EXAMPLES, 2)).astype(np.float32)
    n_in = n_inputs_of(model.apply, start)
    return None if n_in is None else random.normal(size=(EXAMPLES, n_in)).astype(np.float32)
