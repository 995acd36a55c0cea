"""One count of processors: those the process may use, not those the machine has."""

import os
import subprocess
import sys

import pytest

from allometry.errors import UsageError
from allometry.processors import limit, processors, threads


def test_it_is_the_affinity_of_the_process():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system has no affinity")
    one = min(os.sched_getaffinity(0))
    code = (
        f"import os, sys; os.sched_setaffinity(0, {{{one}}})\n"
        "from allometry.processors import processors\n"
        "sys.stdout.write(repr(processors()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"[{one}]"


def test_without_affinity_it_is_every_processor_of_the_machine(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert processors() == [0, 1, 2]
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors() == [0]


def test_fewer_may_be_asked_for_and_more_are_refused():
    code = (
        "import sys\n"
        "from allometry.processors import limit, processors, threads\n"
        "limit(1)\n"
        "import jax\n"
        "sys.stdout.write(f'{len(processors())} {threads()}')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 1"
    with pytest.raises(UsageError, match="this process may use"):
        limit(len(processors()) + 1)


def test_the_threads_of_a_program_are_what_xla_reads(monkeypatch):
    monkeypatch.setenv("NPROC", "3")
    assert threads() == 3
