"""`help` of a spec class is one page: its fields with types, defaults and bounds."""

import pydoc
import sys
from typing import Annotated, Literal

import pytest
from pydantic import Field

import allometry as al
from allometry.spec import Spec


class Part(Spec):
    """A part.

    Attributes:
        n: how many.
    """

    n: int = Field(ge=1, lt=2**10)
    rates: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=2)] = (0.1, 0.2)
    kind: Literal["a", "b"] = "a"
    name: str | None = None

    def double(self) -> int:
        """Twice as many."""
        return 2 * self.n


class Child(Part):
    """A child."""

    more: float = 1.0


def page(kind):
    return pydoc.plaintext.document(kind)


def test_fields_have_type_default_and_bounds():
    shown = page(Part)
    for line in (
        "n: int  (>= 1, < 1024)",
        "rates: tuple[float, ...] = (0.1, 0.2)  (length >= 2)",
        "kind: 'a' | 'b' = 'a'",
        "name: str | None = None",
    ):
        assert f" |      {line}\n" in shown
    assert "A part." in shown and "n: how many." in shown and "Twice as many." in shown


def test_pydantic_s_own_names_are_not_shown_and_still_work():
    assert "model_dump" not in page(Part) and "__pydantic" not in page(Part)
    assert Part(n=3).model_copy(update={"n": 4}).n == 4 and Part.model_validate({"n": 2}).n == 2
    assert {"n", "rates", "model_dump"} <= set(dir(Part(n=1)))


def test_a_child_shows_its_parent_s_fields_and_names_the_page_of_its_methods():
    shown = page(Child)
    assert "n: int  (>= 1, < 1024)" in shown and "more: float = 1.0" in shown
    assert "double" not in shown and "help(Part)" in shown


def is_spec(value):
    return isinstance(value, type) and issubclass(value, al.Spec)


@pytest.mark.parametrize(
    "kind",
    [
        *(k for n in al.optimizers.__all__ if is_spec(k := getattr(al.optimizers, n))),
        *(getattr(al.models, n) for n in ("MLP", "ConvNet", "OneLayerTransformer")),
        *(getattr(al.datasets, n) for n in ("ImageSubset", "Moons", "ModularAddition")),
        al.RunSpec,
        al.Spec,
    ],
)
def test_the_parts_of_the_package_are_one_page_each(kind):
    shown = page(kind)
    # From 3.13 on a long signature has a line for each parameter.
    signature = len(kind.model_fields) + 3 if sys.version_info >= (3, 13) else 0
    assert shown.count("\n") <= 50 + signature and "pydantic_" not in shown
    for field in kind.model_fields:
        assert f" |      {field}: " in shown


def test_fields_without_a_name_are_refused_with_the_names_there_are():
    with pytest.raises(TypeError, match=r"Child takes its fields by name.*n, rates.*; got 1"):
        Child(3)
    assert Child(n=3) == Child.model_validate({"n": 3})
