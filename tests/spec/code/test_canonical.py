"""The form of code: one for every Python and every way to write it, another for other code."""

import ast
import hashlib

import pytest

from allometry.spec.code.canonical import canonical

PROGRAM = '''
"""Of everything that a study may hold, something."""
import numpy as np
from .neighbour import WIDTHS as widths, RATE

@decorated(3, key="a")
class Net(Base, metaclass=Meta):
    """A docstring."""
    width: int = 3
    rate: float = 1e-3

    async def run(self, a, /, b=1, *rest, c, d=None, **more) -> "Net":
        async with self.lock as (x, y):
            return await a[1:2, ..., ::3] @ b

def train(spec):
    global CALLS
    text = f"{spec.width!r:>{spec.width}} of {'many'} and {spec.x:.3f}{{}}" f"!"
    total: int = 0x10 + 1_000 - (-2) ** 3 // 4
    for i, (x, *_) in enumerate(sorted(widths, key=lambda w: -w)):
        if not (1 < x <= 3) or x in (4, 5) and x is not None:
            continue
        elif (y := x * 2.5j) != 1e300:
            break
    else:
        del total
    try:
        assert True, "never"
    except (ValueError, TypeError) as error:
        raise RuntimeError from error
    finally:
        pass
    match spec:
        case {"a": 1, **others} | [1, *others] if others:
            yield others
        case Net(width=3) as net:
            yield from (w async for w in net)
        case None | "b" | _:
            return {**others, 1: {2}, b"\\x00": ...}
    while True:
        with open("f") as f, g:
            return [a for a in b if a for c in d], {k: v for k, v in x}, not x, ~x, "é\\ud800"
'''
SAME = "def f(x, y=(1, 2)):\n    return x + 1000 * y[0], 'a', f'b{x}'\n"

PINNED_FORM = (
    '(Module body= [ (FunctionDef args= (arguments args= [ (arg arg= "x" ) (arg arg= "y" '
    ") ] defaults= [ (Tuple elts= [ (Constant 0x1) (Constant 0x2) ] ) ] ) body= [ (Return "
    'value= (Tuple elts= [ (BinOp left= (Name id= "x" ) op= (Add ) right= (BinOp left= '
    "(Constant 0x3e8) op= (Mult ) right= (Subscript slice= (Constant 0x0) value= (Name "
    'id= "y" ) ) ) ) (Constant "a") (JoinedStr values= [ (Constant "b") (FormattedValue '
    'conversion= -0x1 value= (Name id= "x" ) ) ] ) ] ) ) ] name= "f" ) ] )'
)
PINNED_HASH = "12fb6de0b521491be346d0d79542d619467b6368cb22d007c4eeb0529faa4d41"


def form(text):
    return canonical(ast.parse(text))


def sha256(text):
    return hashlib.sha256(form(text).encode()).hexdigest()


def test_the_form_is_the_one_it_has_always_been():
    # Written down on 2026-11-29 with Python 3.11, the same with 3.12 and 3.13: results in
    # people's stores are found by it.
    assert form(SAME) == PINNED_FORM
    assert sha256(PROGRAM) == PINNED_HASH


@pytest.mark.parametrize(
    "text",
    [
        "def f(x, y=(1, 2)):\n    '''Doc.'''\n    return x + 1000 * y[0], 'a', f'b{x}'",
        "# comment\ndef f(\n  x,\n  y=(1, 2,),\n):\n\n  pass\n"
        "  return (x + 1_000 * (y[0]), \"a\", f'b{x}')",
        "'''Module.'''\ndef f(x, y=(1, 2)): 'x'; return (x + 0x3e8 * y[0]), u'a', 'b' f'{x}'",
    ],
)  # fmt: skip
def test_comments_docstrings_and_formatting_change_nothing(text):
    assert form(text) == form(SAME)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1000", "1001"), ("1000", "1000.0"), ("1000", "True"), ("'a'", "b'a'"), ("'a'", "'A'"),
        ("y=(1, 2)", "y=(2, 1)"), ("y=(1, 2)", "y=[1, 2]"), ("x + ", "x - "), ("y[0]", "y[-0]"),
        ("f'b{x}'", "f'b{x!r}'"), ("f'b{x}'", "f'{x}b'"), ("f'b{x}'", "f'b{x:1}'"),
        ("def f", "async def f"), ("def f", "@g\ndef f"), ("return", "yield"), ("def f", "def g"),
        ("(x, y", "(x, /, y"), ("(x, y", "(x, *, y"), ("'a'", "None"), ("'a'", "..."),
    ],
)  # fmt: skip
def test_other_code_has_another_form(before, after):
    assert before in SAME
    assert form(SAME.replace(before, after)) != form(SAME)


def test_a_long_sum_is_no_deeper_than_a_short_one():
    assert form("+".join(["x"] * 900)).count("Add") == 899
