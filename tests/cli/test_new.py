"""`allometry new` writes a study that runs as it is, with a page, and touches no file there is."""

import json

import pytest

from allometry.studies import study
from tests.cli.test_cli import in_a_process


@pytest.fixture
def there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_runs_as_it_is_and_its_findings_have_the_contracts_fields(there):
    assert in_a_process("new", "mine.py").code == 0
    ran = in_a_process("run", "./mine.py", "--store", "s.db", "--json")
    assert ran.code == 0
    document = json.loads(ran.out)
    (finding,) = document["findings"]
    fields = ["claim", "measured", "low", "high", "verdict", "control", "prediction", "source"]
    assert all(name in finding for name in fields)
    assert finding["verdict"] == "agrees" and finding["low"] < finding["measured"] < finding["high"]
    assert in_a_process("report", "./mine.py", "--store", "s.db", "-o", "mine.html").code == 0
    page = (there / "mine.html").read_text()
    assert page.index("claimed") < page.index("<svg") < page.index('id="findings"')
    assert (there / "mine" / "claim_1_power_law.svg").is_file()


def test_it_is_short_and_named_after_its_file(there):
    said = in_a_process("new", "my question.py").err
    assert "  allometry run './my question.py'\n" in said  # a line for a shell
    text = (there / "my question.py").read_text()
    assert len(text.splitlines()) <= 22
    assert study("./my question.py").name == "my_question"


@pytest.mark.parametrize("name", ["mine.py", "mine.txt", "mine"])
def test_what_is_there_and_what_is_no_python_file_is_refused(there, name):
    (there / "mine.py").write_text("mine")
    refused = in_a_process("new", name)
    assert refused.code == 2 and "mine" in refused.err
    assert (there / "mine.py").read_text() == "mine"
