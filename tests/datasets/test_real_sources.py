"""Every real source serves the published bytes. Needs a network, or the system package."""

import dataclasses

import pytest

from allometry.datasets.cache import fetch, is_whole
from allometry.datasets.catalogue import available

pytestmark = pytest.mark.network

PAIRS = [(data_set, source) for data_set in available() for source in data_set.sources]


@pytest.mark.parametrize(
    ("data_set", "source"), PAIRS, ids=[f"{d.name}: {s.where}" for d, s in PAIRS]
)
def test_the_source_serves(tmp_path, data_set, source):
    fetch(dataclasses.replace(data_set, sources=(source,)), tmp_path)
    assert is_whole(data_set, tmp_path)
