"""Claims on tables that nobody meant: each is judged, undecided in words, or refused in words."""

import re
from math import inf, nan

import numpy as np
import pytest

from allometry.claims import (
    Equals,
    Exponents,
    NoEffect,
    Optimum,
    PowerLaw,
    Slope,
    Steeper,
    Straight,
)
from allometry.errors import UsageError
from allometry.tables.table import Table

pytestmark = pytest.mark.filterwarnings("error")


def rows(sizes=5, seeds=3):
    """Runs of two groups, each a power law with scatter."""
    rng = np.random.default_rng(0)
    return [
        dict(
            run_id=f"r{d}{k}{seed}", n=100.0 * 2**k, seed=seed, d=d, status="done",
            loss=5 * (100.0 * 2**k) ** -0.4 * np.exp(0.01 * rng.normal()),
        )
        for d in (2.0, 4.0) for k in range(sizes) for seed in range(seeds)
    ]  # fmt: skip


def claims(x="n", y="loss", group="d"):
    one = {"where": [f"{group}==2"]}
    return [
        PowerLaw(x, y, **one),
        PowerLaw(x, y, floor="fitted", predicts={"alpha": (0.1, 0.5)}, **one),
        Slope(x, y, predicts=(0, inf), **one),
        Slope(x, y, predicts=(0, inf), xlog=False, ylog=False, **one),
        Straight(x, y, **one),
        NoEffect(x, y, margin=0.1, why="w", **one),
        Steeper(x, y, group=group, steeper=2.0, than=4.0),
        Optimum(x, y, moves_with=group, predicts=(-inf, 0)),
        Optimum(group, y, moves_with=x, stays=0.1),
        Equals(x, y, printed={100.0: 1.0}, tolerance=0.1, **one),
        Exponents(x, y, group=group, predicts=lambda d: 1 / d, within=0.2),
    ]


def with_(name, value):
    """All runs, a column made anew from the place and the cells of each."""
    return [{**row, name: value(k, row)} for k, row in enumerate(rows())]


JUDGED = {
    "one seed": rows(seeds=1),
    "one size": rows(sizes=1),
    "three sizes": rows(sizes=3),
    "one run": rows()[:1],
    "no run": [],
    "all diverged": with_("status", lambda k, row: "diverged"),
    "all diverged, nothing measured": [
        {"n": row["n"], "d": row["d"], "seed": row["seed"], "status": "diverged"} for row in rows()
    ],
    "status missing": [{k: v for k, v in row.items() if k != "status"} for row in rows()],
    "status empty": with_("status", lambda k, row: None),
    "status mixed": with_("status", lambda k, row: "done" if k % 3 else None),
    "no seeds": [{k: v for k, v in row.items() if k != "seed"} for row in rows()],
    "seeds of all types": with_("seed", lambda k, row: [None, "a", 2][row["seed"]]),
    "sizes of 64 bits": with_("n", lambda k, row: int(row["n"]) ** 6 + 1),
    "sizes of 64 bits, some missing": with_(
        "n", lambda k, row: int(row["n"]) ** 6 + 1 if k % 4 else None
    ),
    "groups of 64 bits, one missing": with_(
        "d", lambda k, row: 2**63 + int(row["d"]) if k else None
    ),
    "y nan": with_("loss", lambda k, row: nan),
    "y sometimes nan": with_("loss", lambda k, row: row["loss"] if k % 4 else nan),
    "y sometimes infinite": with_("loss", lambda k, row: row["loss"] if k % 4 else -inf),
    "y bool": with_("loss", lambda k, row: k % 2 == 0),
    "y constant": with_("loss", lambda k, row: 1.0),
    "y constant but for rounding": with_("loss", lambda k, row: 1 + k % 3 * 2e-16),
    "y 0": with_("loss", lambda k, row: 0.0),
    "y negative": with_("loss", lambda k, row: -row["loss"]),
    "y beyond any": with_("loss", lambda k, row: row["loss"] * 1e300),
    "y below any": with_("loss", lambda k, row: row["loss"] * 1e-300),
    "x beyond any": with_("n", lambda k, row: row["n"] * 1e300),
    "x with 0": with_("n", lambda k, row: row["n"] - 100),
    "x constant": with_("n", lambda k, row: 7.0),
    "x narrow": with_("n", lambda k, row: 1e9 + row["n"]),
    "group with 0": with_("d", lambda k, row: row["d"] - 2 or 1e-9),
    "a run twice": rows() + rows()[:1],
    "ragged": [row for k, row in enumerate(rows()) if k % 3],
    "seeds of other sizes": [row for row in rows() if (row["seed"] == 0) == (row["n"] > 300)],
    "run_id a number": with_("run_id", lambda k, row: k),
    "control nan": with_("loss_untrained", lambda k, row: nan),
    "control None": with_("loss_untrained", lambda k, row: None),
    "control negative": with_("loss_untrained", lambda k, row: -1.0 - k),
}


