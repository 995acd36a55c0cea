"""Commands `plan` and `next`: what they print, their documents, files and exit codes."""

import json
from pathlib import Path

import numpy as np
import pytest

from allometry import cli
from allometry.plan.design.next_result import NextRuns
from allometry.plan.document import Plan
from allometry.stats.digits import shown

PUBLISHED = "E=1.8172,A=482.01,B=2085.43,alpha=.3478,beta=.3658"  # Besiroglu et al. 2404.10102
MAPPED = "--map N=params --map D=tokens --map L=loss"
QUICK = "--starts 4 --resamples 20"
USAGE, DATA = 2, 65


@pytest.fixture
def call(capfd, tmp_path, monkeypatch):
    """Exit code, stdout and stderr of a command line, in a folder with `runs.csv`."""
    rng = np.random.default_rng(0)
    compute = np.repeat(np.geomspace(1e18, 3e20, 5), 7)
    n = np.sqrt(compute / 120) * np.tile(np.geomspace(1 / 8, 8, 7), 5)
    d = compute / (6 * n)
    loss = (1.1 + 300 * n**-0.34 + 900 * d**-0.35) * np.exp(0.002 * rng.standard_normal(35))
    rows = (
        f"{a!r},{b!r},{c!r}" for a, b, c in zip(*map(np.ndarray.tolist, (n, d, loss)), strict=True)
    )
    (tmp_path / "runs.csv").write_text("params,tokens,loss\n" + "\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)

    def result(line):
        with pytest.raises(SystemExit) as ended:
            cli.main(line.split())
        return (ended.value.code or 0, *capfd.readouterr())

    return result


def test_a_plan_is_printed_with_the_run_first(call):
    code, out, err = call(f"plan runs.csv {MAPPED} --compute 1e21 {QUICK}")
    assert code == 0 and not err
    first, second, *_ = out.splitlines()
    words = " ".join(out.split())
    assert first.startswith("The run to train with 1.00×10²¹ FLOP")
    assert second.startswith("By chinchilla: train ")
    assert "2 IsoFLOP" in words and "Approach 1 envelope is not used" in words
    assert out.rstrip().endswith("No alarm.")


def test_the_document_on_stdout_and_in_a_file_say_the_same(call):
    line = f"plan runs.csv {MAPPED} --compute 1e23 {QUICK} --laws chinchilla,kaplan"
    code, out, err = call(f"{line} --json -o made/plan.json")
    assert code == 0 and not err
    document = json.loads(out)
    assert document["schema"] == "allometry/plan/1"
    assert list(document["laws"]) == ["chinchilla", "kaplan"]
    saved = Plan.from_json(Path("made/plan.json").read_bytes())
    assert {**saved.to_document(), "seconds": 0} == {**document, "seconds": 0}
    assert {alarm["code"] for alarm in document["alarms"]} >= {"far_extrapolation"}


def test_given_values(call):
    code, out, _ = call(f"plan --law chinchilla --parameters {PUBLISHED} --compute 1e24 --json")
    law = json.loads(out)["laws"]["chinchilla"]
    assert code == 0 and law["n_opt"]["value"] == pytest.approx(9.58607e10, rel=2e-6)
    assert law["n_opt"]["low"] is None and law["n_opt"]["high"] is None


def test_inference_by_account(call):
    line = f"plan --parameters {PUBLISHED} --compute 1e24 --inference-tokens 1e13 --json"
    _, out, _ = call(f"{line} --account equal-quality")
    document = json.loads(out)
    given = document["inference"]
    assert given["n_opt"] == pytest.approx(4.82828e10, rel=2e-6)
    assert given["total_flops"] / given["baseline_flops"] - 1 == pytest.approx(-0.2398, abs=5e-5)
    _, out, _ = call(f"{line} --account lifetime")
    given = json.loads(out)["inference"]
    assert given["baseline_flops"] is None and given["total_flops"] == pytest.approx(1e24)


def test_the_run_that_serves_is_the_answer_where_it_is_asked_for(call):
    """With a lifetime's compute the best run for training alone would leave nothing to serve."""
    line = f"plan runs.csv {MAPPED} --compute 1e21 --inference-tokens 1e12 --account lifetime"
    code, out, _ = call(f"{line} {QUICK}")
    served, alone = out.splitlines()[1].split("For training alone: train ")
    assert code == 0 and "to serve 1.00×10¹² tokens" in served and "pays for training and" in served
    document = json.loads(call(f"{line} {QUICK} --json")[1])
    assert f"train {shown(document['inference']['n_opt'])} parameters" in served
    assert alone.startswith(shown(document["laws"]["chinchilla"]["n_opt"]["value"]))


def test_a_size_that_was_given_has_no_interval_and_is_why_compute_is_wasted(call):
    code, out, _ = call(f"plan runs.csv {MAPPED} --compute 1e21 --size 2e8 {QUICK}")
    answer = out.splitlines()[1]
    assert code == 0 and "train 2.00×10⁸ parameters on" in answer
    assert "this run is off the best size" in answer and "uncertain" not in answer


def test_a_fit_document_is_planned_from(call):
    code, _, _ = call(f"fit runs.csv --law chinchilla {MAPPED} {QUICK} -o fit.json")
    assert code == 0
    _, of_fit, _ = call("plan fit.json --compute 1e21 --json")
    _, of_table, _ = call(f"plan runs.csv {MAPPED} --compute 1e21 {QUICK} --json")
    first, second = (json.loads(text)["laws"]["chinchilla"] for text in (of_fit, of_table))
    assert first["n_opt"]["value"] == pytest.approx(second["n_opt"]["value"], rel=1e-6)
    assert first["n_opt"]["low"] == pytest.approx(second["n_opt"]["low"], rel=1e-6)


def test_hours_and_dollars(call):
    """1e21 FLOP at 0.4 of 1e15 FLOP/s on 8 GPUs are 86.8 hours, at 2 dollars 1389."""
    line = f"plan --parameters {PUBLISHED} --compute 1e21 --peak 1e15 --mfu 0.4 --gpus 8 --price 2"
    _, out, _ = call(f"{line} --peak-kind dense --json")
    bill = json.loads(out)["bill"]
    assert bill["hours"]["value"] == pytest.approx(1e21 / (8 * 0.4e15) / 3600)
    assert bill["dollars"]["value"] == pytest.approx(16 * bill["hours"]["value"])
    _, out, _ = call(f"{line} --peak-kind sparse --json")
    assert json.loads(out)["bill"]["hours"]["value"] == pytest.approx(2 * bill["hours"]["value"])


def test_a_design_is_printed_and_written(call):
    line = f"plan runs.csv --design {MAPPED} --compute 1e22 --parameters {PUBLISHED} --noise 0.005"
    code, out, err = call(line)
    assert code == 0 and not err and "ln_n_opt@1e22" in out and "distinct D/N" in out
    code, out, _ = call(f"{line} --json -o design.json")
    document = json.loads(out)
    assert code == 0 and document["schema"] == "allometry/design/1"
    assert json.loads(Path("design.json").read_text()) == document
    sd, waste = document["decisions"].values()
    a, b = 0.3478, 0.3658
    assert waste == pytest.approx((a + b) / 2 * sd**2, rel=1e-6)


def test_a_design_without_losses(call):
    Path("design.csv").write_text(
        "params,tokens\n1e8,2e9\n1e8,2e10\n1e9,2e10\n1e9,2e11\n1e9,2e9\n3e8,1e10\n"
    )
    mapped = "--map N=params --map D=tokens"
    code, out, _ = call(
        f"plan design.csv --design {mapped} --compute 1e22 --parameters {PUBLISHED} --noise 0.005 "
        "--json"
    )
    assert code == 0 and json.loads(out)["rows"] == 6


def test_next_runs_are_printed_and_written(call):
    line = f"next runs.csv {MAPPED} --budget 1e20 --target ln_n_opt@1e22 {QUICK} --at-most 4"
    code, out, err = call(line)
    assert code == 0 and not err and out.startswith("Runs to make for 1.00×10²⁰ FLOP")
    code, out, _ = call(f"{line} --json -o next.json")
    document = json.loads(out)
    assert document["schema"] == "allometry/next/1" and len(document["runs"]) <= 4
    assert {"N", "D", "cost", "reason"} == set(document["runs"][0])
    assert sum(run["cost"] for run in document["runs"]) <= 1e20
    assert document["after"]["sd"] < document["before"]["sd"]
    written = NextRuns.from_json(Path("next.json").read_bytes())
    assert json.loads(json.dumps(written.to_document())) == document


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"plan runs.csv {MAPPED}", "a plan is made for a compute"),
        (f"plan runs.csv {MAPPED} --compute nan", "compute must be a positive number"),
        (f"plan runs.csv {MAPPED} --compute 1e21 --target-loss 2", "a plan is made for"),
        ("plan runs.csv --compute 1e21", "state which columns"),
        ("plan --compute 1e21", "needs a table"),
        ("plan nothing.csv --compute 1e21 --map N=params", "no file"),
        (f"plan runs.csv {MAPPED} --compute 1e21 --law ,", "expects the name of a law"),
        (f"plan runs.csv {MAPPED} --compute 1e21 --law power", "splits compute|no column|law"),
        (f"plan runs.csv {MAPPED} --compute 1e21 --law chinchila", "did you mean"),
        (f"plan runs.csv {MAPPED} --compute 1e21 --noise 0.1", "--noise is for --design"),
        (f"plan runs.csv {MAPPED} --compute 1e21 --gpus 8", "--peak"),
        (f"plan runs.csv {MAPPED} --compute 1e21 --inference-tokens 1e12", "account"),
        (f"plan runs.csv {MAPPED} --compute 1e21 --run column", "no column"),
        (f"plan --parameters {PUBLISHED},E=2 --compute 1e24", "gives E twice"),
        ("plan --parameters E=1 --compute 1e24", "needs a value of"),
        ("plan --parameters x --compute 1e24", "expected, got"),
        (f"plan --parameters {PUBLISHED} --compute 1e24 --size 1e9 --inference-tokens 1e12 "
         "--account lifetime", "with inference the plan chooses the size"),
        (f"plan --parameters {PUBLISHED} --compute 1e24 {MAPPED}", "leave the columns out"),
        (f"plan --parameters {PUBLISHED} --compute 1e24 --filter a<1", "has no effect"),
        (f"plan --parameters {PUBLISHED} --compute 1e24 -o plan.pdf", "written as .json or .html"),
        ("next runs.csv --budget 1e20 --target law", "state which columns"),
        ("plan runs.csv --compute 1e21 --map C=params --map D=tokens --map L=loss",
         "Compute N with N=params/6/tokens"),
        (f"plan runs.csv --design {MAPPED} --size 1e9", "not for --design"),
        (f"plan runs.csv --design {MAPPED} --laws chinchilla,kaplan", "one law"),
        ("plan --design", "name it"),
        (f"plan runs.csv --design {MAPPED} --parameters {PUBLISHED}", "noise"),
        (f"next runs.csv {MAPPED} --budget 0 --target law", "positive budget"),
        (f"next runs.csv {MAPPED} --budget nan --target law", "positive budget"),
        (f"next runs.csv {MAPPED} --budget 1e20 --target size {QUICK}", "a target must be"),
        (f"next runs.csv {MAPPED} --target law", "--budget"),
        ("next --budget 1e20 --target law", "name it"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said(call, line, said):
    code, out, err = call(line)
    assert code == USAGE and not out
    assert any(part in err for part in said.split("|")), err


def test_what_a_fit_has_decided_is_not_decided_again(call):
    call(f"fit runs.csv --law chinchilla {MAPPED} {QUICK} -o fit.json")
    for words in ("--laws skaling", "--level 0.5", "--filter params<1e9", "--map N=params"):
        code, out, err = call(f"plan fit.json --compute 1e21 {words}")
        assert code == USAGE and not out and err, words


def test_a_fit_of_another_law_is_refused(call):
    call(f"fit runs.csv --law power --map x=params --map y=loss {QUICK} -o power.json")
    for line in (
        "plan power.json --compute 1e21",
        "next power.json --budget 1e20 --target waste@1e21",
        f"plan runs.csv {MAPPED} --compute 1e21 --against power.json",
    ):
        code, out, err = call(line)
        assert code == USAGE and not out and "power has the sizes x" in err, line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("params,tokens,loss\n", "no rows"),
        ("params,tokens,loss\n1e9,2e10,3.1\n", "1 of 1 rows"),
        ("params,tokens,loss\n" + "1e9,2e10,3.1\n" * 20, ""),
        ("params,tokens,loss\n" + "-1e9,2e10,3.1\n" * 20, "no row has a positive N in column"),
        ("params,tokens,loss\n" + "1e9,2e10,-3.1\n" * 20, "no row has a positive L in column"),
        ("params,tokens,loss\n1e9,2e10,3.1x\n" + "1e9,2e10,3.1\n" * 5, "line 2"),
    ],
)
def test_rows_that_cannot_be_used(call, text, said):
    Path("bad.csv").write_text(text)
    code, out, err = call(f"plan bad.csv {MAPPED} --compute 1e21 {QUICK}")
    assert code == DATA and not out and said in err


def test_a_fit_document_that_was_changed(call):
    call(f"fit runs.csv --law chinchilla {MAPPED} {QUICK} -o fit.json")
    text = Path("fit.json").read_text()
    Path("fit.json").write_text(text.replace('"rows": 35', '"rows": 36'))
    code, _, err = call("plan fit.json --compute 1e21")
    assert code == DATA and "changed after it was written" in err
    document = {**json.loads(text), "schema": "allometry/fit/1"}
    del document["sha256"], document["draws"]["alpha"]
    Path("fit.json").write_text(json.dumps(document))
    code, _, err = call("plan fit.json --compute 1e21")
    assert code == DATA and "draws: no draws of alpha" in err


def test_values_without_a_best_size(call):
    code, out, err = call(
        "plan --law skaling --parameters E=1,A=1e3,B=1e3,alpha=-0.3,beta=0.4,k=1 --compute 1e21"
    )
    assert code == DATA and not out and "plans no run" in err
