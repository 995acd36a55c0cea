"""Does it matter that the ViT study's frozen encoder keeps its dropout while the head trains?

The notebook's VIT_N module puts a random, frozen Transformer encoder (dropout 0.1) in front of a
small trainable head, and calls `model.train()` for the whole network: every batch sees features
with fresh dropout masks, and only the test is without. Leaving dropout out lets the features be
computed once, which is what a fast re-implementation wants. This script trains both and shows
the difference, beside how far two runs differ that have only another batch order.

    python benchmarks/vit_dropout.py [--epochs 80] [--seeds 42 43] [--json FILE]

Each image is met once an epoch, so masks drawn once an epoch for all images are distributed as
masks drawn batch by batch. All heads of a seed share the encoder (in the notebook too: it is
drawn before the head), the batches and, with dropout, the masks.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from machine import facts
from notebook_mlp import BATCH, LEARNING_RATE, N_TRAIN, Images, read_images
from path_reference import mean_metrics

__all__ = ["Encoder", "HeadResult", "compare", "main"]

HEADS = ((5, 2), (11, 6), (20, 10), (43, 22))
ARMS = ("dropout", "plain", "plain, other order")
DIM = 64
CHUNK = 500  # images encoded at once: small enough to stay in cache


class Encoder(nn.Module):
    """Patches of 4x4 pixels, a class token, two Transformer layers; gives the class output.

    Parameters are drawn in the order of the notebook's module: patch convolution, positions,
    class token, layers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, DIM, kernel_size=4, stride=4)
        self.position = nn.Parameter(torch.randn(1, 50, DIM))
        self.token = nn.Parameter(torch.randn(1, 1, DIM))
        layer = nn.TransformerEncoderLayer(
            d_model=DIM, nhead=4, dim_feedforward=128, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Features, shape ``(n, 64)``, of images, shape ``(n, 1, 28, 28)``."""
        patches = self.patch(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(images), 1, DIM), patches], dim=1)
        return self.layers(tokens + self.position)[:, 0]

    @torch.no_grad()
    def features(self, images: Tensor, *, dropout: bool) -> Tensor:
        """Features of all images; with `dropout`, under masks drawn now."""
        self.train(dropout)
        return torch.cat([self(chunk) for chunk in images.split(CHUNK)])


@dataclass(frozen=True)
class HeadResult:
    """One trained head: its loss is mean cross-entropy in nats on the test images."""

    seed: int
    hidden_sizes: tuple[int, int]
    n_params: int
    arm: str
    test_loss: float
    test_accuracy: float
    htse: float
    hsie: float


def compare(data: Images, seed: int, epochs: int) -> list[HeadResult]:
    """Train every head in every arm for one seed."""
    torch.manual_seed(seed)
    chosen = torch.randperm(len(data.train_y))[:N_TRAIN]
    encoder = Encoder()
    after_encoder = torch.get_rng_state()
    images, labels = data.train_x[chosen], data.train_y[chosen]
    plain = encoder.features(images, dropout=False)
    test = encoder.features(data.test_x, dropout=False)
    heads: dict[tuple[str, tuple[int, int]], tuple[nn.Sequential, torch.optim.Adam]] = {}
    for arm in ARMS:
        for sizes in HEADS:
            torch.set_rng_state(after_encoder)
            head = _head(*sizes)
            heads[arm, sizes] = head, torch.optim.Adam(head.parameters(), LEARNING_RATE, fused=True)
    torch.manual_seed(seed + 1_000_000)
    for _ in range(epochs):
        inputs = {"dropout": encoder.features(images, dropout=True), "plain": plain}
        inputs["plain, other order"] = plain
        order, other = torch.randperm(N_TRAIN), torch.randperm(N_TRAIN)
        for (arm, _), (head, optimiser) in heads.items():
            _train_epoch(head, optimiser, inputs[arm], labels, other if "other" in arm else order)
    return [
        _result(seed, sizes, arm, head, test, data.test_y)
        for (arm, sizes), (head, _) in heads.items()
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the comparison; print a table and, if asked, write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    data = read_images()
    results = [r for seed in options.seeds for r in compare(data, seed, options.epochs)]
    sys.stdout.write(_table(results))
    if options.json:
        document = {
            "schema": "allometry/benchmark/vit_dropout/1",
            "machine": facts(),
            "epochs": options.epochs,
            "torch": torch.__version__,
            "heads": [asdict(result) for result in results],
        }
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _head(h1: int, h2: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(DIM, h1), nn.ReLU(), nn.Linear(h1, h2), nn.ReLU(), nn.Linear(h2, 10)
    )


def _train_epoch(
    head: nn.Sequential, optimiser: torch.optim.Adam, x: Tensor, y: Tensor, order: Tensor
) -> None:
    for batch in order.split(BATCH):
        optimiser.zero_grad()
        nn.functional.cross_entropy(head(x[batch]), y[batch]).backward()
        optimiser.step()


def _result(
    seed: int, sizes: tuple[int, int], arm: str, head: nn.Sequential, x: Tensor, y: Tensor
) -> HeadResult:
    with torch.no_grad():
        logits = head(x)
    weights = [p.detach().numpy() for p in head.parameters() if p.ndim == 2]
    htse, hsie = mean_metrics(weights, seed)
    return HeadResult(
        seed=seed,
        hidden_sizes=sizes,
        n_params=sum(p.numel() for p in head.parameters()),
        arm=arm,
        test_loss=nn.functional.cross_entropy(logits, y).item(),
        test_accuracy=(logits.argmax(1) == y).double().mean().item(),
        htse=htse,
        hsie=hsie,
    )


def _table(results: Sequence[HeadResult]) -> str:
    titles = ("seed", "head", "N", "arm", "loss", "accuracy", "H_TSE", "H_SIE")
    layout = "{:>5} {:>9} {:>5}  {:<19}{:>8} {:>8} {:>7} {:>7}"
    lines = [layout.format(*titles)]
    for r in sorted(results, key=lambda r: (r.seed, r.n_params, ARMS.index(r.arm))):
        numbers = f"{r.test_loss:.4f}", f"{r.test_accuracy:.4f}", f"{r.htse:.4f}", f"{r.hsie:.3f}"
        lines.append(layout.format(r.seed, str(r.hidden_sizes), r.n_params, r.arm, *numbers))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
