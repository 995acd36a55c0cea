"""A person's own study at the command line: its sizes, its prints, its bugs."""

import json
from functools import partial

import pytest

from allometry import cli
from allometry.cli.run import _say_failures
from allometry.engines import Failure

# Makes runs in no time, and has a place for every bug.
STUDY = '''"""Does the command line take it?"""
import subprocess, sys
from allometry import Analysis, Experiment, Procedure, RunResult, Study
from allometry.figures import panels
from allometry.training.result import RunFailure, measured_row

print("loading")


class Net(Experiment):
    width: int


class Made(Procedure):
    def run(self, pack, measures, trajectory, advance, checkpoints=None):
        print("training")
        return [made(spec, measures) for spec in pack.specs]


def made(spec, measures):
    try:
        return RunResult(spec, "done", measured_row({"width": spec.width}, measures, spec), 0.0)
    except Exception as error:
        return RunFailure.of(spec, error)


def ratio(spec):
    print("measuring")
    subprocess.run([sys.executable, "-c", "print('another program')"])
    return {"ratio": 1 / spec.width}


def runs(size, seeds):
    print("listing")
    return [Net(width=w, seed=s) for s in seeds for w in (1, 2)]


def analyse(table):
    print("analysing")
    return Analysis()


def figure(table, analysis):
    """Nothing."""
    print("drawing")
    return panels(1, 1)[0]


STUDY = Study(
    name="own", title="Own", question=__doc__, prediction="", source="none", runs=runs,
    sizes=("tiny", "full"), seeds={"full": (0, 1)}, measures={"ratio": ratio}, analyse=analyse,
    figures=(figure,), procedure=Made(), views={"same": lambda table: print("viewing") or table},
)
'''


@pytest.fixture
def own(tmp_path):
    """Write the study, with some text in the place of another."""

    def write(*changes):
        text = STUDY
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "own.py").write_text(text)
        return tmp_path / "own.py"

    return write


@pytest.fixture
def allometry(capfd, tmp_path):
    """Call the command line in this process: exit code, stdout, stderr."""

    def call(*words):
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([*map(str, words), "--store", str(tmp_path / "s.db")])
        return int(ended.value.code or 0), *capfd.readouterr()

    return call


def test_what_a_study_prints_is_talk_in_every_command(own, allometry, tmp_path):
    path, page = own(), tmp_path / "page.html"
    commands = {
        ("run", path, "--json"): "outcome",
        ("run", path, "--explain", "--json"): "explain",
        ("table", path, "--view", "same", "--json"): "table",
        ("report", path, "-o", page, "--json"): "report",
    }
    for words, schema in commands.items():
        code, out, err = allometry(*words)
        assert code == 0 and json.loads(out)["schema"] == f"allometry/{schema}/1", err
        assert "loading" in err and ("another program" in err) == (schema == "outcome")
    _, out, err = allometry("table", path)
    assert out.startswith("run_id,study") and out.count("\n") == 3
    _, out, err = allometry("run", path, "--size", "full")
    assert "measuring" in err and "analysing" in err and not out


def test_the_sizes_are_the_studys_and_the_first_is_the_default(own, allometry):
    path = own()
    assert json.loads(allometry("run", path, "--json")[1])["size"] == "tiny"
    assert json.loads(allometry("run", path, "--size", "full", "--json")[1])["trained"] == 2
    code, _, err = allometry("run", path, "--size", "quick")
    assert code == 2 and "has no size 'quick'; it has tiny, full" in err


def test_an_empty_list_of_runs_changes_nothing(own, allometry):
    allometry("run", own())
    before = allometry("status")
    code, out, err = allometry("run", own(("for w in (1, 2)", "for w in ()")))
    assert (code, out) == (2, "") and "study own, size 'tiny', seeds 0: no runs" in err
    assert allometry("status") == before


BUGS = [
    # in the place of, written instead, command, function, what is said
    ('print("loading")', "1 / 0", "run", "", "ZeroDivisionError: division by zero"),
    ('print("listing")', "nothing", "run", ", in runs", "NameError: name 'nothing' is not defined"),
    ("w in (1, 2)", "w in 'ab'", "run", ", in runs", "Net: width: Input should be a valid integer"),
    ('print("analysing")', "[][1]", "run", ", in analyse", "IndexError: list index out of range"),
    ('print("drawing")', "raise ValueError('a')", "report", ", in figure", "ValueError: a"),
    ('print("viewing")', "1 / 0", "table", "", "ZeroDivisionError: division by zero"),
]


@pytest.mark.parametrize(("old", "new", "command", "function", "said"), BUGS)
def test_a_bug_in_a_study_is_told_by_file_line_and_one_sentence(
    own, allometry, old, new, command, function, said
):
    if command != "run":
        allometry("run", own())
    path = own((old, new))
    line = path.read_text()[: path.read_text().index(new)].count("\n") + 1
    code, out, err = allometry(command, path, *(["--view", "same"] if command == "table" else []))
    (told,) = [text for text in err.splitlines() if text.startswith("allometry: ")]
    assert code == 70 and not out and "Traceback" not in err
    assert said in told and f"({path}, line {line}{function})" in told


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("exit()", "SystemExit: None"), ("raise SystemExit('words')", "SystemExit: words"),
        ("raise SystemExit(0)", "SystemExit: 0"), ("raise EOFError('soon')", "EOFError: soon"),
        ("raise GeneratorExit", "GeneratorExit"), ("eval('1 +')", "SyntaxError: invalid syntax"),
    ],
)  # fmt: skip
def test_a_study_that_ends_the_program_is_told_of_like_any_bug(own, allometry, new, said):
    """Click would take an end of input for Ctrl-C."""
    path = own(('print("loading")', new))
    line = path.read_text()[: path.read_text().index(new)].count("\n") + 1
    code, out, err = allometry("run", path, "--json")
    assert (code, out) == (70, "") and f"({path}, line {line})" in err and said in err


