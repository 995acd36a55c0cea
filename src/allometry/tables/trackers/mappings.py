"""Mappings in the YAML files of trackers: only plain values, read by PyYAML.

PyYAML's safe loader runs nothing. Tags are refused nevertheless, as no tracker writes them for a
value of a table. So are anchors and aliases, with which a few lines can stand for billions of
values. Source: yaml.org/spec/1.1, which PyYAML writes and reads.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from allometry.errors import DataError, UnavailableError
from allometry.files.foreign import read_bytes

__all__ = ["read_mapping"]

LARGEST = 500_000  # bytes, which take up to two seconds
MOST_DEEP = 50  # levels
# PyYAML writes them into texts as they are, and reads them as ends of lines.
OTHER_BREAKS = re.compile("[\x85\u2028\u2029]")


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a file; names are texts as written, dates too.

    Raises:
        DataError: naming the line that is not YAML or has another value than a plain one.
        UnavailableError: the extra `trackers` is not installed.
    """
    try:
        import yaml
    except ImportError:
        raise UnavailableError(
            f"{path}: reading YAML needs PyYAML; pip install 'allometry[trackers]'"
        ) from None
    try:
        text = read_bytes(path, LARGEST).decode("utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{path}: text in UTF-8 was expected") from None
    if strange := OTHER_BREAKS.search(text):
        raise DataError(
            f"{path}: lines that end with a line feed were expected, got U+{ord(strange[0]):04X}"
        )
    loader = _loader()
    try:
        _check_plain(path, yaml.parse(text, Loader=loader))
        value = loader(text).get_single_data()
    except yaml.YAMLError as error:
        raise DataError(f"{path}{_place(error)}: {_problem(error)}") from None
    except ValueError as error:  # a number that Python cannot hold
        raise DataError(f"{path}: {error}") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: a mapping of names to values was expected")
    return value


@cache
def _loader() -> Any:
    """PyYAML's safe loader, in C where PyYAML has it, with our rules for names and dates."""
    import yaml

    safe: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

    class Loader(safe):  # type: ignore[misc]  # PyYAML has no types
        """Names are texts as written, each once in its mapping."""

        # A date is the text that it was written as.
        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
            first: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:timestamp"]
            for first, forms in safe.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
            values: dict[str, Any] = {}
            for name, value in node.value:
                if not isinstance(name, yaml.ScalarNode):
                    raise yaml.constructor.ConstructorError(
                        None, None, "a text was expected as a name", name.start_mark
                    )
                if name.value in values:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{name.value[:60]!r} stands twice in one mapping",
                        name.start_mark,
                    )  # fmt: skip
                values[name.value] = self.construct_object(value, deep=deep)
            return values

    return Loader


def _check_plain(path: Path, events: Iterable[Any]) -> None:
    """Refuse tags, anchors, aliases and deep nesting, before any value is made."""
    import yaml

    depth = 0
    for event in events:
        line = event.start_mark.line + 1
        if getattr(event, "anchor", None) is not None or getattr(event, "tag", None) is not None:
            raise DataError(
                f"{path}, line {line}: a plain value was expected, got a tag, an anchor or an alias"
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MOST_DEEP:
            raise DataError(f"{path}, line {line}: at most {MOST_DEEP} levels of nesting are read")


def _place(error: Any) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f", line {mark.line + 1}"


def _problem(error: Any) -> str:
    """What PyYAML says, in one line."""
    return getattr(error, "problem", None) or " ".join(str(error).split())
