"""Do path entropies follow the logarithm of training time, and what do they depend on?

The study repeats the demo published with notebook 000 (`logarithmic_dynamics_demo`): a small
network is trained on two moons, and logarithms of the epoch are fitted to its path entropies. The
study adds five seeds with intervals, alternative forms fitted to the same points, the size of the
weights, and the same networks trained on shuffled labels, from which nothing can be learnt.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from allometry import measures
from allometry.claims.claim import OURS
from allometry.datasets.moons import make_moons
from allometry.datasets.splits import Moons, Split
from allometry.errors import DataError
from allometry.findings import Analysis, Finding, at_least, at_most, equivalent
from allometry.measures import Network
from allometry.measures.paths import path_entropies_of
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import SGD
from allometry.spec.torch_draws import TorchDraws
from allometry.stats.interval import Interval
from allometry.studies.path_entropies.information import first_unit_information
from allometry.studies.path_entropies.symbols import SYMBOLS
from allometry.studies.path_entropies.trajectories import LEARNT, WINDOWS, fits, numbers
from allometry.studies.path_entropies.trajectories_figures import (
    SYMBOL,
    entropies_against_weights,
    entropies_along_training,
    information_along_training,
)
from allometry.studies.path_entropies.verdicts import of_all, shared
from allometry.study import Study
from allometry.tables.table import Table

SOURCE = (
    "Z. Liu 2025, First-Principles-Scaling-Laws, README (Quick Demo) and "
    "logarithmic_dynamics_demo, Zenodo 10.5281/zenodo.17118793"
)
# Largest |p| at which a trajectory counts as logarithmic; ours. Over the 5,000 epochs of the demo,
# its growth for each factor of epochs then changes by a factor of little more than two.
NEARLY_LOGARITHMIC = 0.1
# Least R^2 at which one line in the squared weights explains an entropy; ours. A twentieth of the
# variance is then unexplained.
EXPLAINED = 0.95


class ShuffledMoons(Moons):
    """The same points with permuted labels: the control, from which nothing can be learnt.

    The permutation does not change the state of the run's random stream, so a run has the initial
    weights of the run with the same seed on the true labels.
    """

    def load(self, draws: TorchDraws) -> Split:
        x, y, *_ = super().load(draws)
        y = y[draws.copy().randperm(len(y))]
        return Split(x, y, x, y)


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """A network 2-10-7-2 for every seed, on the true and on shuffled labels."""
    epochs = {"quick": 1_000, "notebook": 5_000}[size]
    return [
        RunSpec(
            model=MLP(widths=(2, 10, 7, 2), activation="tanh"),
            data=data,
            train=TrainSpec(
                optimizer=SGD(learning_rate=0.05), epochs=epochs, batch_size=128, measure_every=10
            ),
            seed=seed,
        )
        for data in (Moons(), ShuffledMoons())
        for seed in seeds
    ]


# ---- measures ----------------------------------------------------------------------------


def demo_entropies(net: Network) -> dict[str, float]:
    """`htse` and `hsie` with the demo's costs, 1 - ln(p + 1e-9), mean over all 17 hidden units.

    The demo samples 30 units, more than the network has.
    """
    means = path_entropies_of(net.model.weights(net.params), net.spec.seed, offset=1e-9)
    return {"htse": means["htse"], "hsie": means["hsie"]}


def weight_norm(net: Network) -> dict[str, float]:
    """`weight_norm2`: sum of squares of all weights except the first layer's.

    No path uses the weights of the first layer.
    """
    later = net.model.weights(net.params)[1:]
    return {"weight_norm2": float(sum((w.astype(float) ** 2).sum() for w in later))}


def relabelled(net: Network) -> dict[str, float]:
    """`wrong_labels`: share of the training labels that are not the moon of their point.

    Raises:
        DataError: the data set is not `Moons`.
    """
    data = net.spec.data
    if not isinstance(data, Moons):
        raise DataError(
            "this measure compares labels with those of the two moons: Moons expected, got "
            f"{type(data).__name__}"
        )
    _, moon = make_moons(data.n_samples, data.noise, data.random_state)
    return {"wrong_labels": float((net.split.train_y != moon).mean())}


# ---- findings ----------------------------------------------------------------------------

Intervals = Mapping[str, Interval]


def analyse(table: Table) -> Analysis:
    """Findings on the README's claims, with networks on shuffled labels as the control."""
    measured = numbers(table)
    intervals, control = measured["intervals"], measured["intervals_shuffled"]
    findings = [
        _directions(intervals, control, len(measured["true"])),
        _shape("hsie", "falls", measured["run_statistics"], intervals, control),
        _shape("htse", "grows", measured["run_statistics"], intervals, control),
        _weights("hsie", measured),
        _weights("htse", measured),
        _information(intervals, control),
    ]
    return Analysis(findings, measured, fits(measured["true"]))


