"""The toy model trained: the notebook's and the published code's printed numbers."""

from functools import cache

import numpy as np
import pytest

from allometry.studies.grokking.analysis import PRINTED
from allometry.studies.grokking.measures import learnt, unit_deviation
from allometry.studies.grokking.procedure import ToyTraining, train_runs
from allometry.studies.grokking.reruns import SUMMED, as_rounded
from allometry.studies.grokking.spec import ToyModel
from allometry.studies.grokking.start import draw_start
from allometry.studies.grokking.theory import EffectiveTheory
from allometry.studies.grokking.trajectory import phase

PUBLISHED = {
    "protocol": "published", "output_dim": 30, "eta_repr": 1e-3, "eta_dec": 1e-4, "epochs": 5_000,
}  # fmt: skip
S3 = {
    "protocol": "permutations", "operation": "permutations", "n_train": 24, "latent_dim": 9,
    "output_dim": 30, "eta_repr": 1e-3, "init_scale": 0.1, "sparsity": 1e-3,
}  # fmt: skip


@cache
def notebook():
    """Seed 4 as the notebook has it, and inside it the learning rates exchanged."""
    (course,) = train_runs([ToyModel(seed=4, epochs=3_000, control="swapped")])
    return course


@cache
def published():
    (course,) = train_runs([ToyModel(seed=58, **PUBLISHED)])
    return course


def test_seed_4_prints_what_the_notebook_printed():
    loss = notebook().loss
    assert as_rounded(loss[[0, 100]].astype(float), PRINTED[:2], units=SUMMED).all()
    np.testing.assert_allclose(loss[[200, 300]], PRINTED[2:4], rtol=1e-4)
    # From here on the last digit of a start decides: the study holds it to re-runs in PyTorch.
    np.testing.assert_allclose(loss[:1_501:100], PRINTED[:16], rtol=0.1)


def test_another_seed_prints_something_else():
    (course,) = train_runs([ToyModel(seed=5, epochs=1)])
    assert course.loss[0] == pytest.approx(1.01850033, rel=2e-7)  # toy_model.ipynb
    assert abs(course.loss[0] / PRINTED[0] - 1) > 0.1


def test_the_notebooks_rates_memorise():
    course = notebook()
    assert course.phase() == "M"
    assert course.train_accuracy[-1] == 1
    assert course.test_accuracy[-1] == pytest.approx(0.2, abs=0.11)
    assert course.rqi[-1] == pytest.approx(0.21, abs=0.05)
    assert course.times()["t_test"] == course.spec.epochs - 1


def test_exchanged_rates_understand():
    course = notebook().control
    assert course.phase() == "C"
    measured, wanted = course.times(), {"t_train": 1433, "t_test": 2078, "t_rqi": 912}
    assert measured == {name: pytest.approx(t, rel=0.1) for name, t in wanted.items()}
    assert course.test_accuracy[-1] == pytest.approx(0.9)  # what the training set allows
    assert course.rqi[-1] == 1
    np.testing.assert_allclose(course.loss[[1_000, 2_000]], [0.42033, 0.07586], rtol=1e-3)


def test_the_published_code_at_its_defaults():
    course = published()
    assert course.loss[0] == pytest.approx(0.98126620, rel=2e-7)
    np.testing.assert_allclose(
        course.loss[[1_000, 2_000, 3_000, 4_000]],
        [0.43041229, 0.10177837, 0.02234229, 0.00274832],
        rtol=1e-3,
    )
    wanted = {"t_train": 1130, "t_test": 1530, "t_rqi": 800}
    assert course.times() == {name: pytest.approx(t, rel=0.05) for name, t in wanted.items()}


def test_two_dimensions_find_no_line():
    (course,) = train_runs([ToyModel(seed=58, latent_dim=2, **{**PUBLISHED, "epochs": 1_500})])
    assert course.loss[0] == pytest.approx(0.96222609, rel=2e-7)
    assert course.times()["t_train"] == pytest.approx(849, rel=0.05)
    assert course.rqi[-1] < 0.6


def test_the_effective_theory_follows_the_published_numbers():
    """Loss at the logged steps 0, 1000, 2000 from the representation after one update."""
    spec = ToyModel(seed=58, **{**PUBLISHED, "epochs": 1})
    (course,) = train_runs([spec])
    theory = EffectiveTheory.published(course.task)
    along = theory.integrate(unit_deviation(course.latent[-1, :, 0]), spec.eta_repr, 2_001)
    loss = ((along[[0, 1_000, 2_000]] @ theory.rows.T) ** 2).sum(axis=1)
    np.testing.assert_allclose(loss[:2], [397.76652391, 0.03198431], rtol=2e-4)
    assert loss[2] == pytest.approx(4e-8, abs=1e-8)


def test_permutations_are_understood_too():
    (course,) = train_runs([ToyModel(seed=0, eta_dec=1e-3, epochs=600, **S3)])
    assert len(course.task.parallelograms) == 90
    assert course.phase() == "C"
    assert course.test_accuracy[-1] == 1


def test_cross_entropy_starts_near_the_logarithm_of_19():
    (course,) = train_runs([ToyModel(seed=1, loss="ce", **{**PUBLISHED, "epochs": 1_000})])
    assert course.loss[0] == pytest.approx(np.log(19), rel=0.05)
    assert course.loss[-1] < 0.6 * course.loss[0]


