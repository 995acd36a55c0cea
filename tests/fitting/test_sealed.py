"""A saved fit is what was written, or it is refused: every bit of it."""

import json
import random
import resource
import sys
import time

import numpy as np
import pytest

from allometry.errors import AllometryError, DataError
from allometry.fitting.document import Fit
from allometry.fitting.files import read_fit, save_fit
from allometry.fitting.fit import fit
from allometry.fitting.groups import fit_groups
from allometry.fitting.sealed import sealed, unsealed
from allometry.tables.table import Table

SIZES = [100 * 2**i for i in range(12)]
RUNS = Table({
    "n": SIZES,
    "loss": [3 * n**-0.3 * (1 + 0.01 * (i % 3)) for i, n in enumerate(SIZES)],
    "family": ["a", "b"] * 6,
})  # fmt: skip


@pytest.fixture(scope="module")
def made():
    return fit(RUNS, "power", {"x": "n", "y": "loss"}, resamples=50)


def seen(fitted):
    """All that a document says, with the data and the draws."""
    return json.dumps(fitted.to_document())


def flipped(text, rng):
    content = bytearray(text.encode())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


@pytest.mark.parametrize("flips", [1000, pytest.param(3000, marks=pytest.mark.slow)])
def test_no_flipped_bit_changes_what_a_person_sees(made, flips):
    text, rng, refused = made.to_json(indent=1), random.Random(2), 0
    whole = seen(made)
    for _ in range(flips):
        try:
            back = Fit.from_json(flipped(text, rng))
        except DataError:
            refused += 1
        else:
            assert seen(back) == whole
    assert refused > 0.8 * flips  # the others change spaces between values


def test_a_document_laid_out_otherwise_is_the_same(made):
    document = json.loads(made.to_json())
    again = json.dumps(dict(reversed(document.items())), indent=7, ensure_ascii=False)
    assert Fit.from_json(again) == made and Fit.from_json(again).notes == made.notes


def test_a_document_without_a_seal_is_read_with_a_note(made):
    back = Fit.from_json(json.dumps(made.to_document()))
    assert back.values == made.values and "without a seal" in back.notes[-1]
    assert "without a seal" not in repr(Fit.from_json(made.to_json()).notes)


def test_a_seal_cannot_be_left_out(made):
    document = json.loads(made.to_json())
    del document["sha256"]
    with pytest.raises(DataError, match="changed after it was written"):
        Fit.from_json(json.dumps(document))
    with pytest.raises(DataError, match="changed after it was written"):
        Fit.from_json(json.dumps(sealed(made.to_document()) | {"schema": "allometry/fit/1"}))


def test_data_of_another_hash_are_refused_without_a_seal_too(made):
    document = made.to_document()
    document["data"]["y"][3] *= 1 + 1e-15
    with pytest.raises(DataError, match="data_hash"):
        Fit.from_json(json.dumps(document))


def test_the_data_hash_holds_for_weighted_rows():
    weighted = RUNS.with_columns(w=np.linspace(1, 3, 12))
    for weights in ("w", None):
        made = fit(weighted, "power", {"x": "n", "y": "loss"}, resamples=0, weights=weights)
        assert Fit.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"law": None}, "at law"),
        ({"law": "nothing"}, "no law 'nothing'"),
        ({"rows": "12"}, "at rows"),
        ({"rows": 13}, "rows: 13, but the data have 12"),
        ({"data": {}}, "damaged"),
        ({"draws": {"A": [1.0], "alpha": []}}, "draws"),
        ({"parameters": {}}, "damaged"),
        ({"status": {"code": "fine", "advice": ""}}, "status.code.*got 'fine'"),
        ({"columns": ["n"]}, "at columns"),
        ({"notes": "x"}, "at notes"),
    ],
)
def test_wrong_types_are_refused_in_words(made, change, said):
    with pytest.raises(AllometryError, match=said):
        Fit.from_json(json.dumps(made.to_document() | change))


@pytest.mark.parametrize("text", ["[" * 99999, "", "null", "[]", "{}", "\ud800", '{"schema": []}'])
def test_what_is_no_fit_document_is_refused_in_words(text):
    with pytest.raises(DataError, match="allometry/fit"):
        Fit.from_json(text)


def test_a_fit_in_a_file_is_named_where_it_is_damaged(made, tmp_path):
    path = tmp_path / "fit.json"
    save_fit(made, path)
    assert read_fit(path) == made
    path.write_text(path.read_text().replace('"rows": 12', '"rows": 11'))
    with pytest.raises(DataError, match=r"fit\.json: the document was changed after"):
        read_fit(path)
    assert [file.name for file in tmp_path.iterdir()] == ["fit.json"]


def test_fits_by_group_are_sealed():
    groups = fit_groups(RUNS, "power", {"x": "n", "y": "loss"}, by="family", resamples=0)
    text = groups.to_json()
    document, has_seal = unsealed(text, "allometry/fit_groups", "`allometry fit`")
    assert has_seal and list(document["groups"]) == ["a", "b"]
    with pytest.raises(DataError, match="changed after it was written"):
        unsealed(text.replace('"b"', '"c"', 1), "allometry/fit_groups", "`allometry fit`")


def test_fits_with_numbers_that_are_not_finite_are_equal(made):
    no_interval = fit(RUNS, "power", {"x": "n", "y": "loss"}, resamples=0)
    again = fit(RUNS, "power", {"x": "n", "y": "loss"}, resamples=0)
    assert no_interval == again == Fit.from_json(again.to_json())
    assert no_interval != made and made != 1


VALUES = [None, True, -1, 0, 2**63, 1e308, "", "x", [], {}, [None], {"x": None}]


def damaged(document, rng):
    """A copy of a document with one to three values replaced, removed or doubled."""
    document = json.loads(json.dumps(document))
    for _ in range(rng.randint(1, 3)):
        part = document
        while True:
            places = list(part) if isinstance(part, dict) else list(range(len(part)))
            if not places:
                break
            place = rng.choice(places)
            if not isinstance(part[place], dict | list) or rng.random() < 0.2:
                if rng.random() < 0.3:
                    del part[place]
                else:
                    part[place] = rng.choice(VALUES)
                break
            part = part[place]
    return document


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # 1e308 for a parameter overflows
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_damaged_document_escapes(made, count, capsys):
    """Without a seal, and with one made for the damage: words, or a fit that can be shown."""
    document, rng, read, slowest = made.to_document(), random.Random(5), 0, 0.0
    for i in range(count):
        broken = damaged(document, rng)
        begun = time.monotonic()
        if i % 2 and broken.get("schema") == document["schema"]:
            broken = sealed(broken)
        try:
            back = Fit.from_json(json.dumps(broken))
        except AllometryError as refusal:
            assert str(refusal)
        else:
            repr(back), back.to_json(), back._repr_html_()
            read += 1
        slowest = max(slowest, time.monotonic() - begun)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with capsys.disabled():
        sys.stdout.write(f"\n{count} damaged documents: 0 uncaught, {read} read, "
                         f"slowest {slowest:.2f} s, RSS {memory:.0f} MiB\n")  # fmt: skip
    assert slowest < 5
