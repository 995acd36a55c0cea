"""How the parameters and the work of each model grow with its width."""

import inspect

from docs.site.gallery.item import Item

from allometry import models

__all__ = ["MADE", "items"]

# The field that is varied, its values, and the model as made of it.
MADE = {
    "MLP": ("width", "2 ** np.arange(3, 11)", "MLP(widths=(784, width, width, 10))"),
    "CNN": ("channels", "2 ** np.arange(2, 8)", "CNN(channels=(channels, 2 * channels))"),
    "ConvNet": ("channels", "2 ** np.arange(2, 8)", "ConvNet(channels=channels)"),
    "EmbeddingDecoder": (
        "width", "2 ** np.arange(3, 10)", "EmbeddingDecoder(p=59, d_embed=16, hidden=(width, width))"
    ),
    "FrozenCNN": ("width", "2 ** np.arange(3, 10)", "FrozenCNN(widths=(1568, width, width, 10))"),
    "FrozenViT": ("width", "2 ** np.arange(3, 10)", "FrozenViT(widths=(64, width, width, 10))"),
    "LanguageModel": (
        "width", "2 ** np.arange(5, 10)",
        "LanguageModel(vocabulary=1024, context=128, d_model=width, n_layers=4, d_mlp=4 * width)",
    ),
    "OneLayerTransformer": (
        "width", "2 ** np.arange(5, 10)", "OneLayerTransformer(p=113, d_model=width, d_mlp=4 * width)"
    ),
}  # fmt: skip

LINES = """\
import numpy as np
import allometry as al

{field}s = {values}
models = [al.models.{made} for {field} in {field}s.tolist()]
counts = [model.counts() for model in models]
figure, ((left, right),) = al.figures.panels(1, 2, width=150, height=55)
for ax, name in ((left, "n_params"), (right, "forward_flop")):
    al.figures.dress(ax, xlog=True, ylog=True).set(xlabel="{field}", ylabel=name)
    ax.plot({field}s, [getattr(c, name) for c in counts], "o-")
al.figures.save_figure(figure, "{name}.svg")
"""


def items() -> list[Item]:
    """Each model: parameters, and FLOP of one example forwards, against its width."""
    found = []
    for name, (field, values, made) in MADE.items():
        lines = LINES.format(name=name, field=field, values=values, made=made)
        text = (inspect.getdoc(getattr(models, name)) or "").partition("\n")[0]
        found.append(Item(name, lines, text))
    return found
