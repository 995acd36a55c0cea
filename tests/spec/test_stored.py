"""A value is read back from its document, or refused in words."""

import json

import pytest

from allometry.datasets import BytePair, Bytes, Characters, Text
from allometry.errors import DataError, UsageError
from allometry.models import LanguageModel
from allometry.spec.stored import value_of
from allometry.spec.text import texts

KINDS = (LanguageModel, Text, Bytes, Characters, BytePair)
MODEL = LanguageModel(vocabulary=300, context=16, d_model=16, n_layers=2, d_mlp=32, mlp="swiglu")


@pytest.mark.parametrize(
    "value",
    [
        MODEL,
        MODEL.model_copy(update={"parametrisation": "mup", "base_width": 8, "tied": True}),
        *(
            Text(name="gutenberg", tokeniser=tokeniser, context=16, train_tokens=64, subset=3)
            for tokeniser in ("bytes", "characters", BytePair(vocabulary=300, sha256="0" * 64))
        ),
    ],
    ids=repr,
)
def test_a_value_is_that_of_its_document(value):
    (text,) = texts([value])
    assert value_of(json.loads(text), KINDS) == value == value_of(value.document(), KINDS)


def test_a_field_that_was_added_since_is_at_its_default():
    document = {k: v for k, v in MODEL.document().items() if k not in ("tied", "positions")}
    assert value_of(document, KINDS) == MODEL


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "Mine"}, "a value of LanguageModel, Text, .* expected, got one of Mine"),
        ({"version": 2}, "LanguageModel of version 1 expected, got 2"),
        ({"n_experts": 4}, "does not fit this version of Allometry: .*no field 'n_experts'"),
        ({"d_model": "wide"}, "does not fit this version of Allometry: .*d_model"),
        ({"d_head": 6}, "a d_head that divides d_model = 16 expected"),
    ],
)
def test_what_is_no_such_value_is_refused(change, said):
    with pytest.raises(DataError, match=said):
        value_of(MODEL.document() | change, KINDS)


def test_a_value_inside_is_read_by_the_same_rules():
    document = Text(name="gutenberg", tokeniser=BytePair(vocabulary=300)).document()
    document["tokeniser"]["kind"] = "Words"
    with pytest.raises(DataError, match="got one of Words"):
        value_of(document, KINDS)
    with pytest.raises(UsageError, match="there is no text 'gone'"):
        value_of(document | {"name": "gone", "tokeniser": "bytes"}, KINDS)
