"""What layers give: as the outputs need it, and the coordinate check of muP."""

from typing import Any

import jax
import numpy as np
import pytest

from allometry.datasets.teacher import Teacher
from allometry.errors import UsageError
from allometry.measures import activation_changes, activation_sizes, effective_rank
from allometry.models import CNN, MLP, ConvNet, EmbeddingDecoder, Model, OneLayerTransformer
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.losses import SquaredError
from allometry.spec.optimizers import SGD, Adam
from allometry.training.loop import train_pack
from allometry.training.procedure import Pack
from tests.measures.untrained import drawn_split, untrained

N = 120  # examples, more than units

CNN_IN: dict[str, Any] = {"image": (4, 4, 2), "outputs": 3}


@pytest.mark.parametrize(
    ("model", "hidden"),
    [
        (MLP(widths=(32, 9, 7, 3)), 2),
        (MLP(widths=(32, 8, 8, 3), residual=True, norm="group", norm_groups=2, dropout=0.5), 2),
        (MLP(widths=(32, 6, 3), parametrisation="ntk", bias=False, activation="sigmoid"), 1),
        (MLP(widths=(32, 3)), 0),
        (CNN(channels=(5, 6), **CNN_IN), 2),
        (CNN(channels=(5, 6), head="flatten", pool="mean", **CNN_IN), 2),
        (ConvNet(channels=1), 2),
        (EmbeddingDecoder(p=7, d_embed=4, hidden=(5, 6)), 2),
        (OneLayerTransformer(p=7, d_model=8, d_mlp=5), 2),
    ],
    ids=lambda part: type(part).__name__ if isinstance(part, Model) else "",
)
def test_outputs_are_linear_in_the_last_hidden_layer(model: Model, hidden: int) -> None:
    random = np.random.default_rng(0)
    n_in = {"ConvNet": 784}.get(type(model).__name__, 32)
    x: Any = random.normal(size=(N, n_in)).astype(np.float32)
    if hasattr(model, "p"):
        x = random.integers(0, model.p, (N, 2)).astype(np.float32)
    params = untrained(model, drawn_split(4, 2)).params
    *layers, outputs = jax.jit(model.layer_outputs)(dict(params), x)
    np.testing.assert_allclose(outputs, jax.jit(model.apply)(dict(params), x), rtol=1e-6)
    assert len(layers) == hidden and {len(layer) for layer in layers} <= {N}
    seen = np.asarray(layers[-1] if layers else x).reshape(N, -1)
    assert seen.shape[1] + 1 < N
    around = np.column_stack([seen, np.ones(N)]).astype(np.float64)
    rest = outputs - around @ np.linalg.lstsq(around, outputs, rcond=None)[0]
    assert np.abs(rest).max() < 1e-4 * np.abs(outputs).max()


def test_sizes_and_changes_are_means_over_examples_and_units() -> None:
    split = drawn_split(300, 5, classes=3)
    net = untrained(MLP(widths=(5, 9, 7, 3), activation="tanh"), split)
    moved = {name: array * np.float32(1.5) for name, array in net.params.items()}

    def layers(params: Any) -> list[Any]:
        units, found = split.train_x.astype(np.float64), []
        for i in range(3):
            sums = units @ params[f"weight{i}"].T + params[f"bias{i}"]
            units = sums if i == 2 else np.tanh(sums)
            found.append(units)
        return found

    before, after = layers(net.params), layers(moved)
    now = type(net)(**{**vars(net), "params": moved})
    sizes = [float(np.abs(a).mean()) for a in after]
    changes = [float(np.abs(a - b).mean()) for a, b in zip(after, before, strict=True)]
    names = ["activation_size_1", "activation_size_2", "output_size"]
    assert activation_sizes(now) == pytest.approx(dict(zip(names, sizes, strict=True)), rel=1e-5)
    names = [name.replace("size", "change") for name in names]
    found = activation_changes(now)
    assert found == pytest.approx(dict(zip(names, changes, strict=True)), rel=1e-5)
    assert set(activation_changes(net).values()) == {0.0}


# ---- the coordinate check ---------------------------------------------------------------------


