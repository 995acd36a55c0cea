"""The random draws of PyTorch's CPU generator, reproduced with NumPy.

Both are MT19937 seeded by the same routine, so a notebook's
``torch.manual_seed(seed)`` can be followed draw for draw without PyTorch.
Each method names the function it reproduces; tests compare it with values drawn by PyTorch.
"""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["TorchDraws"]

Float = NDArray[np.float32]


class TorchDraws:
    """The random stream of ``torch.manual_seed(seed)``; draw in the order of the notebook.

    Attributes:
        seed: the seed. A generator made from it draws without advancing this stream.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self._state = np.random.RandomState(seed)

    def copy(self) -> "TorchDraws":
        """An independent stream that continues from here."""
        twin = TorchDraws(self.seed)
        twin._state.set_state(self._state.get_state())
        return twin

    def _raw(self, n: int) -> NDArray[np.uint64]:
        """The next n 32-bit draws."""
        return self._state.randint(0, 2**32, size=n, dtype=np.uint32).astype(np.uint64)

    def randperm(self, n: int) -> NDArray[np.int64]:
        """``torch.randperm(n)``, ``(n,)``: swap i with i + draw % (n - i), for i in 0..n-2."""
        order = list(range(n))
        if n < 2:
            return np.array(order, dtype=np.int64)
        jumps = self._raw(n - 1) % np.arange(n, 1, -1, dtype=np.uint64)
        for i, jump in enumerate(map(int, jumps)):
            order[i], order[i + jump] = order[i + jump], order[i]
        return np.array(order, dtype=np.int64)

    def loader_order(self, n: int) -> NDArray[np.int64]:
        """The order of one pass of ``DataLoader(shuffle=True)`` over n examples, ``(n,)``.

        The loader draws two 64-bit numbers; the second, cut to 32 bits, seeds the
        generator whose ``randperm`` is the order.
        """
        *_, seed_low = (int(raw) for raw in self._raw(4))
        return TorchDraws(seed_low).randperm(n)

    def uniform(self, shape: tuple[int, ...], low: float, high: float) -> Float:
        """``tensor.uniform_(low, high)``: the low 24 bits of a draw over 2^24, scaled.

        PyTorch scales with one fused multiply-add in float32, so the sum is made
        in float64 here and rounded once.
        """
        unit = (self._raw(math.prod(shape)) & np.uint64(0xFFFFFF)) / 2.0**24
        span = np.float64(np.float32(high) - np.float32(low))
        return (unit * span + np.float64(np.float32(low))).astype(np.float32).reshape(shape)

    def linear(self, fan_in: int, fan_out: int) -> tuple[Float, Float]:
        """Weight ``(fan_out, fan_in)`` and bias ``(fan_out,)`` of a new ``nn.Linear``.

        Both are uniform on +-1/sqrt(fan_in): ``kaiming_uniform_(a=sqrt(5))``.
        """
        bound = 1 / math.sqrt(fan_in)
        weight = self.uniform((fan_out, fan_in), -bound, bound)
        return weight, self.uniform((fan_out,), -bound, bound)

    def conv2d(self, channels_in: int, channels_out: int, kernel: int) -> tuple[Float, Float]:
        """Weight ``(out, in, kernel, kernel)`` and bias ``(out,)`` of a new ``nn.Conv2d``."""
        bound = 1 / math.sqrt(channels_in * kernel * kernel)
        weight = self.uniform((channels_out, channels_in, kernel, kernel), -bound, bound)
        return weight, self.uniform((channels_out,), -bound, bound)

    def xavier_uniform(self, fan_in: int, fan_out: int) -> Float:
        """``nn.init.xavier_uniform_`` of a ``(fan_out, fan_in)`` matrix."""
        bound = math.sqrt(6 / (fan_in + fan_out))
        return self.uniform((fan_out, fan_in), -bound, bound)

    def randn(self, shape: tuple[int, ...]) -> Float:
        """``torch.randn(shape)`` for 16 elements or more.

        PyTorch fills with uniforms and turns each block of 16 into normals by
        Box-Muller, u1 from the first eight and u2 from the last; a remainder is
        served by drawing the last 16 again.
        """
        n = math.prod(shape)
        if n < 16:
            raise ValueError(
                f"16 elements or more expected (PyTorch draws fewer otherwise), got {n}"
            )
        values = self.uniform((n,), 0.0, 1.0)
        whole = n - n % 16
        out = np.empty(n, dtype=np.float32)
        out[:whole] = _box_muller(values[:whole])
        if whole < n:
            out[n - 16 :] = _box_muller(self.uniform((16,), 0.0, 1.0))
        return out.reshape(shape)


def _box_muller(uniform: Float) -> Float:
    blocks = uniform.reshape(-1, 2, 8)
    radius = np.sqrt(np.float32(-2) * np.log(np.float32(1) - blocks[:, 0]))
    angle = np.float32(2 * math.pi) * blocks[:, 1]
    pair = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pair.reshape(-1).astype(np.float32)
