"""Whatever tables, documents and options say, the planner answers in words or with right numbers.

Right is what can be checked without the planner: the run costs the compute, no other size has a
lower loss by the law itself, a size at the end of a band wastes the share it says.
"""

import contextlib
import functools
import io
import json
import random
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from allometry import cli
from allometry.errors import AllometryError
from allometry.fitting.fit import fit
from allometry.fitting.options import FitOptions
from allometry.fitting.sealed import sealed
from allometry.plan import question, questions
from allometry.plan.beyond.beside import Machines
from allometry.plan.beyond.money import Peak
from allometry.plan.design.next_result import NextRuns
from allometry.plan.document import Plan
from tests.plan import hostile

MAPPED = [word for s, column in hostile.COLUMNS.items() for word in ("--map", f"{s}={column}")]
OWN_LAW = '''
"""A law of one's own, without closed forms."""
import numpy as np
from allometry.laws import Law, Parameter

LAW = Law(
    name="mine", formula="L = E + A N^-a + B D^-a", source="ours", sizes=("N", "D"), response="L",
    parameters=tuple(Parameter(n, n, positive=True, start=(0.1, 10.0)) for n in "EABa"),
    value=lambda p, s: p["E"] + p["A"] * s["N"] ** -p["a"] + p["B"] * s["D"] ** -p["a"],
)
'''
OF_LAW = {"value", "low", "high"}
CONTRACT = {
    "schema", "laws", "approaches", "disagreement", "extrapolation", "alarms", "inference",
}  # fmt: skip
CONTRACT_OF_LAW = {
    "n_opt", "d_opt", "tokens_per_param", "epochs", "loss", "loss_new_run", "waste_band",
    "expected_waste", "weight", "inference",
}  # fmt: skip
PAGES = 0.03  # of the tables, of which a page is written with its figures
AROUND = np.concatenate([[0.9, 1.1], np.geomspace(1e-3, 1e3, 41)])  # times N*


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder where commands run, with fits, and plans in documents."""
    folder = tmp_path_factory.mktemp("fuzzed")
    rng = np.random.default_rng(0)
    n, d = 10 ** rng.uniform(7, 10, 40), 10 ** rng.uniform(9, 11.5, 40)
    loss = (1.8 + 480 * n**-0.35 + 2000 * d**-0.37) * np.exp(0.005 * rng.standard_normal(40))
    table, columns = {"N": n, "D": d, "L": loss, "M": 0.9 * n}, {s: s for s in "NDL"}
    fits = [
        json.loads(fit(table, law, columns, starts=8, resamples=12).to_json())
        for law in ("chinchilla", "kaplan", "skaling", "farseer")
    ]
    made = question.plan(
        table, columns, laws=["chinchilla", "kaplan"], compute=1e23, inference_tokens=1e12,
        account="equal-quality", fit_where=["N<3e9"], other_n="M", advise=True,
        machines=Machines(Peak(1e15, "dense"), 0.4, 8, 2.0), try_counting=["6nd_body"],
        against={**table, "L": loss * 1.01}, fit=FitOptions(starts=4, resamples=20),
    )  # fmt: skip
    given = question.plan(parameters=hostile.PARAMETERS["chinchilla"], compute=1e24)
    chosen = questions.next_runs(
        table, columns, budget=1e22, target="ln_n_opt@1e23", fit=FitOptions(starts=4, resamples=20)
    )
    plans = [json.loads(plan.to_json()) for plan in (made, made, given, chosen)]
    (folder / "mine.py").write_text(OWN_LAW)
    (folder / "against.csv").write_bytes(hostile.csv(hostile.runs(random.Random(3), 40)))
    with contextlib.chdir(folder):
        yield fits, plans


@pytest.fixture
def asked(monkeypatch):
    """Every plan that is made, with what was asked for."""
    plans, make = [], question.plan

    @functools.wraps(make)  # the page reads its signature
    def recorded(*args, **options):
        plans.append((make(*args, **options), options))
        return plans[-1][0]

    monkeypatch.setattr(question, "plan", recorded)
    return plans


def of_table(choose, fits):
    Path("t.csv").write_bytes(hostile.csv(hostile.table(choose)))
    quick = ["--starts", "2", "--resamples", choose.choice(("0", "10"))]
    extra = hostile.words(hostile.options(choose))
    page = ["-o", "plan.html"] if choose.random() < PAGES else []
    return ["plan", "t.csv", *MAPPED, *hostile.budget(choose), *extra, *quick, *page]


def of_parameters(choose, fits):
    law, values = hostile.parameters(choose)
    text = ",".join(f"{name}={value!r}" for name, value in values.items())
    extra = hostile.words(hostile.options(choose, 2))
    return ["plan", "--law", law, "--parameters", text, *hostile.budget(choose), *extra]


def of_fit(choose, fits):
    """Values and keys that are others; four of five without a seal, as in a first version."""
    document = hostile.mutated(choose, choose.choice(fits))
    if choose.random() < 0.8:
        document["schema"] = "allometry/fit/1"
        document.pop("sha256", None)
    Path("f.json").write_bytes(hostile.as_json(document))
    extra = hostile.words(hostile.options(choose, 2)) if choose.random() < 0.4 else []
    return ["plan", "f.json", *hostile.budget(choose), *extra, "--starts", "2"]


def of_damaged_fit(choose, fits):
    Path("f.json").write_bytes(hostile.damaged(choose, hostile.as_json(choose.choice(fits))))
    return ["plan", "f.json", *hostile.budget(choose), "--starts", "2"]


def of_design(choose, fits):
    Path("t.csv").write_bytes(hostile.csv(hostile.table(choose)))
    words = ["plan", "t.csv", "--design", *MAPPED]
    if choose.random() < 0.6:
        law, values = hostile.parameters(choose)
        text = ",".join(f"{name}={value!r}" for name, value in values.items())
        noise = choose.choice(("0.005", "0.005", "nan", "-1", "0", "1e300", "1e-300"))
        words += ["--law", law, "--parameters", text, "--noise", noise]
    else:
        words += ["--starts", "2", "--resamples", "0"]
    if choose.random() < 0.7:
        words += ["--compute", choose.choice(("1e24", "1e24", "nan", "7", "1e300"))]
    return words


def of_next(choose, fits):
    if choose.random() < 0.6:
        Path("t.csv").write_bytes(hostile.csv(hostile.table(choose)))
        words = ["next", "t.csv", *MAPPED, "--starts", "2", "--resamples", choose.choice("05"),
                 "--laws", choose.choice(("chinchilla", "chinchilla,kaplan"))]  # fmt: skip
    else:
        document = hostile.mutated(choose, choose.choice(fits))
        document["schema"] = "allometry/fit/1"
        document.pop("sha256", None)
        Path("f.json").write_bytes(hostile.as_json(document))
        words = ["next", "f.json"]
    budget = choose.choice(("1e20", "1e21", "1e22", "nan", "-1", "0", "1e300", "5"))
    target = choose.choice(("ln_n_opt@1e24", "waste@1e23", "loss@7e10,1.4e12", "law", "loss@1",
                            "waste@nan", "x"))  # fmt: skip
    words += ["--budget", budget, "--target", target]
    if choose.random() < 0.3:
        words += ["--max-run", choose.choice(hostile.NONSENSE)]
    return words


def run(words):
    """Exit code, stdout and stderr of a command line."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            cli.main(words)
        except SystemExit as stop:
            code = stop.code or 0
    for stream in streams:
        stream.flush()
    return code, *(stream.buffer.getvalue().decode() for stream in streams)


