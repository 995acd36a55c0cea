"""Cost of a run in dollars and hours, and the cheapest run with a given loss.

Training and serving cost 6 N D c_tr / MFU_tr + 2 N c_inf (D_in / MFU_in + D_out / MFU_out), with c
the price of a FLOP at the peak (Sardana et al. 2401.00448, eq. 6). This is the price of a training
FLOP times 6 N D + 2 N T, where T counts each served token by its price relative to training. So
the cheapest run with a loss is that of `inference.equal_quality` at this T.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from allometry.errors import UsageError
from allometry.laws import Array
from allometry.plan.beyond.inference import FORWARD, equal_quality
from allometry.plan.frontier.cost import Cost
from allometry.plan.frontier.optimum import Frontier, Point
from allometry.plan.quantities import not_negative, positive, share

__all__ = ["PEAKS", "Cheapest", "Dollars", "Peak", "Rate", "Serving", "cheapest", "dollars",
           "hours"]  # fmt: skip

PeakKind = Literal["dense", "sparse"]

SECONDS = 3600.0  # in an hour
SPARSE = 2.0  # a peak with 2:4 sparsity is twice the dense one (NVIDIA A100 data sheet)
LEAST_PEAK = 1e9  # FLOP per second; a smaller number must be in another unit
TERA = 1e12


@dataclass(frozen=True)
class Peak:
    """Peak FLOP per second of one accelerator, as stated in its data sheet.

    Attributes:
        flops: per second, for the number format of the run. kind: "dense", or "sparse" if the
            data sheet assumes 2:4 sparsity, which training does not have.
        name: of the accelerator and number format.
    """

    flops: float
    kind: PeakKind
    name: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ("dense", "sparse"):
            raise UsageError(f"the kind of a peak must be dense or sparse, got {self.kind!r}")
        positive(self.flops, "peak in FLOP per second")
        if self.flops < LEAST_PEAK:
            raise UsageError(
                f"a peak in FLOP per second is expected, got {self.flops:g}; if it is in TFLOP "
                f"per second write {self.flops * TERA:g}"
            )

    @property
    def dense(self) -> float:
        """FLOP per second without sparsity."""
        return self.flops / (SPARSE if self.kind == "sparse" else 1.0)

    @property
    def note(self) -> str:
        """How a sparse peak was converted, in words; empty for a dense one."""
        if self.kind == "dense":
            return ""
        return (
            f"the peak {self.flops:.4g} FLOP/s assumes 2:4 sparsity, which training does not have: "
            f"half of it, {self.dense:.4g}, is used"
        )


PEAKS = {
    "h100-bf16": Peak(989e12, "dense", "H100 SXM bf16"),  # NVIDIA H100 data sheet, 1979 sparse
    "h100-fp8": Peak(1979e12, "dense", "H100 SXM fp8"),  # NVIDIA H100 data sheet, 3958 sparse
    "a100-bf16": Peak(312e12, "dense", "A100 bf16"),  # NVIDIA A100 data sheet, 624 sparse
    "a100-int8": Peak(624e12, "dense", "A100 int8"),  # NVIDIA A100 data sheet, 1248 sparse
}


@dataclass(frozen=True)
class Rate:
    """The price of one accelerator and what it computes.

    Attributes:
        price: dollars per hour. peak: of the accelerator. mfu: model FLOP utilisation, the share
            of the peak that the model's FLOP reach.
    """

    price: float
    peak: Peak
    mfu: float

    def __post_init__(self) -> None:
        not_negative(self.price, "a price in dollars per hour")
        share(self.mfu, "the model FLOP utilisation (MFU)")

    @property
    def per_flop(self) -> float:
        """Dollars per FLOP of the model."""
        return self.price / (SECONDS * self.peak.dense * self.mfu)


@dataclass(frozen=True)
class Serving:
    """Tokens over a model's lifetime, and where they are computed.

    Attributes:
        tokens_in, tokens_out: read and generated. prefill, decode: rates for reading and for
            generating.
    """

    tokens_in: float
    tokens_out: float
    prefill: Rate
    decode: Rate

    def __post_init__(self) -> None:
        not_negative(self.tokens_in, "input tokens")
        not_negative(self.tokens_out, "output tokens")

    @property
    def price(self) -> float:
        """Sum over the tokens of the price of a FLOP: dollars if each token took one FLOP."""
        return self.tokens_in * self.prefill.per_flop + self.tokens_out * self.decode.per_flop


@dataclass(frozen=True)
class Dollars:
    """Dollars of runs, each (k,). notes: on sparse peaks, in words."""

    training: Array
    inference: Array
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Array:
        return np.asarray(self.training + self.inference)


@dataclass(frozen=True)
class Cheapest:
    """The cheapest run with a loss, and the one that is best for training alone.

    Attributes:
        run, baseline: these two runs, with the same loss, (k,) each. dollars, baseline_dollars:
            of each run.
    """

    run: Point
    baseline: Point
    dollars: Dollars
    baseline_dollars: Dollars


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def dollars(cost: Cost, n: Array, d: Array, train: Rate, serving: Serving | None = None) -> Dollars:
    """Dollars of training N on D, and of serving the model; arrays of one shape."""
    n, d = np.asarray(n, float), np.asarray(d, float)
    each = FORWARD * cost.per_token(n)  # FLOP per served token, 2 N
    price, rates = 0.0, [train]
    if serving is not None:
        price, rates = serving.price, [train, serving.prefill, serving.decode]
    notes = tuple(dict.fromkeys(rate.peak.note for rate in rates if rate.peak.note))
    return Dollars(cost.compute(n, d) * train.per_flop, np.asarray(each * price), notes)


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def cheapest(
    frontier: Frontier,
    train: Rate,
    serving: Serving,
    *,
    compute: float | None = None,
    loss: float | None = None,
) -> Cheapest:
    """The cheapest run with a given loss, serving included.

    Args:
        compute: FLOP of training whose least loss is to be matched. loss: the loss itself, in
            place of a compute.

    Raises:
        UsageError: as in `inference.equal_quality`, or the price of training is not positive.
    """
    positive(train.price, "price of training in dollars per hour")
    tokens = serving.price / train.per_flop
    matched = equal_quality(frontier, tokens, compute=compute, loss=loss)
    run, baseline = Point(matched.n_opt, matched.d_opt, matched.loss), matched.baseline
    assert baseline is not None  # equal_quality always has one
    each = [dollars(frontier.cost, at.n, at.d, train, serving) for at in (run, baseline)]
    return Cheapest(run, baseline, *each)


def hours(compute: Array, accelerators: int, peak: Peak, mfu: float) -> Array:
    """Hours of a training run, C / (n peak MFU); a sparse peak counts half.

    Args:
        compute: FLOP, of any shape.

    Raises:
        UsageError: the number of accelerators is not a positive integer, or the MFU is not above 0
            and at most 1.
    """
    if accelerators < 1 or accelerators != int(accelerators):
        raise UsageError(
            f"the number of accelerators must be an integer of at least 1, got {accelerators:g}"
        )
    rate = accelerators * peak.dense * share(mfu, "the model FLOP utilisation (MFU)")
    return np.asarray(compute / rate / SECONDS)