def _shown(intervals: Intervals, name: str, form: str = ".2g") -> str:
    if name not in intervals:
        return "not run"
    text = intervals[name].shown(form)
    return text if intervals[name].has_ends else f"{text}, no interval from one seed,"


def _directions(intervals: Intervals, control: Intervals, seeds: int) -> Finding:
    """Whether H'_TSE grows and H'_SIE falls, in any form."""
    htse, hsie = intervals["htse_slope"], intervals["hsie_slope"]
    return Finding(
        claim="While a network trains H'_TSE grows and H'_SIE falls",
        prediction='the demo fits a "logarithmic growth function" to H\'_TSE and a "logarithmic '
        "decay function\" to H'_SIE, on all points: a slope above 0 and a slope below 0 on the "
        "logarithm of the epoch",
        source=SOURCE,
        measured=hsie.value,
        low=hsie.low,
        high=hsie.high,
        verdict=of_all(at_least(htse, 0.0), at_most(hsie, 0.0)),
        answer=f"Reproduced, as far as a demo that stores no number can be: over {seeds} seeds "
        f"H'_TSE changes by {_shown(intervals, 'htse_change', '+.2%')} and H'_SIE by "
        f"{_shown(intervals, 'hsie_change', '+.1%')} from the untrained network to the end. A "
        f"logarithm of time fits them with R² {intervals['htse_r2_log'].value:.3f} and "
        f"{intervals['hsie_r2_log'].value:.3f}, a power of time with "
        f"{intervals['htse_r2_power'].value:.3f} and {intervals['hsie_r2_power'].value:.3f}.",
        control=f"shuffled labels: slope of H'_SIE {_shown(control, 'hsie_slope')}, of H'_TSE "
        f"{_shown(control, 'htse_slope')}",
        unit="bits per factor e of epochs",
        figure="entropies_along_training",
    )


def _shape(
    name: str,
    verb: str,
    run_statistics: Sequence[Mapping[str, float]],
    intervals: Intervals,
    control: Intervals,
) -> Finding:
    """Whether a trajectory is logarithmic.

    The source does not say on which points, so all choices of points must give the same verdict.
    """
    bend = intervals[f"{name}_bend"]
    wins = sum(
        run[f"{name}_r2_log"] > max(run[f"{name}_r2_linear"], run[f"{name}_r2_power"])
        for run in run_statistics
    )
    ways = [equivalent(intervals[f"{name}_bend{w}"], NEARLY_LOGARITHMIC) for w in WINDOWS]
    return Finding(
        claim=f"{SYMBOL[name]} {verb} as the logarithm of training time",
        prediction='the entropies "evolve following precise logarithmic laws during the '
        'compression phase of learning"; the source does not define this phase and the demo does '
        "not use it. Tested: the exponent p, 0 for a logarithm and 1 for a straight line, is 0 to "
        f"within {NEARLY_LOGARITHMIC} (margin ours) for three choices of points",
        source=SOURCE,
        measured=bend.value,
        low=bend.low,
        high=bend.high,
        verdict=shared(*ways),
        answer=f"On all points, as in the demo, p is {_shown(intervals, f'{name}_bend')}, from "
        f"epoch {LEARNT} on {_shown(intervals, f'{name}_bend_late')}, and on points evenly spaced "
        f"in log time {_shown(intervals, f'{name}_bend_even')}. Of logarithm, power and straight "
        "line, each with two parameters, the logarithm fits best in "
        f"{wins} of {len(run_statistics)} seeds.",
        control=f"shuffled labels: p {_shown(control, f'{name}_bend')}; squared weights: "
        f"p {_shown(intervals, 'weight_norm2_bend')}",
        unit="exponent p",
        figure="entropies_along_training",
    )