def test_the_encoders_weights_can_be_trained_as_well():
    """The notebook's other branch: the same first outputs, another course."""
    specs = [ToyModel(seed=4, epochs=50, encoder=kind) for kind in ("table", "network")]
    table, network = (train_runs([spec])[0] for spec in specs)
    assert network.loss[0] == pytest.approx(table.loss[0], rel=1e-6)
    np.testing.assert_allclose(network.latent[0], table.latent[0], rtol=1e-5)
    assert network.loss[-1] < network.loss[0]
    assert abs(network.loss[-1] / table.loss[-1] - 1) > 1e-4


def test_weight_decay_pulls_the_decoder_in():
    specs = [ToyModel(seed=58, weight_decay=w, **{**PUBLISHED, "epochs": 400}) for w in (0.0, 10.0)]
    free, held = (train_runs([spec])[0] for spec in specs)
    assert held.loss[0] == free.loss[0]
    assert held.loss[-1] > free.loss[-1]


def test_a_run_is_the_same_in_any_company():
    alone = train_runs([ToyModel(seed=4, epochs=700)])[0]
    rates = [ToyModel(seed=4, epochs=700, eta_dec=rate) for rate in (1e-4, 1e-3, 1e-2)]
    again = train_runs(rates)[1]
    np.testing.assert_array_equal(alone.loss, again.loss)
    np.testing.assert_array_equal(alone.latent, again.latent)
    np.testing.assert_array_equal(alone.test_right, again.test_right)


def test_records_end_where_the_run_does():
    course = train_runs([ToyModel(seed=4, epochs=501)])[0]
    assert len(course.loss) == len(course.parallelograms) == 501
    assert (course.loss > 0).all()
    assert course.latent_update[[0, -1]].tolist() == [0, 501]
    assert len(course.latent) == len(course.latent_update)


def test_the_caller_hears_of_every_update_and_of_errors():
    told = []
    train_runs([ToyModel(seed=4, epochs=700, control="swapped")], told.append)
    assert sum(told) == 1_400

    def fails(updates):
        raise RuntimeError("no screen")

    with pytest.raises(RuntimeError, match="no screen"):
        train_runs([ToyModel(seed=4, epochs=700)], fails)


def test_moments_of_measuring():
    """`published` looks at the training answers after the update, at the test answers before."""
    spec = ToyModel(seed=58, **{**PUBLISHED, "epochs": 600, "eta_dec": 1e-3})
    longer = spec.model_copy(update={"epochs": 601})
    (one,), (two,) = train_runs([spec]), train_runs([longer])
    np.testing.assert_array_equal(one.train_right, two.train_right[:600])
    np.testing.assert_array_equal(one.test_right, two.test_right[:600])


@pytest.mark.parametrize(
    ("train", "test", "letter"),
    [(None, None, "X"), (5, None, "M"), (5, 1_004, "C"), (5, 1_005, "G"), (None, 3, "X")],
)
def test_phases_by_the_rule_of_the_paper(train, test, letter):
    assert phase(train, test) == letter


def test_draws_come_in_the_notebooks_order():
    """NumPy: training set, inputs, templates; PyTorch: encoder, decoder, by `test_draws`."""
    start, numbers = draw_start(ToyModel(seed=4)), np.random.RandomState(4)
    np.testing.assert_array_equal(start.train, numbers.choice(55, 45, replace=False))
    np.testing.assert_array_equal(start.inputs, numbers.normal(size=(10, 10)).astype("f"))
    np.testing.assert_array_equal(start.templates, numbers.normal(size=(19, 10)).astype("f"))
    assert [w.shape for w, _ in start.decoder] == [(1, 200), (200, 200), (200, 10)]


def test_draws_equal_pytorchs():
    torch = pytest.importorskip("torch")
    start = draw_start(ToyModel(seed=58, **PUBLISHED))
    torch.manual_seed(58)
    np.testing.assert_array_equal(start.latent, (torch.rand(10, 1) - 1 / 2).numpy())
    for (weight, bias), (a, b) in zip(
        start.decoder, ((1, 200), (200, 200), (200, 30)), strict=True
    ):
        layer = torch.nn.Linear(a, b)
        np.testing.assert_array_equal(weight, layer.weight.detach().numpy().T)
        np.testing.assert_array_equal(bias, layer.bias.detach().numpy())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"n_train": 55}, "n_train below 55"),
        ({"operation": "permutations", "latent_dim": 8, "n_train": 24}, "a square"),
        ({"encoder": "network", "protocol": "published"}, "notebook's protocol"),
    ],
)
def test_choices_that_do_not_fit_are_refused(fields, said):
    with pytest.raises(ValueError, match=said):
        ToyModel(seed=0, **fields)


def test_packs_hold_what_shares_a_program():
    specs = [ToyModel(seed=s, eta_dec=r) for s in (0, 1) for r in (1e-3, 1e-4)]
    packs = ToyTraining().packs([*specs, ToyModel(seed=0, loss="ce")])
    assert [len(pack.specs) for pack in packs] == [2, 2, 1]


def test_a_row_has_the_spec_and_the_contract_reads_it():
    (pack,) = ToyTraining().packs([ToyModel(seed=4, epochs=30)])
    (result,) = ToyTraining().run(pack, {"learnt": learnt}, {}, lambda n: None)
    assert result.row["eta_repr"] == 1e-4
    assert result.row["t_test"] == 29
    assert result.row["phase"] == "X"
    kept = sum(array.nbytes for array in result.trajectories.values())
    assert kept < 30 * 7 + 200 * 44, "loss in four bytes an epoch, counts in one"
