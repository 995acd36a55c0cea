"""The speed of this machine for the pieces of a training step, measured once and kept.

The pieces are those that `packing.cost` adds up: single and batched matrix products, passes over
the optimiser's arrays inside and outside the cache, the fixed cost of an operation, and compiling.
The measurement takes two or three seconds when a pack is first chosen. It is kept as a small JSON
file in the cache folder, one for each kind of device, number of processors, release of JAX and
version of the file format.
"""

import json
import logging
import math
import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from allometry.datasets.cache import cache_root
from allometry.errors import AllometryError, DataError, in_one_line
from allometry.files.durable import written
from allometry.files.foreign import read_bytes
from allometry.files.strict_json import read_json
from allometry.processors import processors

__all__ = ["Calibration", "Points", "calibration", "measure"]

SCHEMA = "allometry/calibration/2"
LARGEST = 1 << 20  # most bytes read of the file, which has about two thousand
# The measured sizes; between them the cost model interpolates linearly in log-log scale.
ROWS = (16, 64, 256, 1024, 4096)  # rows of a product with 128 examples of 784 features
WIDTHS = (8, 32, 128)  # widths of square layers, 512 units in total side by side
FLOATS = (1 << 16, 1 << 19, 1 << 21, 1 << 23)  # a parameter array: 1 MB to 128 MB of working set
EXAMPLES, FEATURES = 128, 784
ROUNDS, ATTEMPT = 4, 0.02  # rounds of measurement; seconds for each piece in each round
FAR = 10  # largest time of an element outside the cache, in times inside the cache
FEW = 4  # so many programs are run at once without measurement
GAIN = 1.05  # least gain in throughput for which twice as many programs are run at once

_log = logging.getLogger(__name__)
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Calibration:
    """Rates of one machine; `Points` are pairs (x, value) with increasing x.

    Attributes:
        products: FLOP of one matrix product to FLOP per second, for one product after another.
        batched: the same for many equal products in one operation; x is the FLOP of each.
        passes: bytes in use to seconds per element of one Adam update of an array.
        operation: seconds of the smallest operation of a compiled loop.
        compile_operation: seconds to compile an operation.
        threads: number of programs to run at once, each in its own thread.
        memory: bytes of the device.
    """

    products: Points
    batched: Points
    passes: Points
    operation: float
    compile_operation: float
    threads: int
    memory: int

    def __post_init__(self) -> None:
        for points in (self.products, self.batched, self.passes):
            where = [x for x, _ in points]
            if where != sorted(set(where)) or not where:
                raise ValueError("points must increase")
        numbers = [v for p in (self.products, self.batched, self.passes) for xy in p for v in xy]
        numbers += [self.operation, self.compile_operation, self.memory, self.threads]
        if not all(math.isfinite(v) and v > 0 for v in numbers):
            raise ValueError("positive numbers expected")


@cache
def calibration(root: Path | None = None) -> Calibration:
    """The calibration of this machine, measured if none is kept.

    Args:
        root: the cache folder; None for the user's.
    """
    path = (root or cache_root()) / "calibration" / f"{_machine()}.json"
    if path.exists():
        try:
            return _read(path)
        except (AllometryError, KeyError, OverflowError, TypeError, ValueError) as error:
            _log.warning("%s cannot be used (%s): measured again", path, in_one_line(error))
    else:
        _log.info("measuring this machine once, for choosing packs: %s", path)
    rates = measure()
    try:
        _write(path, rates)
    except OSError as error:
        _log.warning("%s cannot be written (%s): it will be measured again", path, error)
    return rates


def measure() -> Calibration:
    """Measure the default device, in two or three seconds.

    Each piece is timed in several rounds and the best time counts, so that other programs on the
    machine have little influence. In addition, a larger product is assumed to have at least the
    rate of a smaller one, and memory to be at most `FAR` times slower than the cache.
    """
    products = [_product(rows) for rows in ROWS]
    batched = [_batched(width) for width in WIDTHS]
    passes = [_pass(n) for n in FLOATS]
    operation = _operation()
    pieces = [*products, *batched, *passes, operation]
    for _ in range(ROUNDS):
        for piece in pieces:
            piece.time()
    beside = [p.seconds / n for p, n in zip(passes, FLOATS, strict=True)]
    beside = np.minimum(np.maximum.accumulate(beside), FAR * beside[0]).tolist()
    return Calibration(
        products=_rates(products),
        batched=_rates(batched),
        passes=tuple((4.0 * 4 * n, s) for n, s in zip(FLOATS, beside, strict=True)),
        operation=operation.seconds / 3,  # three operations: product, maximum, quotient
        # Each piece has about eight operations, including those of the loop.
        compile_operation=float(np.median([p.compiled for p in pieces])) / 8,
        threads=_threads(batched[1], len(processors())),
        memory=_memory(),
    )


# ---- the pieces --------------------------------------------------------------------------


