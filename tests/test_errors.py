"""Where in a person's own code something went wrong."""

import json

import numpy as np
import pytest

import allometry
from allometry.errors import UsageError, in_one_line, raised_at
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