def faults_of_command(words, asked):
    """What is wrong with what a command says, in words, one a fault."""
    asked.clear()
    code, out, err = run(words)
    if code:
        if code not in (2, 65) or not err.strip() or out:
            yield f"exit code {code} with stdout {out[:200]!r} and stderr {err[:500]!r}"
        return
    if err:
        yield f"stderr: {err[:500]}"
    if "--json" in words:
        document = json.loads(out, parse_constant=pytest.fail)
        if words[0] == "plan" and "--design" not in words:
            yield from faults_of_document(document)
    for plan, options in asked:
        yield from faults_of_plan(plan, options)


def faults_of_document(document):
    """What is wrong with the document of a plan by the contract."""
    if missing := CONTRACT - set(document):
        yield f"no {missing}"
    if document["schema"] != "allometry/plan/1":
        yield document["schema"]
    for law in document["laws"].values():
        if missing := CONTRACT_OF_LAW - set(law):
            yield f"no {missing} of a law"
        for name, number in law.items():
            if isinstance(number, dict) and set(number) >= OF_LAW:
                low, high = number["low"], number["high"]
                if low is not None and high is not None and not low <= high:
                    yield f"{name}: {number}"
        for share in (law["expected_waste"], law["wasted"]):
            if share is not None and not 0 <= share <= 1:
                yield f"waste {share}"
    if set(document["approaches"]) != {"1", "2", "3", "kaplan"}:
        yield f"approaches {set(document['approaches'])}"
    for pair in document["disagreement"]:
        if pair["waste"] is not None and not 0 <= pair["waste"] <= 1:
            yield f"disagreement {pair}"


