"""Every shipped model keeps what training, packing and the store build on."""

from typing import Any

import numpy as np
import pytest

from allometry import models
from allometry.models import (
    CNN,
    MLP,
    ConvNet,
    EmbeddingDecoder,
    FrozenCNN,
    FrozenViT,
    LanguageModel,
    Model,
    OneLayerTransformer,
)
from allometry.testing import check_model

IMAGES = np.random.default_rng(0).random((6, 28, 28))
TOKENS = np.random.default_rng(0).integers(0, 11, (12, 6))
SMALL = np.random.default_rng(0).normal(size=(8, 7, 6, 2))


def pair(kind: Any, one: dict[str, Any], other: dict[str, Any], **shared: Any) -> tuple[Any, Any]:
    return kind(**one, **shared), kind(**other, **shared)


def mlps(one: tuple[int, ...], other: tuple[int, ...], **options: Any) -> tuple[Any, Any]:
    return pair(MLP, {"widths": (6, *one, 3)}, {"widths": (6, *other, 3)}, **options)


def cnns(one: tuple[int, ...], other: tuple[int, ...], **options: Any) -> tuple[Any, Any]:
    shared = {"image": (7, 6, 2), "outputs": 3, **options}
    return pair(CNN, {"channels": one}, {"channels": other}, **shared)


def language(**options: Any) -> tuple[Any, Any]:
    shared = {"vocabulary": 11, "context": 6, "n_layers": 2, "d_head": 4, **options}
    return pair(LanguageModel, {"d_model": 12, "d_mlp": 20}, {"d_model": 8, "d_mlp": 32}, **shared)


# Model, one to share its pack, examples. What is slow repeats options in other company.
CASES: list[Any] = [
    (*mlps((12, 8), (4, 16), activation="gelu", parametrisation="mup", base_width=8), None),
    (
        *mlps((8, 8), (12, 12), residual=True, norm="group", norm_groups=4, activation="sigmoid",
              parametrisation="ntk"),
        None,
    ),
    (MLP(widths=(6, 12, 3), dropout=0.2, norm="rms", bias=False), None, None),
    (*cnns((4,), (6,), head="flatten", norm="layer", activation="softplus"), SMALL),
    (*language(n_layers=1, mlp="swiglu", tied=True, parametrisation="mup", base_width=8), TOKENS),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in [
            *((*mlps((12, 8), (4, 16), activation=name), None)
              for name in ("relu", "tanh", "silu", "leaky_relu", "elu", "sin", "identity",
                           "softplus")),
            *((*mlps((12, 8), (4, 16), norm=norm), None) for norm in ("layer", "rms", "group")),
            (*cnns((4, 6), (8, 2), pool="mean", norm="group", norm_groups=2), SMALL),
            (*cnns((4, 6), (8, 2), norm="rms", parametrisation="mup", base_channels=(4, 6)), SMALL),
            (*cnns((4, 6), (8, 2), pool="none", activation="sigmoid"), SMALL),
            (ConvNet(channels=3), None, IMAGES),
            (*pair(EmbeddingDecoder, {"d_embed": 8, "hidden": (6,)},
                   {"d_embed": 5, "hidden": (9,)}, p=7), None),
            (*pair(OneLayerTransformer, {"d_mlp": 6}, {"d_mlp": 9}, p=7, d_model=8, n_heads=2),
             None),
            (*language(), TOKENS),
            (*language(positions="learnt", parametrisation="mup", base_width=16), TOKENS),
            (ConvNet(channels=3, dropout=0.2), None, IMAGES),
            (*pair(FrozenCNN, {"widths": (1568, 5, 10)}, {"widths": (1568, 8, 10)}), IMAGES),
            (*pair(FrozenViT, {"widths": (64, 5, 10)}, {"widths": (64, 8, 10)}), IMAGES),
        ]
    ),
]  # fmt: skip


def named(value: Any) -> str | None:
    if not isinstance(value, Model):
        return None
    return ",".join(str(v) for v in value.document(defaults=False).values())


@pytest.mark.parametrize(("model", "other", "examples"), CASES, ids=named)
def test_a_shipped_model_keeps_its_promises(
    model: Model, other: Model | None, examples: Any
) -> None:
    check_model(model, other=other, examples=examples)


def test_every_shipped_model_is_among_them() -> None:
    shipped = {
        value
        for value in vars(models).values()
        if isinstance(value, type) and issubclass(value, Model) and value is not Model
    }
    tried = {type(getattr(case, "values", case)[0]) for case in CASES}
    assert tried == shipped
