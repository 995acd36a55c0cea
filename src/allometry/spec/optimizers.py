"""Update rules: frozen specs with their hyperparameters.

The shipped rules are elementwise, so members of a pack may differ in any of their scalars. Your own
rule is an Optax transformation, `direction`, of ONE network. It is mapped over the members of a
pack, so a norm in it is the norm of one network::

    class Clipped(Adam):
        clip: float = 0.1

        def direction(self):
            return optax.chain(optax.clip_by_global_norm(self.clip), super().direction())
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, field_validator

from allometry.errors import UsageError, lacking
from allometry.spec.value import Spec

if TYPE_CHECKING:
    import jax
    import optax

__all__ = [
    "SGD", "Adam", "AdamW", "Elementwise", "Lion", "Optax", "Optimizer", "RuleState",
    "is_elementwise", "moved",
]  # fmt: skip


class Optimizer(Spec):
    """An update ``params - learning_rate * direction(gradient)``.

    The learning rate is not part of the direction; schedules and layer-wise rates multiply it.
    """

    learning_rate: float = Field(gt=0)

    def direction(self) -> "optax.GradientTransformation":
        """The Optax transformation from gradient to direction, learning rate left out."""
        raise lacking(self, "direction")


class Elementwise(Optimizer):
    """An elementwise rule: the update of a number depends on no other number of the network.

    Attributes:
        scalars: fields beside the learning rate in which members of a pack may differ; in `move`
            they are then arrays.
        kind: ``adam`` for rules whose step does not grow with the gradient, else ``sgd``. The
            layer-wise learning rates depend on it (`Model.rate_factors`).
    """

    scalars: ClassVar[tuple[str, ...]] = ()
    kind: ClassVar[Literal["sgd", "adam"]] = "sgd"

    @property
    def slots(self) -> int:
        """Number of state arrays for each parameter."""
        raise lacking(self, "slots")

    def move(
        self, gradient: "jax.Array", kept: tuple["jax.Array", ...], param: "jax.Array", count: Any
    ) -> tuple["jax.Array", tuple["jax.Array", ...]]:
        """Direction and slots after an update of one array.

        Args:
            gradient, param: of one shape.
            kept: `slots` arrays of that shape; zeros at the start.
            count: updates made, this one included.
        """
        raise lacking(self, "move")

    def of_axes(self, axes: int) -> "Elementwise":
        """The rule for a parameter with this many axes."""
        unmasked = getattr(self, "decays", "all") == "all" or axes > 1
        return self if unmasked else self.model_copy(update={"weight_decay": 0.0})

    def direction(self) -> "optax.GradientTransformation":
        import optax

        return optax.GradientTransformation(self._begin, self._update)

    def _begin(self, params: Any) -> "RuleState":
        import jax
        import jax.numpy as jnp

        zeros = tuple(jax.tree.map(jnp.zeros_like, params) for _ in range(self.slots))
        return RuleState(jnp.zeros((), jnp.int32), zeros)

    def _update(
        self, gradient: Any, kept: "RuleState", params: Any = None
    ) -> tuple[Any, "RuleState"]:
        import jax

        rules = [self.of_axes(leaf.ndim) for leaf in jax.tree.leaves(gradient)]
        return moved(rules, gradient, kept, params)


def is_elementwise(optimizer: Optimizer) -> bool:
    """Whether a rule is one of the shipped elementwise rules.

    A user-defined subclass is not, as it may do anything.
    """
    return isinstance(optimizer, Elementwise) and type(optimizer).__module__ == __name__


class RuleState(NamedTuple):
    """State of an elementwise rule: updates made, and each slot in the shape of the params."""

    updates: "jax.Array"
    slots: tuple[Any, ...]


def moved(
    rules: Sequence[Elementwise], gradient: Any, kept: RuleState, params: Any
) -> tuple[Any, RuleState]:
    """Directions and slots after an update, over whole trees.

    Args:
        rules: one for each leaf of the trees, in their order.
        gradient, params: trees of one structure.
    """
    import jax

    count = kept.updates + 1
    structure = jax.tree.structure(gradient)
    slots = [jax.tree.leaves(slot) for slot in kept.slots]
    moves, after = [], []
    for i, (rule, leaf, param) in enumerate(
        zip(rules, jax.tree.leaves(gradient), jax.tree.leaves(params), strict=True)
    ):
        move, arrays = rule.move(leaf, tuple(slot[i] for slot in slots), param, count)
        moves.append(move)
        after.append(arrays)
    new_slots = (
        jax.tree.unflatten(structure, [arrays[k] for arrays in after]) for k in range(len(slots))
    )
    return jax.tree.unflatten(structure, moves), RuleState(count, tuple(new_slots))


class SGD(Elementwise):
    """Stochastic gradient descent, as ``torch.optim.SGD``.

    With g the gradient and m the momentum: ``v <- m v + g``, and the direction is v, or
    ``g + m v`` for Nesterov's (Sutskever et al. 2013). Weight decay is added to the gradient.

    Attributes:
        momentum: m.
        nesterov: whether the direction looks one step ahead.
        weight_decay: its product with the parameters, biases included, is added to the gradient.
    """

    learning_rate: float = Field(default=0.05, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Field(default=0.0, ge=0)

    scalars: ClassVar[tuple[str, ...]] = ("momentum", "weight_decay")

    @property
    def slots(self) -> int:
        return 0 if _is_zero(self.momentum) else 1

    def move(
        self, gradient: "jax.Array", kept: tuple["jax.Array", ...], param: "jax.Array", count: Any
    ) -> tuple["jax.Array", tuple["jax.Array", ...]]:
        if not _is_zero(self.weight_decay):
            gradient = gradient + self.weight_decay * param
        if not kept:
            return gradient, ()
        (velocity,) = kept
        velocity = self.momentum * velocity + gradient
        return (gradient + self.momentum * velocity if self.nesterov else velocity), (velocity,)


class Adam(Elementwise):
    """Adam (Kingma & Ba, 1412.6980, algorithm 1), defaults as in PyTorch."""

    learning_rate: float = Field(default=1e-3, gt=0)
    b1: float = Field(default=0.9, ge=0, lt=1)
    b2: float = Field(default=0.999, ge=0, lt=1)
    eps: float = Field(default=1e-8, gt=0)

    scalars: ClassVar[tuple[str, ...]] = ("b1", "b2", "eps")
    kind: ClassVar[Literal["sgd", "adam"]] = "adam"

    @property
    def slots(self) -> int:
        return 2

    def move(
        self, gradient: "jax.Array", kept: tuple["jax.Array", ...], param: "jax.Array", count: Any
    ) -> tuple["jax.Array", tuple["jax.Array", ...]]:
        import jax.numpy as jnp

        mean, square = kept
        mean = (1 - self.b1) * gradient + self.b1 * mean
        square = (1 - self.b2) * gradient**2 + self.b2 * square
        unbiased_mean, unbiased_square = mean / (1 - self.b1**count), square / (1 - self.b2**count)
        return unbiased_mean / (jnp.sqrt(unbiased_square) + self.eps), (mean, square)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 1711.05101), defaults as in PyTorch.

    Each update also subtracts ``learning_rate * weight_decay * params``.

    Attributes:
        weight_decay: coefficient of the decay.
        decays: the parameters that decay: ``all``, biases included, or ``weights``, those with two
            axes or more.
    """

    weight_decay: float = Field(default=0.01, ge=0)
    decays: Literal["all", "weights"] = "all"

    scalars: ClassVar[tuple[str, ...]] = ("b1", "b2", "eps", "weight_decay")

    def move(
        self, gradient: "jax.Array", kept: tuple["jax.Array", ...], param: "jax.Array", count: Any
    ) -> tuple["jax.Array", tuple["jax.Array", ...]]:
        # The decay joins the direction, so the learning rate outside multiplies it too.
        move, kept = super().move(gradient, kept, param, count)
        return _with_decay(move, self.weight_decay, param), kept


