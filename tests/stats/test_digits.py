"""Numbers carry the digits their interval warrants, and come back near what they were."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allometry.stats.digits import rounded, shown, shown_integer, shown_interval, warranted

BACK = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")


def read(text):
    return float(text.translate(BACK).replace("\N{NARROW NO-BREAK SPACE}", "").replace("×10", "e"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.34123, "0.341"),
        (-1.5, "−1.50"),
        (12345.6, "12\N{NARROW NO-BREAK SPACE}300"),
        (3.2e-9, "3.20×10⁻⁹"),
        (0, "0"),
        (float("nan"), "–"),
        (-math.inf, "−∞"),
        (999.6, "1000"),
    ],
)
def test_a_number_alone(value, text):
    assert shown(value) == text


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((0.34123, 0.3123, 0.3667), "0.341 [0.312, 0.367]"),
        ((-1.52, -2.1, -0.9), "−1.52 [−2.10, −0.90]"),
        ((0.0001, -0.02, 0.03), "0.000 [−0.020, 0.030]"),
        ((35012.0, 34000.0, 36000.0), "35\u202f000 [34\u202f000, 36\u202f000]"),
        ((2.0, math.nan, math.nan), "2"),  # a count
        ((2.25, math.nan, math.nan), "2.25"),
        ((1.0, 1 - 1e-16, 1.0), "1.00 [1, 1]"),
        ((426.8, 43.8, 56_010.0), "427 [43.8, 56\u202f000]"),
        ((35.2, 7.2, 5500.0), "35.2 [7.2, 5500]"),
        ((0.371, 0.002, 4.6), "0.371 [0.002, 4.6]"),
        ((144.0, 30.0, 900.0), "144 [30, 900]"),
    ],
)
def test_digits_follow_the_interval(ends, text):
    assert shown_interval(*ends) == text


@given(st.floats(1e-30, 1e30), st.sampled_from([1, -1]))
def test_three_digits_lose_at_most_half_a_percent(size, sign):
    assert math.isclose(read(shown(sign * size)), sign * size, rel_tol=5.1e-3)


@given(st.integers(-(10**9), 10**9))
def test_every_digit_of_an_integer_stays(value):
    assert read(shown_integer(value)) == value


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e5))
def test_ends_are_within_a_tenth_of_the_half_width(value, half):
    low = read(shown_interval(value, value - half, value + half).split("[")[1].split(",")[0])
    allowed = max(0.1 * half, 1e-5 * (abs(value) + half))
    assert abs(low - (value - half)) <= allowed


@given(st.floats(1e-4, 1e8), st.floats(1.0, 1e6), st.floats(1.0, 1e6))
def test_a_positive_value_and_its_interval_are_never_written_as_zero(value, below, above):
    text = shown_interval(value, value / below, value * above)
    front, _, ends = text.rstrip("]").partition(" [")
    assert all(read(number) > 0 for number in (front, *ends.split(", ")))


@given(st.floats(1e-9, 1e9), st.sampled_from([1, -1]), st.integers(3, 12))
def test_so_many_digits_are_shown(size, sign, significant):
    value = sign * size
    assert read(shown(value, significant)) == pytest.approx(rounded(value, significant), rel=1e-13)


@given(st.floats(1e-2, 1e6), st.floats(1e-6, 0.5))
def test_no_digit_of_the_interval_is_lost(value, relative):
    ends = value * (1 - relative), value * (1 + relative)
    digits = warranted(value, *ends)
    alone = read(shown_interval(value, *ends).split(" [")[0])
    assert 3 <= digits <= 6
    assert abs(rounded(value, digits) - value) <= abs(alone - value) * (1 + 1e-9) or digits == 6
