"""``--engine`` and ``--workers`` give the engine that was asked for, or say what it lacks."""

import sys

import pytest

from allometry.cli.options import engine_of
from allometry.engines.local import LocalEngine
from allometry.errors import UsageError


def test_local_is_this_machine():
    assert isinstance(engine_of("local", None, 60), LocalEngine)
    assert isinstance(engine_of("local", 3, 60), LocalEngine)


@pytest.mark.parametrize(("name", "module"), [("ray", "ray"), ("slurm", "submitit")])
def test_an_engine_whose_extra_is_missing_says_how_to_get_it(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=rf"pip install 'allometry\[{name}\]'"):
        engine_of(name, 2, 60)
