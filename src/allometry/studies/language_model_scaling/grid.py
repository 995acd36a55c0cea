"""The runs: model shapes, compute budgets, and the spec of a run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from allometry.datasets import BytePair, Bytes, Text
from allometry.models.language_model import LanguageModel
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import AdamW
from allometry.spec.schedules import Cosine

__all__ = [
    "BYTES", "CORPUS", "SHAPES", "SIZES", "TOKENS_A_STEP", "Shape", "Size", "all_shapes",
    "budget_of", "byte_grid", "controls", "default_rate", "model_of", "nearest", "repeats",
    "run_of", "shapes_at", "steps_of", "text", "token_grid", "tokens", "tuning",
]  # fmt: skip

Shape = tuple[int, int]  # d_model, layers
Source = Literal["text", "shuffled", "bigram"]

CORPUS = "gutenberg"
CONTEXT, BATCH = 64, 16  # tokens per window; windows per update
TOKENS_A_STEP = CONTEXT * BATCH
D_HEAD = 8
BYTES, TOKENS = 256, 1024  # vocabularies
VALID_TOKENS = 65_536
CONTROLS: tuple[Source, ...] = ("shuffled", "bigram")
EPOCHS = (2, 4, 8, 16)  # over the repeated slices of the text


# In order of size; aspect ratios d_model / n_layers of 4 to 25.6.
SHAPES: tuple[Shape, ...] = (
    (8, 1), (8, 2), (16, 1), (16, 2), (24, 1), (24, 2), (32, 2), (40, 2), (48, 3), (64, 3), (80, 4),
    (96, 5), (128, 6), (160, 8),
)  # fmt: skip

# Parameters of the best model at 1e10 FLOP, and the exponent of their growth with compute. Both
# are from a few runs made before the grid was chosen, and serve only to centre it.
CENTRE, GROWTH = 5.5e3, 0.48
RATE_WIDTH = 0.32  # learning rate times width, from the same runs


@dataclass(frozen=True)
class Size:
    """The budgets of a size of the study.

    Attributes:
        budgets: FLOP of the byte grid.
        shapes: number of model shapes at each budget.
        forecast: FLOP of the run that is predicted.
        tuned_at: FLOP at which learning rates are tuned; None for `default_rate` without tuning.
        token_budgets: FLOP of the grid with a vocabulary of 1,024.
        more_seeds: budgets whose central model is trained with two more seeds.
        controls: budgets whose central model is also trained on shuffled bytes and on the bigram
            source, with three seeds.
        repeats: budgets whose central model is also trained on repeated slices of the text, with
            three seeds.
    """

    budgets: tuple[float, ...]
    shapes: int
    forecast: float
    tuned_at: float | None = None
    token_budgets: tuple[float, ...] = ()
    more_seeds: tuple[float, ...] = ()
    controls: tuple[float, ...] = ()
    repeats: tuple[float, ...] = ()


SIZES: Mapping[str, Size] = {
    "quick": Size(budgets=(1e10, 3e10, 1e11), shapes=5, forecast=4e11),
    "notebook": Size(
        budgets=(3e10, 1e11, 3e11, 1e12), shapes=7, forecast=1e13, tuned_at=1e11,
        token_budgets=(3e10, 1e11, 3e11), more_seeds=(3e10, 3e11), controls=(3e10, 3e11),
        repeats=(3e11,),
    ),
    "paper": Size(
        budgets=(2e12, 6e12, 2e13, 6e13), shapes=7, forecast=6e14, tuned_at=6e12,
        token_budgets=(2e12, 6e12, 2e13), more_seeds=(2e12, 2e13), controls=(2e12, 2e13),
        repeats=(2e13,),
    ),
}  # fmt: skip

# ---- one run -----------------------------------------------------------------------------------


def model_of(shape: Shape, vocabulary: int = BYTES) -> LanguageModel:
    """The model with this width and number of layers, and a tied head."""
    d_model, n_layers = shape
    return LanguageModel(
        vocabulary=vocabulary, context=CONTEXT, d_model=d_model, n_layers=n_layers, d_head=D_HEAD,
        d_mlp=4 * d_model, tied=True,
    )  # fmt: skip


def default_rate(shape: Shape) -> float:
    """Untuned learning rate of a width, from a few runs made before the grid was chosen."""
    return RATE_WIDTH / shape[0]


def run_of(
    shape: Shape,
    compute: float,
    seed: int,
    rate: float,
    *,
    data: Text | None = None,
    vocabulary: int = BYTES,
) -> RunSpec:
    """The run of a model for a given amount of compute.

    Args:
        compute: FLOP, forward and backward; rounded to whole updates.
        rate: learning rate.
        data: None for the text as bytes.
        vocabulary: size of the vocabulary of `data`.
    """
    model = model_of(shape, vocabulary)
    train = TrainSpec(
        optimizer=AdamW(learning_rate=rate, b2=0.95, weight_decay=0.0),
        steps=steps_of(model, compute), batch_size=BATCH, clip_norm=1.0,
        schedule=Cosine(warmup=0.05, final=0.1),
        measure_examples=0,
    )  # fmt: skip
    return RunSpec(model=model, data=data or text(), train=train, seed=seed)


def text(source: Source = "text", **fields: int) -> Text:
    """The corpus as bytes, or a control derived from it."""
    return Text(name=CORPUS, tokeniser=Bytes(), context=CONTEXT, source=source, **fields)


def tokens() -> Text:
    """The corpus as byte pairs."""
    return Text(name=CORPUS, tokeniser=BytePair(vocabulary=TOKENS), context=CONTEXT)


def steps_of(model: LanguageModel, compute: float) -> int:
    """Number of updates that take `compute` FLOP, at least 1."""
    counts = model.counts()
    return max(1, round(compute / (BATCH * (counts.forward_flop + counts.backward_flop))))


# ---- grids -------------------------------------------------------------------------------------


def shapes_at(compute: float, count: int, vocabulary: int = BYTES) -> list[Shape]:
    """The shapes nearest to the expected best model of a budget, in order of size."""
    centre = CENTRE * (compute / 1e10) ** GROWTH
    return sorted(nearest(centre, vocabulary, count), key=SHAPES.index)


def nearest(n_params: float, vocabulary: int = BYTES, count: int = 1) -> list[Shape]:
    """The `count` shapes nearest to `n_params` on a logarithmic scale, nearest first."""

    def distance(shape: Shape) -> float:
        return abs(math.log(model_of(shape, vocabulary).counts().n_params / n_params))

    return sorted(SHAPES, key=distance)[:count]


def byte_grid(size: Size, seeds: Sequence[int], rates: Mapping[Shape, float]) -> list[RunSpec]:
    """All shapes at every budget of a size, and the cells with two more seeds."""
    cells = [(shape, budget) for budget in size.budgets for shape in shapes_at(budget, size.shapes)]
    grid = [run_of(shape, c, seed, rates[shape]) for seed in seeds for shape, c in cells]
    for budget in size.more_seeds:
        best = shapes_at(budget, 1)[0]
        grid += [run_of(best, budget, max(seeds) + k, rates[best]) for k in (1, 2)]
    return grid


def controls(size: Size, seeds: Sequence[int], rates: Mapping[Shape, float]) -> list[RunSpec]:
    """One model at each control budget, on shuffled bytes and on the bigram source."""
    return [
        run_of(best, budget, seed, rates[best], data=text(source))
        for seed in three(seeds)
        for budget in size.controls
        for best in shapes_at(budget, 1)
        for source in CONTROLS
    ]


def repeats(size: Size, seeds: Sequence[int], rates: Mapping[Shape, float]) -> list[RunSpec]:
    """One model at each budget, with as many updates as in the grid, on repeated slices."""
    runs = []
    for budget in size.repeats:
        (best,) = shapes_at(budget, 1)
        windows = steps_of(model_of(best), budget) * BATCH
        for epochs in EPOCHS:
            slice_of_text = text(train_tokens=math.ceil(windows / epochs) * CONTEXT)
            runs += [
                run_of(best, budget, seed, rates[best], data=slice_of_text) for seed in three(seeds)
            ]
    return runs


def three(seeds: Sequence[int]) -> list[int]:
    """The given seeds and the next two."""
    return [*seeds, max(seeds) + 1, max(seeds) + 2]


def token_grid(size: Size, seeds: Sequence[int], rates: Mapping[Shape, float]) -> list[RunSpec]:
    """The grid on byte-pair tokens."""
    data = tokens()
    return [
        run_of(shape, budget, seed, rates[shape], data=data, vocabulary=TOKENS)
        for seed in seeds
        for budget in size.token_budgets
        for shape in shapes_at(budget, size.shapes, TOKENS)
    ]


def tuning(size: Size, seed: int) -> list[RunSpec]:
    """Every shape at three learning rates, with a validation part to choose the best one."""
    if size.tuned_at is None:
        return []
    data = text(valid_tokens=VALID_TOKENS)
    return [
        run_of(shape, size.tuned_at, seed, factor * default_rate(shape), data=data)
        for shape in all_shapes(size)
        for factor in (0.5, 1.0, 2.0)
    ]


def all_shapes(size: Size) -> list[Shape]:
    """The shapes of every grid of a size, in order."""
    shapes = {shape for budget in size.budgets for shape in shapes_at(budget, size.shapes)}
    for budget in size.token_budgets:
        shapes |= set(shapes_at(budget, size.shapes, TOKENS))
    return sorted(shapes, key=SHAPES.index)


def budget_of(compute: float) -> float:
    """The budget, among those of all sizes, that is nearest to a run's FLOP."""
    named = {c for size in SIZES.values() for c in (*size.budgets, size.forecast)}
    return min(named, key=lambda c: abs(math.log(compute / c)))
