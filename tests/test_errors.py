"""Where in a person's own code something went wrong."""

import json
import unicodedata

import numpy as np
import pytest

import allometry
from allometry.errors import DataError, UsageError, called, in_one_line, printable, raised_at
from allometry.spec import TrainSpec
from allometry.spec.optimizers import SGD
from allometry.stats.digits import shown


def mine(number):
    return np.linalg.inv(np.zeros((number, number)))


def raised(call, *arguments):
    with pytest.raises(Exception) as caught:
        call(*arguments)
    return caught.value


def test_the_innermost_line_of_ones_own_is_named_not_those_of_libraries():
    line = mine.__code__.co_firstlineno + 1
    error = raised(mine, 2)
    assert raised_at(error) == f"{__file__}, line {line}, in mine"
    assert in_one_line(error) == f"LinAlgError: Singular matrix ({__file__}, line {line}, in mine)"


def test_what_is_raised_in_a_library_alone_has_no_such_place():
    for error in (raised(json.loads, "{"), raised(shown, "no number")):
        error.__traceback__ = error.__traceback__.tb_next.tb_next  # from the library on
        assert raised_at(error) is None
    assert in_one_line(ValueError("a\nb")) == "ValueError: a"


def test_a_sentence_for_people_is_left_as_it_is():
    assert in_one_line(UsageError("no study")) == "no study"


def test_a_field_of_a_spec_that_does_not_fit_is_named():
    error = raised(lambda: TrainSpec(optimizer=SGD(learning_rate=0.1), epochs="many"))
    assert "ValidationError: TrainSpec: epochs: Input should be a valid integer" in in_one_line(
        error
    )
    assert in_one_line(error).endswith("in test_a_field_of_a_spec_that_does_not_fit_is_named)")
    error = raised(lambda: TrainSpec(optimiser=SGD(learning_rate=0.1), epochs=1))
    assert in_one_line(error).startswith("ValidationError: TrainSpec: no field 'optimiser': ")


def test_a_misspelt_name_of_a_module_is_answered_with_the_nearest():
    error = raised(lambda: allometry.optimisers)
    assert "no attribute 'optimisers'; did you mean 'optimizers'?" in in_one_line(error)
    error = raised(lambda: allometry.optimizers.Sgd)
    assert "; did you mean 'SGD'?" in in_one_line(error)
    assert "did you mean" not in in_one_line(raised(lambda: None.spec))


def test_a_file_that_is_not_python_is_named_itself():
    error = raised(compile, "x = (", "helper.py", "exec")
    assert raised_at(error) == "helper.py, line 1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("n_params, 1e-3 (Größe ✓ 損失 α′)", "n_params, 1e-3 (Größe ✓ 損失 α′)"),
        ("two\n\tlines", "two\n\tlines"),  # our own layout
        (
            "1\N{NO-BREAK SPACE}000\N{IDEOGRAPHIC SPACE}",
            "1\N{NO-BREAK SPACE}000\N{IDEOGRAPHIC SPACE}",
        ),
        ("\x1b]0;PWNED\x07\x1b[2J", r"\x1b]0;PWNED\x07\x1b[2J"),
        ("\0\r\b\x7f\x9b31m", r"\x00\r\x08\x7f\x9b31m"),
        ("a\u202egnp.exe\u2066", r"a\u202egnp.exe\u2066"),
        ("n\u200b\ufeff\u2028", r"n\u200b\ufeff\u2028"),
        ("caf\udce9.csv", r"caf\udce9.csv"),
        ("\U000e0041", r"\U000e0041"),
        ("[bold]stays[/bold]", "[bold]stays[/bold]"),
    ],
)
def test_what_would_steer_a_terminal_is_written_out(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


def test_no_character_at_all_steers_the_terminal_once_it_is_printable():
    for start in range(0, 0x110000, 0x1000):
        shown = printable("".join(map(chr, range(start, start + 0x1000))))
        shown.encode()  # no half of a surrogate pair
        left = [c for c in shown if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"]
        assert set(left) <= {"\n", "\t"}


def test_an_exception_whose_own_words_fail_or_are_endless_is_told():
    class Vague(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    assert in_one_line(Vague()) == "Vague: <exception str() failed>"
    assert in_one_line(ValueError("x" * 10**6)) == f"ValueError: {'x' * 988}…"
    assert len(in_one_line(UsageError("x" * 10**6))) == 1001


def test_a_sentence_for_people_has_the_place_in_code_of_ones_own():
    def refuse():
        raise UsageError("no study")

    line = refuse.__code__.co_firstlineno + 1
    assert in_one_line(raised(refuse)).startswith(f"no study ({__file__}, line {line}, in ")


def test_a_function_of_ones_own_is_called_and_fails_in_its_own_words():
    assert called("f is called as f(x)", abs, -3) == 3
    with pytest.raises(UsageError, match=r"f is called as f\(x\): TypeError: bad operand"):
        called("f is called as f(x)", abs, "x")
    with pytest.raises(np.linalg.LinAlgError):
        called("f is called as f(x)", mine, 2)
    with pytest.raises(DataError, match="as it is"):
        called("f is called as f(x)", lambda: (_ for _ in ()).throw(DataError("as it is")))
