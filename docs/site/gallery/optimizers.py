"""The path of each optimiser on a long valley, and the learning rate along each schedule."""

import inspect

from docs.site.gallery.item import Item

from allometry.spec import optimizers, schedules

__all__ = ["RATES", "WARMED", "items", "of_schedules"]

# How each optimiser is made: rates at which its path is seen whole.
RATES = {
    "SGD": "SGD(learning_rate=0.03, momentum=0.8)",
    "Adam": "Adam(learning_rate=0.1)",
    "AdamW": "AdamW(learning_rate=0.1, weight_decay=0.3)",
    "Lion": "Lion(learning_rate=0.05)",
    "Optax": 'Optax(name="optax.rmsprop", learning_rate=0.05)',
}
WARMED = {
    "Constant": "Constant(warmup=0.1)",
    "Cosine": "Cosine(warmup=0.1)",
    "InverseSqrt": "InverseSqrt(warmup=0.1)",
    "Linear": "Linear(warmup=0.1)",
    "Step": "Step(at=(0.5, 0.8), factor=0.3)",
    "WSD": "WSD(warmup=0.1, decay=0.2)",
}

PATH = """\
import jax, numpy as np
import allometry as al

loss = lambda p: (p[0] ** 2 + 20 * p[1] ** 2) / 2
rule = al.optimizers.{made}
direction, path = rule.direction(), [np.array([-2.0, 0.6])]
state = direction.init(path[0])
for step in range(60):
    move, state = direction.update(jax.grad(loss)(path[-1]), state, path[-1])
    path.append(path[-1] - rule.learning_rate * move)
figure, ((ax,),) = al.figures.panels(width=110)
x, y = np.meshgrid(np.linspace(-2.2, 1, 99), np.linspace(-0.7, 0.7, 99))
ax.contour(x, y, loss((x, y)), levels=np.geomspace(0.01, 6, 9), colors=al.figures.GREY, linewidths=0.5)
al.figures.dress(ax, grid=False).plot(*np.transpose(path), "o-", markersize=2)
al.figures.save_figure(figure, "{name}.svg")
"""

RATE = """\
import numpy as np
import allometry as al

schedule = al.schedules.{made}
steps = np.arange(1000)
figure, ((ax,),) = al.figures.panels(width=110, height=45)
al.figures.dress(ax).plot(steps, schedule.factors(steps, total=1000))
ax.set(xlabel="update", ylabel="factor on the learning rate")
al.figures.save_figure(figure, "{name}.svg")
"""


def items() -> list[Item]:
    """Each optimiser: 60 updates on (x^2 + 20 y^2) / 2."""
    return [
        Item(name, PATH.format(name=name, made=made), _first_line(getattr(optimizers, name)))
        for name, made in RATES.items()
    ]


def of_schedules() -> list[Item]:
    """Each schedule over 1,000 updates."""
    return [
        Item(name, RATE.format(name=name, made=made), _first_line(getattr(schedules, name)))
        for name, made in WARMED.items()
    ]


def _first_line(part: type) -> str:
    return (inspect.getdoc(part) or "").partition("\n")[0]
