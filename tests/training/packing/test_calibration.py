"""The calibration's file: read where it is one of ours, measured anew where it is not."""

import json
import os

import pytest

from allometry.training.packing import calibration as module
from allometry.training.packing.calibration import Calibration, calibration

RATES = Calibration(
    products=((1.0, 1e9), (2.0, 2e9)), batched=((1.0, 1e9),), passes=((1.0, 1e-9),),
    operation=1e-6, compile_operation=1e-3, threads=1, memory=10**9,
)  # fmt: skip


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "measure", lambda: RATES)
    calibration.cache_clear()
    yield tmp_path / "calibration" / f"{module._machine()}.json"
    calibration.cache_clear()


def test_what_is_measured_is_kept_and_read(file, tmp_path, monkeypatch):
    assert calibration(tmp_path) == RATES
    calibration.cache_clear()
    monkeypatch.setattr(module, "measure", lambda: pytest.fail("measured again"))
    assert calibration(tmp_path) == RATES
    assert [path.name for path in file.parent.iterdir()] == [file.name]


WELL = {"schema": module.SCHEMA, **RATES.__dict__}
DAMAGED = {
    "empty": "",
    "nested": "[" * 100_000,
    "nested in a value": json.dumps({**WELL, "products": 1}).replace("1", "[" * 100_000, 1),
    "a list": "[]",
    "a number": "5",
    "no fields": json.dumps({"schema": module.SCHEMA}),
    "another schema": json.dumps({**WELL, "schema": "allometry/calibration/0"}),
    "products are a number": json.dumps({**WELL, "products": 5}),
    "products are texts": json.dumps({**WELL, "products": ["ab", "cd"]}),
    "points of three": json.dumps({**WELL, "passes": [[1, 2, 3]]}),
    "no threads": json.dumps({**WELL, "threads": 0}),
    "a time is a text": json.dumps({**WELL, "operation": "1e-6"}),
    "a time is nothing": json.dumps({**WELL, "operation": None}),
    "a time below zero": json.dumps({**WELL, "operation": -1}),
    "not a number": json.dumps({**WELL, "operation": float("nan")}),
    "beyond floats": json.dumps(WELL).replace("1e-06", "1e999"),
    "many digits": json.dumps(WELL).replace("1000000000", "9" * 10_000),
    "not UTF-8": b"\xff\xfe",
    "two million bytes": " " * 2_000_000,
}


@pytest.mark.parametrize("what", DAMAGED)
def test_what_is_damaged_is_measured_anew_and_said(what, file, tmp_path, caplog):
    content = DAMAGED[what]
    file.parent.mkdir()
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert calibration(tmp_path) == RATES
    assert "cannot be used" in caplog.text and "measured again" in caplog.text
    assert json.loads(file.read_text())["schema"] == module.SCHEMA


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link"])
def test_what_has_its_name_and_is_no_file_of_ours_is_not_written(kind, file, tmp_path, caplog):
    file.parent.mkdir()
    (tmp_path / "victim").write_text("precious")
    match kind:
        case "a pipe":
            os.mkfifo(file)
        case "a folder":
            file.mkdir()
        case "a link":
            file.symlink_to(tmp_path / "victim")
    assert calibration(tmp_path) == RATES
    assert "cannot be written" in caplog.text
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize(
    ("most", "rates", "expected"),
    [
        (1, {}, 1),
        (2, {}, 2),
        (4, {}, 4),
        (6, {4: 4.0, 6: 5.5}, 6),
        (64, {4: 4.0, 8: 7.0, 16: 12.0, 32: 12.3}, 16),
        (64, {4: 4.0, 8: 4.1}, 4),
    ],
)
def test_more_than_four_programs_are_run_at_once_as_long_as_they_get_more_done(
    most, rates, expected
):
    class Piece:
        def rate(self, threads, n):
            return rates[n]

    assert module._threads(Piece(), most) == expected
