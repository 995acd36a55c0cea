"""The networks of `gpu_speed.py` as PyTorch modules that `torch.func` can stack."""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["module_of"]


def module_of(model: Any) -> nn.Module:
    """A module of the same shape as a perceptron or a language model of the package."""
    if hasattr(model, "n_layers"):
        return Transformer(model)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(model.widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Layer(nn.Module):
    def __init__(self, d: int, d_head: int):
        super().__init__()
        self.d_head = d_head
        self.attention_norm, self.mlp_norm = nn.RMSNorm(d, eps=1e-5), nn.RMSNorm(d, eps=1e-5)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.mix = nn.Linear(d, d, bias=False)
        self.inner = nn.Linear(d, 4 * d, bias=False)
        self.outer = nn.Linear(4 * d, d, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        b, t, d = x.shape
        heads = self.qkv(self.attention_norm(x)).view(b, t, 3, d // self.d_head, self.d_head)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        query, key = (_turned(part, cos, sin) for part in (query, key))
        # In products: vmap has no rule for scaled_dot_product_attention, and would loop.
        scores = query @ key.transpose(-2, -1) / self.d_head**0.5
        later = torch.ones(t, t, dtype=torch.bool, device=x.device).triu(1)
        gathered = scores.masked_fill(later, -torch.inf).softmax(-1) @ value
        x = x + self.mix(gathered.transpose(1, 2).reshape(b, t, d))
        return x + self.outer(F.gelu(self.inner(self.mlp_norm(x))))


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Transformer(nn.Module):
    """Decoder-only, with rotary positions and an untied head, as `LanguageModel` is."""

    def __init__(self, model: Any):
        super().__init__()
        d, half = model.d_model, torch.arange(0, model.d_head, 2)
        self.embedding = nn.Embedding(model.vocabulary, d)
        self.layers = nn.ModuleList(Layer(d, model.d_head) for _ in range(model.n_layers))
        self.final_norm = nn.RMSNorm(d, eps=1e-5)
        self.head = nn.Linear(d, model.vocabulary, bias=False)
        turns = torch.outer(torch.arange(model.context), 1e4 ** (-half / model.d_head))
        self.register_buffer("cos", turns.cos())
        self.register_buffer("sin", turns.sin())

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin)
        return self.head(self.final_norm(x))