def faults_of_plan(plan, options):
    """What is wrong with the numbers of a plan, by its laws themselves."""
    if Plan.from_json(plan.to_json()) != plan:
        yield "a plan that is read again is another"
    if not repr(plan) or not plan._repr_html_():
        yield "a plan without words"
    for name, law in plan.laws.items():
        yield from (f"{name}: {fault}" for fault in _faults_of_law(plan, name, law, options))


def _faults_of_law(plan, name, law, options):
    evidence = plan.evidence
    frontier, cost = evidence.frontiers[name], evidence.cost
    n, d, compute = law.n_opt.value, law.d_opt.value, law.compute.value

    def loss(sizes, tokens):
        values = {p: np.array([v]) for p, v in evidence.believed[name].values.items()}
        law_itself = evidence.believed[name].law if not frontier.others else frontier.law
        sizes = np.atleast_1d(sizes)
        if options.get("unique_data") is None:
            return law_itself.evaluate(values, {"N": sizes, "D": np.atleast_1d(tokens)})[0]
        return frontier.loss(sizes[None], np.atleast_1d(tokens)[None])[0]

    with np.errstate(all="ignore"):
        if not np.isclose(float(cost.compute(np.array(n), np.array(d))), compute, rtol=1e-9):
            yield f"C {compute} is not that of N {n} and D {d}"
        if cost.flat == 6 and not np.isclose(6 * n * d, compute, rtol=1e-9):
            yield f"C {compute} is not 6 * {n} * {d}"
        if not np.isclose(loss(n, d)[0], law.loss.value, rtol=1e-9):
            yield f"loss {law.loss.value} is not {loss(n, d)[0]}"
        free = not any(options.get(o) for o in ("size", "tokens_per_parameter"))
        free = free and not (options.get("repeat") == "never" and options.get("unique_data"))
        if free:
            sizes = n * AROUND
            beside = loss(sizes, cost.tokens(sizes, np.full_like(sizes, compute)))
            if (beside < law.loss.value * (1 - 1e-9)).any():
                yield f"N {n} is not the best size at C {compute}: {beside} < {law.loss.value}"
            if options.get("compute") and not np.isclose(compute, options["compute"], rtol=1e-9):
                yield f"C {compute} is not {options['compute']}"
        if options.get("target_loss") and not np.isclose(law.loss.value, options["target_loss"]):
            yield f"loss {law.loss.value} is not {options['target_loss']}"
        yield from _faults_of_bands(law, frontier, cost, n if free else None)
        if law.inference is not None:
            yield from _faults_of_inference(law, loss, cost, options)


def _faults_of_bands(law, frontier, cost, best):
    """A band holds the best size and the narrower ones, and its ends waste what it says."""
    inner = (best, best) if best is not None else None
    for share, (low, high) in sorted(law.waste_band.items()):
        if not (np.isfinite(low) and np.isfinite(high)):
            continue
        if inner and not (low <= inner[0] * (1 + 1e-6) and inner[1] <= high * (1 + 1e-6)):
            yield f"the band of {share} is {low} to {high}, and does not hold {inner}"
        inner = low, high
        c = np.array([law.compute.value])
        allowed = frontier.at(c * (1 - share)).loss[0]
        for end in (low, high):
            at = np.array([end])
            reached = frontier.loss_at(at, cost.tokens(at, c))[0]
            if (
                1e-15 < end / law.n_opt.value < 1e15
                and end < 1e300
                and reached > allowed * (1 + 1e-6)
            ):
                yield f"N {end} wastes more than {share}: loss {reached} above {allowed}"


