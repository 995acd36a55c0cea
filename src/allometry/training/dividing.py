"""One network on all processors: the chunks of each batch are divided among CPU devices.

JAX has one CPU device unless more are asked for before its first use, and a program of one device
leaves most of a machine idle between its matrix products. With one device for each thread, each
adds up the gradients of its share of a batch. The sums of all devices are equal, and so are the
updates that they make. Each device has a copy of the training examples and the state. A model that
draws random numbers while it trains is not divided: it draws once for each chunk, so its results
would depend on the number of devices beyond rounding.
"""

import math
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from allometry.processors import threads

__all__ = ["ask_for_devices", "cut", "divided", "mesh_for", "on_all", "on_one", "summed"]

T = TypeVar("T")
AXIS = "devices"
MOST = 8  # devices, a limit of memory: each has a copy of the training examples


def ask_for_devices() -> None:
    """Have JAX begin with a CPU device for each thread.

    Nothing changes if JAX has been used in this process, as in a notebook, or if the user has set
    ``JAX_NUM_CPU_DEVICES``.
    """
    if "JAX_NUM_CPU_DEVICES" in os.environ:
        return
    with suppress(RuntimeError):  # JAX has begun
        jax.config.update("jax_num_cpu_devices", min(threads(), MOST))


def mesh_for(chunk: int, batch: int) -> Mesh | None:
    """The devices that share in a batch, each with a whole chunk at least; None for one.

    Args:
        chunk: examples that a device works on at once; 0 for a model without chunks.
        batch: examples of an update.
    """
    if not chunk or jax.default_backend() != "cpu":
        return None
    count = min(jax.device_count(), threads(), MOST, -(-batch // chunk))
    return Mesh(np.array(jax.devices()[:count]), (AXIS,)) if count > 1 else None


def cut(mesh: Mesh | None, chunk: int, batch: int) -> tuple[int, int, int]:
    """The cut of a batch: number of devices, chunks per device, examples per chunk."""
    if mesh is None:  # in whole chunks: one program for all batch sizes
        return 1, math.ceil(batch / chunk), chunk
    chunks = math.ceil(batch / (mesh.size * chunk))
    return mesh.size, chunks, math.ceil(batch / (mesh.size * chunks))


def on_all(mesh: Mesh, arrays: T) -> T:
    """The arrays on every device of the mesh."""
    placed: T = jax.device_put(arrays, NamedSharding(mesh, PartitionSpec()))
    return placed


def on_one(arrays: T) -> T:
    """Arrays that are equal on every device of a mesh, on the first device alone."""
    placed: T = jax.tree.map(lambda array: array.addressable_data(0), arrays)
    return placed


def divided(
    function: Callable[..., Any], mesh: Mesh | None, *of_devices: int | None
) -> Callable[..., Any]:
    """A function that runs on every device of the mesh; without a mesh, the function itself.

    Args:
        function: takes arrays. It calls `summed` on results to which each device adds a part, so
            that its result is the same on all devices.
        of_devices: for each argument, the axis along which its arrays are divided among the
            devices; None for arguments that all devices receive whole.
    """
    if mesh is None:
        return function
    specs = tuple(
        PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, AXIS)
        for axis in of_devices
    )
    # Results are the same on all devices because `summed` is; JAX cannot prove it through a loop.
    return jax.shard_map(
        function, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(), check_vma=False
    )


def summed(mesh: Mesh | None, arrays: T) -> T:
    """The arrays summed over the devices, within `divided`; as they are without a mesh."""
    if mesh is None:
        return arrays
    # As one array: the devices wait for each other once.
    flat, restored = ravel_pytree(arrays)
    total: T = restored(jax.lax.psum(flat, AXIS))
    return total
