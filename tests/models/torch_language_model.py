"""A decoder-only transformer in PyTorch, the second method beside `LanguageModel`.

Written by itself from the papers: rotation by complex numbers, PyTorch's own norm, attention,
AdamW and clipping. The numbers of it that the fast tests compare with are kept in
``tests/assets/language_model.json``, which this file writes:

    python -m tests.models.torch_language_model
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from allometry.datasets.batches import shared_order
from allometry.spec.torch_draws import TorchDraws
from tests import ROOT
from tests.models.windows import Windows

FIXTURE = Path(ROOT) / "tests" / "assets" / "language_model.json"
VOCABULARY, CONTEXT, EXAMPLES, BATCH, STEPS, SEED = 13, 10, 12, 4, 10, 3
LEARNING_RATE, DECAY, CLIP, WARMUP, FINAL = 1e-2, 0.1, 1.0, 3, 0.1
SIZES = {"d_model": 24, "n_layers": 2, "d_head": 8, "d_mlp": 40}
CASES: dict[str, dict[str, Any]] = {
    "rotary": {},
    "swiglu, tied": {"mlp": "swiglu", "tied": True},
    "learnt, mup": {"positions": "learnt", "parametrisation": "mup", "base_width": 8},
    "tied, mup": {"tied": True, "parametrisation": "mup", "base_width": 48},
}


class Layer(nn.Module):
    def __init__(self, d: int, d_mlp: int, d_head: int, mlp: str, rotary: bool, scale: float):
        super().__init__()
        self.d_head, self.gated, self.rotary, self.scale = d_head, mlp == "swiglu", rotary, scale
        self.attention_norm = nn.RMSNorm(d, eps=1e-5)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.mix = nn.Linear(d, d, bias=False)
        self.mlp_norm = nn.RMSNorm(d, eps=1e-5)
        self.inner = nn.Linear(d, 2 * d_mlp if self.gated else d_mlp, bias=False)
        self.outer = nn.Linear(d_mlp, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        heads = self.qkv(self.attention_norm(x)).view(b, t, 3, d // self.d_head, self.d_head)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        if self.rotary:
            query, key = rotated(query), rotated(key)
        gathered = F.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=self.scale
        )
        x = x + self.mix(gathered.transpose(1, 2).reshape(b, t, d))
        units = self.inner(self.mlp_norm(x))
        if self.gated:
            gate, up = units.chunk(2, dim=-1)
            units = F.silu(gate) * up
        else:
            units = F.gelu(units)
        return x + self.outer(units)


def rotated(x: Tensor) -> Tensor:
    """x ``(B, H, T, d_head)`` as complex numbers of the first and second half, turned."""
    t, d = x.shape[-2:]
    angles = torch.outer(torch.arange(t), 10_000.0 ** (-torch.arange(0, d, 2) / d))
    turned = torch.complex(*x.double().chunk(2, dim=-1)) * torch.exp(1j * angles.double())
    return torch.cat([turned.real, turned.imag], dim=-1).to(x.dtype)


class Reference(nn.Module):
    def __init__(
        self, vocabulary: int, context: int, d_model: int, n_layers: int, d_head: int, d_mlp: int,
        mlp: str = "gelu", positions: str = "rotary", tied: bool = False,
        parametrisation: str = "standard", base_width: int | None = None,
    ):  # fmt: skip
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, d_model)
        self.position = nn.Embedding(context, d_model) if positions == "learnt" else None
        mup = parametrisation == "mup"
        scale = 1 / d_head if mup else 1 / math.sqrt(d_head)
        self.layers = nn.ModuleList(
            Layer(d_model, d_mlp, d_head, mlp, positions == "rotary", scale)
            for _ in range(n_layers)
        )
        self.final_norm = nn.RMSNorm(d_model, eps=1e-5)
        self.head = None if tied else nn.Linear(d_model, vocabulary, bias=False)
        self.ratio = d_model / base_width if base_width else 1.0
        self.deviation = math.sqrt(2 / (5 * (base_width or d_model)))
        self.n_layers = n_layers

    def start(self, seed: int) -> None:
        """Nguyen and Salazar's start, by muP if so asked, in the order of the parameters."""
        torch.manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.ndim < 2:
                continue
            deviation = self.deviation
            if "mix" in name or "outer" in name:
                deviation /= math.sqrt(2 * self.n_layers)
            if name.startswith("layers"):
                deviation /= math.sqrt(self.ratio)
            with torch.no_grad():
                parameter.copy_(torch.randn(parameter.shape) * deviation)

    def groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """Matrices decay, vectors do not; learning rates of hidden matrices by Adam's muP."""
        groups = []
        for name, parameter in self.named_parameters():
            matrix = parameter.ndim > 1
            rate = learning_rate / (self.ratio if matrix and name.startswith("layers") else 1)
            decay = weight_decay if matrix else 0.0
            groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
        return groups

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        if self.position is not None:
            x = x + self.position.weight
        for layer in self.layers:
            x = layer(x)
        x = self.final_norm(x) / self.ratio
        return x @ self.embedding.weight.T if self.head is None else self.head(x)


def corpus() -> np.ndarray:
    """Windows and their next tokens, ``(n, T + 1)``: the training set of `Windows`."""
    split = Windows(n=EXAMPLES, vocabulary=VOCABULARY, context=CONTEXT).load(TorchDraws(0))
    return np.concatenate([split.train_x, split.train_y[:, -1:]], axis=1).astype(np.int64)


def trained(model: Reference, rows: Sequence[Sequence[int]]) -> list[float]:
    """The losses of the updates with these rows of the corpus; the model is changed."""
    windows = torch.from_numpy(corpus())
    optimiser = torch.optim.AdamW(model.groups(LEARNING_RATE, DECAY))
    rates = [group["lr"] for group in optimiser.param_groups]
    losses = []
    for step, batch in enumerate(rows):
        past = (step - WARMUP) / (len(rows) - WARMUP)
        cosine = FINAL + (1 - FINAL) * (1 + math.cos(math.pi * past)) / 2
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * ((step + 1) / WARMUP if step < WARMUP else cosine)
        chosen = windows[list(batch)]
        logits = model(chosen[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, VOCABULARY), chosen[:, 1:].reshape(-1))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        losses.append(loss.item())
    return losses


def write() -> None:
    """Write the fixture: logits at the start, losses of ten updates, weights after them."""
    passes = [shared_order(SEED, epoch, EXAMPLES) for epoch in range(4)]
    rows = [part.tolist() for order in passes for part in order.reshape(-1, BATCH)][:STEPS]
    document: dict[str, Any] = {"made_with": f"torch {torch.__version__}", "rows": rows}
    for name, options in CASES.items():
        model = Reference(VOCABULARY, CONTEXT, **SIZES, **options)
        model.start(SEED)
        first = torch.from_numpy(corpus()[:2, :-1])
        with torch.no_grad():
            logits = model(first)
        losses = trained(model, rows)
        document[name] = {
            "logits": logits[:, -1].tolist(),
            "losses": losses,
            "after": {
                key: [*value.flatten()[:4].tolist(), float(value.double().norm())]
                for key, value in model.state_dict().items()
            },
        }
    FIXTURE.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