def along(parametrisation: str, optimizer: Any, widths: tuple[int, ...]) -> list[dict[str, Any]]:
    """Trajectories of networks of these widths, means over two seeds."""
    base = {"base_width": 64} if parametrisation == "mup" else {}
    train = TrainSpec(
        optimizer=optimizer, steps=8, batch_size=64, loss=SquaredError(), measure_steps=4
    )
    data = Teacher(n_in=20, n_train=256, n_test=64, n_out=4)

    models = [
        MLP(widths=(20, width, width, 4), parametrisation=parametrisation, **base)
        for width in widths
    ]
    specs = [RunSpec(model=m, data=data, train=train, seed=seed) for m in models for seed in (0, 1)]
    measures = {"sizes": activation_sizes, "changes": activation_changes}
    results: Any = train_pack(Pack(tuple(specs)), {}, measures)
    one, two = ([result.trajectories for result in results[seed::2]] for seed in (0, 1))
    return [{name: (a[name] + b[name]) / 2 for name in a} for a, b in zip(one, two, strict=True)]


@pytest.mark.parametrize(
    "optimizer",
    [Adam(learning_rate=0.01), pytest.param(SGD(learning_rate=0.2), marks=pytest.mark.slow)],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_coordinates_of_mup_do_not_grow_with_the_width_and_of_the_standard_do(
    optimizer: Any,
) -> None:
    changes = ("activation_change_1", "activation_change_2", "output_change")
    sizes = ("activation_size_1", "activation_size_2")
    narrow, wide = along("mup", optimizer, (64, 1024))
    assert narrow["step"].tolist() == wide["step"].tolist() == [0, 1, 2, 4, 8]
    for column in (*changes, *sizes):
        ratios = wide[column][1:] / narrow[column][1:]
        assert ((ratios >= 0.67) & (ratios <= 1.5)).all(), (column, ratios)
    narrow, wide = along("standard", optimizer, (64, 1024))
    assert wide["output_change"][1] / narrow["output_change"][1] > 3
    assert wide["output_size"][1] / narrow["output_size"][1] > 3


# ---- refusals ---------------------------------------------------------------------------------


class Silent(Model):
    """A network that does not define the outputs of its layers."""

    def init(self, draws: Any) -> Any:
        return {"weight": draws.linear(5, 3)[0]}

    def apply(self, params: Any, x: Any) -> Any:
        return x @ params["weight"].T


class Other(MLP):
    """Something else than what the class computes that names the layers."""

    def apply(self, params: Any, x: Any) -> Any:
        return 2 * super().apply(params, x)


class Named(Other):
    """The same, with its own layers."""

    def layer_outputs(self, params: Any, x: Any) -> Any:
        *hidden, outputs = super().layer_outputs(params, x)
        return *hidden, 2 * outputs


@pytest.mark.parametrize("measure", [activation_sizes, activation_changes, effective_rank])
@pytest.mark.parametrize("model", [Silent(), Other(widths=(5, 4, 3))])
def test_a_model_that_does_not_name_its_layers_is_refused(measure: Any, model: Model) -> None:
    with pytest.raises(UsageError, match=f"{type(model).__name__} has an `apply` of its own"):
        measure(untrained(model, drawn_split(8, 5, classes=3)))
    with pytest.raises(UsageError, match="Silent does not define the outputs of its layers"):
        Silent().layer_outputs({}, np.zeros((1, 5)))  # type: ignore[arg-type]


def test_a_model_of_ones_own_that_names_its_layers_is_measured() -> None:
    split = drawn_split(8, 5, classes=3)
    plain = activation_sizes(untrained(MLP(widths=(5, 4, 3)), split))
    named = activation_sizes(untrained(Named(widths=(5, 4, 3)), split))
    assert named == {**plain, "output_size": pytest.approx(2 * plain["output_size"])}


def test_features_of_a_network_without_a_hidden_layer_are_refused() -> None:
    with pytest.raises(UsageError, match="a model with a hidden layer expected"):
        effective_rank(untrained(MLP(widths=(5, 3)), drawn_split(8, 5, classes=3)))
