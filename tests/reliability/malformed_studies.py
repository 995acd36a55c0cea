"""Study files as people get them wrong: drawn from a good one, one or two things in it changed."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.reliability.malformed_bytes import Malformed, spoilt

__all__ = ["FILE", "GOOD", "study"]

HEAD = '''
"""Does the command line take it?"""
import numpy as np
import allometry as al
from allometry import Analysis, Experiment, Finding, Procedure, RunResult, Stage, Study
from allometry.claims import Equals, Optimum, PowerLaw, Slope
from allometry.figures import panels
from allometry.training.result import RunFailure, measured_row

print("a study that says something")
'''
# Values and exceptions that fail where they are looked at.
ODD = """
class Hostile:
    def _no(self, *given, **named):
        raise RuntimeError("do not look at me")
    __repr__ = __str__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __getitem__ = _no
    __call__ = __index__ = __float__ = __lt__ = __contains__ = _no
class Vague(Exception):
    def __str__(self):
        raise RuntimeError("no words")
class Strange(Exception):
    def __str__(self):
        return 7
class Lines(Exception):
    def __str__(self):
        return "\\n\\nfirst\\nsecond\\x1b[2J"
class Sly(dict):
    def keys(self):
        raise RuntimeError("no keys")
def circle():
    some = []
    some.append(some)
    return some
def deep(n):
    some = []
    for _ in range(n):
        some = [some]
    return some
def endless():
    return endless()
def refused(**given):
    return Net(**given)
