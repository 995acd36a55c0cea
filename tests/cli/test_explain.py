"""`allometry run --explain`: says what would be trained together, trains nothing."""

import json

import pytest

from allometry import cli
from allometry.store import Store


def asked(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        cli.main(["run", *words, "--explain"])
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_it_names_every_pack_its_cost_and_why_and_leaves_no_store(tmp_path, capsys):
    store = tmp_path / "none.db"
    text = asked(capsys, "mlp_parameter_scaling", "--store", str(store))
    assert "14 runs to train in 2 packs" in text and "predicted:" in text
    assert text.count("7 runs side by side, width") == 2
    assert text.count("padding") == 2 and text.count("one by one") == 2
    assert not store.exists()


def test_as_json_it_is_the_plan_in_numbers(tmp_path, capsys):
    words = ("mlp_parameter_scaling", "--store", str(tmp_path / "none.db"), "--json")
    document = json.loads(asked(capsys, *words))
    assert document["schema"] == "allometry/explain/1" and document["predicted"]
    for pack in document["packs"]:
        assert pack["seconds"] > pack["compiling"] > 0
        assert 0 <= pack["waste"] <= 0.15 and pack["memory"] > 0 and pack["why"]
    assert sum(pack["runs"] for pack in document["packs"]) == document["runs"] == 14


def test_a_procedure_of_its_own_shows_its_packs_without_a_prediction(tmp_path, capsys):
    words = ("ntk_depth", "--store", str(tmp_path / "none.db"))
    assert "the study's own procedure" in asked(capsys, *words)
    document = json.loads(asked(capsys, *words, "--json"))
    assert not document["predicted"]
    assert sum(pack["runs"] for pack in document["packs"]) == document["runs"]


def test_what_is_stored_is_left_out(tmp_path, capsys):
    store = tmp_path / "empty.db"
    with Store(store, write=True):
        pass
    assert "14 runs" in asked(capsys, "mlp_parameter_scaling", "--store", str(store))
