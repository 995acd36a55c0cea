"""Update rules: a frozen spec with its hyperparameters, and the Optax transformation it means."""

from typing import TYPE_CHECKING

from pydantic import Field

from allometry.spec import Spec

if TYPE_CHECKING:
    import optax

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]


class Optimizer(Spec):
    """An update ``params - learning_rate * direction(gradient)``.

    The learning rate stays outside the direction, so that the members of a
    pack may each have their own.
    """

    learning_rate: float = Field(gt=0)

    def direction(self) -> "optax.GradientTransformation":
        """The Optax transformation from gradient to direction, learning rate left out."""
        raise NotImplementedError


class Adam(Optimizer):
    """Adam (Kingma & Ba, 1412.6980, algorithm 1), defaults as in PyTorch."""

    learning_rate: float = Field(default=1e-3, gt=0)
    b1: float = Field(default=0.9, ge=0, lt=1)
    b2: float = Field(default=0.999, ge=0, lt=1)
    eps: float = Field(default=1e-8, gt=0)

    def direction(self) -> "optax.GradientTransformation":
        import optax  # here: a study that trains nothing need not load it

        return optax.scale_by_adam(self.b1, self.b2, self.eps)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 1711.05101), defaults as in PyTorch.

    Each update also takes ``learning_rate * weight_decay * params`` off, biases included.
    """

    weight_decay: float = Field(default=0.01, ge=0)

    def direction(self) -> "optax.GradientTransformation":
        import optax

        # The decay joins the direction, so the learning rate outside multiplies it too.
        return optax.chain(super().direction(), optax.add_decayed_weights(self.weight_decay))


class SGD(Optimizer):
    """Stochastic gradient descent without momentum."""

    learning_rate: float = Field(default=0.05, gt=0)

    def direction(self) -> "optax.GradientTransformation":
        import optax

        return optax.identity()
