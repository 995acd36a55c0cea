"""Which device the GPU scripts run on: asked for by name, refused in words where there is none."""

import os
import subprocess
import sys
from collections.abc import Mapping

__all__ = ["DEVICES", "environment", "use"]

DEVICES = ("gpu", "cpu")
# The processor stays within reach of a process on the GPU; the first is where arrays go.
PLATFORMS = {"gpu": "cuda,cpu", "cpu": "cpu"}
ASKED = "import jax; d = jax.devices()[0]; print(d.platform, d.device_kind, sep='\\n')"


def environment(device: str, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a process whose arrays are on this device."""
    # Several processes share the memory of one GPU, and PyTorch wants some, too.
    return {
        **base, "JAX_PLATFORMS": PLATFORMS[device], "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }  # fmt: skip


def use(device: str) -> str:
    """Have JAX use this device in this process, where it is not loaded yet.

    Returns:
        what the device is called.

    Raises:
        SystemExit: JAX sees no such device; the text says what to do.
    """
    assert "jax" not in sys.modules, "JAX has chosen its device"
    asked = subprocess.run(
        [sys.executable, "-c", ASKED], env=environment(device), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    platform, _, kind = asked.stdout.strip().partition("\n")
    if asked.returncode or platform != device:
        said = (asked.stderr.strip().splitlines() or [f"its device is {kind or 'none'}"])[-1]
        raise SystemExit(
            f"JAX sees no {device.upper()} here: {said}\n"
            "An NVIDIA GPU needs the package's extra: pip install 'allometry[cuda]', or "
            "make test-gpu WHEELS=FOLDER without a network. To try this script without a GPU: "
            "--device cpu (make test-gpu DEVICE=cpu)."
        )
    os.environ.update(environment(device))
    return kind
