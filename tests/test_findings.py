"""Verdicts say what an interval says, and a finding is written in one way everywhere."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allometry.findings import (
    MARKS,
    Finding,
    at_least,
    at_most,
    equivalent,
    findings_html,
    inside,
)
from allometry.stats.interval import NO_VALUE, Interval

NUMBERS = st.floats(-5, 5)
OPPOSITE = {"agrees": "disagrees", "disagrees": "agrees", "undecided": "undecided"}


def interval(a, b):
    low, high = sorted((a, b))
    return Interval((low + high) / 2, low, high)


def mirrored(x):
    return Interval(-x.value, -x.high, -x.low)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_at_most_is_at_least_of_the_mirrored_number(a, b, bound):
    x = interval(a, b)
    assert at_most(x, bound) == at_least(mirrored(x), -bound)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_the_two_bounds_are_opposite_but_at_the_bound_itself(a, b, bound):
    x = interval(a, b)
    if bound not in (x.low, x.high):
        assert at_most(x, bound) == OPPOSITE[at_least(x, bound)]


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_inside_needs_both_bounds(a, b, c, d):
    x, (low, high) = interval(a, b), sorted((c, d))
    both = {at_least(x, low), at_most(x, high)}
    expected = (
        "disagrees" if "disagrees" in both else "agrees" if both == {"agrees"} else "undecided"
    )
    assert inside(x, low, high) == expected


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [((-0.1, 0.2), "agrees"), ((-0.4, 0.2), "undecided"), ((0.4, 0.9), "disagrees")],
)
def test_equivalent_asks_for_a_narrow_interval_about_zero(ends, verdict):
    assert equivalent(interval(*ends), 0.3) == verdict


def test_no_interval_decides_nothing():
    for x in (NO_VALUE, Interval(1.0, math.nan, math.nan)):
        assert {
            at_least(x, 0), at_most(x, 0), inside(x, 0, 1), equivalent(x, 1)
        } == {"undecided"}  # fmt: skip


def finding(measured, low, high, unit=""):
    return Finding("c", "p", "s", measured, low, high, "agrees", "a <b>", unit=unit)


def test_a_finding_is_written_with_its_interval():
    assert finding(0.5, 0.25, 0.751).shown == "0.5 [0.25, 0.751]"
    assert finding(0.5, 0.25, 0.751).interval == Interval(0.5, 0.25, 0.751)
    assert finding(0.5, math.nan, math.nan, "bits").shown == "0.5 bits, no interval"
    assert finding(math.nan, math.nan, math.nan, "bits").shown == ""


def test_findings_in_a_notebook_are_escaped():
    assert "a &lt;b&gt;" in findings_html([finding(1, 0, 2)]) and findings_html([]) == ""


def test_every_verdict_has_a_mark():
    assert set(MARKS) == {"agrees", "disagrees", "undecided"} and len(set(MARKS.values())) == 3