class Lion(Elementwise):
    """Lion (Chen et al., 2302.06675, algorithm 2), defaults of the paper, decoupled decay.

    Attributes:
        b1: share of the kept mean in the interpolation whose sign is the direction.
        b2: decay of the kept mean of the gradients.
        weight_decay, decays: as in `AdamW`.
    """

    learning_rate: float = Field(default=1e-4, gt=0)
    b1: float = Field(default=0.9, ge=0, lt=1)
    b2: float = Field(default=0.99, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    decays: Literal["all", "weights"] = "all"

    scalars: ClassVar[tuple[str, ...]] = ("b1", "b2", "weight_decay")
    kind: ClassVar[Literal["sgd", "adam"]] = "adam"

    @property
    def slots(self) -> int:
        return 1

    def move(
        self, gradient: "jax.Array", kept: tuple["jax.Array", ...], param: "jax.Array", count: Any
    ) -> tuple["jax.Array", tuple["jax.Array", ...]]:
        import jax.numpy as jnp

        (mean,) = kept
        sign = jnp.sign((1 - self.b1) * gradient + self.b1 * mean)
        mean = (1 - self.b2) * gradient + self.b2 * mean
        return _with_decay(sign, self.weight_decay, param), (mean,)


def _with_decay(move: "jax.Array", weight_decay: Any, param: "jax.Array") -> "jax.Array":
    return move if _is_zero(weight_decay) else move + weight_decay * param


def _is_zero(scalar: Any) -> bool:
    """Whether a scalar is the number 0; arrays, of members that differ in it, are not."""
    return isinstance(scalar, float) and scalar == 0


class Optax(Optimizer):
    """Any Optax optimiser by name: ``Optax(name="optax.adafactor", learning_rate=1e-3)``.

    The function is called with `learning_rate` and `arguments`, and sees one network.

    Attributes:
        name: dotted name of a function that takes `learning_rate` and returns a
            ``GradientTransformation`` of complete updates, as Optax's own optimisers do.
        arguments: its other arguments, pairs of a name and a number or text; or a mapping.
    """

    name: str
    arguments: tuple[tuple[str, bool | int | float | str], ...] = ()

    @field_validator("arguments", mode="before")
    @classmethod
    def _sorted_pairs(cls, value: Any) -> Any:
        return tuple(sorted(value.items())) if isinstance(value, Mapping) else value

    def direction(self) -> "optax.GradientTransformation":
        import optax

        module, _, function = self.name.rpartition(".")
        try:
            build = getattr(import_module(module), function)
            built = build(learning_rate=self.learning_rate, **dict(self.arguments))
        except (ImportError, AttributeError, ValueError, TypeError) as error:
            raise UsageError(
                f"Optax(name={self.name!r}): a function such as optax.adafactor that takes "
                f"learning_rate and {[name for name, _ in self.arguments]} expected: {error}"
            ) from error
        # Complete updates are negative and include the learning rate, which is applied outside.
        return optax.chain(built, optax.scale(-1 / self.learning_rate))
