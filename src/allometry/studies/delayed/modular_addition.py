"""Does a transformer grok addition modulo p, and do its embeddings then lie on circles?

Power et al. 2201.02177 found it, Liu et al. 2205.10343 (section 4.2, appendix F) saw the
embeddings form a circle and their principal components grow few, Nanda et al. 2301.05217
read the algorithm off a one-layer transformer: rotations at a few frequencies. Their
network, small enough for two cores, with seeds, intervals, fractions of the table
shown, the untrained embeddings and the same network without weight decay.
"""

from collections.abc import Sequence

import numpy as np

from allometry import measures
from allometry.datasets.modular import ModularAddition
from allometry.findings import Finding, Verdict, at_least, at_most, contains
from allometry.measures import Network
from allometry.measures.norms import weight_norm
from allometry.models import OneLayerTransformer
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import AdamW
from allometry.stats import lines
from allometry.stats.interval import Interval
from allometry.stats.means import mean, mean_share
from allometry.studies.delayed.delay import (
    LAG,
    PHASES,
    Course,
    at,
    courses,
    each_seed,
    edges_of,
    in_words,
    law_by_seed,
    times_of,
)
from allometry.studies.delayed.fourier import LARGEST, embedding_courses, embedding_structure
from allometry.studies.delayed.mirrored import mirrored_accuracy
from allometry.studies.delayed.modular_figures import (
    GENERALISED,
    embeddings_on_a_ring,
    frequencies_before_and_after,
    sums_along_training,
    time_by_fraction,
)
from allometry.study import Study
from allometry.tables.table import Table

LIU = (
    "Z. Liu, O. Kitouni, N. Nolte, E. Michaud, M. Tegmark, M. Williams 2022, Towards "
    "Understanding Grokking, arXiv 2205.10343, section 4.2 and appendix F"
)
POWER = "A. Power, Y. Burda, H. Edwards, I. Babuschkin, V. Misra 2022, Grokking, arXiv 2201.02177"
NANDA = (
    "N. Nanda, L. Chan, T. Lieberum, J. Smith, J. Steinhardt 2023, Progress measures for "
    "grokking via mechanistic interpretability, arXiv 2301.05217"
)

