"""The options of every data set: a validation split, a subset, noise, standardisation.

They are applied in this order, after the examples have been loaded. They draw from separate
random streams, so that a run draws the same start values with and without them.
"""

from fractions import Fraction
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from allometry.datasets.split import Split, read_only
from allometry.errors import UsageError
from allometry.spec import Spec

__all__ = ["Options", "count_of", "divided", "stream"]

# Second half of the key of a stream; the first is a run's seed, below 2**32. The order of a
# run's batches has the number of the epoch there.
ORDER, LABELS, TARGETS, VALIDATION, TOKENS = (2**63 + i for i in range(5))
EVERY_SEED = 2**32  # in place of a seed, for draws that are the same for all seeds
PARTS = ("train", "test", "valid")
BLOCK_BYTES = 1 << 24  # of features that are standardised at once, in float64


class Options(Spec):
    """Options of any data set; all are off unless given.

    Attributes:
        subset: training examples used, drawn without replacement by the run's seed: the first
            ones of one order, so that a larger subset contains a smaller one.
        label_noise: share of the training labels that are replaced by another class, drawn
            uniformly: floor(share n) of n, the same examples in subsets of every size.
        target_noise: standard deviation of Gaussian noise added to real training targets, in
            units of the standard deviation of each target over the training examples.
        standardise: whether features are centred by their mean over the training examples used, and
            divided by their (population) standard deviation there. A feature that is constant there
            is only centred. Test and validation features are transformed in the same way.
        standardise_targets: the same for real targets, after noise.
        validation: training examples held out before the other options apply, as a share below 1
            or a number; the same ones for all seeds.
    """

    subset: int | None = Field(default=None, ge=1)
    label_noise: float = Field(default=0.0, ge=0, le=1)
    target_noise: float = Field(default=0.0, ge=0)
    standardise: bool = False
    standardise_targets: bool = False
    validation: int | float = Field(default=0, ge=0)

    @field_validator("subset", "validation", mode="before")
    @classmethod
    def _is_a_number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError(f"a number of examples expected, got {value}")
        # Pydantic would take NumPy's whole numbers for shares.
        return int(value) if isinstance(value, Integral) else value

    @model_validator(mode="after")
    def _validation_is_a_share_or_a_number(self) -> "Options":
        if isinstance(self.validation, float) and self.validation >= 1:
            raise ValueError(
                "validation: a share below 1, or a whole number of examples, expected, got "
                f"{self.validation}"
            )
        return self

    def n_left(self, n: int) -> int:
        """Examples trained on, of n training examples.

        Raises:
            UsageError: the options need more examples than there are, or leave none on one side.
        """
        name = type(self).__name__
        n_valid = count_of(self.validation, n)
        if self.validation and not 0 < n_valid < n:
            raise UsageError(
                f"{name}: validation={self.validation} of {n} training examples are {n_valid}; a "
                "share or number that leaves examples on both sides is expected"
            )
        if self.subset is None:
            return n - n_valid
        if self.subset > n - n_valid:
            held_out = f" beside {n_valid} for validation" if n_valid else ""
            raise UsageError(
                f"{name}: subset={self.subset}, but there are {n - n_valid} training examples"
                f"{held_out}; ask for {n - n_valid} or fewer"
            )
        return self.subset

    def applied(self, split: Split, seed: int) -> Split:
        """The examples after the options; arrays that no option changes are not copied.

        Raises:
            UsageError: for options that do not fit the examples.
        """
        n_left = self.n_left(len(split.train_x))
        split = self._held_out(split)
        x, y = split.train_x, split.train_y
        if self.subset is not None or self.label_noise or self.target_noise:
            order = stream(seed, ORDER).permutation(len(x))
            y = self._noisy(y, order, seed)
            if self.subset is not None:
                rows = order[:n_left]
                x, y = read_only(x[rows]), read_only(y[rows])
        split = split._replace(train_x=x, train_y=y)
        if self.standardise:
            split = _standardised(split, "x")
        if self.standardise_targets:
            self._check_targets(split.train_y, "standardise_targets", "classes have no scale")
            split = _standardised(split, "y")
        return split

    def _held_out(self, split: Split) -> Split:
        n_valid = count_of(self.validation, len(split.train_x))
        if not n_valid:
            return split
        if split.valid_x is not None:
            raise UsageError(
                f"{type(self).__name__} has a validation set of {len(split.valid_x)} examples; "
                "leave the option validation out"
            )
        rest, valid = divided(len(split.train_x), n_valid)
        x, y = split.train_x, split.train_y
        parts = (read_only(part) for part in (x[rest], y[rest], x[valid], y[valid]))
        train_x, train_y, valid_x, valid_y = parts
        return Split(train_x, train_y, split.test_x, split.test_y, valid_x, valid_y)

    def _noisy(self, y: NDArray[Any], order: NDArray[np.int64], seed: int) -> NDArray[Any]:
        if self.label_noise:
            if y.ndim > 1 and y.dtype.kind == "i":
                raise UsageError(
                    f"{type(self).__name__}: label_noise is for one class per example, and these "
                    f"have {y.shape[1]}, one for each position"
                )
            if y.dtype.kind == "f":
                raise UsageError(
                    f"{type(self).__name__}: label_noise is for classes, and these are real "
                    "targets; target_noise adds noise to them"
                )
            y = _relabelled(y, order, self.label_noise, stream(seed, LABELS))
        if self.target_noise:
            self._check_targets(y, "target_noise", "label_noise replaces classes by others")
            scale = self.target_noise * y.std(axis=0, dtype=np.float64)
            noise = scale * stream(seed, TARGETS).standard_normal(y.shape)
            y = read_only((y + noise).astype(np.float32))
        return y

    def _check_targets(self, y: NDArray[Any], option: str, advice: str) -> None:
        if y.dtype.kind != "f":
            raise UsageError(
                f"{type(self).__name__}: {option} is for real targets, and these are classes; "
                f"{advice}"
            )


