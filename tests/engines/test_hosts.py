"""Ray on several hosts with addresses of their own, with token authentication on."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests import ROOT
from tests.engines.cases import RUNS, begun, content, made_here, when
from tests.engines.hosts import Hosts, ip
from tests.engines.slurm_cluster import free_ports

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="Ray is not installed: pip install 'allometry[ray]'")

NOTICED = 60  # seconds after which a silent host is given up

DRIVER = """
import json, sys, time
from allometry.engines.ray import RayEngine
from allometry.run import run
from tests.engines.cases import FILE

address, folder = sys.argv[1:]
engine = RayEngine(workers=2)  # before Ray is imported, to which it says how to look for hosts
import ray
ray.init(address=address, log_to_driver=False, logging_level="critical")
alive = lambda: sum(node["Alive"] for node in ray.nodes())
until = time.monotonic() + 60
while alive() < 3 and time.monotonic() < until:
    time.sleep(0.2)
began = alive()
changes = {"trouble": "slow", "folder": folder, "per_pack": "1"}
outcome = run(FILE, store=folder + "/s.db", engine=engine, changes=changes)
print(json.dumps([began, outcome.trained, outcome.pending, len(outcome.failures)]))
"""


@pytest.fixture
def hosts(tmp_path):
    """A head here that works on nothing, and two hosts with a processor each."""
    missing = Hosts.missing()
    if missing:
        pytest.skip(missing)
    made, port = Hosts(2), free_ports(1)[0]
    made.cluster = f"{made.address(0)}:{port}"
    made.environment = {
        **os.environ, "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_health_check_failure_threshold": "3",  # 13 s each; as the documentation says
    }  # fmt: skip
    sockets = tempfile.mkdtemp(dir="/tmp")  # 107 bytes are the longest path of a socket
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
    head = [
        *start, "--head", f"--port={port}", f"--node-ip-address={made.address(0)}",
        "--num-cpus=0", "--include-dashboard=false", f"--temp-dir={sockets}",
    ]  # fmt: skip
    processes = []

    def launch(command, log):
        with (tmp_path / log).open("w") as file:
            processes.append(
                subprocess.Popen(
                    command, env=made.environment, stdout=file, stderr=subprocess.STDOUT
                )
            )

    try:
        made.start()
        launch(head, "host0.log")
        wait(lambda: reachable(made.address(0), port), tmp_path)
        # One after another: they share a folder for their sockets.
        for i in (1, 2):
            wait(lambda i=i: "started" in (tmp_path / f"host{i - 1}.log").read_text(), tmp_path)
            node = [
                f"--address={made.cluster}", f"--node-ip-address={made.address(i)}", "--num-cpus=1"
            ]  # fmt: skip
            launch(made.inside(i, *start, *node), f"host{i}.log")
        yield made
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:  # Ray's, of a host that was cut off
                process.kill()
                process.wait()
        made.stop()
        shutil.rmtree(sockets)


def wait(condition, folder):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, said(folder)
        time.sleep(0.2)


def said(folder):
    """The last words of every host."""
    return "\n".join(log.read_text()[-2000:] for log in sorted(folder.glob("host*.log")))


def reachable(address, port):
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex((address, port)) == 0


def networks(folder):
    """The network namespace of every process that began a run and still lives."""
    links = [Path(f"/proc/{pid}/ns/net") for _, pid in begun(folder)]
    return {str(link.readlink()) for link in links if link.exists()}


def test_two_hosts_store_what_this_process_stores(hosts, tmp_path):
    seen = []

    def both_work():
        seen[:] = networks(tmp_path)
        return len(seen) == 2

    thread, _ = when(both_work, lambda: None)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, hosts.cluster, str(tmp_path)],
        env=hosts.environment, cwd=ROOT, capture_output=True, text=True,
        timeout=90, check=False,
    )  # fmt: skip
    thread.join()
    assert done.returncode == 0, done.stderr[-3000:] + said(tmp_path)
    assert json.loads(done.stdout.splitlines()[-1]) == [3, RUNS, 0, 0], said(tmp_path)
    assert len(seen) == 2, "both hosts worked"
    assert str(Path("/proc/self/ns/net").readlink()) not in seen, "neither of them this one"
    changes = {"trouble": "slow", "folder": str(tmp_path), "per_pack": "1"}
    assert content(tmp_path / "s.db") == made_here(tmp_path, **changes)


def test_a_pulled_cable_is_noticed_and_its_pack_is_made_again(hosts, tmp_path):
    """Nobody says a word: the host is silent from one moment to the next."""
    pulled = []

    def pull():
        ip("link", "set", hosts.cable(2), "down")
        pulled.append(time.monotonic())

    thread, _ = when(lambda: len(networks(tmp_path)) == 2, pull)
    try:
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, hosts.cluster, str(tmp_path)],
            env=hosts.environment, cwd=ROOT, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        seconds = time.monotonic() - pulled[0]
    finally:
        thread.join()
        ip("link", "set", hosts.cable(2), "up")
    print(f"after the cable was pulled all was made within {seconds:.0f} s")  # noqa: T201
    assert done.returncode == 0, done.stderr[-3000:] + said(tmp_path)
    assert json.loads(done.stdout.splitlines()[-1]) == [3, RUNS, 0, 0], said(tmp_path)
    assert len(begun(tmp_path)) > RUNS, "a pack in flight was made again"
    assert seconds < NOTICED, "the rest of the packs among them"
    changes = {"trouble": "slow", "folder": str(tmp_path), "per_pack": "1"}
    assert content(tmp_path / "s.db") == made_here(tmp_path, **changes)