class _Piece:
    """A compiled loop that repeats one step.

    Args:
        step: function from the loop's state and fixed arrays to the next state.
        start: the first state. fixed: the fixed arrays.
        guess: rough estimate of the seconds of a step.
        flop: FLOP of a step. each: FLOP of one product in it.

    Attributes:
        seconds: best time of a step so far. compiled: seconds to compile the loop.
    """

    def __init__(
        self, step: Callable[..., Any], start: Any, fixed: Any, guess: float,
        flop: float = 0, each: float = 0,
    ):  # fmt: skip
        n = max(2, min(256, int(ATTEMPT / 2 / guess)))
        self.flop, self.each, self.seconds, self._steps = flop, each, math.inf, n
        self._arguments = jax.tree.map(jnp.asarray, (start, fixed))
        loop = jax.jit(lambda s, f: jax.lax.fori_loop(0, n, lambda i, s: step(s, f), s))
        began = time.perf_counter()
        self._run = loop.lower(*self._arguments).compile()
        self.compiled = time.perf_counter() - began
        jax.block_until_ready(self._run(*self._arguments))

    def time(self) -> None:
        """Time one round, and update `seconds`."""
        began = before = time.perf_counter()
        while before - began < ATTEMPT:
            jax.block_until_ready(self._run(*self._arguments))
            now = time.perf_counter()
            self.seconds = min(self.seconds, (now - before) / self._steps)
            before = now

    def rate(self, threads: ThreadPoolExecutor, n: int) -> float:
        """Steps per second of n threads that run the piece at once for `ATTEMPT` seconds."""
        began = time.perf_counter()

        def repeated(_: int) -> int:
            calls = 0
            while time.perf_counter() - began < ATTEMPT:
                jax.block_until_ready(self._run(*self._arguments))
                calls += 1
            return calls

        calls = sum(threads.map(repeated, range(n)))
        return calls * self._steps / (time.perf_counter() - began)


def _rates(pieces: Sequence[_Piece]) -> Points:
    best = np.maximum.accumulate([p.flop / p.seconds for p in pieces]).tolist()
    return tuple((p.each, rate) for p, rate in zip(pieces, best, strict=True))


def _product(rows: int) -> _Piece:
    """Forward product and weight gradient of a first layer, as one step of power iteration."""

    def step(z: Any, x: Any) -> Any:
        gradient = jnp.einsum("hb,bd->hd", z, x)
        z = jnp.einsum("hd,bd->hb", gradient, x)
        return z / jnp.abs(z).max()  # normalised, so that numbers neither overflow nor vanish

    flop = 2.0 * rows * EXAMPLES * FEATURES
    start = _noise(rows, EXAMPLES)
    return _Piece(step, start, _noise(EXAMPLES, FEATURES), 2 * flop / 1e11, 2 * flop, flop)


def _batched(width: int) -> _Piece:
    """Square layers of several networks, about 512 units in total."""
    members = max(1, 512 // width)

    def step(x: Any, weight: Any) -> Any:
        x = jnp.einsum("kji,kib->kjb", weight, x)
        return x / jnp.abs(x).max()

    flop = 2.0 * width * width * EXAMPLES
    start, weight = _noise(members, width, EXAMPLES), _noise(members, width, width)
    return _Piece(step, start, weight, members * flop / 5e10, members * flop, flop)


def _pass(n: int) -> _Piece:
    """One Adam update: reads and writes parameters and two moments, and reads gradients."""

    def step(state: Any, g: Any) -> Any:
        p, m, v = state
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return p - 1e-3 * m / (jnp.sqrt(v) + 1e-8), m, v

    g = _noise(n)
    return _Piece(step, (g, g, g * g), g, n * 1e-9)


def _operation() -> _Piece:
    """A layer of eight units of one network: three operations with almost no arithmetic."""

    def step(x: Any, weight: Any) -> Any:
        x = jnp.einsum("kji,kib->kjb", weight, x)
        return x / jnp.abs(x).max()

    return _Piece(step, _noise(1, 8, EXAMPLES), _noise(1, 8, 8), 1e-5)


def _noise(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).uniform(0.5, 1, shape).astype(np.float32)


def _threads(piece: _Piece, most: int) -> int:
    """The number of programs at once with the highest throughput; 1 on a device other than a CPU.

    Up to `FEW`, one program for each processor is assumed best, so that the current load of the
    machine does not matter. More programs wait for Python's lock, so the number is doubled only
    if the measured throughput grows by `GAIN`.
    """
    if jax.default_backend() != "cpu":
        return 1
    n = min(most, FEW)
    with ThreadPoolExecutor(most) as threads:
        while n < most:
            double = min(2 * n, most)
            now, then = (max(piece.rate(threads, k) for _ in range(ROUNDS)) for k in (n, double))
            if then < GAIN * now:
                break
            n = double
    return n


def _memory() -> int:
    """Memory of the device in bytes; that of the machine if the device does not report it."""
    stats = jax.devices()[0].memory_stats() or {}
    return int(stats.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


# ---- kept in the cache -------------------------------------------------------------------


def _machine() -> str:
    kind = re.sub(r"\W+", "-", jax.devices()[0].device_kind).strip("-").lower()
    return f"{kind}-{len(processors())}-jax-{jax.__version__}-{SCHEMA.rpartition('/')[2]}"


def _read(path: Path) -> Calibration:
    document = read_json(read_bytes(path, LARGEST))
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise DataError(f"its schema is not {SCHEMA}")
    values = {f.name: document[f.name] for f in fields(Calibration)}
    for name in ("products", "batched", "passes"):
        values[name] = tuple((float(x), float(y)) for x, y in values[name])
    return Calibration(**values)


def _write(path: Path, rates: Calibration) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path, follow=False) as part:
        part.write_text(json.dumps({"schema": SCHEMA, **asdict(rates)}, indent=1) + "\n", "utf-8")
