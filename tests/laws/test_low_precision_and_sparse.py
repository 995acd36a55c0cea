"""Laws of precision, sparsity, granularity and vocabulary: published values and what they say."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from allometry import laws
from allometry.errors import UsageError
from allometry.fitting.fit import fit
from allometry.laws.precision import effective
from allometry.tables.read import read_table
from allometry.tables.table import Table

N = np.geomspace(3e7, 3e9, 6).repeat(20)
D = np.tile(np.geomspace(1e9, 1e11, 5).repeat(4), 6)
FOURTH = np.arange(120) % 4

# Krajewski et al. 2402.07871, table of fitted coefficients: with experts, and of dense models.
EXPERTS = {"a": 18.1, "alpha": 0.115, "b": 30.8, "beta": 0.147, "g": 2.1, "gamma": 0.58, "c": 0.47}
DENSE = {"A": 16.3, "alpha": 0.126, "B": 26.7, "beta": 0.127, "E": 0.47}
# Abnar et al. 2501.12370, coefficients of eq. 6.
SPARSE = {
    "a": 16612.5, "alpha": 0.5962, "b": 5455.67, "beta": 0.3954, "c": 0.4598, "lambda": -0.1666,
    "d": 17.26, "delta": 0.1603, "gamma": 0.1595, "e": 0.94,
}  # fmt: skip
# Kumar et al. 2411.04330: those of N; E, B and beta are of this test.
BITS = {"gamma_w": 2.6745, "gamma_a": 2.2102, "gamma_kv": 0.9578}
LOW = {"A": 4299.0, "alpha": 0.4965, "B": 2e4, "beta": 0.5, "E": 2.5, **BITS}
# Tao et al. 2407.13623, approach 3: N_nv and N_v in millions, H in thousand millions.
VOCABULARY = {
    "E": 5.533, "A1": 1.831 * 1e6**0.447, "alpha1": 0.447, "A2": 0.196 * 1e6**0.671,
    "alpha2": 0.671, "B": 2.124 * 1e9**0.447, "beta": 0.447,
}  # fmt: skip
# Width of the models by N_nv, from embed_dim of the authors' table.
WIDTH = {33222784: 512, 84834176: 768, 150834176: 768, 316445568: 1024, 631668352: 1536,
         1129891136: 2048}  # fmt: skip


def fitted(law, values, sizes, **options):
    table = Table({**sizes, "L": laws.named(law).evaluate(values, sizes)[0]})
    columns = {s: s for s in (*sizes, "L")}
    return fit(table, law, columns, objective="squared_log", resamples=0, **options)


def test_the_published_granularity_law_is_recovered():
    sizes = {"N": N, "D": D, "G": 2.0 ** (2 * FOURTH)}
    made = fitted("moe_krajewski", EXPERTS, sizes)
    assert made.status.code == "noise_free"
    assert made.values == pytest.approx(EXPERTS, rel=1e-4)


def test_at_infinite_granularity_experts_follow_chinchilla():
    fine = laws.moe_krajewski.evaluate(EXPERTS, {"N": N, "D": D, "G": np.full(120, 1e60)})
    names = {"E": "c", "A": "a", "B": "b", "alpha": "alpha", "beta": "beta"}
    plain = {name: EXPERTS[same] for name, same in names.items()}
    assert fine == pytest.approx(laws.chinchilla.evaluate(plain, {"N": N, "D": D}), rel=1e-12)


def test_published_experts_gain_on_dense_models_as_both_grow():
    sizes = {"N": np.array([1e9, 1e10, 1e11]), "D": np.array([2e10, 2e11, 2e12])}
    dense = laws.chinchilla.evaluate(DENSE, sizes)[0]
    experts = laws.moe_krajewski.evaluate(EXPERTS, {**sizes, "N": 64 * sizes["N"], "G": 8.0})[0]
    assert (experts < dense).all()
    assert (np.diff((experts - 0.47) / (dense - 0.47)) < 0).all()


def test_the_published_sparsity_law_is_recovered():
    sizes = {"N": N, "D": D, "S": np.array([0.0, 0.5, 0.9, 0.98])[FOURTH]}
    made = fitted("sparsity", SPARSE, sizes)
    assert made.rows == 120  # those with S = 0 among them
    assert made.status.code == "noise_free"
    assert made.values == pytest.approx(SPARSE, rel=1e-3)


def test_dense_models_of_the_sparsity_law_have_a_plain_sum_of_powers():
    p, n, d = SPARSE, 1e9, 2e10
    expected = (
        p["a"] * n ** -p["alpha"] + p["b"] * d ** -p["beta"] + p["c"] + p["e"]
        + p["d"] * n ** -p["gamma"]
    )  # fmt: skip
    value = laws.sparsity.evaluate(p, {"N": [n], "D": [d], "S": [0.0]})[0]
    assert value == pytest.approx([expected], rel=1e-12)


def test_the_published_bits_are_recovered():
    rng = np.random.default_rng(0)
    bits = {
        symbol: rng.choice([3.0, 4.0, 6.0, 8.0, 12.0], 120) for symbol in ("P_w", "P_a", "P_kv")
    }
    made = fitted("precision", LOW, {"N": N, "D": D, **bits})
    assert made.status.code == "noise_free"
    assert made.values == pytest.approx(LOW, rel=1e-3)


def test_only_the_bits_that_are_mapped_take_part():
    values = {k: v for k, v in LOW.items() if k not in ("gamma_a", "gamma_kv")}
    law = laws.precision.of_sizes(("N", "D", "P_w"))
    sizes = {"N": N, "D": D, "P_w": np.array([3.0, 4.0, 8.0, 16.0])[FOURTH]}
    table = Table({**sizes, "L": law.evaluate(values, sizes)[0]})
    made = fit(table, "precision", {s: s for s in (*sizes, "L")}, objective="squared_log",
               resamples=0)  # fmt: skip
    assert made.values == pytest.approx(values, rel=1e-3)
    with pytest.raises(UsageError, match="at least one of P_w, P_a, P_kv"):
        fit(table, "precision", {"N": "N", "D": "D", "L": "L"}, resamples=0)


def test_with_many_bits_precision_is_chinchilla():
    many = {symbol: np.full(120, 1e3) for symbol in ("P_w", "P_a", "P_kv")}
    plain = {name: LOW[name] for name in laws.chinchilla.names}
    expected = laws.chinchilla.evaluate(plain, {"N": N, "D": D})
    value = laws.precision.evaluate(LOW, {"N": N, "D": D, **many})
    assert value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("compute", [1e20, 1e24])
def test_the_best_bits_do_not_depend_on_compute(compute):
    """With one gamma and cost N D P the best u = P/gamma solves 3 u e^-u = 1 - e^-u."""
    one = LOW | dict.fromkeys(BITS, 2.6745)

    def loss(bits, d):
        sizes = {"N": compute / d / bits, "D": d, "P_w": bits, "P_a": bits, "P_kv": bits}
        return laws.precision.evaluate(one, {s: np.array([v]) for s, v in sizes.items()})[0][0]

    best = minimize_scalar(lambda bits: loss(bits, 1e10), bounds=(1, 20), method="bounded",
                           options={"xatol": 1e-9})  # fmt: skip
    u = brentq(lambda u: 3 * u * np.exp(-u) - 1 + np.exp(-u), 1, 5)
    assert u == pytest.approx(1.90381, abs=5e-6)
    assert best.x == pytest.approx(u * 2.6745, rel=1e-5)
    assert best.x == pytest.approx(5.09, abs=5e-3)


def test_missing_bits_are_missing_parameters():
    columns = {name: np.array([[v]]) for name, v in LOW.items()}
    sizes = {"N": np.array([1e9]), "P_w": np.array([4.0]), "P_a": np.array([8.0]),
             "P_kv": np.array([16.0])}  # fmt: skip
    shares = [1 - np.exp(-b / g) for b, g in zip((4, 8, 16), BITS.values(), strict=True)]
    assert effective(columns, sizes) == pytest.approx(1e9 * np.prod(shares), rel=1e-12)


def vocabulary_runs(folder, part):
    table = read_table(folder / "scalebench" / f"vocab.{part}.csv")
    width = np.array([WIDTH[int(n)] for n in table["non_vocab_parameters"]])
    return table.with_columns(width=width)


def test_a_vocabulary_law_is_recovered_though_losses_are_negative():
    rng = np.random.default_rng(0)
    sizes = {"N_nv": N, "N_v": rng.permutation(np.geomspace(2e6, 2e8, 120)), "H": D}
    loss = laws.vocabulary.evaluate(VOCABULARY, sizes)[0]
    assert loss.max() < 0
    made = fit(Table({**sizes, "L": loss}), "vocabulary", {s: s for s in (*sizes, "L")},
               resamples=0)  # fmt: skip
    assert made.objective.name == "squared"
    assert made.values == pytest.approx(VOCABULARY, rel=1e-3)


def test_runs_with_a_larger_vocabulary_are_predicted(reference):
    """By a fit of all data the benchmark's authors have R2 .93 on them, over ten laws."""
    runs, larger = (vocabulary_runs(reference, part) for part in ("train", "test"))
    columns = {"N_nv": "non_vocab_parameters", "N_v": "vocab_size*width", "H": "num_characters",
               "L": "unigram_normalized_loss"}  # fmt: skip
    made = fit(runs, "vocabulary", columns, resamples=0)
    sizes = {
        "N_nv": larger["non_vocab_parameters"],
        "N_v": larger["vocab_size"] * larger["width"],
        "H": larger["num_characters"],
    }
    loss = larger["unigram_normalized_loss"]

    def r_squared(predicted):
        return 1 - ((loss - predicted) ** 2).sum() / ((loss - loss.mean()) ** 2).sum()

    assert r_squared(made.predict(sizes)) > 0.93
    assert r_squared(laws.vocabulary.evaluate(VOCABULARY, sizes)[0]) < r_squared(
        made.predict(sizes)
    )
    # At a given number of characters a larger vocabulary has a larger loss here, which the law
    # cannot say: its part of the vocabulary falls to nothing.
    assert "A2" in made.certificate.active_bounds
