"""Do path entropies follow the logarithm of training time, and what makes them?

The demo beside seed 000's notebook (`logarithmic_dynamics_demo`): one small network
on two moons, its path entropies fitted by logarithms of the epoch. Added here: five
seeds with intervals, rival forms on the same points, the size of the weights, and
the same networks trained on shuffled labels, where there is nothing to learn.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from allometry import measures
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
from allometry.studies.path_entropies.trajectories import LEARNT, fits, numbers
from allometry.studies.path_entropies.trajectories_figures import (
    SYMBOL,
    entropies_against_weights,
    entropies_along_training,
    information_along_training,
)
from allometry.study import Study
from allometry.tables.table import Table

SOURCE = (
    "Z. Liu 2025, First-Principles-Scaling-Laws, README (Quick Demo) and "
    "logarithmic_dynamics_demo, Zenodo 10.5281/zenodo.17118793"
)
# |p| up to which a trajectory counts as logarithmic: over the 5,000 epochs of the demo
# its growth for each factor of epochs then changes by little more than twofold.
NEARLY_LOGARITHMIC = 0.1
EXPLAINED = 0.95  # least R^2 at which the size of the weights accounts for an entropy


class ShuffledMoons(Moons):
    """The same points, their labels permuted: the control, with nothing to learn.

    The permutation leaves the run's stream as it was, so that a run starts from
    the weights of its partner on the true labels.
    """

    def load(self, draws: TorchDraws) -> Split:
        x, y, *_ = super().load(draws)
        y = y[draws.copy().randperm(len(y))]
        return Split(x, y, x, y)


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """A network 2-10-7-2 at every seed, on the true and on shuffled labels."""
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
    """`htse` and `hsie` as the demo costs them: 1 - ln(p + 1e-9), mean over all 17 hidden units.

    The demo samples 30 units, which here are all.
    """
    means = path_entropies_of(net.model.weights(net.params), net.spec.seed, offset=1e-9)
    return {"htse": means["htse"], "hsie": means["hsie"]}


def weight_norm(net: Network) -> dict[str, float]:
    """`weight_norm2`: sum of squares of all weights but the first layer's, which no path uses."""
    later = net.model.weights(net.params)[1:]
    return {"weight_norm2": float(sum((w.astype(float) ** 2).sum() for w in later))}


def relabelled(net: Network) -> dict[str, float]:
    """`wrong_labels`: share of the training labels that are not the point's own moon."""
    data = net.spec.data
    if not isinstance(data, Moons):
        raise DataError(f"labels are compared with those of the moons, got {type(data).__name__}")
    _, moon = make_moons(data.n_samples, data.noise, data.random_state)
    return {"wrong_labels": float((net.split.train_y != moon).mean())}


# ---- findings ----------------------------------------------------------------------------

Intervals = Mapping[str, Interval]


def analyse(table: Table) -> Analysis:
    """The README's claims beside the measurement, and beside networks that learn nothing."""
    measured = numbers(table)
    intervals, control = measured["intervals"], measured["intervals_shuffled"]
    findings = [
        _shape("hsie", "falls", measured["run_statistics"], intervals, control),
        _shape("htse", "grows", measured["run_statistics"], intervals, control),
        _direction("hsie", -1, intervals, control),
        _direction("htse", +1, intervals, control),
        _weights("hsie", intervals, control),
        _weights("htse", intervals, control),
        _information(intervals, control),
    ]
    return Analysis(findings, measured, fits(measured["true"]))


def _shown(intervals: Intervals, name: str, digits: int = 2) -> str:
    if name not in intervals:
        return "not run"
    text = intervals[name].shown(f".{digits}g")
    return text if intervals[name].has_ends else f"{text}, no interval from one seed,"


def _shape(
    name: str,
    verb: str,
    run_statistics: Sequence[Mapping[str, float]],
    intervals: Intervals,
    control: Intervals,
) -> Finding:
    bend = intervals[f"{name}_bend"]
    wins = sum(
        run[f"{name}_r2_log"] > max(run[f"{name}_r2_linear"], run[f"{name}_r2_power"])
        for run in run_statistics
    )
    r2 = {form: intervals[f"{name}_r2_{form}"].value for form in ("log", "power", "linear")}
    phase = [run["first_epoch"] for run in run_statistics]
    return Finding(
        claim=f"{SYMBOL[name]} {verb} as the logarithm of training time in the compression phase",
        prediction="a precise logarithmic law: exponent p = 0 between logarithm (0) and straight "
        f"line (1); granted within {NEARLY_LOGARITHMIC}",
        source=SOURCE,
        measured=bend.value,
        low=bend.low,
        high=bend.high,
        verdict=equivalent(bend, NEARLY_LOGARITHMIC),
        answer=f"From its highest H'_SIE (epoch {min(phase):.0f} to {max(phase):.0f}) on, the "
        f"logarithm reaches R² {r2['log']:.3f}, a power {r2['power']:.3f}, a straight line "
        f"{r2['linear']:.3f}; of these three with two parameters each the logarithm is best (also "
        f"by AIC) in {wins} of {len(run_statistics)} seeds. The whole change is "
        f"{100 * intervals[f'{name}_change'].value:+.2g}%. The "
        f"exponent depends on the points taken: from epoch {LEARNT} on "
        f"{_shown(intervals, f'{name}_bend_late')}, evenly in log time "
        f"{_shown(intervals, f'{name}_bend_even')}.",
        control=f"shuffled labels: p {_shown(control, f'{name}_bend')}; squared weights: "
        f"p {_shown(intervals, 'weight_norm2_bend')}",
        unit="exponent p",
    )


