"""Bands of the learning rate and batch size, against the settings of the laws' own authors."""

import dataclasses

import pytest

from allometry.errors import UsageError
from allometry.plan.beyond.batch import advice, disagreement


def by_name(given, source, quantity):
    return next(a for a in given if a.source.startswith(source) and a.quantity == quantity)


@pytest.mark.parametrize(
    ("n", "batch", "rate"), [(7e9, 2304 * 4096, 4.2e-4), (67e9, 4608 * 4096, 3.2e-4)]
)
def test_deepseeks_own_models_are_in_the_middle_of_its_bands(n, batch, rate):
    """README of DeepSeek LLM: 2e12 tokens, sequences of 4096; so its B is in tokens."""
    given = advice(n, 2e12, 6 * n * 2e12)
    sizes = by_name(given, "DeepSeek", "batch size")
    assert (sizes.low * sizes.high) ** 0.5 == pytest.approx(batch, rel=0.05)
    assert sizes.unit == "tokens"
    rates = by_name(given, "DeepSeek", "learning rate")
    assert (rates.low * rates.high) ** 0.5 == pytest.approx(rate, rel=0.05)


def test_step_law_written_out():
    given = advice(1e9, 1e11, 6e20)
    rates, sizes = (by_name(given, "Step Law", q) for q in ("learning rate", "batch size"))
    rate, batch = 1.79 * 1e9**-0.713 * 1e11**0.307, 0.58 * 1e11**0.571
    assert (rates.low, rates.high) == pytest.approx((rate / 2, rate * 2))
    assert (sizes.low, sizes.high) == pytest.approx((batch / 2, batch * 2))


def test_there_is_no_point_only_bands_and_they_disagree():
    given = advice(7e9, 2e12, 8.4e22)
    assert len(given) == 4
    for one in given:
        assert one.high == pytest.approx(4 * one.low)
        assert one.recipe and one.doubt and one.meaning and one.unit
        assert {f.name for f in dataclasses.fields(one)}.isdisjoint({"value", "best", "point"})
    factors = disagreement(given)
    assert factors.keys() == {"learning rate", "batch size"}
    assert factors["learning rate"] == pytest.approx(
        max(a.low for a in given if a.quantity == "learning rate")
        / min(a.low for a in given if a.quantity == "learning rate")
    )
    assert factors["learning rate"] > 2


@pytest.mark.parametrize("wrong", [(0, 1e9, 1e20), (1e9, -1, 1e20), (1e9, 1e9, float("nan"))])
def test_nonsense_is_refused(wrong):
    with pytest.raises(UsageError, match="positive"):
        advice(*wrong)
