"""The scripts for a GPU, with the processor as the device; that they refuse what is wrong."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmarks.gpu_checks import differences, donating

from allometry.tables.table import Table
from benchmarks import gpu_checks
from tests import ROOT


def script(name, *arguments, **environ):
    return subprocess.run(
        [sys.executable, f"benchmarks/{name}.py", *arguments], cwd=ROOT, check=False,
        capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environ},
    )  # fmt: skip


# ---- the device -----------------------------------------------------------------------------


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="there is a GPU here")
@pytest.mark.parametrize("name", ["gpu_checks", "gpu_speed"])
def test_without_a_gpu_it_is_said_and_what_to_do(name):
    ended = script(name)
    assert ended.returncode == 1
    assert ended.stderr.startswith("JAX sees no GPU here: ")
    assert "--device cpu" in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
@pytest.mark.parametrize(("carried", "torch"), [((), False), (("torch-2.13.whl",), True)])
def test_make_asks_no_network_where_wheels_were_carried(tmp_path, carried, torch):
    for name in carried:
        (tmp_path / name).touch()
    for target, file in (("test-gpu", "gpu_checks.py"), ("bench-gpu", "gpu_speed.py")):
        lines = subprocess.run(
            ["make", "--dry-run", "--always-make", target, f"WHEELS={tmp_path}"], cwd=ROOT,
            capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip
        installs = [line for line in lines if "pip install" in line]
        assert len(installs) == 1 and "[cuda]" in installs[0]
        assert f"--no-index --find-links '{tmp_path}'" in installs[0]
        assert installs[0].endswith(" torch") is torch
        assert any(f"{file} --device gpu" in line for line in lines)


# ---- equal within tolerances ----------------------------------------------------------------


def table(**columns):
    n = 10
    given = {
        "run_id": [f"{k:02}" for k in range(n)], "n_params": np.arange(n),
        "test_loss": np.linspace(0.5, 2, n), "test_loss_untrained": np.full(n, 2.3),
        "t_train": np.full(n, 2000), "phase": ["C"] * n,
        "notice": [None, np.nan, *"abcdefgh"], "seconds": np.arange(n) + 1.0,
    }  # fmt: skip
    return Table({**given, **columns})


def test_equal_tables_are_equal_in_any_order_and_whatever_they_took():
    assert differences(table(), table(seconds=np.full(10, 9.0)).take(np.arange(10)[::-1])) == []


def changed(name, runs, factor):
    column = np.array(table()[name], float)
    column[:runs] *= factor
    return {name: column.astype(np.asarray(table()[name]).dtype)}


@pytest.mark.parametrize(
    ("columns", "holds"),
    [
        (changed("test_loss", 10, 1.04), True),
        (changed("test_loss", 2, 1.5), True),
        (changed("test_loss", 3, 1.5), False),
        (changed("test_loss_untrained", 10, 1.0005), True),
        (changed("test_loss_untrained", 1, 1.01), False),
        (changed("t_train", 10, 1.05), True),
        (changed("t_train", 3, 2), False),
        ({"phase": ["M", "M", *"CCCCCCCC"]}, True),
        ({"phase": ["M", "M", "M", *"CCCCCCC"]}, False),
        ({"n_params": np.r_[7, np.arange(1, 10)]}, False),
        ({"notice": [None, np.nan, *"abcdefgh"]}, True),
        ({"run_id": [f"{k:02}" for k in range(1, 11)]}, False),
        ({"new": np.zeros(10)}, False),
        ({"test_loss": np.r_[[np.nan] * 3, np.linspace(0.5, 2, 10)[3:]]}, False),
    ],
)
def test_what_is_apart_by_more_than_its_tolerance_is_named(columns, holds):
    wrong = differences(table(**columns), table())
    assert (wrong == []) is holds, wrong
    assert holds or any(name in " ".join(wrong) for name in (*columns, "runs"))


# ---- memory and buffers ---------------------------------------------------------------------


def test_packs_obey_the_memory_of_the_device():
    assert "64 networks in" in gpu_checks.packs_by_memory()


def test_the_programs_that_train_take_over_the_state_they_are_given():
    assert "buffers handed over" in gpu_checks.donated_buffers()


def test_a_program_that_copies_its_state_is_found():
    module = SimpleNamespace(step=jax.jit(lambda state: state + 1))
    with pytest.raises(AssertionError, match="1 of 1 buffers of the state were copied"):
        donating(module, "step", 0, lambda: module.step(jnp.ones(3)))


def test_a_buffer_that_is_given_in_vain_is_found():
    """JAX deletes it; no result has its shape, so nothing is saved."""
    module = SimpleNamespace(step=jax.jit(lambda state: state.sum(), donate_argnums=0))
    with pytest.raises(UserWarning, match="donated buffers"):
        donating(module, "step", 0, lambda: module.step(jnp.ones(3)))


# ---- the scripts themselves -----------------------------------------------------------------


@pytest.mark.slow
def test_the_checks_run_with_the_processor_as_the_device(tmp_path):
    """One study is compared, one is left out for want of time, one for want of its data."""
    file = tmp_path / "checks.json"
    common = ("--device", "cpu", "--json", str(file), "--studies")
    ended = script("gpu_checks", *common, "grokking", "--set", "epochs=40", "--limit", "120")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (study,) = json.loads(file.read_text("utf-8"))["studies"]
    assert study["study"] == "grokking" and study["runs"] == 3 and not study["wrong"]
    left_out = "sparse_parity", "mlp_parameter_scaling"
    empty = str(tmp_path / "no-data")
    ended = script("gpu_checks", *common, *left_out, "--limit", "1", ALLOMETRY_CACHE=empty)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    document = json.loads(file.read_text("utf-8"))
    assert document["left_out"] == {
        "sparse_parity": "more than 1 s",
        "mlp_parameter_scaling": "its data set is not here: allometry data get fashion-mnist",
    }


@pytest.mark.slow
def test_the_benchmark_runs_with_the_processor_as_the_device(tmp_path):
    file = tmp_path / "speed.json"
    ended = script("gpu_speed", "--device", "cpu", "--tiny", "--json", str(file))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    document = json.loads(file.read_text("utf-8"))
    cells = {(c["workload"], c["precision"]): c for c in document["cells"]}
    assert len(cells) == 4
    for cell in cells.values():
        assert all(s["low"] > 0 for s in cell["us_per_step"].values())
        assert {"ours", "jax.vmap"} <= cell["us_per_step"].keys()
        # The 64 x 64 products of `--tiny` are mostly overhead: no share of them is a share.
        assert cell["share_of_product_rate"]["low"] > 0
    assert "torch.func" in cell["us_per_step"] or document["left_out"]
