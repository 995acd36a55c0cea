"""Parameters of a language model under the names of a PyTorch module."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.models.counting import Params

__all__ = ["state_dict"]

NAMES = {
    "embedding": "embedding.weight", "position": "position.weight", "head": "head.weight",
    "final_scale": "final_norm.weight",
}  # fmt: skip
OF_LAYER = {"attention_scale": "attention_norm", "mlp_scale": "mlp_norm"}


def state_dict(params: Params) -> dict[str, NDArray[Any]]:
    """The parameters of a `LanguageModel` under the usual names of a PyTorch module.

    ``embedding``, ``position`` and ``head`` are at the top with ``final_norm``; those of layer i
    are ``layers.i.attention_norm``, ``qkv``, ``mix``, ``mlp_norm``, ``inner``, ``outer``, each
    with ``.weight``. Queries, keys and values are one matrix ``(3 d_model, d_model)``, and gate
    and units of "swiglu" one matrix ``(2 d_mlp, d_model)``, as in an ``nn.Linear`` with that many
    outputs. A tied head has no entry: it is the embedding.
    """
    state = {}
    for name, array in params.items():
        if name in NAMES:
            state[NAMES[name]] = array
            continue
        kind = name.rstrip("0123456789")
        flat = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array
        layer = name[len(kind) :]
        state[f"layers.{layer}.{OF_LAYER.get(kind, kind)}.weight"] = np.asarray(flat)
    return state