@pytest.mark.parametrize("command", ["exclude", "include", "forget"])
def test_what_a_study_prints_is_talk_also_where_runs_are_chosen(own, allometry, command):
    path = own()
    allometry("run", path)
    if command == "include":
        allometry("exclude", path, "--reason", "why")
    more = {"exclude": ("--reason", "why"), "forget": ("--yes",)}.get(command, ())
    code, out, err = allometry(command, path, "--json", *more)
    assert code == 0 and json.loads(out)["schema"] == f"allometry/{command}/1"
    assert "loading" in err


MADE = "[made(spec, measures) for spec in pack.specs]"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("None", "got None"), ("[]", "got 0 for 1 specs"), ("[3]", "got 3 in the list"),
        ("[made(Net(width=9, seed=9), measures)]", "got 1 for 1 specs, or for other specs"),
        ("[RunResult(None, 'done', {}, 0.0)]", "got RunResult("),
    ],
)  # fmt: skip
def test_a_procedure_gives_a_result_of_each_spec_or_is_refused(own, allometry, made, said):
    """What it leaves out would stay pending, and what it makes besides would be stored."""
    code, out, err = allometry("run", own((MADE, made)), "--json")
    assert (code, out) == (2, "") and "must return a RunResult or RunFailure for each spec" in err
    assert said in err
    assert allometry("table", "own")[0] == 2, "nothing is stored"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("'odd', {}, 0.0", "status='done' or 'diverged' expected, got 'odd'"),
        ("'done', None, 0.0", "row={'loss': 1.5}, columns by name, expected, got None"),
        ("'done', {}, float('nan')", "seconds=a finite number expected, got nan"),
        ("'done', {}, 0.0, {1: 2}", "trajectories={'loss': array}, arrays by name, expected"),
    ],
)
def test_a_result_that_could_not_be_read_again_is_not_stored(own, allometry, result, said):
    path = own((MADE, f"[RunResult(spec, {result}) for spec in pack.specs]"))
    code, _, err = allometry("run", path)
    assert code == 70 and said in err
    assert allometry("verify")[0] == 0


def test_packs_updates_and_figures_of_another_kind_are_refused(own, allometry):
    for method, given, said in (
        ("packs", "None", "packs(specs) must return a list of Pack, got None"),
        ("updates", "'x'", "updates(spec) must return an integer, got 'x'"),
    ):
        before = "    def run(self,"
        path = own((before, f"    def {method}(self, given):\n        return {given}\n\n{before}"))
        code, _, err = allometry("run", path)
        assert code == 2 and said in err
    allometry("run", own())
    path = own(("return panels(1, 1)[0]", "return None"))
    code, _, err = allometry("report", path)
    assert code == 2 and "figure 'figure': a Matplotlib figure expected, got None" in err


def test_a_bug_shows_its_traceback_when_asked(own, allometry, tmp_path):
    path = own(('print("listing")', "nothing"))
    with pytest.raises(NameError):
        cli.main(["--debug", "run", str(path), "--store", str(tmp_path / "s.db")])


def test_an_error_of_the_package_itself_is_not_taken_for_the_studys(monkeypatch, own, tmp_path):
    from allometry.engines import local

    monkeypatch.setattr(local, "collect", partial(json.loads, "{"))
    with pytest.raises(json.JSONDecodeError):
        cli.main(["run", str(own()), "--store", str(tmp_path / "s.db")])


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("1 / (spec.width - 1)", "ZeroDivisionError: division by zero ({path}, line "),
        ("spec if spec.width == 1 else 0.5", "measure 'ratio' gave column 'ratio': a number or"),
    ],
)
def test_a_run_that_fails_is_named_and_costs_no_other(own, allometry, measure, said):
    path = own(("1 / spec.width", measure))
    code, out, err = allometry("run", path, "--size", "full", "--json")
    document = json.loads(out)
    assert (code, document["trained"], document["pending"]) == (70, 2, 2)
    assert [len(failure["run_ids"]) for failure in document["failures"]] == [1, 1]
    (failed,) = [line for line in err.splitlines() if line.startswith("failed: ")]
    assert said.format(path=path) in failed and failed.count(", ") >= 1, "both runs in one line"
    ours = said.startswith("measure ")  # a sentence that says all, where a bug needs its traceback
    assert ("Traceback" in err) != ours, "the last lines of its log"


def test_the_advice_names_a_command_for_a_study_of_ones_own(own, allometry):
    allometry("run", own())
    code, _, err = allometry("table", "own", "--set", "width=3")
    assert code == 2 and "with the path of its file" in err


def test_a_log_is_shown_by_its_lines_alone(capsys):
    """Not cut where Python's splitlines cuts; carriage returns of progress bars end lines."""
    log = "first\n" * 40 + "1%\r2%\r\nof\x1cthis\u2028name\x0band\x85more\n"
    _say_failures([Failure(("a" * 64,), "ValueError: no", log)])
    lines = capsys.readouterr().err.split("\n")
    shown = "    of\\x1cthis\\u2028name\\x0band\\x85more"
    assert lines[1:-2] == [*["    first"] * 27, "    1%", "    2%", shown]