def stream(seed: int, place: int) -> np.random.Generator:
    """The random stream of a seed for one use, independent of all other draws."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, place], dtype=np.uint64)))


def count_of(part: float, n: int) -> int:
    """How many of n examples a part is: a whole number itself, or floor(share n) for a share.

    A share is taken as the nearest fraction with a denominator up to a million, so that 0.29 of
    100 is 29.
    """
    if isinstance(part, Integral):
        return int(part)
    share = _fraction(part)
    return n * share.numerator // share.denominator


def _fraction(share: float) -> Fraction:
    return Fraction(share).limit_denominator(10**6)


def divided(n: int, n_valid: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that stay and rows held out, of n, each in rising order; the same for all seeds."""
    order = stream(EVERY_SEED, VALIDATION).permutation(n)
    return np.sort(order[n_valid:]), np.sort(order[:n_valid])


def _relabelled(
    y: NDArray[np.int32], order: NDArray[np.int64], share: float, draws: np.random.Generator
) -> NDArray[np.int32]:
    """Labels, a share of which is replaced by another class.

    Among the first n examples in `order` it is floor(share n) labels, for every n.
    """
    n_classes = int(y.max()) + 1
    if n_classes < 2:
        raise UsageError("label_noise: labels of two classes or more expected, got class 0 alone")
    shift = draws.integers(1, n_classes, size=len(y))
    part = _fraction(share)
    counts = np.arange(len(y) + 1) * part.numerator // part.denominator
    rows = order[np.diff(counts) > 0]
    noisy = y.copy()
    noisy[rows] = (y[rows] + shift[rows]) % n_classes
    return read_only(noisy)


def _standardised(split: Split, side: str) -> Split:
    """Features (``x``) or targets (``y``) in units of their spread over the training examples."""
    train = getattr(split, f"train_{side}")
    mean = train.mean(axis=0, dtype=np.float64)
    squares = sum(np.square(block - mean).sum(axis=0) for block in _blocks(train))
    spread = np.sqrt(squares / len(train))
    constant = train.max(axis=0) == train.min(axis=0)
    mean, spread = np.where(constant, train[0], mean), np.where(constant, 1, spread)

    def scaled(name: str, array: NDArray[Any]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):  # overflow becomes infinite and is refused below
            blocks = [((b - mean) / spread).astype(np.float32) for b in _blocks(array)]
        out = np.concatenate(blocks)
        if not np.isfinite(out).all():
            raise UsageError(
                f"standardise: a column of {name} has a value too far from those of train_{side}, "
                "which are nearly constant there; leave that column out"
            )
        return read_only(out)

    parts = {f"{part}_{side}": getattr(split, f"{part}_{side}") for part in PARTS}
    return split._replace(**{n: scaled(n, a) for n, a in parts.items() if a is not None})


def _blocks(array: NDArray[Any]) -> list[NDArray[Any]]:
    """Rows in a few pieces, so that not all of them are in float64 at once."""
    return np.array_split(array, 1 + array.nbytes // BLOCK_BYTES)