def _direction(name: str, sign: int, intervals: Intervals, control: Intervals) -> Finding:
    slope, change = intervals[f"{name}_slope_whole"], intervals[f"{name}_change"]
    verb, unit = {"htse": ("grows", ""), "hsie": ("falls", "bits ")}[name]
    ends_of_change = (
        "" if np.isnan(change.low) else f" [{100 * change.low:+.2g}%, {100 * change.high:+.2g}%]"
    )
    return Finding(
        claim=f"{SYMBOL[name]} {verb} while a network trains",
        prediction=f"slope {'above' if sign > 0 else 'below'} 0 on the logarithm of the epoch, "
        "over all points, as the demo fits it",
        source=SOURCE,
        measured=slope.value,
        low=slope.low,
        high=slope.high,
        verdict=at_least(slope, 0.0) if sign > 0 else at_most(slope, 0.0),
        answer=f"Each factor e of epochs adds {_shown(intervals, f'{name}_slope_whole')} {unit}to "
        f"{SYMBOL[name]}; from the untrained network to the end it changes by "
        f"{100 * change.value:+.2g}%{ends_of_change}.",
        control=f"shuffled labels: {_shown(control, f'{name}_slope_whole')}",
        unit=f"{unit}per factor e",
    )


def _weights(name: str, intervals: Intervals, control: Intervals) -> Finding:
    r2 = intervals[f"{name}_r2_weights"]
    return Finding(
        claim=f"{SYMBOL[name]} tells more of a network in training than that its weights grow",
        prediction="it measures how the network abstracts and compresses: a straight line in the "
        f"squared weights leaves out more than {100 * (1 - EXPLAINED):.0f}% (R² below {EXPLAINED})",
        source=SOURCE,
        measured=r2.value,
        low=r2.low,
        high=r2.high,
        verdict=at_most(r2, EXPLAINED),
        answer=f"The sum of squared weights accounts for {SYMBOL[name]} with R² "
        f"{_shown(intervals, f'{name}_r2_weights', 4)}, the logarithm of time with "
        f"{_shown(intervals, f'{name}_r2_log', 4)}. Under logistic loss the weights of a network "
        "that has separated its classes go on growing about as the logarithm of time (Soudry et "
        "al. 1710.10345, for linear ones), and the entropies with them.",
        control=f"shuffled labels: R² {_shown(control, f'{name}_r2_weights')}",
        unit="R²",
    )


def _information(intervals: Intervals, control: Intervals) -> Finding:
    bits = intervals["information_input"]
    return Finding(
        claim="The first hidden unit compresses: it shares less with the input after training",
        prediction="I(X; T) falls, the sign of a compression phase",
        source=SOURCE,
        measured=bits.value,
        low=bits.low,
        high=bits.high,
        verdict=at_most(bits, 0.0),
        answer=f"I(X; T) changes by {_shown(intervals, 'information_input')} bits from the "
        f"untrained network to the end, I(T; Y) by {_shown(intervals, 'information_label')}.",
        control=f"shuffled labels: {_shown(control, 'information_input')} bits",
        unit="bits",
    )


STUDY = Study(
    name="path_dynamics",
    title="Path entropies along training on two moons",
    question="Do path entropies follow the logarithm of training time, and do they tell more than "
    "that the weights grow?",
    prediction="In the compression phase H'_TSE grows and H'_SIE falls by precise logarithmic laws "
    "of training time.",
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
        "The compression phase, which the source names and does not define, is taken from the "
        "highest H'_SIE of a run to its end.",
        "Points are measured after 0, 10, 20, ... passes; the demo measures after 1, 11, 21, ... "
        "and calls them 0, 10, 20. Its logarithm of epoch + 1 is kept.",
        "The demo sets no seed and stores no output: there is no number of its own to reach.",
        "Points along one run are not independent, so intervals are over seeds alone, and AIC "
        "serves only to rank forms with equally many parameters.",
        "There is no test set: test columns are of the training examples.",
    ),
)