def _faults_of_inference(law, loss, cost, options):
    """The account adds up, and no other size is better by it."""
    given = law.inference
    n, d, served = given.n_opt.value, given.d_opt.value, given.tokens
    total = given.total_flops.value
    if not all(map(np.isfinite, (n, d, total))):
        return
    each = float(cost.per_token(np.array(n)))
    if not np.isclose(each * (d + served / 3), total, rtol=1e-6):
        yield f"inference: {total} FLOP are not those of N {n}, D {d} and {served} tokens"
    if given.account == "lifetime":
        if not np.isclose(total, options["compute"], rtol=1e-6):
            yield f"lifetime: {total} FLOP are not {options['compute']}"
        sizes = n * np.array([0.9, 0.99, 1.01, 1.1])
        left = total / cost.per_token(sizes) - served / 3
        beside = loss(sizes[left > 0], left[left > 0])
        if (beside < given.loss.value * (1 - 1e-6)).any():
            yield f"lifetime: N {n} is not the best: {beside} < {given.loss.value}"
    else:
        if not np.isclose(given.loss.value, law.loss.value, rtol=1e-6) and (
            options.get("unique_data") is None
        ):
            yield f"equal quality: loss {given.loss.value} is not {law.loss.value}"
        if total > given.baseline_flops.value * (1 + 1e-6):
            yield f"equal quality: {total} FLOP, more than {given.baseline_flops.value}"


def faults_of_read(choose, plans):
    """What is wrong with reading a document of a plan or of next runs that was changed."""
    document = choose.choice(plans)
    schema = document["schema"].rpartition("/")[0]
    of_document = Plan if schema == "allometry/plan" else NextRuns
    if choose.random() < 0.4:
        text = hostile.damaged(choose, hostile.as_json(document))
    else:
        document = {**hostile.mutated(choose, document), "schema": f"{schema}/1"}
        document.pop("sha256", None)
        text = hostile.as_json(sealed(document) if choose.random() < 0.5 else document)
    try:
        made = of_document.from_json(text)
    except AllometryError as refusal:
        if refusal.exit_code != 65 or not str(refusal) or "\n" in str(refusal):
            yield f"refused as {refusal!r}"
        return
    again = of_document.from_json(made.to_json())
    if again.to_json() != made.to_json():
        yield "a document that is read and written is another"
    if not repr(made) or not made._repr_html_():
        yield "a document without words"


class Hung(BaseException):
    """A command did not come back."""


def hang_up(*_):
    raise Hung


KINDS = {of_table: 0.3, of_parameters: 0.25, of_fit: 0.2, of_damaged_fit: 0.05, of_design: 0.05,
         of_next: 0.05, None: 0.1}  # fmt: skip


def faults(count, seed, place, asked):
    """What is wrong with so many inputs: fault -> how often; the first input of each is told."""
    fits, plans = place
    found, codes, first = Counter(), Counter(), {}
    signal.signal(signal.SIGALRM, hang_up)
    for i in range(count):
        choose = random.Random(f"{seed} {i}")
        (kind,) = choose.choices(list(KINDS), list(KINDS.values()))
        words = []
        signal.alarm(120)
        try:
            if kind is None:
                said = list(faults_of_read(choose, plans))
            else:
                words = kind(choose, fits) + (["--json"] if choose.random() < 0.8 else [])
                said = list(faults_of_command(words, asked))
                codes[kind.__name__, bool(asked)] += 1
        except Hung:
            said = ["hangs"]
        except Exception:
            said = [traceback.format_exc()[-1500:]]
        finally:
            signal.alarm(0)
        for fault in said:
            found[fault] += 1
            first.setdefault(fault, (seed, i, words))
    return {fault: (times, first[fault]) for fault, times in found.items()}, codes


def test_a_few_hostile_inputs(place, asked):
    found, answered = faults(40, 1, place, asked)
    assert not found, found
    assert sum(times for (_, planned), times in answered.items() if planned) > 5


@pytest.mark.slow
def test_five_thousand_hostile_inputs(place, asked, capfd):
    began = time.perf_counter()
    found, answered = faults(5000, 2, place, asked)
    with capfd.disabled():
        sys.stderr.write(f"{answered}, {len(found)} faults, {time.perf_counter() - began:.0f} s\n")
    assert not found, found