"""
BODY = '''
class Net(Experiment):
    width: {annotation}


class Made(Procedure):
    def packs(self, specs):
        {at_packs}
        return super().packs(specs)

    def updates(self, spec):
        {at_updates}
        return 1

    def run(self, pack, measures, trajectory, advance, checkpoints=None):
        {at_run}
        return [made(spec, measures) for spec in pack.specs]


def made(spec, measures):
    try:
        {at_made}
        row = measured_row({{"width": spec.width}}, measures, spec)
        return RunResult(spec, "done", row, 0.0, {{"along": np.arange(3.0)}})
    except Exception as error:
        return RunFailure.of(spec, error)


def ratio(spec):
    {at_ratio}
    return {{"loss": 3.0 * spec.width ** -0.5}}


def runs(size, seeds):
    {at_runs}
    return [Net(width=w, seed=s) for s in seeds for w in (1, 2, 4, 8)]


def later(size, table):
    {at_later}
    return None


def analyse(table):
    {at_analyse}
    return Analysis()


def figure(table, analysis):
    """Nothing."""
    {at_figure}
    return panels(1, 1)[0]


def view(table):
    {at_view}
    return table


'''
FIELDS: Mapping[str, str] = {
    "name": "'own'",
    "title": "'Own'",
    "question": "__doc__",
    "prediction": "'none'",
    "source": "'a test'",
    "runs": "runs",
    "later": "later",
    "sizes": "('tiny', 'full')",
    "seeds": "{'full': (0, 1)}",
    "measures": "{'ratio': ratio}",
    "trajectory": "{}",
    "procedure": "Made()",
    "claims": "()",
    "analyse": "analyse",
    "figures": "(figure,)",
    "symbols": "{}",
    "views": "{'same': view}",
    "notebook": "None",
    "notes": "()",
}
PLACES = ("packs", "updates", "run", "made", "ratio", "runs", "later", "analyse", "figure", "view")

VALUES = (
    "None", "True", "0", "-1", "1.5", "float('nan')", "1e999", "10**400", "''", "'x'",
    "'x' * 100_000", "'\\ud800'", "'\\x00'", "'a\\nb'", "'\\x1b[2J'", "'../x'", "'損失'", "b'x'",
    "[]", "[None]", "[[]]", "()", "(1,)", "('a', 'a')", "{}", "{1: 2}", "{'a': None}", "{'a': 1}",
    "{'full': 0}", "{'full': ('a',)}", "{'full': (-1,)}", "{'full': (2**70,)}", "{'tiny': ()}",
    "set()", "{'tiny'}", "object()", "lambda: 0", "lambda *a: None", "lambda *a: 1 / 0", "int",
    "print", "len", "range(3)", "iter([])", "(x for x in 'ab')", "type", "Exception('x')",
    "NotImplemented", "...", "np.zeros(3)", "np.float32('nan')", "np.array('x')",
    "np.zeros((2, 2))", "[1] * 100_000", "Hostile()", "[Hostile()]", "{'a': Hostile()}", "Hostile",
    "circle()", "deep(100_000)", "deep(50)", "Sly()", "Made", "Made()", "Procedure()", "Net",
    "Net(width=1, seed=0)", "al", "Study", "Analysis()", "ratio", "runs", "memoryview(b'x')",
    "complex(1, 2)", "al.measures.losses", "[Net(width=1, seed=0)] * 2",
    "[Net(width=w, seed=0) for w in range(3)]", "[Net(width=1, seed=0), None]", "{'loss': 'text'}",
    "{'loss': [1]}", "{'loss': np.zeros(3)}", "{'loss': 10**400}", "{'loss': '\\ud800'}",
    "{'loss': float('nan')}", "{'loss': None}", "{'run_id': 1.0}", "{'seed': 1}", "{'': 1.0}",
    "{'width': 1.0}", "{'x' * 5000: 1.0}", "{f'c{i}': 1.0 for i in range(30_000)}",
    "{'loss': 'x' * 1_000_000}", "{'\\x1b[2J': 1.0}", "Stage('s', [])",
    "Stage('s', [Net(width=3, seed=0)])", "Stage(None, None)",
    "Stage('s', [Net(width=3, seed=0)], {'a': Hostile()})", "Stage('s', [Net(width=1, seed=0)])",
    "Stage('s', [Net(width=3, seed=0)], {1: float('nan')})", "[RunFailure(1, 2)]",
    "[RunFailure(None, None)]", "[RunResult(None, None, None, None)]",
    "[RunResult(Net(width=1, seed=0), 'odd', {}, 0.0)]",
    "[RunResult(Net(width=1, seed=0), 'done', {}, 0.0)]", "[RunResult(*range(4))]",
    "RunResult(Net(width=1, seed=0), 'done', {'loss': 1.0}, float('nan'))", "np.array(None)",
    "RunResult(Net(width=w, seed=0), 'done', None, 0.0)", "RunFailure(spec, None)",
    "RunResult(spec, 'done', {'loss': 'x'}, 0.0)", "RunResult(spec, 'odd', {'loss': 1}, 0.0)",
    "RunResult(spec, 'done', {'loss': Hostile()}, 0.0)", "RunResult(spec, 'done', None, None)",
    "RunResult(spec, 'done', {1: 2}, 'x')", "RunResult(spec, 'done', {}, 0.0, {'a': None})",
    "RunResult(spec, 'done', {}, 0.0, {'a': np.array('x')})", "RunResult(spec, 'done', {}, 0.0, 3)",
    "RunResult(spec, 'done', {}, -1.0, {1: np.zeros(3)})", "RunResult(Net, 'done', {}, 1e999)",
    "[None] * len(locals())", "[Finding('c', 'p', 's', 1.0, 0.5, 2.0, 'agrees', 'a')]",
    "[Finding(*range(8))]", "[Finding('c', 'p', 's', float('nan'), 1.0, 0.0, 'maybe', None)]",
    "Analysis(findings=[1])", "Analysis(findings=None, numbers=3, fits=4, figures=5)",
    "Analysis(fits={'f': 1})", "Analysis(figures={'f': 1})",
    "Analysis([Finding('c', 'p', 's', None, None, None, 'agrees', 'a')])",
    "[PowerLaw('loss', of='width')]", "[PowerLaw('nothing', of='width')]", "[Equals('loss', 3)]",
    "[PowerLaw(loss=1)]", "[PowerLaw]", "[Optimum('loss', of='width')]",
    "[Slope('loss', of='seed')]",
)  # fmt: skip
RAISED = (
    "1 / 0", "nothing", "[][1]", "{}['a']", "None.x", "None()", "import nothing_of_the_kind",
    "import al.x", "from allometry import nothing", "raise ValueError", "raise ValueError('a')",
    "raise ValueError('a\\nb')", "raise ValueError('\\x1b[2J[/x]')",
    "raise ValueError('x' * 1_000_000)", "raise ValueError('\\ud800')", "raise Vague()",
    "raise Strange()", "raise Lines()", "raise KeyError(Hostile())",
    "raise OSError(2, 'no', 'file')", "raise OSError()", "raise PermissionError(13, 'no')",
    "open('nothing')", "open('/')", "raise UnicodeDecodeError('utf-8', b'x', 0, 1, 'no')",
    "b'\\xff'.decode()", "raise MemoryError", "[0] * 10**15", "endless()", "raise StopIteration",
    "raise GeneratorExit", "raise AssertionError", "assert False", "raise Exception",
    "raise BaseException('x')", "raise ExceptionGroup('g', [ValueError('a')])", "raise SystemExit",
    "raise SystemExit(0)", "raise SystemExit(7)", "raise SystemExit('words')", "exit()",
    "raise asyncio.CancelledError", "raise SyntaxError('made')",
    "exec('(')", "eval('1 +')",
    "compile('\\0', 'f', 'exec')", "raise NotImplementedError", "raise RecursionError",
    "raise Warning('w')", "import json; json.loads('{')", "int('x' * 5000)", "int('9' * 5000)",
    "np.zeros(3) @ np.zeros(2)", "np.linalg.inv(np.zeros((2, 2)))", "Net(width='x', seed=0)",
    "Net(seed=0)", "Net(width=1, seed=-1)", "Net(width=1, sed=0)", "Net(1)",
    "refused(width=Hostile(), seed=0)", "al.study('nothing')", "al.fit('nothing.csv', 'power', {})",
    "al.table('nothing')", "al.run(STUDY)", "raise al.errors.UsageError('x' * 10**6)",
    "raise al.errors.DataError('')", "raise al.errors.UsageError('a\\nb')",
    "class A(Experiment): x: 3", "class B(Experiment): seed: str = 'a'",
    "class C(Experiment): x: nothing", "class D(Experiment): run_id: int", "al.TrainSpec()",
    "al.RunSpec(model=1)", "al.models.MLP()", "al.models.nothing", "al.datasets.nothing", "Study()",
    "Study('a')", "Study('a', runs=runs, measure={})", "Study('a', runs=runs)",
)  # fmt: skip
LITERALS = (
    "X = " + "(" * 300 + ")" * 300, "X = " + "[" * 5000, "X = " + "-" * 20_000 + "1",
    "X = " + "9" * 5000, "X = '" + "x" * 2_000_000 + "'", "X = [" + "0," * 50_000 + "]",
    "X = a" + ".b" * 5000, "X = " + "+".join(["1"] * 20_000), "X = " + "lambda: " * 500 + "0",
    "@" + "\n@".join(["f"] * 500) + "\ndef g(): 0", "X = f'{" + "(" * 200 + "}'",
    "if 1:\n" * 200 + " pass", "".join(f"{' ' * i}if 1:\n" for i in range(120)),
    "def f(" + ",".join(f"a{i}" for i in range(3000)) + "): 0", "X = 1e" + "9" * 5000,
    "X = 0x" + "f" * 50_000, "X = '\\N{nothing}'", "X = '\\x'", "X = 2 ** 3 ** 4 ** 2", "return 3",
    "await x", "yield 1", "def f(): global a; a: int", "from __future__ import nothing",
    "from __future__ import annotations", "import *", "nonlocal x", "break", "del STUDY",
    "x" * 100_000 + " = 1", "\t\tX = 1\n  Y = 2", "try:\n pass", "match 1:\n case x: 0\n case y: 0",
    "print 'x'", "\f\fX = 1", "X = (yield)", "def f(a, a): 0", "f(**{}, *[])", "1 = X", "None = 3",
    "X = b'é'", "async def f(): yield from x",
)  # fmt: skip
WHOLE = (
    "", "\n" * 10_000, "STUDY", "STUDY = None", "STUDY = 3", "Study = 3", "study = 3", "#",
    "# -*- coding: nothing -*-\n", "# -*- coding: utf-7 -*-\n+AGE-", "# -*- coding: rot13 -*-\n",
    "# -*- coding: utf-16 -*-\n", "#!/bin/sh\nexit 3\n", "{\"cells\": [], \"metadata\": {}}",
    "<html></html>", "x,y\n1,2\n", "STUDY: int", "def STUDY(): pass", "class STUDY: pass",
    "import allometry\nSTUDY = allometry", "from allometry import Study\nSTUDY = Study",
    "def __getattr__(name): raise RuntimeError(name)", "def __getattr__(name): return None",
    "import sys\nsys.modules[__name__] = None", "import sys\ndel sys.modules[__name__]",
    "import sys\nsys.stdout = None", "import sys\nsys.stderr.write('x')", "__name__ = 3",
    "__file__ = 3", "__spec__ = None", "import warnings\nwarnings.warn('w')",
    "from . import nothing", "from .. import nothing", "from own import STUDY", "import own",
    "STUDY = __import__('own').STUDY", "from __main__ import nothing", "import allometry.nothing",
)  # fmt: skip
ANNOTATIONS = (
    "int", "int", "int", "str", "'nothing'", "3", "None", "object", "'int | None'", "list[int]",
    "dict", "set", "complex", "np.ndarray", "Hostile", "'Hostile'", "type", "lambda: 0", "bytes",
    "'('", "''", "int = 'x'", "int = Hostile()", "'Net'", "Experiment", "float = float('nan')",
    "Procedure", "callable", "'list[nothing]'", "[int]", "{}", "int = circle()",
)  # fmt: skip
COMMANDS = (
    "run {} --store new.db", "run {} --store new.db", "run {} --store new.db --json",
    "run {} --store good.db", "run {} --store new.db --size full --seeds 3",
    "run {} --store new.db --explain", "run {} --store new.db --explain --json",
    "table {} --store good.db", "table {} --store good.db --view same",
    "table {} --store good.db --json", "exclude {} --store good.db --reason why --json",
    "run {} --store new.db --set width=3", "table {} --store good.db --set width=3",
    "forget {} --store good.db --where width==77 --yes", "sample 123456 --study {} --store good.db",
)  # fmt: skip
PAGE = "report {} --store good.db -o page.html"


@dataclass
class _Draft:
    """A study whose parts are still to be written."""

    fields: dict[str, str] = field(default_factory=lambda: dict(FIELDS))
    at: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PLACES, "pass"))
    annotation: str = "int"
    top: str = ""
    bottom: str = ""

    def text(self) -> str:
        at = {f"at_{place}": statement for place, statement in self.at.items()}
        body = BODY.format(annotation=self.annotation, **at)
        fields = "".join(f"    {name}={value},\n" for name, value in self.fields.items())
        study = f"STUDY = Study(\n{fields})\n"
        return f"{HEAD.strip()}\n{ODD}\n{self.top}\n{body}{study}{self.bottom}\n"


FILE, GOOD = "own.py", _Draft().text()


def _wrong_fields(draw: random.Random, draft: _Draft) -> None:
    for _ in range(draw.choice((1, 1, 1, 2))):
        name = draw.choice(list(draft.fields) or ["name"])
        match draw.randrange(8):
            case 0:
                draft.fields.pop(name, None)
            case 1:
                draft.fields[draw.choice(("nam", "Runs", "measure", "x", "seed"))] = draw.choice(
                    VALUES
                )
            case _:
                draft.fields[name] = draw.choice(VALUES)


def _wrong_returns(draw: random.Random, draft: _Draft) -> None:
    draft.at[draw.choice(PLACES)] = f"return {draw.choice(VALUES)}"


def _raises(draw: random.Random, draft: _Draft) -> None:
    draft.at[draw.choice(PLACES)] = draw.choice(RAISED)


def _raises_at_import(draw: random.Random, draft: _Draft) -> None:
    if draw.random() < 0.5:
        draft.top = draw.choice(RAISED)
    else:
        draft.bottom = draw.choice(RAISED)


def _odd_literals(draw: random.Random, draft: _Draft) -> None:
    if draw.random() < 0.5:
        draft.top = draw.choice(LITERALS)
    else:
        draft.bottom = draw.choice(LITERALS)


def _wrong_specs(draw: random.Random, draft: _Draft) -> None:
    draft.annotation = draw.choice(ANNOTATIONS)
    values = ", ".join(draw.choice(VALUES) for _ in range(draw.choice((1, 1, 2))))
    draft.at["runs"] = f"return [Net(width=w, seed=s) for s in seeds for w in [{values}]]"


DRAWN: Mapping[str, tuple[int, Callable[[random.Random, _Draft], None]]] = {
    "wrong_fields": (5, _wrong_fields),
    "wrong_returns": (5, _wrong_returns),
    "raises": (4, _raises),
    "raises_at_import": (2, _raises_at_import),
    "odd_literals": (1, _odd_literals),
    "wrong_specs": (2, _wrong_specs),
}


def study(draw: random.Random) -> Malformed:
    """One malformed study file."""
    command = PAGE if draw.random() < 0.04 else draw.choice(COMMANDS)
    chance = draw.random()
    if chance < 0.06:
        return Malformed("whole_files", FILE, draw.choice(WHOLE).encode(), command)
    if chance < 0.26:
        return Malformed("spoilt_bytes", FILE, spoilt(draw, GOOD.encode()), command)
    kinds = list(DRAWN)
    kind = draw.choices(kinds, [DRAWN[name][0] for name in kinds])[0]
    draft = _Draft()
    DRAWN[kind][1](draw, draft)
    return Malformed(kind, FILE, draft.text().encode("utf-8", "surrogatepass"), command)
