"""YAML as trackers write it: what PyYAML writes is read, what is no plain value is refused."""

import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from allometry.errors import DataError, UnavailableError
from allometry.tables.cells import number_in
from allometry.tables.trackers import mappings
from allometry.tables.trackers.mappings import read_mapping
from tests import ASSETS

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=100).filter(
    lambda text: number_in(text) is None  # "1e5" is a text to YAML 1.1 and a number to 1.2
)
# PyYAML writes other names, such as the empty one, as "? NAME", which is refused.
NAME = st.text("abcXYZ019_-. é", min_size=1, max_size=9).filter(lambda t: number_in(t) is None)
LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), TEXT,
    st.floats(allow_nan=False),
    st.sampled_from(["true", "- a", "a: b", "# c", "x\n\ny", " "]),
)  # fmt: skip
VALUE = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100)
@given(st.dictionaries(NAME, VALUE, min_size=1, max_size=4), st.booleans())
@example({"X": "\x85"}, True)
@example({"X": "a\u2028b"}, False)
def test_what_pyyaml_writes_is_read_as_pyyaml_reads_it(tmp_path_factory, values, unicode):
    path = tmp_path_factory.getbasetemp() / "config.yaml"
    text = yaml.safe_dump(values, allow_unicode=unicode)
    path.write_text(text, encoding="utf-8")
    if {"\x85", "\u2028", "\u2029"} & set(text):
        with pytest.raises(DataError, match=r"line feed were expected, got U\+"):
            read_mapping(path)
    else:
        assert read_mapping(path) == values


def test_the_files_of_trackers_are_read_as_pyyaml_reads_them():
    paths = sorted((ASSETS / "trackers").rglob("*.yaml"))
    assert len(paths) > 4
    for path in paths:
        read, expected = read_mapping(path), yaml.safe_load(path.read_text(encoding="utf-8"))
        read.pop("_wandb", None), expected.pop("_wandb", None)  # has a name that is a number
        assert read == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: !!python/object/apply:os.system ['true']", "line 1: a plain value was expected"),
        ("a: &x 1\nb: *x", "line 1: a plain value was expected"),
        ("a: !!binary aGk=", "line 1: a plain value was expected"),
        ("a: &x [1, 1]\n" + "".join(f"{i}: [*x, *x]\n" for i in range(9)), "line 1: a plain value"),
        ("a: *x", "line 1: a plain value was expected"),
        ("a: 1\n? [b, c]\n: 2", "line 2: a text was expected as a name"),
        ("a: 1\n---\nb: 2", "but found another document"),
        ("a: \x07", "control characters are not allowed"),
        ("a: 1\na: 2", "line 2: 'a' stands twice"),
        ("a: 1\n  b: 2\n\tc: 3", "line"),
        ("a: 'x", "line 1: found unexpected end of stream"),
        ("just a text", "a mapping of names to values"),
        ("- 1", "a mapping of names to values"),
        ("", "a mapping of names to values"),
        ("".join(f"{' ' * i}a:\n" for i in range(99)), "at most 50 levels"),
        ("a: " + "[" * 60, "at most 50 levels"),
        ("a: " + "[" * 10_000, "nesting depth"),
        ("a: " + "9" * 10_000, "digits"),
    ],
)
def test_what_is_not_read_is_refused_with_its_line(tmp_path, text, said):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(DataError, match=r"config\.yaml") as refused:
        read_mapping(tmp_path / "config.yaml")
    assert said in str(refused.value)


def test_names_are_texts_and_a_date_is_one_too(tmp_path):
    (tmp_path / "config.yaml").write_text("1: x\n2026-11-30: 2026-11-30\nyes: [true, 1.5, null]\n")
    read = read_mapping(tmp_path / "config.yaml")
    assert read == {"1": "x", "2026-11-30": "2026-11-30", "yes": [True, 1.5, None]}


def test_the_loader_written_in_python_reads_and_refuses_alike(tmp_path, monkeypatch):
    """Where PyYAML was built without its part in C."""
    path = tmp_path / "config.yaml"
    path.write_text("a: {b: [1, 2.5, x]}\n")
    in_c = read_mapping(path)
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    mappings._loader.cache_clear()
    try:
        assert read_mapping(path) == in_c == {"a": {"b": [1, 2.5, "x"]}}
        path.write_text("a: &x 1\nb: *x")
        with pytest.raises(DataError, match="line 1: a plain value was expected"):
            read_mapping(path)
    finally:
        mappings._loader.cache_clear()


def test_without_pyyaml_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text("a: 1")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(UnavailableError, match=r"pip install 'allometry\[trackers\]'"):
        read_mapping(tmp_path / "config.yaml")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read_mapping(path)
    except DataError:
        return