# size: modulus, updates, fractions of the table shown, the one also trained without decay
SIZES = {
    "quick": (31, 1_500, (0.5, 0.7), 0.7),
    "paper": (53, 8_000, (0.3, 0.35, 0.4, 0.5, 0.6, 0.8), 0.4),
}
POINTS = {"quick": 15, "paper": 80}  # along each run


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """A transformer at every fraction and seed, all pairs shown in each update; and one without
    weight decay."""
    p, updates, fractions, control = SIZES[size]
    plan = [(fraction, 1.0) for fraction in fractions] + [(control, 0.0)]
    return [
        _run(seed, p, fraction, weight_decay, updates, updates // POINTS[size])
        for seed in seeds
        for fraction, weight_decay in plan
    ]


def _run(
    seed: int, p: int, fraction: float, weight_decay: float, updates: int, every: int
) -> RunSpec:
    data = ModularAddition(p=p, fraction=fraction)
    return RunSpec(
        model=OneLayerTransformer(p=p, d_model=64, n_heads=4, d_mlp=256),
        data=data,
        train=TrainSpec(
            # b2 = 0.98 as in Power et al. and Nanda et al.
            optimizer=AdamW(learning_rate=1e-3, weight_decay=weight_decay, b2=0.98),
            epochs=updates,
            batch_size=data.n_data,
            measure_every=every,
        ),
        seed=seed,
    )


def settings(net: Network) -> dict[str, float]:
    """`p`, `fraction` of the table shown, `weight_decay` of the run."""
    data, optimizer = net.spec.data, net.spec.train.optimizer
    return {
        "p": getattr(data, "p", 0),
        "fraction": getattr(data, "fraction", 0.0),
        "weight_decay": getattr(optimizer, "weight_decay", 0.0),
    }


# ---- what was found ----------------------------------------------------------------------

CRITICAL = 0.4  # of the toy model (2205.10343, section 3 and Figure 4)
SPARSE = 0.8  # share of the variance in `LARGEST` frequencies from which they are the embedding
ROUND = 0.8  # share of two components at one frequency from which they are a ring


def analyse(table: Table) -> list[Finding]:
    """What the sources claim beside the measurement, untrained embeddings and no weight decay."""
    found = courses(table, GENERALISED)
    decayed = [c for c in found if c.row["weight_decay"] > 0]
    without = [c for c in found if c.row["weight_decay"] == 0]
    decayed = decayed or found
    fraction = float(without[0].row["fraction"]) if without else _middle(decayed)
    if fraction not in {c.row["fraction"] for c in decayed}:
        fraction = _middle(decayed)
    own = [c for c in decayed if c.row["fraction"] == fraction]
    return [
        _late(decayed, without, fraction),
        _critical(decayed),
        _more_data(decayed),
        _sparse(decayed, without),
        _fewer_components(decayed, without),
        _ring(decayed, without),
        _nothing_but_its_pairs(own),
    ]


def _middle(found: Sequence[Course]) -> float:
    fractions = sorted({float(c.row["fraction"]) for c in found})
    return fractions[len(fractions) // 2]


def _late(found: Sequence[Course], without: Sequence[Course], fraction: float) -> Finding:
    own = [c for c in found if c.row["fraction"] == fraction]
    parts = sorted({float(c.row["fraction"]) for c in found})
    phases = ((f, "".join(c.phase for c in found if c.row["fraction"] == f)) for f in parts)
    lag = mean([c.lag for c in own])
    never = sum(np.isnan(c.t_test) for c in without)
    ends = mean_share([float(c.along["test_accuracy"][-1]) for c in without])
    return Finding(
        claim="The transformer groks addition: it generalises long after it learns by heart",
        prediction=f"{LAG:,} updates or more lie between (grokking, Table 1 of 2205.10343)",
        source=LIU,
        measured=lag.value,
        low=lag.low,
        high=lag.high,
        verdict=at_least(lag, LAG),
        answer=f"Shown {fraction:.0%} of the table it has 90% of that right after "
        f"{in_words(mean([c.t_train for c in own]))} updates and {GENERALISED:.0%} of the rest "
        f"after {in_words(mean([c.t_test for c in own]))}: "
        + ", ".join(PHASES[c.phase] for c in own)
        + ", by seed. Phases by the part shown: "
        + ", ".join(f"{part:.0%} {letters}" for part, letters in phases)
        + ".",
        control=f"without weight decay {never} of {len(without)} runs never generalise within "
        f"{without[0].step[-1]:,.0f} updates and end with {in_words(ends, 2)} of the rest right"
        if without
        else "not run",
        unit="updates later" if np.isfinite(lag.value) else "",
    )


def _critical(found: Sequence[Course]) -> Finding:
    """Between the largest fraction from which a seed does not generalise and the next."""
    fractions = sorted({float(c.row["fraction"]) for c in found})
    edges = edges_of(found, "fraction")
    ends = Interval(np.nan, np.nan, np.nan)
    if edges:
        low, high = min(e[0] for e in edges), max(e[1] for e in edges)
        middle = float(np.mean([sum(edge) / 2 for edge in edges]))
        ends = Interval(middle, low, high) if len(edges) > 1 else ends._replace(value=middle)
    return Finding(
        claim="Below a critical part of the table the network never generalises",
        prediction=f"a critical fraction about {CRITICAL}, as in the toy model (Figure 4)",
        source=LIU,
        measured=ends.value,
        low=ends.low,
        high=ends.high,
        verdict=contains(ends, CRITICAL),
        answer=f"Within {max(c.step[-1] for c in found):,.0f} updates the edge lies between "
        + ", ".join(f"{low:.0%} and {high:.0%}" for low, high in edges)
        + " of the table, by seed (the interval is their range)."
        if edges
        else f"From {fractions[0]:.0%} to {fractions[-1]:.0%} of the table all runs end alike: the "
        "edge is not among the fractions tried.",
        control="all runs know their own part by heart: training accuracy "
        + in_words(mean_share([float(c.along["train_accuracy"][-1]) for c in found]), 3),
        unit="of the table" if edges else "",
    )


def _more_data(found: Sequence[Course]) -> Finding:
    laws = law_by_seed(found, "fraction")
    slope = mean([law.slope for law in laws.values()])
    flat = mean([_train_slope(found, seed) for seed in laws])
    return Finding(
        claim="The more of the table is shown, the sooner the network generalises",
        prediction="the time falls steeply with the fraction shown (Figure 1, section 3.1.1): an "
        "exponent below 0",
        source=POWER,
        measured=slope.value,
        low=slope.low,
        high=slope.high,
        verdict=at_most(slope, 0.0),
        answer=f"Of the runs that generalise the time goes as the fraction's power "
        f"{in_words(slope)}; runs that never do are left out, so this is the least it falls."
        if laws
        else "Fewer than three fractions generalise at any seed: no law is drawn.",
        control=f"exponent of the time to learn its own part: {in_words(flat)}" if laws else "",
        unit="exponent" if laws else "",
    )


def _train_slope(found: Sequence[Course], seed: int) -> float:
    own = [c for c in found if c.row["seed"] == seed and np.isfinite(c.t_test)]
    return lines.log_line(
        np.array([c.row["fraction"] for c in own], float), np.array([c.t_train for c in own])
    ).slope


def _learnt(found: Sequence[Course]) -> list[Course]:
    return [c for c in found if np.isfinite(c.t_test)]


def _ends(found: Sequence[Course], name: str, point: int = -1) -> Interval:
    """A column at one point, its mean over each seed's runs and then over seeds."""
    by_seed = each_seed(found, lambda own: float(np.mean([c.along[name][point] for c in own])))
    return (mean_share if name.endswith("share") else mean)(list(by_seed.values()))


def _controls(found: Sequence[Course], without: Sequence[Course], name: str) -> str:
    return (
        f"untrained embeddings {in_words(_ends(found, name, 0))}; trained without weight decay "
        f"{in_words(_ends(without, name)) if without else 'not run'}"
    )


def _sparse(found: Sequence[Course], without: Sequence[Course]) -> Finding:
    learnt = _learnt(found)
    share = _ends(learnt, "fourier_share")
    return Finding(
        claim="A network that generalises keeps its numbers at a few frequencies",
        prediction=f"the embedding is sparse in Fourier space: {LARGEST} frequencies hold nearly "
        f"all of its variance (section 4.1), granted from {SPARSE:.0%} on",
        source=NANDA,
        measured=share.value,
        low=share.low,
        high=share.high,
        verdict=at_least(share, SPARSE),
        answer=f"At the end of the {len(learnt)} runs that generalise the {LARGEST} largest "
        f"frequencies hold {in_words(share)} of the variance of the embeddings, of "
        f"{int(found[0].row['p']) // 2} frequencies there are.",
        control=_controls(found, without, "fourier_share"),
        unit="of the variance" if np.isfinite(share.value) else "",
    )


def _fewer_components(found: Sequence[Course], without: Sequence[Course]) -> Finding:
    """The fall of the entropy from knowing by heart to generalising, and of those that do not."""
    learnt = _learnt(found)

    def fall(own: Sequence[Course]) -> float:
        return float(np.mean([
            at(c, "pca_entropy", c.t_test) - at(c, "pca_entropy", c.t_train) for c in own
        ]))  # fmt: skip

    change = mean(list(each_seed(learnt, fall).values()))
    ends = _ends(learnt, "pca_entropy")
    return Finding(
        claim="The principal components of the embeddings grow few as the network generalises",
        prediction="the entropy of their spectrum falls with generalising (appendix F): a change "
        "below 0 between knowing by heart and generalising",
        source=LIU,
        measured=change.value,
        low=change.low,
        high=change.high,
        verdict=at_most(change, 0.0),
        answer=f"Between the two the entropy changes by {in_words(change, 2)} nats; at the end it "
        f"is {in_words(ends)}, as of {np.exp(ends.value):.1f} equal components."
        if np.isfinite(change.value)
        else "No run generalises.",
        control=_controls(found, without, "pca_entropy"),
        unit="nats" if np.isfinite(change.value) else "",
    )


def _ring(found: Sequence[Course], without: Sequence[Course]) -> Finding:
    learnt = _learnt(found)
    share = _ends(learnt, "ring_share")
    best = mean_share([float(c.along["ring_share"][c.step >= c.t_test].max()) for c in learnt])
    rings = sum(float(c.along["ring_share"][-1]) >= ROUND for c in learnt)
    return Finding(
        claim="The first two principal components of the embeddings are a circle",
        prediction="numbers lie on a ring in the plane of the first two components: they share one "
        f"frequency, granted from {ROUND:.0%} of their variance on",
        source=LIU,
        measured=share.value,
        low=share.low,
        high=share.high,
        verdict=at_least(share, ROUND),
        answer=f"At the end one frequency holds {in_words(share)} of the variance of the first two "
        f"components, a ring in {rings} of {len(learnt)} runs that generalise; at their roundest "
        f"after generalising {in_words(best)}. Frequencies equally strong are mixed in them.",
        control=_controls(found, without, "ring_share"),
        unit="of their variance" if np.isfinite(share.value) else "",
    )


def _nothing_but_its_pairs(own: Sequence[Course]) -> Finding:
    """Accuracies on mirrored and on other pairs halfway (in log time) through the delay."""

    def half(name: str) -> list[float]:
        ends = [(c, c.t_test if np.isfinite(c.t_test) else c.step[-1]) for c in own]
        return [at(c, name, float(np.sqrt(c.t_train * end))) for c, end in ends]

    known, other = half("accuracy_mirrored"), half("accuracy_unmirrored")
    gap = mean((np.array(known) - np.array(other)).tolist())
    gap = gap._replace(high=min(gap.high, 1.0))
    # The source expects none: an interval above 0 speaks against it, one that holds 0 for nothing.
    verdict: Verdict = "disagrees" if gap.low > 0 else "undecided"
    return Finding(
        claim="Before it generalises the network knows nothing but the pairs it was shown",
        prediction="of pairs not shown it answers those whose mirror image was shown no better "
        "than the rest (difference 0)",
        source=POWER,
        measured=gap.value,
        low=gap.low,
        high=gap.high,
        verdict=verdict,
        answer="Halfway (in log time) through the delay it has of the pairs whose mirror image it "
        f"was shown {in_words(mean_share(known), 2)} right, of the rest "
        f"{in_words(mean_share(other), 2)}.",
        control=f"chance: {1 / float(own[0].row['p']):.2g}",
        unit="more right",
    )


def times(table: Table) -> Table:
    """Updates to learn the part shown, to generalise, and the phase of every finished run."""
    return times_of(courses(table, GENERALISED), ("fraction", "weight_decay"))


STUDY = Study(
    name="modular_addition",
    title="Grokking addition modulo p with a transformer",
    question="Does a small transformer grok addition modulo p, and do its embeddings then lie on "
    "circles?",
    prediction="It knows its part of the table by heart long before it knows the rest; then its "
    "numbers stand on circles of a few frequencies, and few principal components hold them",
    source=LIU,
    runs=runs,
    sizes=("quick", "paper"),
    seeds={"quick": (0, 1), "paper": (0, 1, 2)},
    measures={
        "losses": measures.losses,
        "settings": settings,
        "embedding": embedding_structure,
        "mirrored": mirrored_accuracy,
        "weights": weight_norm,
    },
    trajectory={
        "losses": measures.losses,
        "embedding": embedding_structure,
        "courses": embedding_courses,
        "mirrored": mirrored_accuracy,
        "weights": weight_norm,
    },
    analyse=analyse,
    figures=(
        sums_along_training,
        time_by_fraction,
        embeddings_on_a_ring,
        frequencies_before_and_after,
    ),
    views={"times": times},
    notes=(
        "One layer without layer norm, 64 wide (Nanda et al.: 128), modulus 53 as in Liu et al., "
        "whose transformer has two layers and is 256 wide and whose decoder has its own learning "
        "rate and weight decay: their phase diagrams over these are not drawn.",
        "In float32 the loss of a network that knows its part by heart underflows to zero and its "
        "gradient with it; without weight decay training then stands still, so the control says "
        "nothing of what float64 would do in the end.",
        "The fraction also trained without weight decay was chosen after a look at one seed.",
        "A time is read between two points along training, in a straight line in its logarithm.",
    ),
)