def _weights(name: str, measured: Mapping[str, Any]) -> Finding:
    """Whether the size of the weights explains an entropy for all seeds together."""
    r2: Interval = measured["one_line"][name]
    slopes = np.abs([run[f"{name}_slope_weights"] for run in measured["run_statistics"]])
    within = measured["intervals"][f"{name}_r2_weights"]
    return Finding(
        claim=f"{SYMBOL[name]} says more about a network in training than the size of its weights",
        prediction="one line in the sum of squared weights for all seeds leaves more than "
        f"{1 - EXPLAINED:.0%} of its variance unexplained: R² below {EXPLAINED} (ours)",
        source=OURS,
        measured=r2.value,
        low=r2.low,
        high=r2.high,
        verdict=at_most(r2, EXPLAINED),
        answer=f"One line in the squared weights through all seeds has R² {r2.shown('.2f')}. "
        f"Within one run a line has R² {within.value:.4f} on average, but its slope differs by a "
        f"factor of {slopes.max() / slopes.min():.1f} between seeds.",
        control="shuffled labels: one line has R² "
        f"{_shown(measured['one_line_shuffled'], name, '.2f')}",
        unit="R²",
        figure="entropies_against_weights",
    )


def _information(intervals: Intervals, control: Intervals) -> Finding:
    bits = intervals["information_input"]
    return Finding(
        claim="The first hidden unit compresses: its information about the input falls in training",
        prediction='I(X; T) falls (ours: the demo plots it on an axis named "I(X; T) - '
        'Compression" and states no direction)',
        source=OURS,
        measured=bits.value,
        low=bits.low,
        high=bits.high,
        verdict=at_most(bits, 0.0),
        answer=f"I(X; T) changes by {_shown(intervals, 'information_input')} bits from the "
        f"untrained network to the end, I(T; Y) by {_shown(intervals, 'information_label')}.",
        control=f"shuffled labels: {_shown(control, 'information_input')} bits",
        unit="bits",
        figure="information_along_training",
    )


STUDY = Study(
    name="path_dynamics",
    title="Path entropies along training on two moons",
    question="Do path entropies follow the logarithm of training time, and do they show more than "
    "the growth of the weights?",
    prediction="In the compression phase H'_TSE grows and H'_SIE falls by precise logarithmic laws "
    "of training time.",
    symbols=SYMBOLS,
    source=SOURCE,
    runs=runs,
    seeds={"quick": (42, 43, 44), "notebook": (42, 43, 44, 45, 46)},
    measures={"losses": measures.losses, "entropies": demo_entropies, "labels": relabelled},
    trajectory={
        "losses": measures.losses,
        "entropies": demo_entropies,
        "weights": weight_norm,
        "information": first_unit_information,
    },
    analyse=analyse,
    figures=(
        entropies_along_training,
        entropies_against_weights,
        information_along_training,
    ),
    notes=(
        "The source names a compression phase and does not define it. All points are fitted, as in "
        "the demo, and the result is compared with two other choices of points.",
        "Points are measured after 0, 10, 20, ... passes. The demo measures after 1, 11, 21, ... "
        "passes and calls them 0, 10, 20; its logarithm of epoch + 1 is kept.",
        "The demo sets no seed and stores no output, so there is no number to compare with.",
        "Points along one run are not independent, so intervals are over seeds alone, and AIC only "
        "ranks forms with equally many parameters.",
        "There is no test set: the test columns are measured on the training examples.",
    ),
)
