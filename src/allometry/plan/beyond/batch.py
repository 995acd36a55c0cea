"""Batch size and learning rate: bands about the values of two published laws.

The laws are powers of size and compute that their authors fitted to their own recipes. They
disagree, so each is reported separately, as a band from half to twice its value. Within the band a
batch size loses little; a learning rate should be tried at both ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from allometry.plan.quantities import positive

__all__ = ["Advice", "advice", "disagreement"]

Quantity = Literal["learning rate", "batch size"]

WIDTH = 2.0  # batch sizes that waste at most 5% span a factor of four (2607.01487)


@dataclass(frozen=True)
class Advice:
    """The band of one source for one quantity.

    Attributes:
        quantity: learning rate or batch size. low, high: half and twice the law's value.
        unit: of both. formula: of the law's value, in the source's symbols.
        source: paper. meaning: what its N, D and C count.
        recipe: to which it was fitted, and for which it holds.
        doubt: open questions about it, in words.
    """

    quantity: Quantity
    low: float
    high: float
    unit: str
    formula: str
    source: str
    meaning: str
    recipe: str
    doubt: str


@dataclass(frozen=True)
class PowerLaw:
    """coefficient N^by_n D^by_d C^by_c, with its quantity, unit and formula."""

    quantity: Quantity
    unit: str
    formula: str
    coefficient: float
    by_n: float = 0.0
    by_d: float = 0.0
    by_c: float = 0.0


@dataclass(frozen=True)
class Source:
    """The laws of one paper."""

    name: str
    meaning: str
    recipe: str
    doubt: str
    laws: tuple[PowerLaw, PowerLaw]


RATE_UNIT = "the optimizer's peak learning rate, without unit"

DEEPSEEK = Source(
    "DeepSeek LLM 2401.02954, section 3.1",
    "C = M D with M = 72 n_layer d^2 + 12 n_layer d L_seq (convention deepseek)",
    "LLaMA-like decoders, AdamW, multi-step schedule",
    "the paper does not print the unit of B; in tokens it gives the batches of the paper's own 7B "
    "and 67B models (2304 and 4608 sequences of 4096) within 5%",
    (
        PowerLaw("learning rate", RATE_UNIT, "0.3118 C^-0.1250", 0.3118, by_c=-0.1250),
        PowerLaw("batch size", "tokens", "0.2920 C^0.3271", 0.2920, by_c=0.3271),
    ),
)
STEP_LAW = Source(
    "Step Law 2503.04715, eq. 1",
    "D in tokens; whether N counts embeddings is not settled here",
    "LLaMA-like decoders and mixtures of experts, AdamW, fixed final learning rate, sequences of "
    "2048",
    "users report that they cannot reproduce the fit (step-law/steplaw, issue 10); B is in tokens "
    "by the authors' own answer (issue 2)",
    (
        PowerLaw("learning rate", RATE_UNIT, "1.79 N^-0.713 D^0.307", 1.79, -0.713, 0.307),
        PowerLaw("batch size", "tokens", "0.58 D^0.571", 0.58, by_d=0.571),
    ),
)


def advice(n: float, d: float, compute: float) -> tuple[Advice, ...]:
    """Bands of the learning rate and batch size, one of each from each source.

    Args:
        n: parameters. d: training tokens. compute: FLOP, without embeddings and head and with
            attention (convention deepseek); 6 N D is near it.

    Raises:
        UsageError: one of them is not positive.
    """
    positive(n, "number of parameters")
    positive(d, "number of training tokens")
    positive(compute, "compute in FLOP")
    return tuple(
        _band(source, law, law.coefficient * n**law.by_n * d**law.by_d * compute**law.by_c)
        for source in (DEEPSEEK, STEP_LAW)
        for law in source.laws
    )


def _band(source: Source, law: PowerLaw, value: float) -> Advice:
    return Advice(
        law.quantity, value / WIDTH, value * WIDTH, law.unit, law.formula,
        source.name, source.meaning, source.recipe, source.doubt,
    )  # fmt: skip


def disagreement(given: Sequence[Advice]) -> dict[Quantity, float]:
    """The factor by which the sources differ in each quantity."""
    lows: dict[Quantity, list[float]] = {}
    for band in given:
        lows.setdefault(band.quantity, []).append(band.low)
    return {quantity: max(values) / min(values) for quantity, values in lows.items()}