@pytest.mark.parametrize("name", JUDGED)
def test_hostile_runs_give_a_finding_in_words(name):
    table = Table.from_rows(JUDGED[name])
    for claim in claims():
        finding = claim.judge_or_say(table).finding
        said = " ".join([finding.answer, finding.control, finding.shown])
        assert finding.answer.endswith(".") and not re.search(r"\b(nan|inf)\b", said), said
        if finding.verdict != "undecided":
            assert np.isfinite([finding.low, finding.high]).all() or finding.reproduces


@pytest.mark.parametrize("name", ["one size", "three sizes", "y bool", "x narrow", "ragged"])
def test_what_is_judged_is_drawn(name):
    """Each kind on one table at least: figures take most of the time here."""
    table = Table.from_rows(JUDGED[name])
    for claim in claims()[:: 1 if name in ("one size", "ragged") else 3]:
        judgement = claim.judge_or_say(table)
        assert judgement.figure is None or judgement.figure.draw().axes


@pytest.mark.parametrize("column", ["n", "loss"])
def test_text_for_numbers_is_refused(column):
    table = Table.from_rows(with_(column, lambda k, row: "big" if k == 3 else row[column]))
    for claim in claims():
        with pytest.raises(UsageError, match=rf"column '{column}'.*a number was expected.*'big'"):
            claim.judge_or_say(table)


def test_a_group_of_text_makes_groups_and_no_exponents():
    table = Table.from_rows(with_("d", lambda k, row: "ab"[row["d"] == 2]))
    steeper = Steeper("n", "loss", group="d", steeper="a", than="b")
    assert steeper.judge(table).finding.unit == "difference of slopes"
    for claim in claims()[-1:]:
        with pytest.raises(UsageError, match=r"column 'd'.*a number was expected"):
            claim.judge_or_say(table)


@pytest.mark.parametrize("predicts", [lambda d: 0, lambda d: 1 / (d - 2), lambda d: nan])
def test_an_exponent_of_0_is_no_prediction_to_be_near_to(predicts):
    claim = Exponents("n", "loss", group="d", predicts=predicts, within=0.2)
    with pytest.raises(UsageError, match="finite number other than 0 expected"):
        claim.judge(Table.from_rows(rows()))


def test_a_negative_exponent_has_an_interval_that_rises():
    claim = Exponents("n", "loss", group="d", predicts=lambda d: -0.4, within=0.2)
    finding = claim.judge(Table.from_rows(rows())).finding
    assert finding.low < finding.measured < finding.high < 0 and finding.verdict == "disagrees"


def test_columns_may_have_any_name():
    new = {"n": "y", "loss": "is_steeper", "d": "self"}
    table = Table.from_rows([{new.get(k, k): v for k, v in row.items()} for row in rows()])
    for renamed, claim in zip(claims(*new.values()), claims(), strict=True):
        expected = claim.judge_or_say(Table.from_rows(rows())).finding
        assert renamed.judge_or_say(table).finding.interval == pytest.approx(
            expected.interval, nan_ok=True
        )
