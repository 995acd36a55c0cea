"""The interface of a pack's memory layout to the compiled programs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import jax

from allometry.models.model import Params

__all__ = ["Layout"]


class Layout:
    """Frozen, hashable layout of a pack of K members; a static argument of compiled programs.

    Attributes:
        chunk: number of examples processed at once; 0 for a whole batch (`Model.chunk`).
        own_batches: whether each member has its own examples, ``(K, B, n_in)``; otherwise all
            see the same, ``(B, n_in)``.
    """

    chunk: ClassVar[int] = 0
    own_batches: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters of each member."""
        raise NotImplementedError

    @property
    def symbols(self) -> bool:
        """Whether features are symbols encoded as integers (`Model.symbols`)."""
        return False

    def stack(self, members: Sequence[Params]) -> Any:
        """The members' parameters as the arrays of the program."""
        raise NotImplementedError

    def unstack(self, packed: Any) -> list[Params]:
        """The inverse of `stack`: NumPy arrays of the members' own shapes."""
        raise NotImplementedError

    def apply(self, packed: Any, x: jax.Array, keys: jax.Array | None = None) -> jax.Array:
        """Outputs ``(K, B, n_out)`` of all members.

        Args:
            x: features, ``(B, n_in)`` or, with `own_batches`, ``(K, B, n_in)``.
            keys: random keys of the members during training, ``(K,)``; None without randomness.
        """
        raise NotImplementedError

    def each(self, function: Callable[..., Any], *trees: Any) -> Any:
        """Map a function of one network's arrays over the members of packed trees."""
        raise NotImplementedError

    def spread(self, values: Mapping[str, jax.Array]) -> Any:
        """Values of each member ``(K,)`` by parameter, shaped to broadcast with packed arrays."""
        raise NotImplementedError

    def spread_equally(self, values: jax.Array) -> Any:
        """Values of each member ``(K,)``, equal for all parameters, shaped as by `spread`."""
        return self.spread(dict.fromkeys(self.names, values))

    def finite(self, packed: Any) -> jax.Array:
        """Whether every parameter of each member is finite, ``(K,)``."""
        raise NotImplementedError

    def squares(self, packed: Any) -> jax.Array:
        """The sum of the squares of each member's numbers, ``(K,)``."""
        raise NotImplementedError
